//! Every (state, command), as `transitions.txt` lists them: under each state the commands that do something, with the
//! status after them, the events with their totals captured and refunded, and the calls that are started. A pair that
//! is not listed changes nothing, tells nothing and asks for nothing.

use super::*;
use std::fmt::Write as _;

const TABLE: &str = include_str!("transitions.txt");

/// The world in each state. The names are those of the table.
fn states() -> Vec<(&'static str, World)> {
    let paid = || [created(), reserved(), charge_captured(1)];
    let declined = || [created(), reserved(), charge_declined(1)];
    let with = |first: Vec<Command>, then: Vec<Command>| World::after(first.into_iter().chain(then));
    vec![
        ("nothing", World::new()),
        ("mark reserved", World::after([reserved()])),
        ("mark rejected", World::after([rejected()])),
        ("mark cancelled", World::after([cancelled()])),
        ("awaiting", World::after([created()])),
        ("processing", World::after([created(), reserved()])),
        ("processing, cancelled", World::after([created(), reserved(), cancelled()])),
        ("declined", World::after(declined())),
        ("voided", World::after([created(), cancelled()])),
        ("captured", World::after(paid())),
        ("captured, attempt 2 open", with(declined().into(), vec![process(), charge_captured(1)])),
        (
            "captured, attempt 2 open, cancelled",
            with(declined().into(), vec![process(), charge_captured(1), cancelled()]),
        ),
        ("captured, part refunded", with(paid().into(), vec![refund(400), refund_done(1)])),
        ("captured, refund failed", with(paid().into(), vec![refund(400), refund_refused(1)])),
        ("refunding by admin", with(paid().into(), vec![refund(400)])),
        ("refunding by admin, cancelled", with(paid().into(), vec![refund(400), cancelled()])),
        ("refunding, cancelled", with(paid().into(), vec![cancelled()])),
        ("refund waits for its next try", with(paid().into(), vec![cancelled(), refund_refused(1)])),
        ("refunded by admin", with(paid().into(), vec![refund_all(), refund_done(1)])),
        ("refunded, cancelled", with(paid().into(), vec![cancelled(), refund_done(1)])),
        ("voided, surplus refunding", with(declined().into(), vec![cancelled(), charge_captured(1)])),
        ("voided, surplus refunded", with(declined().into(), vec![cancelled(), charge_captured(1), refund_done(1)])),
    ]
}

fn commands() -> Vec<(&'static str, Command)> {
    vec![
        ("order created", created()),
        ("order cancelled", cancelled()),
        ("stock reserved", reserved()),
        ("stock rejected", rejected()),
        ("process", process()),
        ("refund 100", refund(100)),
        ("refund 700", refund(700)),
        ("refund", refund_all()),
        ("charge 1 captured", charge_captured(1)),
        ("charge 1 declined", charge_declined(1)),
        ("charge 1 unknown", charge_unknown(1)),
        ("charge 2 captured", charge_captured(2)),
        ("charge 2 declined", charge_declined(2)),
        ("charge 2 unknown", charge_unknown(2)),
        ("refund 1 done", refund_done(1)),
        ("refund 1 refused", refund_refused(1)),
        ("refund 1 unknown", refund_unknown(1)),
        ("due", due()),
        ("due, in time", due()),
    ]
}

/// What one command does, in the words of the table; `None` where it does nothing.
fn outcome(before: &World, name: &str, command: &Command) -> Option<String> {
    let mut world = before.clone();
    (world.events, world.effects) = (Vec::new(), Vec::new());
    if name == "due" {
        // Every lease and every pause is over by then.
        world.now += Duration::from_secs(3600);
    }
    let reply = world.apply(command);
    if world.row == before.row && world.events.is_empty() && world.effects.is_empty() && reply == Reply::Done {
        return None;
    }
    if let Reply::Refused(refusal) = &reply {
        assert_eq!(world.row, before.row, "a refusal touches nothing");
        return Some(format!("refused, {}", because(refusal)));
    }
    let after = match &world.row {
        None => "nothing",
        Some(Row::Mark(mark)) => match mark.wanted {
            Wanted::Reserved => "mark reserved",
            Wanted::Rejected => "mark rejected",
            Wanted::Cancelled => "mark cancelled",
        },
        Some(Row::Payment(payment)) => payment.status().as_str(),
    };
    let mut text = after.to_owned();
    for (verb, list) in [("tells", world.told()), ("calls", world.asked())] {
        if !list.is_empty() {
            write!(text, ", {verb} {}", list.join(" and ")).unwrap();
        }
    }
    if let Reply::Alerted(alert) = &reply {
        write!(text, ", alert: {}", what(alert)).unwrap();
    }
    Some(text)
}

fn because(refusal: &Refusal) -> String {
    match refusal {
        Refusal::PaymentNotFound => "not found".to_owned(),
        Refusal::PaymentNotRetryable(NotRetryable::Status(status)) => format!("it is {}", status.as_str()),
        Refusal::PaymentNotRetryable(NotRetryable::TooManyAttempts) => "too many attempts".to_owned(),
        Refusal::PaymentNotRetryable(NotRetryable::TooLate) => "too late".to_owned(),
        Refusal::RefundExceedsCapture { left } => format!("{} left", left.amount_minor()),
        Refusal::RefundInProgress => "a call is under way".to_owned(),
        Refusal::CurrencyMismatch { .. } => "another currency".to_owned(),
    }
}

fn what(alert: &Alert) -> &'static str {
    match alert {
        Alert::SurplusCapture { .. } => "surplus",
        Alert::RefundRefused { .. } => "refund refused",
        Alert::RefundedAfterRefusal { .. } => "refunded after a refusal",
    }
}

#[test]
fn every_state_and_every_command() {
    let mut table = String::new();
    for (state, world) in states() {
        writeln!(table, "{state}").unwrap();
        for (name, command) in commands() {
            if let Some(outcome) = outcome(&world, name, &command) {
                writeln!(table, "    {name:18} -> {outcome}").unwrap();
            }
        }
    }
    for (n, (found, wanted)) in table.lines().zip(TABLE.lines()).enumerate() {
        assert_eq!(found, wanted, "line {}", n + 1);
    }
    assert_eq!(table.lines().count(), TABLE.lines().count(), "{table}");
}
