//! One refund: one key at the provider.

use super::{Attempt, OpenCall, SURPLUS_CAPTURE};
use common::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// Stored inside its payment, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refund {
    pub id: Uuid,
    /// From 1.
    pub number: u32,
    pub amount_minor: i64,
    pub cause: RefundCause,
    #[serde(flatten)]
    pub state: RefundState,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Who wants the money back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundCause {
    Admin {
        reason: Option<String>,
    },
    OrderCancelled,
    /// An attempt was captured on top of another: its refund stays out of the totals.
    Surplus {
        attempt: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RefundState {
    /// For another call to end, or after a refusal for its next try.
    Waiting {
        #[serde(with = "time::serde::rfc3339")]
        until: OffsetDateTime,
    },
    Processing(OpenCall),
    Refunded {
        reference: String,
    },
    Failed {
        code: String,
    },
}

impl Refund {
    /// The provider's key: of the order and a number, and of the attempt where only that one is paid back.
    #[must_use]
    pub fn key(&self, order_id: Uuid) -> String {
        let owner = match self.cause {
            RefundCause::Admin { .. } | RefundCause::OrderCancelled => order_id.to_string(),
            RefundCause::Surplus { attempt } => Attempt::key(order_id, attempt),
        };
        format!("{owner}/refund/{}", self.number)
    }

    /// # Panics
    /// Never: it is a part of an amount, which is not negative.
    #[must_use]
    pub fn amount(&self, currency: Currency) -> Money {
        Money::new(self.amount_minor, currency).expect("a part of an amount")
    }

    /// Whether it counts in the payment's totals.
    #[must_use]
    pub fn in_totals(&self) -> bool {
        !matches!(self.cause, RefundCause::Surplus { .. })
    }

    /// Neither done nor given up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, RefundState::Waiting { .. } | RefundState::Processing(_))
    }

    /// Whether it could be started now, were nothing else under way.
    #[must_use]
    pub fn is_ready(&self, now: OffsetDateTime) -> bool {
        matches!(self.state, RefundState::Waiting { until } if until <= now)
    }

    /// In words, for people.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.cause {
            RefundCause::Admin { reason } => reason.as_deref(),
            RefundCause::OrderCancelled => Some(super::ORDER_CANCELLED),
            RefundCause::Surplus { .. } => Some(SURPLUS_CAPTURE),
        }
    }
}
