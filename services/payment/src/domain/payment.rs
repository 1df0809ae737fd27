//! The payment of one order, and its transitions.

mod answers;
mod requests;

use super::{
    Attempt, AttemptState, ChargeIntent, Context, Effect, Mark, NewPayment, ORDER_CANCELLED, OpenCall, Policy, Refund,
    RefundCause, RefundIntent, RefundState, Reply, STOCK_REJECTED, Wanted, fact, ignored,
};
use common::events::{PaymentEvent, PaymentFact};
use common::money::Money;
use common::trace::Trace;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// How often one order may be charged.
pub const MAX_ATTEMPTS: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payment {
    pub order_id: Uuid,
    pub id: Uuid,
    pub customer_id: String,
    /// The order's total: what every attempt charges.
    pub amount: Money,
    /// As the order was placed with; later attempts have their own.
    pub payment_method: String,
    pub expires_at: OffsetDateTime,
    pub state: State,
    /// The order is cancelled: what is captured goes back, and the cancel is answered.
    pub cancelled: bool,
    pub attempts: Vec<Attempt>,
    pub refunds: Vec<Refund>,
    pub version: i64,
    pub trace: Trace,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Where a payment stands, refunds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// For the order's stock.
    Awaiting,
    /// For the provider's answer to the last attempt.
    Processing,
    /// By one attempt, for good. Another one may still be without an answer.
    Captured,
    /// The last attempt; the customer may pay again.
    Declined,
    /// Nothing will be charged any more.
    Voided,
}

/// What people see: the state, and what the refunds make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Awaiting,
    Processing,
    Captured,
    Declined,
    Voided,
    Refunding,
    Refunded,
}

/// Whose call is under way: the place of an attempt, or of a refund.
enum Open {
    Charge(usize),
    Refund(usize),
}

impl Payment {
    /// From `order.created`, and what was heard before it.
    pub(super) fn begin(new: &NewPayment, mark: Option<&Mark>, policy: Policy, cx: &mut Context) -> Self {
        let mut payment = Self {
            order_id: new.order_id,
            id: cx.new_id(),
            customer_id: new.customer_id.clone(),
            amount: new.amount,
            payment_method: new.payment_method.clone(),
            expires_at: new.expires_at,
            state: State::Awaiting,
            cancelled: false,
            attempts: Vec::new(),
            refunds: Vec::new(),
            version: mark.map_or(1, |mark| mark.version + 1),
            trace: mark.map_or_else(|| cx.trace(), |mark| mark.trace),
            created_at: mark.map_or_else(|| cx.now(), |mark| mark.created_at),
            updated_at: cx.now(),
        };
        match mark.map(|mark| mark.wanted) {
            None => {}
            Some(Wanted::Reserved) => payment.start_charge(payment.payment_method.clone(), policy, cx),
            Some(Wanted::Rejected) => payment.void(STOCK_REJECTED, cx),
            Some(Wanted::Cancelled) => {
                // The cancel was answered when it came.
                payment.state = State::Voided;
                payment.cancelled = true;
                cx.ignore("order created after its cancel");
            }
        }
        payment
    }

    pub(super) fn order_cancelled(&mut self, policy: Policy, cx: &mut Context) -> Reply {
        if !self.cancelled {
            self.cancelled = true;
            self.touch(cx);
        }
        self.settle(policy, cx);
        Reply::Done
    }

    pub(super) fn stock_reserved(&mut self, policy: Policy, cx: &mut Context) -> Reply {
        if self.state != State::Awaiting {
            return ignored("stock reserved again, or too late", cx);
        }
        self.start_charge(self.payment_method.clone(), policy, cx);
        Reply::Done
    }

    pub(super) fn stock_rejected(&mut self, cx: &mut Context) -> Reply {
        if self.state != State::Awaiting {
            return ignored("stock rejected again, or too late", cx);
        }
        self.void(STOCK_REJECTED, cx);
        Reply::Done
    }

    /// The next attempt, for the whole amount.
    fn start_charge(&mut self, payment_method: String, policy: Policy, cx: &mut Context) {
        let number = u32::try_from(self.attempts.len()).expect("few attempts") + 1;
        let state = AttemptState::Processing(OpenCall::start(policy, cx.now()));
        self.attempts.push(Attempt { number, payment_method, state, at: cx.now() });
        self.state = State::Processing;
        self.touch(cx);
        let intent = self.charge_intent(self.attempts.len() - 1);
        cx.effect(Effect::Charge(intent));
    }

    fn void(&mut self, reason: &str, cx: &mut Context) {
        self.state = State::Voided;
        self.emit(&PaymentEvent::Voided(PaymentFact { reason: Some(reason.to_owned()), ..self.fact() }), cx);
    }

    /// Where no call is under way any more: pays back what is owed, one refund at a time, and where nothing is owed
    /// answers the cancel.
    fn settle(&mut self, policy: Policy, cx: &mut Context) {
        if !self.pay_back(policy, cx) && self.cancelled {
            self.answer_cancel(cx);
        }
    }

    /// Whether something is under way, or now is: the result of that comes back to [`Payment::settle`].
    fn pay_back(&mut self, policy: Policy, cx: &mut Context) -> bool {
        if self.open_call().is_some() {
            return true;
        }
        let now = cx.now();
        if let Some(at) = self.refunds.iter().position(|refund| refund.is_ready(now)) {
            self.start_refund(at, policy, cx);
            return true;
        }
        // One that waits for its next try counts as under way.
        if self.refunds.iter().any(Refund::is_open) {
            return true;
        }
        if self.cancelled && self.left_minor() > 0 {
            let at = self.add_refund(self.left_minor(), RefundCause::OrderCancelled, now, cx);
            self.start_refund(at, policy, cx);
            return true;
        }
        false
    }

    fn answer_cancel(&mut self, cx: &mut Context) {
        let reason = Some(ORDER_CANCELLED.to_owned());
        match self.state {
            State::Awaiting | State::Declined | State::Voided => self.void(ORDER_CANCELLED, cx),
            State::Captured => self.emit(&PaymentEvent::Refunded(PaymentFact { reason, ..self.fact() }), cx),
            State::Processing => unreachable!("an open call is waited for"),
        }
    }

    /// The place of a new refund that waits until `until`.
    fn add_refund(&mut self, amount_minor: i64, cause: RefundCause, until: OffsetDateTime, cx: &mut Context) -> usize {
        let number = u32::try_from(self.refunds.len()).unwrap_or(u32::MAX - 1) + 1;
        let (id, state) = (cx.new_id(), RefundState::Waiting { until });
        self.refunds.push(Refund { id, number, amount_minor, cause, state, at: cx.now() });
        self.touch(cx);
        self.refunds.len() - 1
    }

    fn start_refund(&mut self, at: usize, policy: Policy, cx: &mut Context) {
        self.refunds[at].state = RefundState::Processing(OpenCall::start(policy, cx.now()));
        self.touch(cx);
        let intent = self.refund_intent(at);
        cx.effect(Effect::Refund(intent));
    }

    fn charge_intent(&self, at: usize) -> ChargeIntent {
        let Attempt { number, payment_method, .. } = &self.attempts[at];
        ChargeIntent {
            order_id: self.order_id,
            attempt: *number,
            key: Attempt::key(self.order_id, *number),
            amount: self.amount,
            payment_method: payment_method.clone(),
        }
    }

    fn refund_intent(&self, at: usize) -> RefundIntent {
        let refund = &self.refunds[at];
        let charged = match refund.cause {
            RefundCause::Surplus { attempt } => attempt,
            RefundCause::Admin { .. } | RefundCause::OrderCancelled => self.captured_attempt(),
        };
        RefundIntent {
            order_id: self.order_id,
            number: refund.number,
            key: refund.key(self.order_id),
            charge_key: Attempt::key(self.order_id, charged),
            amount: refund.amount(self.amount.currency()),
        }
    }

    /// Grows the version, as every change does that somebody can see.
    fn touch(&mut self, cx: &Context) {
        self.version += 1;
        self.updated_at = cx.now();
    }

    fn emit(&mut self, event: &PaymentEvent, cx: &mut Context) {
        self.touch(cx);
        cx.emit(self.version, event);
    }

    /// An event's body, without what is particular to its type.
    fn fact(&self) -> PaymentFact {
        let last = self.attempts.last().map_or(0, |attempt| attempt.number);
        let attempt = if self.state == State::Captured { self.captured_attempt() } else { last };
        let totals = fact(self.order_id, Some(self.id), self.captured_minor(), self.refunded_minor());
        PaymentFact { attempt, ..totals }
    }

    /// Minor units of the payment's currency.
    ///
    /// # Panics
    /// Where they are negative, which no part of an amount is.
    #[must_use]
    pub fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.amount.currency()).expect("parts of an amount are never negative")
    }

    /// The number of the attempt that paid; 0 where none has.
    fn captured_attempt(&self) -> u32 {
        let paid = self.attempts.iter().find(|attempt| matches!(attempt.state, AttemptState::Captured { .. }));
        paid.map_or(0, |attempt| attempt.number)
    }

    /// The call under way: there is at most one.
    #[must_use]
    pub fn open_call(&self) -> Option<&OpenCall> {
        let charges = self.attempts.iter().filter_map(|attempt| match &attempt.state {
            AttemptState::Processing(call) => Some(call),
            _ => None,
        });
        let refunds = self.refunds.iter().filter_map(|refund| match &refund.state {
            RefundState::Processing(call) => Some(call),
            _ => None,
        });
        charges.chain(refunds).next()
    }

    /// The same, and whose it is.
    fn open_call_mut(&mut self) -> Option<(Open, &mut OpenCall)> {
        let charges = self.attempts.iter_mut().enumerate().filter_map(|(at, attempt)| match &mut attempt.state {
            AttemptState::Processing(call) => Some((Open::Charge(at), call)),
            _ => None,
        });
        let refunds = self.refunds.iter_mut().enumerate().filter_map(|(at, refund)| match &mut refund.state {
            RefundState::Processing(call) => Some((Open::Refund(at), call)),
            _ => None,
        });
        charges.chain(refunds).next()
    }

    /// When to look at this payment again, if nothing is heard: the end of the open call's lease, or the next try of a
    /// refund.
    #[must_use]
    pub fn due_at(&self) -> Option<OffsetDateTime> {
        self.open_call().map(|call| call.due_at).or_else(|| {
            let waiting = self.refunds.iter().filter_map(|refund| match refund.state {
                RefundState::Waiting { until } => Some(until),
                _ => None,
            });
            waiting.min()
        })
    }

    /// All that was captured for the order.
    #[must_use]
    pub fn captured_minor(&self) -> i64 {
        if self.state == State::Captured { self.amount.amount_minor() } else { 0 }
    }

    /// All of it that was paid back.
    #[must_use]
    pub fn refunded_minor(&self) -> i64 {
        let done = self.refunds.iter().filter(|refund| matches!(refund.state, RefundState::Refunded { .. }));
        done.filter(|refund| refund.in_totals()).map(|refund| refund.amount_minor).sum()
    }

    /// What is captured and not paid back, and no open refund will.
    #[must_use]
    pub fn left_minor(&self) -> i64 {
        let open = self.refunds.iter().filter(|refund| refund.is_open() && refund.in_totals());
        self.captured_minor() - self.refunded_minor() - open.map(|refund| refund.amount_minor).sum::<i64>()
    }

    #[must_use]
    pub fn status(&self) -> Status {
        match self.state {
            State::Awaiting => Status::Awaiting,
            State::Processing => Status::Processing,
            State::Declined => Status::Declined,
            State::Voided => Status::Voided,
            State::Captured => {
                let refunded = self.refunded_minor();
                if refunded > 0 && refunded == self.captured_minor() {
                    Status::Refunded
                } else if self.refunds.iter().any(|refund| refund.is_open() && refund.in_totals()) {
                    Status::Refunding
                } else {
                    Status::Captured
                }
            }
        }
    }
}

impl Status {
    pub const ALL: [Self; 7] = [
        Self::Awaiting,
        Self::Processing,
        Self::Captured,
        Self::Declined,
        Self::Voided,
        Self::Refunding,
        Self::Refunded,
    ];

    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awaiting => "awaiting",
            Self::Processing => "processing",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Voided => "voided",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// The opposite of [`Status::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The state under it.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Awaiting => State::Awaiting,
            Self::Processing => State::Processing,
            Self::Captured | Self::Refunding | Self::Refunded => State::Captured,
            Self::Declined => State::Declined,
            Self::Voided => State::Voided,
        }
    }
}
