//! The rules of the saga that concern payment, one test each, under the names that the saga's model gives them.

use super::*;

fn reasons(world: &World) -> Vec<Option<&str>> {
    world.events.iter().map(|event| event.fact().reason.as_deref()).collect()
}

#[test]
fn answer_every_cancel() {
    // At once, where nothing is open and nothing left to return; also each time that it comes again.
    for (before, answer) in [
        (vec![], "voided 0/0"),
        (vec![reserved()], "voided 0/0"),
        (vec![created()], "voided 0/0"),
        (vec![created(), rejected()], "voided 0/0"),
        (vec![created(), reserved(), charge_declined(1)], "voided 0/0"),
        (vec![created(), reserved(), charge_captured(1), refund_all(), refund_done(1)], "refunded 1000/1000"),
    ] {
        let mut world = World::after(before);
        for _ in 0..3 {
            world.events.clear();
            world.apply(&cancelled());
            assert_eq!(reasons(&world), [Some(ORDER_CANCELLED)]);
            assert_eq!(world.told(), [answer]);
        }
    }
}

#[test]
fn an_answer_to_a_repeated_cancel_names_no_refund() {
    let mut world = World::after([created(), reserved(), charge_captured(1), cancelled(), refund_done(1)]);
    let refund_id = world.payment().refunds[0].id;
    let facts: Vec<_> = world.events.iter().map(PaymentEvent::fact).collect();
    assert_eq!((facts[1].refund_id, facts[1].amount), (Some(refund_id), Some(usd(TOTAL))));
    assert_eq!(facts[1].reason.as_deref(), Some(ORDER_CANCELLED));
    world.events.clear();
    world.apply(&cancelled());
    assert_eq!((world.events[0].fact().refund_id, world.events[0].fact().amount), (None, None));
}

#[test]
fn remember_cancel_during_a_call() {
    let open = World::after([created(), reserved(), cancelled()]);
    assert!(open.events.is_empty(), "no answer before the call's result");

    let mut world = open.clone();
    world.apply(&charge_declined(1));
    assert_eq!(world.told(), ["declined 0/0", "voided 0/0"]);

    let mut world = open;
    world.apply(&charge_captured(1));
    world.apply(&refund_done(1));
    assert_eq!(world.told(), ["captured 1000/0", "refunded 1000/1000"]);
}

#[test]
fn cancel_waits_for_an_admins_refund_and_returns_the_rest() {
    let mut world = World::after([created(), reserved(), charge_captured(1), refund(400), cancelled()]);
    (world.events, world.effects) = (Vec::new(), Vec::new());
    world.apply(&cancelled());
    assert!(world.events.is_empty() && world.effects.is_empty());
    world.apply(&refund_done(1));
    assert_eq!(reasons(&world), [Some("scratched")]);
    assert_eq!(
        (world.told(), world.asked()),
        (vec!["refunded 1000/400".to_owned()], vec!["refund 2 of 600".to_owned()])
    );
    world.apply(&refund_done(2));
    assert_eq!(reasons(&world), [Some(ORDER_CANCELLED)]);
    assert_eq!(world.told(), ["refunded 1000/1000"]);
}

#[test]
fn mark_reserved_before_created() {
    let mut world = World::after([reserved(), created()]);
    assert_eq!(world.asked(), ["charge 1"]);
    let mut world = World::after([rejected(), created()]);
    assert_eq!((world.told(), world.asked()), (vec!["voided 0/0".to_owned()], vec![]));
}

#[test]
fn mark_cancelled_before_created() {
    let mut world = World::after([cancelled(), created(), reserved()]);
    assert_eq!((world.status(), world.asked()), (Status::Voided, vec![]));
    assert_eq!(world.told(), ["voided 0/0"], "answered when it came");
}

#[test]
fn lookup_before_retry() {
    let mut world = World::after([created(), reserved()]);
    assert_eq!(world.asked(), ["charge 1"]);
    for _ in 0..3 {
        world.apply(&charge_unknown(1));
        world.due();
        assert_eq!(world.asked(), ["look up charge 1"], "the same key");
        assert!(matches!(world.apply(&process()), Reply::Refused(Refusal::PaymentNotRetryable(_))));
    }
    world.apply(&charge_captured(1));
    world.apply(&cancelled());
    world.asked();
    world.apply(&refund_unknown(1));
    world.due();
    assert_eq!(world.asked(), ["look up refund 1 of 1000"]);
}

#[test]
fn a_lost_call_is_taken_up_once_its_lease_has_run_out() {
    let mut world = World::after([created(), reserved()]);
    world.asked();
    world.apply(&due());
    assert_eq!(world.asked(), [""; 0], "the caller may still be calling");
    assert!(world.payment().due_at().unwrap() - world.now > POLICY.provider_timeout * 2);
    world.due();
    world.apply(&due());
    assert_eq!(world.asked(), ["look up charge 1"], "once, whoever else's timer strikes");
}

#[test]
fn an_unanswered_call_is_asked_about_less_and_less_often() {
    let mut world = World::after([created(), reserved()]);
    let mut last = Duration::ZERO;
    for _ in 0..40 {
        world.apply(&charge_unknown(1));
        let pause = world.payment().due_at().unwrap() - world.now;
        assert!(pause >= last && pause <= Duration::from_secs(60));
        last = pause.unsigned_abs();
        world.due();
    }
    assert_eq!(last, Duration::from_secs(60));
}

#[test]
fn late_capture_refunded() {
    let mut world = World::after([created(), reserved(), cancelled(), charge_captured(1)]);
    assert_eq!(world.asked(), ["charge 1", "refund 1 of 1000"]);
    world.apply(&refund_done(1));
    assert_eq!(world.told(), ["captured 1000/0", "refunded 1000/1000"]);
}

#[test]
fn a_capture_beats_every_other_result_of_its_attempt() {
    let mut world = World::after([created(), reserved(), charge_declined(1), charge_captured(1), charge_declined(1)]);
    assert_eq!(world.told(), ["declined 0/0", "captured 1000/0"]);
    assert_eq!(world.status(), Status::Captured);
}

#[test]
fn a_capture_while_a_later_attempt_is_open_pays_and_the_later_one_is_surplus() {
    let mut world = World::after([created(), reserved(), charge_declined(1), process(), charge_captured(1)]);
    assert_eq!(world.told(), ["declined 0/0", "captured 1000/0"]);
    world.asked();
    world.apply(&charge_captured(2));
    assert_eq!(world.told(), [""; 0], "the order hears nothing of it");
    assert_eq!(world.alerts, [Alert::SurplusCapture { order_id: order_id(), attempt: 2 }]);
    let [Effect::Refund(intent)] = world.effects.as_slice() else { panic!("{:?}", world.effects) };
    assert_eq!(intent.charge_key, format!("{}/2", order_id()));
    assert_eq!(intent.key, format!("{}/2/refund/1", order_id()));
    world.apply(&refund_done(1));
    let payment = world.payment();
    assert_eq!((payment.captured_minor(), payment.refunded_minor()), (TOTAL, 0), "kept out of the totals");
    assert_eq!(payment.status(), Status::Captured);
}

#[test]
fn a_capture_of_a_voided_payment_is_surplus() {
    let mut world = World::after([created(), reserved(), charge_declined(1), cancelled()]);
    (world.events, world.effects) = (Vec::new(), Vec::new());
    world.apply(&charge_captured(1));
    assert_eq!((world.told(), world.asked()), (vec![], vec!["refund 1 of 1000".to_owned()]));
    world.apply(&cancelled());
    assert_eq!(world.told(), [""; 0], "a cancel that comes now waits for the refund");
    world.apply(&refund_done(1));
    assert_eq!(world.told(), ["voided 0/0"]);
    assert_eq!(world.status(), Status::Voided);
}

#[test]
fn a_surplus_waits_for_the_refund_under_way() {
    let before = [created(), reserved(), charge_declined(1), process(), charge_captured(2), refund(400)];
    let mut world = World::after(before);
    world.asked();
    world.apply(&charge_captured(1));
    assert_eq!(world.asked(), [""; 0], "one refund at a time");
    world.apply(&refund_done(1));
    assert_eq!(world.asked(), ["refund 2 of 1000"]);
    world.apply(&cancelled());
    world.apply(&refund_done(2));
    assert_eq!(world.asked(), ["refund 3 of 600"]);
    world.apply(&refund_done(3));
    assert_eq!(world.status(), Status::Refunded);
}

#[test]
fn void_on_reject() {
    let mut world = World::after([created(), rejected(), reserved()]);
    assert_eq!(reasons(&world), [Some(STOCK_REJECTED)]);
    assert_eq!((world.told(), world.asked()), (vec!["voided 0/0".to_owned()], vec![]));
}

#[test]
fn cancel_refund_is_tried_again() {
    let mut world = World::after([created(), reserved(), charge_captured(1), cancelled()]);
    world.told();
    world.asked();
    let mut keys = std::collections::BTreeSet::new();
    for number in 1..=12 {
        world.apply(&refund_refused(number));
        assert_eq!(world.alerts.len(), number as usize);
        assert_eq!(world.status(), Status::Refunding, "one that waits for its next try counts as open");
        let pause = world.payment().due_at().unwrap() - world.now;
        assert!(pause >= Duration::from_secs(1) && pause <= Duration::from_secs(600), "{pause}");
        world.apply(&cancelled());
        world.apply(&due());
        assert!(world.told().is_empty() && world.asked().is_empty(), "a repeated cancel only finds it");
        world.due();
        let effects = std::mem::take(&mut world.effects);
        let [Effect::Refund(intent)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!((intent.number, intent.amount), (number + 1, usd(TOTAL)));
        assert!(keys.insert(intent.key.clone()), "under a new key");
    }
    world.apply(&refund_done(13));
    assert_eq!(world.told(), ["refunded 1000/1000"]);
}

#[test]
fn an_admins_refused_refund_fails_and_the_rest_can_be_refunded() {
    let mut world = World::after([created(), reserved(), charge_captured(1), refund(400), refund_refused(1)]);
    assert!(matches!(world.payment().refunds[0].state, RefundState::Failed { .. }));
    assert_eq!((world.status(), world.payment().left_minor()), (Status::Captured, TOTAL));
    assert!(world.alerts.is_empty() && world.payment().due_at().is_none());
    assert!(matches!(world.apply(&refund_all()), Reply::Refunding(..)));
}

#[test]
fn an_admins_words_never_read_as_a_cancels() {
    let reason = Some(ORDER_CANCELLED.to_owned());
    let refund = Command::Refund { order_id: order_id(), amount: None, reason };
    let world = World::after([created(), reserved(), charge_captured(1), refund, refund_done(1)]);
    assert_eq!(reasons(&world), [None, None]);
}

#[test]
fn at_most_five_attempts() {
    let mut world = World::after([created(), reserved()]);
    for attempt in 1..=5 {
        world.apply(&charge_declined(attempt));
        let reply = world.apply(&process());
        assert_eq!(matches!(reply, Reply::Processing(_)), attempt < 5, "{reply:?}");
    }
    let too_many = Refusal::PaymentNotRetryable(NotRetryable::TooManyAttempts);
    assert_eq!(world.apply(&process()), Reply::Refused(too_many));
}

#[test]
fn nothing_is_paid_again_that_could_be_answered_after_the_order_has_expired() {
    let mut world = World::after([created(), reserved(), charge_declined(1)]);
    let last_moment = START + TTL - POLICY.provider_timeout;
    world.now = last_moment;
    let too_late = Refusal::PaymentNotRetryable(NotRetryable::TooLate);
    assert_eq!(world.apply(&process()), Reply::Refused(too_late));
    world.now = last_moment - Duration::from_micros(1);
    assert!(matches!(world.apply(&process()), Reply::Processing(_)));
}

#[test]
fn another_customers_payment_is_not_found() {
    let mut world = World::after([created(), reserved(), charge_declined(1)]);
    let by = |subject: &str, admin: bool| Command::Process {
        order_id: order_id(),
        by: By { subject: subject.to_owned(), admin },
        payment_method: "pm_card_visa".to_owned(),
    };
    assert_eq!(world.apply(&by("somebody else", false)), Reply::Refused(Refusal::PaymentNotFound));
    assert!(matches!(world.apply(&by("somebody else", true)), Reply::Processing(_)), "an admin");
}

#[test]
fn a_refund_is_in_the_currency_of_its_charge() {
    let mut world = World::after([created(), reserved(), charge_captured(1)]);
    let amount = Some(Money::new(1, Currency::parse("EUR").unwrap()).unwrap());
    let refund = Command::Refund { order_id: order_id(), amount, reason: None };
    let expected = Currency::parse("USD").unwrap();
    assert_eq!(world.apply(&refund), Reply::Refused(Refusal::CurrencyMismatch { expected }));
}

#[test]
fn children_survive_their_json() {
    let worlds = [
        vec![created(), reserved(), charge_unknown(1)],
        vec![created(), reserved(), charge_declined(1), process(), charge_captured(1), charge_captured(2)],
        vec![created(), reserved(), charge_captured(1), refund(400), refund_done(1), cancelled(), refund_refused(2)],
    ];
    for commands in worlds {
        let world = World::after(commands);
        let Payment { attempts, refunds, .. } = world.payment();
        let json = serde_json::to_string(&(attempts, refunds)).unwrap();
        let read: (Vec<Attempt>, Vec<Refund>) = serde_json::from_str(&json).unwrap();
        assert_eq!((&read.0, &read.1), (attempts, refunds), "{json}");
    }
}
