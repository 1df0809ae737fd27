//! What inventory is asked for.

use super::Lines;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Hold all lines, or none.
    OrderCreated {
        order_id: Uuid,
        lines: Lines,
    },
    /// Give back what is held, and answer.
    OrderCancelled {
        order_id: Uuid,
    },
    /// What is held has left the house.
    OrderShipped {
        order_id: Uuid,
    },
    ProductChanged(Product),
    /// By an admin: pieces arrived, were lost, were counted.
    Adjust(Adjustment),
}

/// What inventory knows of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub product_id: Uuid,
    /// The highest one counts.
    pub version: i64,
    pub sku: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    pub product_id: Uuid,
    /// Pieces that came (or went, below zero).
    pub delta: i64,
    pub reason: String,
    /// The `sub` of the admin's token.
    pub actor: String,
}

impl Command {
    /// The order whose reservation it is about.
    #[must_use]
    pub fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::OrderCreated { order_id, .. }
            | Self::OrderCancelled { order_id }
            | Self::OrderShipped { order_id } => Some(*order_id),
            Self::ProductChanged(_) | Self::Adjust(_) => None,
        }
    }
}
