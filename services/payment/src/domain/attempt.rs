//! One attempt to charge: one key at the provider.

use super::OpenCall;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// Stored inside its payment, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    pub payment_method: String,
    #[serde(flatten)]
    pub state: AttemptState,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum AttemptState {
    Processing(OpenCall),
    /// The order is paid by this attempt.
    Captured {
        reference: String,
    },
    /// A capture that comes later beats it.
    Declined {
        code: String,
    },
    /// Captured where the order was paid or voided before: kept out of the totals, and paid back.
    Surplus {
        reference: String,
    },
}

impl Attempt {
    /// The provider's key of an attempt.
    #[must_use]
    pub fn key(order_id: Uuid, number: u32) -> String {
        format!("{order_id}/{number}")
    }
}
