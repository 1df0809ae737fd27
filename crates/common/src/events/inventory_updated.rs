//! `inventory.updated`: what became of an order's reservation (keyed by the order's id), and stock that came or went
//! (keyed by the product's id).

use super::{INVENTORY_UPDATED, Topic, TopicEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum InventoryEvent {
    Reserved(OrderRef),
    Rejected(StockRejected),
    Released(OrderRef),
    StockChanged(StockChanged),
}

/// `inventory.reserved.v1` and `inventory.released.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRef {
    pub order_id: Uuid,
}

/// `inventory.rejected.v1`: no line of the order is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockRejected {
    pub order_id: Uuid,
    /// In words, such as `out_of_stock`.
    pub reason: String,
    pub shortages: Vec<Shortage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    pub product_id: Uuid,
    pub requested: u32,
    pub available: u32,
}

/// `stock.changed.v1`: an adjustment, or available stock that came to zero or left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockChanged {
    pub product_id: Uuid,
    /// The version of the stock row: the highest one counts.
    pub version: i64,
    pub available: i64,
}

impl TopicEvent for InventoryEvent {
    fn topic() -> &'static Topic {
        &INVENTORY_UPDATED
    }

    fn event_type(&self) -> &'static str {
        match self {
            Self::Reserved(_) => "inventory.reserved.v1",
            Self::Rejected(_) => "inventory.rejected.v1",
            Self::Released(_) => "inventory.released.v1",
            Self::StockChanged(_) => "stock.changed.v1",
        }
    }

    fn key(&self) -> Uuid {
        match self {
            Self::Reserved(e) | Self::Released(e) => e.order_id,
            Self::Rejected(e) => e.order_id,
            Self::StockChanged(e) => e.product_id,
        }
    }

    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match event_type {
            "inventory.reserved.v1" => Self::Reserved(serde_json::from_str(data)?),
            "inventory.rejected.v1" => Self::Rejected(serde_json::from_str(data)?),
            "inventory.released.v1" => Self::Released(serde_json::from_str(data)?),
            "stock.changed.v1" => Self::StockChanged(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}
