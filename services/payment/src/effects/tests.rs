//! Over a gateway that does what a script says.

use super::*;
use common::money::{Currency, Money};
use std::collections::VecDeque;
use std::sync::Mutex;
use uuid::Uuid;

/// What the provider does with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Captured, or refunded.
    Done,
    /// Declined, or refused.
    Not,
    Fails,
    Hangs,
    /// Of a look-up: the key was never heard of.
    NeverHeardOf,
}

struct Scripted {
    fates: Mutex<VecDeque<Fate>>,
    calls: Mutex<Vec<String>>,
}

impl Scripted {
    async fn next(&self, call: &str, key: &str) -> Fate {
        self.calls.lock().unwrap().push(format!("{call} {key}"));
        let fate = self.fates.lock().unwrap().pop_front().expect("a call that the script does not know");
        if fate == Fate::Hangs {
            std::future::pending::<()>().await;
        }
        fate
    }
}

fn charge(fate: Fate) -> Option<ChargeOutcome> {
    match fate {
        Fate::Done => Some(ChargeOutcome::Captured { reference: "ch".to_owned() }),
        Fate::Not => Some(ChargeOutcome::Declined { code: "card_declined".to_owned() }),
        Fate::Fails | Fate::Hangs => Some(ChargeOutcome::Unknown),
        Fate::NeverHeardOf => None,
    }
}

fn refund(fate: Fate) -> Option<RefundOutcome> {
    match fate {
        Fate::Done => Some(RefundOutcome::Refunded { reference: "re".to_owned() }),
        Fate::Not => Some(RefundOutcome::Refused { code: "refund_exceeds_capture".to_owned() }),
        Fate::Fails | Fate::Hangs => Some(RefundOutcome::Unknown),
        Fate::NeverHeardOf => None,
    }
}

impl PaymentGateway for Scripted {
    async fn charge(&self, intent: &ChargeIntent) -> ChargeOutcome {
        charge(self.next("charge", &intent.key).await).unwrap()
    }

    async fn look_up_charge(&self, intent: &ChargeIntent) -> Option<ChargeOutcome> {
        charge(self.next("look up", &intent.key).await)
    }

    async fn refund(&self, intent: &RefundIntent) -> RefundOutcome {
        refund(self.next("refund", &intent.key).await).unwrap()
    }

    async fn look_up_refund(&self, intent: &RefundIntent) -> Option<RefundOutcome> {
        refund(self.next("look up", &intent.key).await)
    }
}

/// The result of an effect over `fates`, and the calls that it took.
async fn performed(effect: Effect, fates: &[Fate]) -> (Command, Vec<String>) {
    let gateway = Scripted { fates: Mutex::new(fates.iter().copied().collect()), calls: Mutex::default() };
    let command = call(&gateway, Duration::from_secs(10), effect).await;
    assert!(gateway.fates.lock().unwrap().is_empty(), "calls that were not made");
    (command, gateway.calls.into_inner().unwrap())
}

fn money() -> Money {
    Money::new(1000, Currency::parse("USD").unwrap()).unwrap()
}

fn a_charge() -> ChargeIntent {
    ChargeIntent {
        order_id: Uuid::nil(),
        attempt: 1,
        key: "o/1".to_owned(),
        amount: money(),
        payment_method: "pm_card_visa".to_owned(),
    }
}

fn a_refund() -> RefundIntent {
    let (key, charge_key) = ("o/refund/1".to_owned(), "o/1".to_owned());
    RefundIntent { order_id: Uuid::nil(), number: 1, key, charge_key, amount: money() }
}

fn charged(fate: Fate) -> Command {
    Command::ChargeAnswered { order_id: Uuid::nil(), attempt: 1, outcome: charge(fate).unwrap() }
}

fn refunded(fate: Fate) -> Command {
    Command::RefundAnswered { order_id: Uuid::nil(), number: 1, outcome: refund(fate).unwrap() }
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_failure_are_unknown_and_never_a_decline() {
    for fate in [Fate::Done, Fate::Not, Fate::Fails, Fate::Hangs] {
        assert_eq!(
            performed(Effect::Charge(a_charge()), &[fate]).await,
            (charged(fate), vec!["charge o/1".to_owned()])
        );
        let calls = vec!["refund o/refund/1".to_owned()];
        assert_eq!(performed(Effect::Refund(a_refund()), &[fate]).await, (refunded(fate), calls));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_not_called_again() {
    for fate in [Fate::Done, Fate::Not, Fate::Fails, Fate::Hangs] {
        let looked_up = performed(Effect::LookUpCharge(a_charge()), &[fate]).await;
        assert_eq!(looked_up, (charged(fate), vec!["look up o/1".to_owned()]), "nor is what can't be found out");
        let looked_up = performed(Effect::LookUpRefund(a_refund()), &[fate]).await;
        assert_eq!(looked_up, (refunded(fate), vec!["look up o/refund/1".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_never_heard_of_is_called_under_the_same_key() {
    for fate in [Fate::Done, Fate::Not, Fate::Fails, Fate::Hangs] {
        let fates = [Fate::NeverHeardOf, fate];
        let calls = vec!["look up o/1".to_owned(), "charge o/1".to_owned()];
        assert_eq!(performed(Effect::LookUpCharge(a_charge()), &fates).await, (charged(fate), calls));
        let calls = vec!["look up o/refund/1".to_owned(), "refund o/refund/1".to_owned()];
        assert_eq!(performed(Effect::LookUpRefund(a_refund()), &fates).await, (refunded(fate), calls));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_outlasts_its_calls() {
    let policy = Policy { provider_timeout: Duration::from_secs(10) };
    let started = tokio::time::Instant::now();
    performed(Effect::LookUpCharge(a_charge()), &[Fate::NeverHeardOf, Fate::Hangs]).await;
    assert!(started.elapsed() < policy.lease());
}
