//! What the provider answers, or does not.

use super::super::{
    Alert, AttemptState, ChargeOutcome, Context, Effect, ORDER_CANCELLED, Policy, Refund, RefundCause, RefundOutcome,
    RefundState, Reply, ignored,
};
use super::{Open, Payment, State};
use common::events::{PaymentEvent, PaymentFact};

impl Payment {
    pub(in crate::domain) fn charge_answered(
        &mut self,
        number: u32,
        outcome: &ChargeOutcome,
        policy: Policy,
        cx: &mut Context,
    ) -> Reply {
        let Some(at) = self.attempts.iter().position(|attempt| attempt.number == number) else {
            return ignored("an unknown attempt", cx);
        };
        match (&mut self.attempts[at].state, outcome) {
            (AttemptState::Captured { .. } | AttemptState::Surplus { .. }, _) => ignored("captured before", cx),
            // A capture beats every other result of its attempt.
            (AttemptState::Processing(_) | AttemptState::Declined { .. }, ChargeOutcome::Captured { reference }) => {
                self.captured(at, reference.clone(), policy, cx)
            }
            (AttemptState::Processing(_), ChargeOutcome::Declined { code }) => {
                self.declined(at, code.clone(), policy, cx)
            }
            (AttemptState::Processing(call), ChargeOutcome::Unknown) => {
                call.ask_again(cx.now());
                self.touch(cx);
                Reply::Done
            }
            (AttemptState::Declined { .. }, ChargeOutcome::Declined { .. } | ChargeOutcome::Unknown) => {
                ignored("declined before", cx)
            }
        }
    }

    fn captured(&mut self, at: usize, reference: String, policy: Policy, cx: &mut Context) -> Reply {
        let attempt = self.attempts[at].number;
        if matches!(self.state, State::Captured | State::Voided) {
            self.attempts[at].state = AttemptState::Surplus { reference };
            self.add_refund(self.amount.amount_minor(), RefundCause::Surplus { attempt }, cx.now(), cx);
            self.settle(policy, cx);
            return Reply::Alerted(Alert::SurplusCapture { order_id: self.order_id, attempt });
        }
        self.attempts[at].state = AttemptState::Captured { reference };
        self.state = State::Captured;
        self.emit(&PaymentEvent::Captured(PaymentFact { amount: Some(self.amount), ..self.fact() }), cx);
        self.settle(policy, cx);
        Reply::Done
    }

    fn declined(&mut self, at: usize, code: String, policy: Policy, cx: &mut Context) -> Reply {
        self.attempts[at].state = AttemptState::Declined { code: code.clone() };
        if self.state == State::Processing {
            self.state = State::Declined;
            let (amount, decline_code) = (Some(self.amount), Some(code));
            self.emit(&PaymentEvent::Declined(PaymentFact { amount, decline_code, ..self.fact() }), cx);
        } else {
            // An earlier attempt was captured meanwhile: the order is paid, and has nothing to hear.
            self.touch(cx);
        }
        self.settle(policy, cx);
        Reply::Done
    }

    pub(in crate::domain) fn refund_answered(
        &mut self,
        number: u32,
        outcome: &RefundOutcome,
        policy: Policy,
        cx: &mut Context,
    ) -> Reply {
        let Some(at) = self.refunds.iter().position(|refund| refund.number == number) else {
            return ignored("an unknown refund", cx);
        };
        match (&mut self.refunds[at].state, outcome) {
            (RefundState::Processing(_), RefundOutcome::Refunded { reference }) => {
                self.refunded(at, reference.clone(), policy, cx)
            }
            (RefundState::Processing(_), RefundOutcome::Refused { code }) => self.refused(at, code.clone(), policy, cx),
            (RefundState::Processing(call), RefundOutcome::Unknown) => {
                call.ask_again(cx.now());
                self.touch(cx);
                Reply::Done
            }
            // A refusal is definite, so this is the provider's fault, and nothing that a program should act on.
            (RefundState::Failed { .. }, RefundOutcome::Refunded { .. }) => {
                Reply::Alerted(Alert::RefundedAfterRefusal { order_id: self.order_id, number })
            }
            (
                RefundState::Waiting { .. } | RefundState::Refunded { .. } | RefundState::Failed { .. },
                RefundOutcome::Refunded { .. } | RefundOutcome::Refused { .. } | RefundOutcome::Unknown,
            ) => ignored("refund answered before", cx),
        }
    }

    fn refunded(&mut self, at: usize, reference: String, policy: Policy, cx: &mut Context) -> Reply {
        self.refunds[at].state = RefundState::Refunded { reference };
        if self.refunds[at].in_totals() {
            let refund = &self.refunds[at];
            let (amount, refund_id) = (Some(refund.amount(self.amount.currency())), Some(refund.id));
            let told = PaymentFact { amount, refund_id, reason: told_reason(refund), ..self.fact() };
            self.emit(&PaymentEvent::Refunded(told), cx);
            // Where nothing is owed any more, that was the answer to a cancel, too.
            self.pay_back(policy, cx);
        } else {
            self.touch(cx);
            self.settle(policy, cx);
        }
        Reply::Done
    }

    /// An admin's refund has failed. One that is owed is tried again under a new number, and somebody should look.
    fn refused(&mut self, at: usize, code: String, policy: Policy, cx: &mut Context) -> Reply {
        self.refunds[at].state = RefundState::Failed { code: code.clone() };
        self.touch(cx);
        let Refund { number, amount_minor, cause, .. } = self.refunds[at].clone();
        if matches!(cause, RefundCause::Admin { .. }) {
            self.settle(policy, cx);
            return Reply::Done;
        }
        let failed = |refund: &&Refund| refund.cause == cause && matches!(refund.state, RefundState::Failed { .. });
        let refusals = u32::try_from(self.refunds.iter().filter(failed).count()).unwrap_or(u32::MAX);
        let until = cx.now() + policy.try_again_after(refusals - 1);
        self.add_refund(amount_minor, cause, until, cx);
        self.settle(policy, cx);
        Reply::Alerted(Alert::RefundRefused { order_id: self.order_id, number, code })
    }

    /// Takes up a call whose lease has run out, or starts the refund whose time has come.
    pub(in crate::domain) fn call_due(&mut self, policy: Policy, cx: &mut Context) -> Reply {
        let now = cx.now();
        if self.due_at().is_none_or(|due_at| due_at > now) {
            return ignored("somebody else was faster", cx);
        }
        let open = self.open_call_mut().map(|(open, call)| {
            call.take_up(policy, now);
            open
        });
        match open {
            Some(Open::Charge(at)) => cx.effect(Effect::LookUpCharge(self.charge_intent(at))),
            Some(Open::Refund(at)) => cx.effect(Effect::LookUpRefund(self.refund_intent(at))),
            None => self.settle(policy, cx),
        }
        self.touch(cx);
        Reply::Done
    }
}

/// What the refund's event gives as its reason: [`ORDER_CANCELLED`] says that a cancel caused it, so an admin's own
/// words must not read the same.
fn told_reason(refund: &Refund) -> Option<String> {
    let by_admin = matches!(refund.cause, RefundCause::Admin { .. });
    refund.reason().filter(|reason| !by_admin || *reason != ORDER_CANCELLED).map(ToOwned::to_owned)
}
