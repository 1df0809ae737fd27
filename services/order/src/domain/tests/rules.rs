//! Rules that a table does not show.

use super::*;
use crate::domain::saga::{SEND_CANCEL_AGAIN, SEND_CANCEL_AT_LEAST};

#[test]
fn a_cancel_ends_when_stock_and_money_are_back() {
    let mut world = World::of(Status::Cancelling);
    assert_eq!(world.see(paid_back(false)), Status::Cancelling, "a part is not all");
    assert_eq!(world.see(Seen::StockReleased), Status::Cancelling);
    assert_eq!(world.see(Seen::StockReleased), Status::Cancelling, "one of them twice is not both");
    assert_eq!(world.see(paid_back(true)), Status::Cancelled);
    assert_eq!(world.order().due_at, None);
    let mut world = World::of(Status::Cancelling);
    assert_eq!(world.see(paid_back(true)), Status::Cancelling);
    assert_eq!(world.see(Seen::StockReleased), Status::Cancelled);
}

#[test]
fn an_answer_that_comes_again_is_not_written_again() {
    let answered = Cancel { stock_back: true, ..Cancel::begun(CancelReason::Cancelled) };
    let mut world = World::with(Order { cancel: Some(answered), ..order(Status::Cancelling) });
    world.see(Seen::StockReleased);
    assert!(world.set.orders.updated().next().is_none());
}

#[test]
fn the_deadline_ends_as_expired_also_where_somebody_cancels_meanwhile() {
    let mut world = World::of(Status::PaymentFailed);
    world.apply(&due());
    assert!(matches!(world.apply(&cancel()), Reply::Cancelling(_)));
    world.see(Seen::StockReleased);
    assert_eq!(world.see(paid_back(true)), Status::Expired);
}

#[test]
fn the_deadline_strikes_when_it_comes_and_not_before() {
    let later = Order { due_at: Some(NOW + Duration::SECOND), ..order(Status::Reserved) };
    let mut world = World::with(later);
    world.apply(&due());
    assert_eq!(world.order().status, Status::Reserved);
    world.cx = context(NOW + Duration::SECOND);
    world.apply(&due());
    assert_eq!(world.order().status, Status::Cancelling);
}

#[test]
fn the_deadline_stays_until_the_order_is_paid() {
    let expires_at = NOW + Duration::MINUTE;
    let waits = Order { expires_at, due_at: Some(expires_at), ..order(Status::Pending) };
    let mut world = World::with(waits);
    for event in [Seen::StockReserved, declined(1)] {
        world.see(event);
        assert_eq!(world.order().due_at, Some(expires_at));
    }
    world.see(captured(2));
    assert_eq!(world.order().due_at, None);
}

#[test]
fn an_admins_refund_is_entered_once_and_told_with_its_own_amount() {
    let mut world = World::of(Status::Delivered);
    for _ in 0..3 {
        world.see(refunded(false));
    }
    let records = world.cx.take_records();
    assert_eq!((world.set.timeline.len(), records.len()), (1, 1));
    let message = message(&records[0]).unwrap();
    assert_eq!((message.template.as_str(), message.vars.total), ("order_refunded", usd(500)));
    assert_eq!(message.timeline_sequence, 2);
    let row = &world.set.timeline[0];
    assert_eq!((row.cause.as_str(), row.sequence), (refund_cause(REFUND).as_str(), 2));
    let mut known = World::of(Status::Delivered);
    known.set.refunds.insert((ORDER, REFUND));
    known.see(refunded(false));
    assert!(known.set.timeline.is_empty(), "load found it on the timeline");
}

#[test]
fn an_admins_refund_leaves_what_is_due_and_may_end_a_cancel() {
    let mut world = World::of(Status::Reserved);
    world.see(refunded(false));
    assert_eq!(world.order().due_at, Some(NOW));
    let mut world = World::of(Status::Cancelling);
    world.see(Seen::StockReleased);
    assert_eq!(world.see(refunded(true)), Status::Cancelled);
    assert_eq!(world.told(), ["order_refunded", "order_cancelled"]);
    assert_eq!(world.set.timeline.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn others_orders_are_as_none() {
    let as_other = |command: Command| {
        let mut world = World::of(Status::Confirmed);
        (world.apply(&command), world.order().status)
    };
    let other = By { subject: "somebody else".to_owned(), admin: false };
    let (reply, status) = as_other(Command::Cancel { order_id: ORDER, by: other, reason: None });
    assert_eq!((reply, status), (Reply::Refused(Refusal::OrderNotFound), Status::Confirmed));
    let (_, status) = as_other(Command::Cancel { order_id: ORDER, by: admin(), reason: None });
    assert_eq!(status, Status::Cancelling);
    let reply = apply(TTL, &mut Set::default(), &cancel(), &mut context(NOW)).unwrap();
    assert_eq!(reply, Reply::Refused(Refusal::OrderNotFound));
}

#[test]
fn what_can_not_be_is_poison_and_changes_nothing() {
    let mut wrong = vec![Seen::Captured { attempt: 1, amount: None }];
    for amount in [usd(1999), usd(2001), money(2000, "EUR")] {
        wrong.push(Seen::Captured { attempt: 1, amount: Some(amount) });
    }
    for amount in [usd(2001), money(1, "EUR")] {
        let refund = Some(AdminRefund { id: REFUND, amount, reason: None });
        wrong.push(Seen::PaidBack { all: true, refund });
    }
    for status in Status::ALL {
        for event in &wrong {
            let mut world = World::of(status);
            let poison = apply(TTL, &mut world.set, &seen(event.clone()), &mut world.cx);
            assert!(poison.is_err(), "{status:?} and {event:?}");
            assert!(world.set.orders.updated().next().is_none() && world.set.timeline.is_empty());
            assert!(world.set.refunds.is_empty() && world.told().is_empty());
        }
    }
    let events = [Seen::StockReserved, rejected(), Seen::StockReleased, captured(1), declined(1), paid_back(true)];
    for event in events {
        let poison = apply(TTL, &mut Set::default(), &seen(event), &mut context(NOW));
        assert_eq!(poison, Err(Poison(format!("order {ORDER} was never placed"))));
    }
}

#[test]
fn the_timeline_names_who_and_why() {
    let event_id = Uuid::from_u128(77);
    let cause = |causation_id: String| Cause { causation_id, ..Cause::own(NOW) };
    let mut world = World::of(Status::Reserved);
    world.cx.caused_by(cause(event_id.to_string()));
    world.see(declined(2));
    world.cx.caused_by(cause(Uuid::from_u128(78).to_string()));
    world.apply(&cancel());
    let [failed, cancelling] = &world.set.timeline[..] else { panic!("two steps") };
    let of = |row: &TimelineRow| (row.cause.clone(), row.actor.clone(), row.reason.clone(), row.event_id);
    let text = ToOwned::to_owned;
    let by_payment = (text("declined 2"), text("payment"), Some(text("card_declined")), Some(event_id));
    assert_eq!(of(failed), by_payment);
    let by_customer = (text("cancel"), text(CUSTOMER), Some(text("changed my mind")), None);
    assert_eq!(of(cancelling), by_customer, "a request is no event");
    assert_eq!(world.order().reason.as_deref(), Some("changed my mind"));
}

#[test]
fn messages_hold_what_their_templates_name() {
    let mut world = World::of(Status::Reserved);
    world.see(captured(1));
    world.apply(&ship());
    let records = world.cx.take_records();
    let messages: Vec<NotificationRequested> = records.iter().filter_map(message).collect();
    let [confirmed, shipped] = &messages[..] else { panic!("two messages") };
    assert_eq!((confirmed.vars.total, confirmed.vars.lines.len(), confirmed.timeline_sequence), (usd(2000), 1, 2));
    assert_eq!((shipped.vars.tracking_number.as_deref(), shipped.timeline_sequence), (Some("PP-1"), 3));
}

#[test]
fn somebody_without_an_address_is_not_told() {
    let mut world = World::with(Order { contact: Contact::default(), ..order(Status::Reserved) });
    world.see(captured(1));
    assert!(world.told().is_empty());
    assert_eq!(world.set.timeline.len(), 1);
}

#[test]
fn the_catalogue_keeps_the_highest_version() {
    let mut set = Set::default();
    for version in [2, 1, 3, 3, 2] {
        let item = CatalogueItem { version, price: usd(version), ..placing::item(PRODUCT, usd(0)) };
        apply(TTL, &mut set, &Command::ProductChanged(item), &mut context(NOW)).unwrap();
    }
    assert_eq!(set.catalogue.get(&PRODUCT).unwrap().price, usd(3));
    let known = Rows::loaded([(PRODUCT, placing::item(PRODUCT, usd(1)))]);
    let mut set = Set { catalogue: known, ..Set::default() };
    let again = Command::ProductChanged(placing::item(PRODUCT, usd(1)));
    apply(TTL, &mut set, &again, &mut context(NOW)).unwrap();
    assert!(set.catalogue.updated().next().is_none(), "the same version is not written again");
}

#[test]
fn the_pause_before_a_cancel_is_sent_again_grows_up_to_a_bound() {
    let mut world = World::of(Status::Confirmed);
    world.apply(&cancel());
    let (mut at, mut pauses) = (NOW, Vec::new());
    for _ in 0..10 {
        let next = world.order().due_at.unwrap();
        pauses.push(next - at);
        at = next;
        world.cx = context(at);
        world.apply(&due());
    }
    assert!(pauses.is_sorted() && pauses[..2] == [SEND_CANCEL_AGAIN, SEND_CANCEL_AGAIN * 2], "{pauses:?}");
    assert_eq!(pauses.last(), Some(&SEND_CANCEL_AT_LEAST));
    let counted = Cancel { sent: i32::MAX, ..Cancel::begun(CancelReason::Cancelled) };
    let mut world = World::with(Order { cancel: Some(counted), ..order(Status::Cancelling) });
    world.apply(&due());
    assert_eq!(world.order().due_at, Some(NOW + SEND_CANCEL_AT_LEAST));
}
