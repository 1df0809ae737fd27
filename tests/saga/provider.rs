//! The provider: one result a key, for ever. It believes whatever it is asked, so that a call too many is seen.

use crate::domains::{ORDER, TOTAL};
use payment::domain::{Attempt, ChargeOutcome, Command, Effect, RefundOutcome};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Charge {
    captured: bool,
    /// After it had been declined.
    late: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Refund {
    charge_key: String,
    amount_minor: i64,
    done: bool,
}

/// What the provider would do under a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mood {
    Fair,
    Declines,
    Refuses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Captured,
    Declined,
    Refunded,
    Refused,
    Unknown,
}

impl Ledger {
    /// The result of a call, or of looking up what became of an earlier one; `None` where the mood does not matter,
    /// because the result stands or the call is of another kind.
    pub(crate) fn call(&mut self, effect: &Effect, mood: Mood) -> Option<Answer> {
        match effect {
            Effect::Charge(intent) | Effect::LookUpCharge(intent) => {
                let known = self.charges.get(&intent.key).map(|charge| charge.captured);
                if mood == Mood::Refuses || (mood == Mood::Declines && known.is_some()) {
                    return None;
                }
                let captured = known.unwrap_or(mood == Mood::Fair);
                self.charges.entry(intent.key.clone()).or_insert(Charge { captured, late: false });
                Some(if captured { Answer::Captured } else { Answer::Declined })
            }
            Effect::Refund(intent) | Effect::LookUpRefund(intent) => {
                let known = self.refunds.get(&intent.key).map(|refund| refund.done);
                if mood == Mood::Declines || (mood == Mood::Refuses && known.is_some()) {
                    return None;
                }
                let done = known.unwrap_or(mood == Mood::Fair);
                let (charge_key, amount_minor) = (intent.charge_key.clone(), intent.amount.amount_minor());
                self.refunds.entry(intent.key.clone()).or_insert(Refund { charge_key, amount_minor, done });
                Some(if done { Answer::Refunded } else { Answer::Refused })
            }
        }
    }

    /// Whether the attempt was declined, and now is captured.
    pub(crate) fn capture_after_all(&mut self, attempt: u8) -> bool {
        match self.charges.get_mut(&Attempt::key(ORDER, attempt.into())) {
            Some(charge) if !charge.captured => {
                *charge = Charge { captured: true, late: true };
                true
            }
            _ => false,
        }
    }

    /// How many charges were captured at once.
    pub(crate) fn charged(&self) -> usize {
        self.charges.values().filter(|charge| charge.captured && !charge.late).count()
    }

    pub(crate) fn has_captured(&self, key: &str) -> bool {
        self.charges.get(key).is_some_and(|charge| charge.captured)
    }

    /// What it holds of all charges, in minor units.
    pub(crate) fn holds(&self) -> i64 {
        self.charges.keys().map(|key| self.left(key)).sum()
    }

    /// The same without what it has captured late and nobody has taken for the order's payment, whose key is `paying`:
    /// that can come at any moment, and is then on its way back.
    pub(crate) fn holds_in_time(&self, paying: &str) -> i64 {
        let charges = self.charges.iter().filter(|(key, charge)| !charge.late || *key == paying);
        charges.map(|(key, _)| self.left(key)).sum()
    }

    /// Whether more was paid back of a charge than was captured.
    pub(crate) fn is_overdrawn(&self) -> bool {
        let mut charged = self.refunds.values().filter(|refund| refund.done).map(|refund| &refund.charge_key);
        charged.any(|key| self.left(key) < 0)
    }

    fn left(&self, charge_key: &str) -> i64 {
        let captured = if self.has_captured(charge_key) { TOTAL } else { 0 };
        let of_charge = self.refunds.values().filter(|refund| refund.done && refund.charge_key == charge_key);
        captured - of_charge.map(|refund| refund.amount_minor).sum::<i64>()
    }
}

/// What comes back of a call.
pub(crate) fn answered(effect: &Effect, answer: Answer) -> Command {
    let reference = || "reference".to_owned();
    let code = || "code".to_owned();
    match effect {
        Effect::Charge(intent) | Effect::LookUpCharge(intent) => {
            let outcome = match answer {
                Answer::Captured => ChargeOutcome::Captured { reference: reference() },
                Answer::Declined => ChargeOutcome::Declined { code: code() },
                Answer::Refunded | Answer::Refused | Answer::Unknown => ChargeOutcome::Unknown,
            };
            Command::ChargeAnswered { order_id: ORDER, attempt: intent.attempt, outcome }
        }
        Effect::Refund(intent) | Effect::LookUpRefund(intent) => {
            let outcome = match answer {
                Answer::Refunded => RefundOutcome::Refunded { reference: reference() },
                Answer::Refused => RefundOutcome::Refused { code: code() },
                Answer::Captured | Answer::Declined | Answer::Unknown => RefundOutcome::Unknown,
            };
            Command::RefundAnswered { order_id: ORDER, number: intent.number, outcome }
        }
    }
}

/// An attempt is captured after it was declined.
pub(crate) fn captured_after_all(attempt: u8) -> Command {
    let outcome = ChargeOutcome::Captured { reference: "reference".to_owned() };
    Command::ChargeAnswered { order_id: ORDER, attempt: attempt.into(), outcome }
}
