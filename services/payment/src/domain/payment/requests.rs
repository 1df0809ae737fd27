//! What people ask of a payment: to pay again, and to pay back.

use super::super::{By, Context, NotRetryable, Policy, RefundCause, Refusal, Reply};
use super::{MAX_ATTEMPTS, Payment, State};
use common::money::Money;

impl Payment {
    /// Pays a declined order again, in time for the answer to come before the order expires.
    pub(in crate::domain) fn process(
        &mut self,
        by: &By,
        payment_method: &str,
        policy: Policy,
        cx: &mut Context,
    ) -> Reply {
        if !by.may_touch(&self.customer_id) {
            return Reply::Refused(Refusal::PaymentNotFound);
        }
        let obstacle = if self.state != State::Declined {
            Some(NotRetryable::Status(self.status()))
        } else if self.attempts.len() >= MAX_ATTEMPTS {
            Some(NotRetryable::TooManyAttempts)
        } else if cx.now() >= self.expires_at - policy.provider_timeout {
            Some(NotRetryable::TooLate)
        } else {
            None
        };
        if let Some(why) = obstacle {
            return Reply::Refused(Refusal::PaymentNotRetryable(why));
        }
        self.start_charge(payment_method.to_owned(), policy, cx);
        Reply::Processing(Box::new(self.clone()))
    }

    /// Pays back `amount`, or all that is left.
    pub(in crate::domain) fn refund(
        &mut self,
        amount: Option<Money>,
        reason: Option<String>,
        policy: Policy,
        cx: &mut Context,
    ) -> Reply {
        let expected = self.amount.currency();
        if amount.is_some_and(|amount| amount.currency() != expected) {
            return Reply::Refused(Refusal::CurrencyMismatch { expected });
        }
        let left_minor = self.left_minor();
        let amount_minor = amount.map_or(left_minor, Money::amount_minor);
        if amount_minor == 0 || amount_minor > left_minor {
            return Reply::Refused(Refusal::RefundExceedsCapture { left: self.money(left_minor) });
        }
        if self.due_at().is_some() {
            return Reply::Refused(Refusal::RefundInProgress);
        }
        let at = self.add_refund(amount_minor, RefundCause::Admin { reason }, cx.now(), cx);
        self.start_refund(at, policy, cx);
        Reply::Refunding(self.refunds[at].clone(), expected)
    }
}
