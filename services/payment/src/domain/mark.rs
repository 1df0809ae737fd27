//! What is left behind by an event that came before its `order.created`.

use super::{Context, ORDER_CANCELLED, fact};
use common::events::PaymentFact;
use common::trace::Trace;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    pub order_id: Uuid,
    pub wanted: Wanted,
    pub version: i64,
    pub trace: Trace,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// What is to become of the payment once it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Stock is held: charge.
    Reserved,
    /// Stock is not held: void.
    Rejected,
    /// The cancel has been answered: the payment is voided, whatever comes.
    Cancelled,
}

impl Mark {
    /// A new mark, or a change of the one that is there.
    pub(super) fn leave(order_id: Uuid, wanted: Wanted, earlier: Option<Self>, cx: &Context) -> Self {
        let at = cx.now();
        match earlier {
            Some(mark) => Self { wanted, version: mark.version + 1, updated_at: at, ..mark },
            None => Self { order_id, wanted, version: 1, trace: cx.trace(), created_at: at, updated_at: at },
        }
    }

    pub(super) fn voided(&self) -> PaymentFact {
        PaymentFact { reason: Some(ORDER_CANCELLED.to_owned()), ..fact(self.order_id, None, 0, 0) }
    }
}
