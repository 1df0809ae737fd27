//! The payment of an order: its attempts to charge, its refunds, and what the provider is asked for. Pure.
//!
//! At most one call to the provider is under way for a payment, and an intent stays open until the provider has given
//! a definite answer for its key: what is not known is looked up, never repeated under a new key.

mod attempt;
mod call;
mod command;
mod mark;
mod payment;
mod refund;
#[cfg(test)]
mod tests;

pub use attempt::{Attempt, AttemptState};
pub use call::{ChargeIntent, ChargeOutcome, Effect, OpenCall, Policy, RefundIntent, RefundOutcome};
pub use command::{By, Command, NewPayment};
pub use mark::{Mark, Wanted};
pub use payment::{MAX_ATTEMPTS, Payment, State, Status};
pub use refund::{Refund, RefundCause, RefundState};

use common::events::{PaymentEvent, PaymentFact};
use common::money::{Currency, Money};
use engine::Rows;
use uuid::Uuid;

pub type Context = engine::Context<Effect>;

/// The `reason` of an event, and of a refund, that a cancelled order causes.
pub const ORDER_CANCELLED: &str = "order_cancelled";
/// The `reason` of a payment that is voided because inventory could not hold the order.
pub const STOCK_REJECTED: &str = "stock_rejected";
/// The `reason` of a refund of what was captured on top of the order's payment.
pub const SURPLUS_CAPTURE: &str = "surplus_capture";

/// The rows that a batch works on.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub payments: Rows<Uuid, Row>,
}

/// What is known of an order's payment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Row {
    /// Something was heard of the order before `order.created`. No API shows it.
    Mark(Mark),
    Payment(Box<Payment>),
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An event, a result or a deadline is dealt with.
    Done,
    /// As `Done`, and a person should look at it.
    Alerted(Alert),
    Processing(Box<Payment>),
    Refunding(Refund, Currency),
    Refused(Refusal),
}

/// What does not happen while everybody keeps to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// The provider captured a second time; it is paid back.
    SurplusCapture { order_id: Uuid, attempt: u32 },
    /// The provider refuses to pay back what has to be paid back; it is tried again.
    RefundRefused { order_id: Uuid, number: u32, code: String },
    /// The provider has paid back what it had refused: our books and its own differ.
    RefundedAfterRefusal { order_id: Uuid, number: u32 },
}

/// Why a request is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has heard of the order, or it is somebody else's.
    PaymentNotFound,
    PaymentNotRetryable(NotRetryable),
    /// More than what is captured and neither paid back nor about to be.
    RefundExceedsCapture {
        left: Money,
    },
    /// One call at a time: another charge or refund of the payment is under way.
    RefundInProgress,
    CurrencyMismatch {
        expected: Currency,
    },
}

/// Why a customer can't pay again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRetryable {
    /// Only a declined payment can be paid again.
    Status(Status),
    TooManyAttempts,
    /// The order would expire before the provider has answered.
    TooLate,
}

/// Applies one command.
pub fn apply(policy: Policy, set: &mut Set, command: &Command, cx: &mut Context) -> Reply {
    let order_id = command.order_id();
    match (set.payments.get(&order_id).cloned(), command) {
        (Some(Row::Payment(payment)), command) => known(policy, set, *payment, command, cx),
        (mark, Command::OrderCreated(new)) => {
            let mark = mark.and_then(Row::into_mark);
            let payment = Payment::begin(new, mark.as_ref(), policy, cx);
            set.payments.put(order_id, Row::Payment(Box::new(payment)));
            Reply::Done
        }
        (mark, Command::OrderCancelled { .. }) => {
            let mark = Mark::leave(order_id, Wanted::Cancelled, mark.and_then(Row::into_mark), cx);
            cx.emit(mark.version, &PaymentEvent::Voided(mark.voided()));
            set.payments.put(order_id, Row::Mark(mark));
            Reply::Done
        }
        (None, Command::StockReserved { .. } | Command::StockRejected { .. }) => {
            let reserved = matches!(command, Command::StockReserved { .. });
            let wanted = if reserved { Wanted::Reserved } else { Wanted::Rejected };
            set.payments.put(order_id, Row::Mark(Mark::leave(order_id, wanted, None, cx)));
            Reply::Done
        }
        (Some(Row::Mark(_)), Command::StockReserved { .. } | Command::StockRejected { .. }) => {
            cx.ignore("stock is decided already");
            Reply::Done
        }
        (_, Command::Process { .. } | Command::Refund { .. }) => Reply::Refused(Refusal::PaymentNotFound),
        (_, Command::ChargeAnswered { .. } | Command::RefundAnswered { .. } | Command::CallDue { .. }) => {
            cx.ignore("a call of an unknown payment");
            Reply::Done
        }
    }
}

/// Applies a command to a payment that is more than a mark.
fn known(policy: Policy, set: &mut Set, mut payment: Payment, command: &Command, cx: &mut Context) -> Reply {
    let before = payment.version;
    let reply = match command {
        Command::OrderCreated(_) => ignored("order created again", cx),
        Command::OrderCancelled { .. } => payment.order_cancelled(policy, cx),
        Command::StockReserved { .. } => payment.stock_reserved(policy, cx),
        Command::StockRejected { .. } => payment.stock_rejected(cx),
        Command::Process { by, payment_method, .. } => payment.process(by, payment_method, policy, cx),
        Command::Refund { amount, reason, .. } => payment.refund(*amount, reason.clone(), policy, cx),
        Command::ChargeAnswered { attempt, outcome, .. } => payment.charge_answered(*attempt, outcome, policy, cx),
        Command::RefundAnswered { number, outcome, .. } => payment.refund_answered(*number, outcome, policy, cx),
        Command::CallDue { .. } => payment.call_due(policy, cx),
    };
    if payment.version != before {
        set.payments.put(payment.order_id, Row::Payment(Box::new(payment)));
    }
    reply
}

fn ignored(why: &'static str, cx: &mut Context) -> Reply {
    cx.ignore(why);
    Reply::Done
}

impl Row {
    #[must_use]
    pub fn order_id(&self) -> Uuid {
        match self {
            Self::Mark(mark) => mark.order_id,
            Self::Payment(payment) => payment.order_id,
        }
    }

    fn into_mark(self) -> Option<Mark> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::Payment(_) => None,
        }
    }
}

/// An event without particulars: who, and the totals.
fn fact(order_id: Uuid, payment_id: Option<Uuid>, captured_minor: i64, refunded_minor: i64) -> PaymentFact {
    let total = |minor: i64| minor.try_into().expect("totals are sums of amounts, which are never negative");
    PaymentFact {
        order_id,
        payment_id,
        attempt: 0,
        amount: None,
        captured: total(captured_minor),
        refunded: total(refunded_minor),
        decline_code: None,
        refund_id: None,
        reason: None,
    }
}
