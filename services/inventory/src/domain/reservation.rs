//! What an order holds.

use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Why an order is rejected.
pub const OUT_OF_STOCK: &str = "out_of_stock";

/// Pieces by product: each product once, in key order.
pub type Lines = BTreeMap<Uuid, u32>;

/// `held` becomes `released` or `shipped`; the other three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReservationStatus)]
pub enum Status {
    Held,
    Rejected,
    Released,
    Shipped,
}

impl Status {
    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Released => "released",
            Self::Shipped => "shipped",
        }
    }

    /// The opposite of [`Status::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Held, Self::Rejected, Self::Released, Self::Shipped].into_iter().find(|status| status.as_str() == text)
    }
}

/// One an order, so that an order is never held twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reservation {
    pub order_id: Uuid,
    pub status: Status,
    /// What the order asked for; `None` in the mark of an order that was cancelled before it was heard of.
    pub lines: Option<Lines>,
    pub reason: Option<String>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Reservation {
    /// Held, or rejected.
    #[must_use]
    pub fn decided(order_id: Uuid, lines: Lines, held: bool, at: OffsetDateTime) -> Self {
        let (status, reason) =
            if held { (Status::Held, None) } else { (Status::Rejected, Some(OUT_OF_STOCK.to_owned())) };
        Self { order_id, status, lines: Some(lines), reason, created_at: at, updated_at: at }
    }

    /// Of an order that is cancelled before it was heard of: when it comes late, it is ignored.
    #[must_use]
    pub fn mark(order_id: Uuid, at: OffsetDateTime) -> Self {
        Self { order_id, status: Status::Released, lines: None, reason: None, created_at: at, updated_at: at }
    }

    #[must_use]
    pub fn is_mark(&self) -> bool {
        self.lines.is_none()
    }

    /// The pieces that it holds now.
    pub fn held(&self) -> impl Iterator<Item = (Uuid, u32)> {
        let lines = self.lines.iter().filter(|_| self.status == Status::Held);
        lines.flatten().map(|(product_id, quantity)| (*product_id, *quantity))
    }

    #[must_use]
    pub fn ended(self, status: Status, at: OffsetDateTime) -> Self {
        Self { status, updated_at: at, ..self }
    }
}
