//! The table of (state, command), the rules by name, and what holds whatever comes in whatever order.

mod properties;
mod rules;
mod table;

use super::*;
use common::events::decode;
use engine::{Cause, Ids};
use std::time::Duration;
use time::OffsetDateTime;

const POLICY: Policy = Policy { provider_timeout: Duration::from_secs(10) };
const TOTAL: i64 = 1000;
const CUSTOMER: &str = "customer";
const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
/// When the order expires.
const TTL: Duration = Duration::from_secs(900);

/// One order's payment, and all that it has told and asked so far.
#[derive(Debug, Clone)]
struct World {
    row: Option<Row>,
    now: OffsetDateTime,
    events: Vec<PaymentEvent>,
    effects: Vec<Effect>,
    alerts: Vec<Alert>,
    ids: u128,
}

impl World {
    fn new() -> Self {
        Self { row: None, now: START, events: Vec::new(), effects: Vec::new(), alerts: Vec::new(), ids: 0 }
    }

    /// After `commands`.
    fn after(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut world = Self::new();
        for command in commands {
            world.apply(&command);
        }
        world
    }

    /// Applies one command as a batch of its own.
    fn apply(&mut self, command: &Command) -> Reply {
        let mut set = Set { payments: Rows::loaded(self.row.take().map(|row| (order_id(), row))) };
        let mut cx = Context::new("payment-service", Ids::Counted(self.ids), Cause::own(self.now));
        let reply = apply(POLICY, &mut set, command, &mut cx);
        self.ids += 100;
        self.row = set.payments.get(&order_id()).cloned();
        for record in cx.take_records() {
            let event = decode::<PaymentEvent>(Some(record.value.as_bytes())).unwrap().event.unwrap();
            assert_eq!(event.fact().order_id, order_id());
            self.events.push(event);
        }
        self.effects.extend(cx.take_effects());
        if let Reply::Alerted(alert) = &reply {
            self.alerts.push(alert.clone());
        }
        self.check();
        reply
    }

    /// What holds of every payment at every moment.
    fn check(&self) {
        let Some(Row::Payment(payment)) = &self.row else { return };
        let (captured, refunded) = (payment.captured_minor(), payment.refunded_minor());
        let total = payment.amount.amount_minor();
        assert!(0 <= refunded && refunded <= captured && captured <= total, "{payment:?}");
        assert!(payment.left_minor() >= 0, "{payment:?}");
        assert!(payment.attempts.len() <= MAX_ATTEMPTS);
        let open_charges = payment.attempts.iter().filter(|a| matches!(a.state, AttemptState::Processing(_))).count();
        let open_refunds = payment.refunds.iter().filter(|r| matches!(r.state, RefundState::Processing(_))).count();
        assert!(open_charges + open_refunds <= 1, "one call at a time: {payment:?}");
        assert!(payment.state != State::Processing || open_charges == 1, "{payment:?}");
        let paid = payment.attempts.iter().filter(|a| matches!(a.state, AttemptState::Captured { .. })).count();
        assert_eq!(paid, usize::from(payment.state == State::Captured), "{payment:?}");
        let waiting = payment.refunds.iter().any(|r| matches!(r.state, RefundState::Waiting { .. }));
        assert_eq!(
            payment.due_at().is_some(),
            open_charges + open_refunds > 0 || waiting,
            "a lease for all: {payment:?}"
        );
    }

    fn payment(&self) -> &Payment {
        match &self.row {
            Some(Row::Payment(payment)) => payment,
            other => panic!("no payment, but {other:?}"),
        }
    }

    fn status(&self) -> Status {
        self.payment().status()
    }

    /// What was told since the last call, such as `captured 1000/0` (captured and refunded).
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).iter().map(told).collect()
    }

    /// What was asked since the last call, such as `charge 1`.
    fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.effects).iter().map(asked).collect()
    }

    /// Waits until the timer strikes.
    fn due(&mut self) -> Reply {
        self.now = self.payment().due_at().expect("something is due");
        self.apply(&due())
    }
}

fn told(event: &PaymentEvent) -> String {
    let kind = match event {
        PaymentEvent::Captured(_) => "captured",
        PaymentEvent::Declined(_) => "declined",
        PaymentEvent::Voided(_) => "voided",
        PaymentEvent::Refunded(_) => "refunded",
    };
    let fact = event.fact();
    format!("{kind} {}/{}", fact.captured.get(), fact.refunded.get())
}

fn asked(effect: &Effect) -> String {
    match effect {
        Effect::Charge(intent) => format!("charge {}", intent.attempt),
        Effect::LookUpCharge(intent) => format!("look up charge {}", intent.attempt),
        Effect::Refund(intent) => format!("refund {} of {}", intent.number, intent.amount.amount_minor()),
        Effect::LookUpRefund(intent) => format!("look up refund {} of {}", intent.number, intent.amount.amount_minor()),
    }
}

fn order_id() -> Uuid {
    Uuid::from_u128(7)
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::parse("USD").unwrap()).unwrap()
}

fn created() -> Command {
    Command::OrderCreated(NewPayment {
        order_id: order_id(),
        customer_id: CUSTOMER.to_owned(),
        amount: usd(TOTAL),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: START + TTL,
    })
}

fn cancelled() -> Command {
    Command::OrderCancelled { order_id: order_id() }
}

fn reserved() -> Command {
    Command::StockReserved { order_id: order_id() }
}

fn rejected() -> Command {
    Command::StockRejected { order_id: order_id() }
}

fn process() -> Command {
    let by = By { subject: CUSTOMER.to_owned(), admin: false };
    Command::Process { order_id: order_id(), by, payment_method: "pm_card_mastercard".to_owned() }
}

fn refund(minor: i64) -> Command {
    Command::Refund { order_id: order_id(), amount: Some(usd(minor)), reason: Some("scratched".to_owned()) }
}

fn refund_all() -> Command {
    Command::Refund { order_id: order_id(), amount: None, reason: None }
}

fn charge_captured(attempt: u32) -> Command {
    charge_answered(attempt, ChargeOutcome::Captured { reference: format!("ch_{attempt}") })
}

fn charge_declined(attempt: u32) -> Command {
    charge_answered(attempt, ChargeOutcome::Declined { code: "card_declined".to_owned() })
}

fn charge_unknown(attempt: u32) -> Command {
    charge_answered(attempt, ChargeOutcome::Unknown)
}

fn charge_answered(attempt: u32, outcome: ChargeOutcome) -> Command {
    Command::ChargeAnswered { order_id: order_id(), attempt, outcome }
}

fn refund_done(number: u32) -> Command {
    refund_answered(number, RefundOutcome::Refunded { reference: format!("re_{number}") })
}

fn refund_refused(number: u32) -> Command {
    refund_answered(number, RefundOutcome::Refused { code: "try_later".to_owned() })
}

fn refund_unknown(number: u32) -> Command {
    refund_answered(number, RefundOutcome::Unknown)
}

fn refund_answered(number: u32, outcome: RefundOutcome) -> Command {
    Command::RefundAnswered { order_id: order_id(), number, outcome }
}

fn due() -> Command {
    Command::CallDue { order_id: order_id() }
}
