//! `payment.completed`: what became of an order's payment, keyed by the order's id.

use super::{PAYMENT_COMPLETED, Topic, TopicEvent};
use crate::money::Money;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PaymentEvent {
    /// The attempt's amount is taken.
    Captured(PaymentFact),
    /// The attempt is refused; the customer may pay again until the order expires.
    Declined(PaymentFact),
    /// The order is cancelled, and nothing was ever taken.
    Voided(PaymentFact),
    /// A refund is done, or (to a cancel that comes again) was done before.
    Refunded(PaymentFact),
}

/// The shape that all four types share: the totals make each of them tell where the payment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentFact {
    pub order_id: Uuid,
    /// Absent where an order was cancelled before its payment was heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Uuid>,
    /// The number of the charge, from 1; 0 where none was started.
    pub attempt: u32,
    /// What this event is about: the charge's amount, or the refund's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// All that was captured so far, in minor units.
    pub captured: MinorUnits,
    /// All of it that was paid back so far, in minor units.
    pub refunded: MinorUnits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A total in minor units that is never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schema(value_type = i64, minimum = 0)]
pub struct MinorUnits(i64);

impl MinorUnits {
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for MinorUnits {
    type Error = &'static str;
    fn try_from(total: i64) -> Result<Self, Self::Error> {
        if total < 0 { Err("a total is never negative") } else { Ok(Self(total)) }
    }
}

impl From<MinorUnits> for i64 {
    fn from(total: MinorUnits) -> Self {
        total.0
    }
}

impl PaymentEvent {
    #[must_use]
    pub fn fact(&self) -> &PaymentFact {
        let (Self::Captured(fact) | Self::Declined(fact) | Self::Voided(fact) | Self::Refunded(fact)) = self;
        fact
    }
}

impl TopicEvent for PaymentEvent {
    fn topic() -> &'static Topic {
        &PAYMENT_COMPLETED
    }

    fn event_type(&self) -> &'static str {
        match self {
            Self::Captured(_) => "payment.captured.v1",
            Self::Declined(_) => "payment.declined.v1",
            Self::Voided(_) => "payment.voided.v1",
            Self::Refunded(_) => "payment.refunded.v1",
        }
    }

    fn key(&self) -> Uuid {
        self.fact().order_id
    }

    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match event_type {
            "payment.captured.v1" => Self::Captured(serde_json::from_str(data)?),
            "payment.declined.v1" => Self::Declined(serde_json::from_str(data)?),
            "payment.voided.v1" => Self::Voided(serde_json::from_str(data)?),
            "payment.refunded.v1" => Self::Refunded(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}
