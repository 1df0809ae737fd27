//! The pieces of a product, and the movements that they are the sum of.

use super::{Context, Product};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// The most pieces of one product: what the `available` of a shortage can tell.
pub const MAX_ON_HAND: i64 = u32::MAX as i64;

/// `0 <= reserved <= on_hand`, always.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stock {
    pub product_id: Uuid,
    pub sku: String,
    pub name: String,
    /// Of the product, from which `sku` and `name` are.
    pub product_version: i64,
    pub on_hand: i64,
    /// The part of it that orders hold.
    pub reserved: i64,
    /// Of this row.
    pub version: i64,
    pub updated_at: OffsetDateTime,
}

/// Why pieces move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MovementKind)]
pub enum Kind {
    Adjust,
    Reserve,
    Release,
    Ship,
}

impl Kind {
    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adjust => "adjust",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Ship => "ship",
        }
    }

    /// The opposite of [`Kind::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Adjust, Self::Reserve, Self::Release, Self::Ship].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An entry in the books, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Movement {
    pub id: Uuid,
    pub product_id: Uuid,
    pub kind: Kind,
    pub delta_on_hand: i64,
    pub delta_reserved: i64,
    pub order_id: Option<Uuid>,
    pub reason: Option<String>,
    /// The `sub` of an admin's token.
    pub actor: Option<String>,
    pub at: OffsetDateTime,
}

impl Stock {
    /// Of a product that was just heard of.
    #[must_use]
    pub fn new(product: &Product, at: OffsetDateTime) -> Self {
        let Product { product_id, version, sku, name } = product.clone();
        Self { product_id, sku, name, product_version: version, on_hand: 0, reserved: 0, version: 1, updated_at: at }
    }

    /// What can still be ordered.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    #[must_use]
    pub(super) fn moved(self, movement: &Movement) -> Self {
        Self {
            on_hand: self.on_hand + movement.delta_on_hand,
            reserved: self.reserved + movement.delta_reserved,
            version: self.version + 1,
            updated_at: movement.at,
            ..self
        }
    }

    #[must_use]
    pub(super) fn renamed(self, product: &Product, at: OffsetDateTime) -> Self {
        Self {
            sku: product.sku.clone(),
            name: product.name.clone(),
            product_version: product.version,
            version: self.version + 1,
            updated_at: at,
            ..self
        }
    }
}

impl Movement {
    pub(super) fn adjust(cx: &mut Context, stock: &Stock, delta: i64, reason: String, actor: Option<String>) -> Self {
        Self { delta_on_hand: delta, reason: Some(reason), actor, ..Self::new(cx, stock, Kind::Adjust) }
    }

    pub(super) fn reserve(cx: &mut Context, stock: &Stock, order_id: Uuid, quantity: u32) -> Self {
        let delta_reserved = i64::from(quantity);
        Self { delta_reserved, order_id: Some(order_id), ..Self::new(cx, stock, Kind::Reserve) }
    }

    pub(super) fn release(cx: &mut Context, stock: &Stock, order_id: Uuid, quantity: u32) -> Self {
        let delta_reserved = -i64::from(quantity);
        Self { delta_reserved, order_id: Some(order_id), ..Self::new(cx, stock, Kind::Release) }
    }

    pub(super) fn ship(cx: &mut Context, stock: &Stock, order_id: Uuid, quantity: u32) -> Self {
        let gone = -i64::from(quantity);
        let order_id = Some(order_id);
        Self { delta_on_hand: gone, delta_reserved: gone, order_id, ..Self::new(cx, stock, Kind::Ship) }
    }

    fn new(cx: &mut Context, stock: &Stock, kind: Kind) -> Self {
        Self {
            id: cx.new_id(),
            product_id: stock.product_id,
            kind,
            delta_on_hand: 0,
            delta_reserved: 0,
            order_id: None,
            reason: None,
            actor: None,
            at: cx.now(),
        }
    }
}
