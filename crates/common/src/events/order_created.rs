//! `order.created`: all facts about one order that others must see in order, keyed by the order's id.

use super::{ORDER_CREATED, Topic, TopicEvent};
use crate::money::Money;
use crate::quantity::Quantity;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OrderEvent {
    Created(OrderCreated),
    Cancelled(OrderCancelled),
    Shipped(OrderShipped),
}

/// `order.created.v1`: everything that inventory and payment need to know; nobody asks back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    pub order_id: Uuid,
    pub order_number: String,
    /// The `sub` of the customer's tokens.
    pub customer_id: String,
    pub lines: Vec<OrderLine>,
    pub total: Money,
    /// A provider's token such as `pm_card_visa`, never a card number.
    pub payment_method: String,
    pub contact: Contact,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    pub product_id: Uuid,
    pub sku: String,
    pub name: String,
    pub quantity: Quantity,
    pub unit_price: Money,
    pub line_total: Money,
}

/// Where the customer wants to hear of the order: one channel for each address that is present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "customer@example.com")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// `order.cancelled.v1`: give back what is held and answer, also when it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    pub order_id: Uuid,
    pub reason: CancelReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// By the customer or an admin.
    Cancelled,
    /// By the deadline.
    Expired,
}

/// `order.shipped.v1`: the reserved stock has left the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderShipped {
    pub order_id: Uuid,
    pub carrier: String,
    pub tracking_number: String,
}

impl TopicEvent for OrderEvent {
    fn topic() -> &'static Topic {
        &ORDER_CREATED
    }

    fn event_type(&self) -> &'static str {
        match self {
            Self::Created(_) => "order.created.v1",
            Self::Cancelled(_) => "order.cancelled.v1",
            Self::Shipped(_) => "order.shipped.v1",
        }
    }

    fn key(&self) -> Uuid {
        match self {
            Self::Created(e) => e.order_id,
            Self::Cancelled(e) => e.order_id,
            Self::Shipped(e) => e.order_id,
        }
    }

    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match event_type {
            "order.created.v1" => Self::Created(serde_json::from_str(data)?),
            "order.cancelled.v1" => Self::Cancelled(serde_json::from_str(data)?),
            "order.shipped.v1" => Self::Shipped(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}
