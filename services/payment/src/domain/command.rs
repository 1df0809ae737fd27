//! What payment is asked for, and told.

use super::{ChargeOutcome, RefundOutcome};
use common::money::Money;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    OrderCreated(NewPayment),
    /// Give back what is taken, and answer; also when it comes again.
    OrderCancelled {
        order_id: Uuid,
    },
    /// Charge.
    StockReserved {
        order_id: Uuid,
    },
    /// Never charge.
    StockRejected {
        order_id: Uuid,
    },
    /// Pay a declined order again.
    Process {
        order_id: Uuid,
        by: By,
        payment_method: String,
    },
    /// By an admin.
    Refund {
        order_id: Uuid,
        /// `None`: all that is left.
        amount: Option<Money>,
        reason: Option<String>,
    },
    /// The result of a charge, or of asking what became of it.
    ChargeAnswered {
        order_id: Uuid,
        attempt: u32,
        outcome: ChargeOutcome,
    },
    /// The result of a refund, or of asking what became of it.
    RefundAnswered {
        order_id: Uuid,
        number: u32,
        outcome: RefundOutcome,
    },
    /// A lease has run out, or a refused refund is to be tried again.
    CallDue {
        order_id: Uuid,
    },
}

/// What `order.created` tells of the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    pub order_id: Uuid,
    pub customer_id: String,
    pub amount: Money,
    pub payment_method: String,
    /// When the order service gives the order up.
    pub expires_at: OffsetDateTime,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The `sub` of the token.
    pub subject: String,
    pub admin: bool,
}

impl By {
    /// Whether they may see and change what is `customer_id`'s.
    #[must_use]
    pub fn may_touch(&self, customer_id: &str) -> bool {
        self.admin || self.subject == customer_id
    }
}

impl Command {
    /// The order whose payment it is about.
    #[must_use]
    pub fn order_id(&self) -> Uuid {
        match self {
            Self::OrderCreated(new) => new.order_id,
            Self::OrderCancelled { order_id }
            | Self::StockReserved { order_id }
            | Self::StockRejected { order_id }
            | Self::Process { order_id, .. }
            | Self::Refund { order_id, .. }
            | Self::ChargeAnswered { order_id, .. }
            | Self::RefundAnswered { order_id, .. }
            | Self::CallDue { order_id } => *order_id,
        }
    }
}
