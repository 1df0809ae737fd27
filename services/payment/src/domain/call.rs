//! Calls to the provider: what is asked, what may come back, and how long an answer is waited for.

use common::money::Money;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// A call to be made once its intent is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    Charge(ChargeIntent),
    /// What became of a charge without an answer? Only where the provider knows nothing, charge under the same key.
    LookUpCharge(ChargeIntent),
    Refund(RefundIntent),
    /// As with a charge.
    LookUpRefund(RefundIntent),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChargeIntent {
    pub order_id: Uuid,
    pub attempt: u32,
    /// The provider does one thing a key, however often it is asked.
    pub key: String,
    pub amount: Money,
    pub payment_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefundIntent {
    pub order_id: Uuid,
    pub number: u32,
    pub key: String,
    /// The key of the charge that is paid back.
    pub charge_key: String,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    Captured {
        /// The provider's own name for it.
        reference: String,
    },
    Declined {
        code: String,
    },
    /// No answer, a failure, the key in use: never a decline. It may or may not have been done.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    Refunded {
        reference: String,
    },
    /// Definite: under this key nothing will ever be paid back.
    Refused {
        code: String,
    },
    Unknown,
}

/// An intent that has no definite answer yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenCall {
    /// How often it came back without one.
    pub unanswered: u32,
    /// Until then whoever committed the intent may be calling; afterwards the provider is asked what became of it.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
}

/// Time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long the provider may take to answer one call.
    pub provider_timeout: Duration,
}

/// A look-up and the call that may follow it.
const CALLS_IN_A_LEASE: u32 = 2;
/// What a lease has on top of its calls: for the queues before them and the batch after them.
const LEASE_SLACK: Duration = Duration::from_secs(5);
/// Pauses before the provider is asked again after a call without an answer.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// Pauses before a refused refund is tried again.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

impl Policy {
    /// Longer than a call can take.
    #[must_use]
    pub fn lease(self) -> Duration {
        self.provider_timeout * CALLS_IN_A_LEASE + LEASE_SLACK
    }

    /// The pause after that many refusals.
    #[must_use]
    pub fn try_again_after(self, refusals: u32) -> Duration {
        doubled(TRY_AGAIN, refusals)
    }
}

impl OpenCall {
    /// A call that starts now.
    #[must_use]
    pub fn start(policy: Policy, now: OffsetDateTime) -> Self {
        Self { unanswered: 0, due_at: now + policy.lease() }
    }

    /// The same call, taken up by somebody who starts now.
    pub fn take_up(&mut self, policy: Policy, now: OffsetDateTime) {
        self.due_at = now + policy.lease();
    }

    /// It came back without an answer.
    pub fn ask_again(&mut self, now: OffsetDateTime) {
        self.due_at = now + doubled(ASK_AGAIN, self.unanswered);
        self.unanswered += 1;
    }
}

/// The first pause, doubled as often as `times`, up to the longest.
fn doubled((first, longest): (Duration, Duration), times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}
