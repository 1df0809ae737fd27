//! What the order service is asked for.

use super::{Address, CatalogueItem, Shipment};
use common::events::Contact;
use common::money::Money;
use common::quantity::Quantity;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Place(Box<Placement>),
    Cancel {
        order_id: Uuid,
        by: By,
        reason: Option<String>,
    },
    Ship {
        order_id: Uuid,
        by: By,
        shipment: Shipment,
    },
    Deliver {
        order_id: Uuid,
        by: By,
    },
    /// The deadline has come, or the cancel is to be sent again.
    Due {
        order_id: Uuid,
    },
    Event {
        order_id: Uuid,
        event: Seen,
    },
    ProductChanged(CatalogueItem),
}

/// An order as its customer wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    pub order_id: Uuid,
    /// The `sub` of the customer's token.
    pub customer_id: String,
    pub lines: Vec<WantedLine>,
    /// A provider's token.
    pub payment_method: String,
    pub contact: Contact,
    pub shipping_address: Option<Address>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedLine {
    pub product_id: Uuid,
    pub quantity: Quantity,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The `sub` of the token.
    pub subject: String,
    pub admin: bool,
}

/// What inventory and payment tell of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    StockReserved,
    StockRejected {
        reason: String,
    },
    StockReleased,
    Captured {
        attempt: u32,
        /// Checked against the order's total.
        amount: Option<Money>,
    },
    Declined {
        attempt: u32,
        code: Option<String>,
    },
    /// A refund is done, or a cancel is answered. `all`: nothing is left of what was taken, if ever something was.
    PaidBack {
        all: bool,
        refund: Option<AdminRefund>,
    },
}

/// A refund that no cancel asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRefund {
    pub id: Uuid,
    pub amount: Money,
    pub reason: Option<String>,
}

impl Command {
    /// The order that has to be there already.
    #[must_use]
    pub fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::Cancel { order_id, .. }
            | Self::Ship { order_id, .. }
            | Self::Deliver { order_id, .. }
            | Self::Due { order_id }
            | Self::Event { order_id, .. } => Some(*order_id),
            Self::Place(_) | Self::ProductChanged(_) => None,
        }
    }
}
