//! The rules of a notification, as a table and as properties, and every template once.

use super::*;
use common::events::{Contact, NotificationLine, NotificationVars, Template};
use common::money::{Currency, Money};
use engine::{Cause, Ids};
use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2031-01-01 12:00 UTC);
const OUT: Carriers = Carriers { email: true };
const ORDER: Uuid = Uuid::from_u128(1 << 64);

fn asked(template: Template) -> NotificationRequested {
    let total = Money::new(1999, Currency::parse("USD").unwrap()).unwrap();
    NotificationRequested {
        order_id: ORDER,
        order_number: "7QK3-M9XW-2FTD".to_owned(),
        customer_id: "somebody".to_owned(),
        timeline_sequence: 1,
        template,
        contact: Contact { email: Some("somebody@example.com".to_owned()), phone: Some("+49 30 123456".to_owned()) },
        vars: NotificationVars {
            total,
            lines: vec![NotificationLine { name: "Salt & <pepper>".to_owned(), quantity: 2, line_total: total }],
            reason: Some("card_declined".to_owned()),
            tracking_number: Some("TP-1".to_owned()),
        },
    }
}

fn context(at: OffsetDateTime) -> Context {
    Context::new("notification-service", Ids::Counted(0), Cause::own(at))
}

/// One that is asked for by e-mail only, in `status`, after its first attempt.
fn row(status: Status) -> (Set, Uuid) {
    let mut set = Set::default();
    let mut asked = asked(Template::OrderPlaced);
    asked.contact.phone = None;
    apply(OUT, &mut set, &Command::Requested(Box::new(asked)), &mut context(NOW)).unwrap();
    let mut row = set.notifications.iter().next().unwrap().1.clone();
    row.status = status;
    row.due_at = row.due_at.filter(|_| status == Status::Queued);
    let id = row.id;
    (Set { notifications: Rows::loaded([(id, row)]), ..set }, id)
}

/// The status after one command at `at`, the next time that it is due, and how many messages go out.
fn after(status: Status, command: fn(Uuid) -> Command, at: OffsetDateTime) -> (Status, Option<Duration>, usize) {
    let (mut set, id) = row(status);
    let mut cx = context(at);
    apply(OUT, &mut set, &command(id), &mut cx).unwrap();
    let row = set.notifications.get(&id).unwrap();
    (row.status, row.due_at.map(|due_at| due_at - at), cx.take_effects().len())
}

#[test]
fn the_table_of_transitions() {
    use Status::{Failed, Queued, Sent};
    let sent: fn(Uuid) -> Command = |id| Command::Sent { id, attempt: 1 };
    let later: fn(Uuid) -> Command =
        |id| Command::TriedInVain { id, attempt: 1, for_good: false, error: "451 later".to_owned() };
    let never: fn(Uuid) -> Command =
        |id| Command::TriedInVain { id, attempt: 1, for_good: true, error: "550 no".to_owned() };
    let over: fn(Uuid) -> Command =
        |id| Command::TriedInVain { id, attempt: 7, for_good: true, error: "550 no".to_owned() };
    let due: fn(Uuid) -> Command = |id| Command::Due { id };
    let resend: fn(Uuid) -> Command = |id| Command::Resend { id };
    for (from, command, at, wanted) in [
        (Queued, sent, NOW, (Sent, None, 0)),
        (Sent, sent, NOW, (Sent, None, 0)),
        (Failed, sent, NOW, (Sent, None, 0)),
        (Queued, later, NOW, (Queued, Some(FIRST_PAUSE), 0)),
        (Queued, never, NOW, (Failed, None, 0)),
        (Queued, over, NOW, (Queued, Some(LEASE), 0)),
        (Sent, later, NOW, (Sent, None, 0)),
        (Failed, later, NOW, (Failed, None, 0)),
        (Queued, due, NOW, (Queued, Some(LEASE), 0)),
        (Queued, due, NOW + LEASE, (Queued, Some(LEASE), 1)),
        (Sent, due, NOW + LEASE, (Sent, None, 0)),
        (Failed, due, NOW + LEASE, (Failed, None, 0)),
        (Queued, resend, NOW, (Queued, Some(LEASE), 0)),
        (Sent, resend, NOW, (Queued, Some(LEASE), 1)),
        (Failed, resend, NOW, (Queued, Some(LEASE), 1)),
    ] {
        assert_eq!(after(from, command, at), wanted, "{from:?}: {:?} at {at}", command(Uuid::nil()));
    }
    let reply = apply(OUT, &mut Set::default(), &Command::Resend { id: ORDER }, &mut context(NOW)).unwrap();
    assert_eq!(reply, Reply::NotFound);
}

#[test]
fn a_message_that_never_goes_out_fails_after_some_attempts() {
    let (mut set, id) = row(Status::Queued);
    let mut at = NOW;
    let mut attempts = 1;
    while let Some(due_at) = set.notifications.get(&id).unwrap().due_at {
        at = due_at;
        let mut cx = context(at);
        apply(OUT, &mut set, &Command::Due { id }, &mut cx).unwrap();
        for send in cx.take_effects() {
            attempts += 1;
            let error = "\0 421 later".to_owned();
            let failed = Command::TriedInVain { id, attempt: send.attempt, for_good: false, error };
            apply(OUT, &mut set, &failed, &mut context(at)).unwrap();
        }
    }
    let row = set.notifications.get(&id).unwrap();
    assert_eq!((row.status, attempts, row.last_error.as_deref()), (Status::Failed, MAX_ATTEMPTS, Some(" 421 later")));
    assert!((Duration::hours(23)..Duration::hours(25)).contains(&(at - NOW)), "{}", at - NOW);
}

#[test]
fn a_long_pause_is_cut_short_by_resend() {
    let (mut set, id) = row(Status::Queued);
    let (mut at, mut pause) = (NOW, Duration::ZERO);
    while pause <= LEASE {
        let attempt = set.notifications.get(&id).unwrap().attempts;
        let failed = Command::TriedInVain { id, attempt, for_good: false, error: "421 later".to_owned() };
        apply(OUT, &mut set, &failed, &mut context(at)).unwrap();
        let due_at = set.notifications.get(&id).unwrap().due_at.unwrap();
        (pause, at) = (due_at - at, if due_at - at > LEASE { at } else { due_at });
        apply(OUT, &mut set, &Command::Due { id }, &mut context(at)).unwrap();
    }
    let mut cx = context(at);
    apply(OUT, &mut set, &Command::Resend { id }, &mut cx).unwrap();
    let sends = cx.take_effects();
    assert_eq!(sends.iter().map(|send| send.attempt).collect::<Vec<_>>(), [1]);
}

#[test]
fn each_channel_is_told_once() {
    let (mut set, mut cx) = (Set::default(), context(NOW));
    for _ in 0..3 {
        apply(OUT, &mut set, &Command::Requested(Box::new(asked(Template::OrderPlaced))), &mut cx).unwrap();
    }
    let sends = cx.take_effects();
    assert_eq!(sends.iter().map(|send| send.channel).collect::<Vec<_>>(), [Channel::Email]);
    assert_eq!(set.notifications.inserted().count(), 2);
}

#[test]
fn what_nobody_carries_is_recorded_as_sent() {
    let (mut set, mut cx) = (Set::default(), context(NOW));
    let nobody = Carriers { email: false };
    apply(nobody, &mut set, &Command::Requested(Box::new(asked(Template::OrderPlaced))), &mut cx).unwrap();
    let told: Vec<_> = set.notifications.inserted().map(|n| (n.channel, n.status, n.attempts, n.sent_at)).collect();
    let sent = |channel| (channel, Status::Sent, 1, Some(NOW));
    assert_eq!(told, [sent(Channel::Email), sent(Channel::Sms)]);
    assert!(set.notifications.inserted().all(|n| n.due_at.is_none() && n.html.is_none() && !n.body.is_empty()));
    assert_eq!(cx.take_effects(), []);
    let (mut set, id) = row(Status::Failed);
    apply(nobody, &mut set, &Command::Resend { id }, &mut context(NOW)).unwrap();
    assert_eq!(set.notifications.get(&id).unwrap().status, Status::Sent);
}

#[test]
fn every_template_says_something() {
    for template in Template::ALL {
        let mail = render(&asked(template), Channel::Email, true);
        let (subject, html) = (mail.subject.unwrap(), mail.html.unwrap());
        assert!(!subject.is_empty() && !subject.contains(['\n', '{']), "{subject}");
        assert!(mail.body.contains("7QK3-M9XW-2FTD") && !mail.body.contains("{{"), "{}", mail.body);
        assert!(html.contains("Salt &amp; &lt;pepper&gt;") && !html.contains("<pepper>"), "{html}");
        let sms = render(&asked(template), Channel::Sms, false);
        assert!(sms.subject.is_none() && sms.html.is_none() && !sms.body.is_empty());
    }
    let placed = render(&asked(Template::OrderPlaced), Channel::Email, true);
    assert_eq!(placed.subject.as_deref(), Some("We have your order 7QK3-M9XW-2FTD"));
    assert!(placed.body.contains("2 x Salt & <pepper>: 19.99 USD"), "{}", placed.body);
}

proptest! {
    #[test]
    fn what_was_sent_once_stays_sent(
        commands in proptest::collection::vec(0..5_u8, 0..12),
    ) {
        let (mut set, id) = row(Status::Queued);
        let mut once_sent = false;
        for (n, command) in commands.into_iter().enumerate() {
            let at = NOW + LEASE * i32::try_from(n).unwrap();
            let attempt = set.notifications.get(&id).unwrap().attempts;
            let command = match command {
                0 => Command::Sent { id, attempt },
                1 => Command::TriedInVain { id, attempt, for_good: false, error: String::new() },
                2 => Command::TriedInVain { id, attempt, for_good: true, error: String::new() },
                3 => Command::Due { id },
                _ => {
                    let mut again = asked(Template::OrderPlaced);
                    again.contact.phone = None;
                    Command::Requested(Box::new(again))
                }
            };
            once_sent |= matches!(command, Command::Sent { .. });
            apply(OUT, &mut set, &command, &mut context(at)).unwrap();
            let row = set.notifications.get(&id).unwrap();
            prop_assert_eq!(once_sent, row.status == Status::Sent);
            prop_assert!(row.attempts <= MAX_ATTEMPTS);
            prop_assert_eq!(row.due_at.is_some(), row.status == Status::Queued);
        }
    }

    /// One order's requests, in any order and repeated, with whatever comes of their attempts in between: one row for
    /// each row of the timeline and channel, the same ones, and each sent once where every attempt succeeds.
    #[test]
    fn requests_commute(
        dealt in Just((0..12_i32).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..12_i32, 0..12),
    ) {
        let request = |n: i32| {
            let template = Template::ALL[usize::try_from(n).unwrap() % Template::ALL.len()];
            Command::Requested(Box::new(NotificationRequested { timeline_sequence: n, ..asked(template) }))
        };
        let end = |order: &[i32]| {
            let (mut set, mut sent) = (Set::default(), 0);
            // Ids go on from batch to batch.
            let mut cx = context(NOW);
            for n in order {
                apply(OUT, &mut set, &request(*n), &mut cx).unwrap();
                for send in cx.take_effects() {
                    sent += 1;
                    let done = Command::Sent { id: send.id, attempt: send.attempt };
                    apply(OUT, &mut set, &done, &mut cx).unwrap();
                }
            }
            let mut rows: Vec<Notification> =
                set.notifications.iter().map(|(_, row)| Notification { id: Uuid::nil(), trace: String::new(), ..row.clone() }).collect();
            rows.sort_by_key(|row| (row.timeline_sequence, row.channel));
            (rows, sent)
        };
        let (straight, sent) = end(&(0..12).collect::<Vec<_>>());
        prop_assert_eq!((straight.len(), sent), (24, 12), "by e-mail and by SMS, which nobody carries");
        prop_assert!(straight.iter().all(|row| row.status == Status::Sent));
        let wild: Vec<i32> = dealt.into_iter().chain(again).collect();
        prop_assert_eq!(end(&wild), (straight, sent));
    }
}
