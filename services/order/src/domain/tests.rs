//! The order's rules, as a table and as properties.

use super::*;
use common::events::{Contact, OrderLine, TopicEvent, decode};
use common::money::Currency;
use common::quantity::Quantity;
use engine::{Cause, Ids};
use proptest::prelude::*;
use std::collections::HashSet;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2031-01-01 12:00 UTC);
const TTL: Duration = Duration::minutes(15);
const ORDER: Uuid = Uuid::from_u128(1 << 64);
const PRODUCT: Uuid = Uuid::from_u128(2 << 64);

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::parse("USD").unwrap()).unwrap()
}

fn context(at: OffsetDateTime) -> Context {
    Context::new("order-service", Ids::Counted(0), Cause::own(at))
}

fn item(product_id: Uuid, price: Money) -> CatalogueItem {
    let (sku, name) = ("SKU-1".to_owned(), "A thing".to_owned());
    CatalogueItem { product_id, version: 1, sku, name, price, orderable: true }
}

fn wanted(product_id: Uuid, quantity: i64) -> WantedLine {
    WantedLine { product_id, quantity: Quantity::new(quantity).unwrap() }
}

fn placement(lines: Vec<WantedLine>) -> Command {
    Command::Place(Box::new(Placement {
        order_id: ORDER,
        customer_id: "somebody".to_owned(),
        lines,
        payment_method: "pm_card_visa".to_owned(),
        contact: Contact { email: Some("somebody@example.com".to_owned()), phone: None },
        shipping_address: None,
    }))
}

/// An order of 20.00, as it is in `status`.
fn order(status: Status) -> Order {
    let line = OrderLine {
        product_id: PRODUCT,
        sku: "SKU-1".to_owned(),
        name: "A thing".to_owned(),
        quantity: Quantity::new(2).unwrap(),
        unit_price: usd(1000),
        line_total: usd(2000),
    };
    let cancel = match status {
        Status::Cancelling => Some(Cancel::begun(CancelReason::Cancelled)),
        Status::Cancelled => {
            Some(Cancel { stock_back: true, paid_back: true, ..Cancel::begun(CancelReason::Cancelled) })
        }
        Status::Expired => Some(Cancel { stock_back: true, paid_back: true, ..Cancel::begun(CancelReason::Expired) }),
        _ => None,
    };
    Order {
        id: ORDER,
        number: "0000-0000-0000".to_owned(),
        customer_id: "somebody".to_owned(),
        status,
        lines: vec![line],
        total: usd(2000),
        contact: Contact { email: Some("somebody@example.com".to_owned()), phone: None },
        shipping_address: None,
        shipment: None,
        reason: None,
        cancel,
        expires_at: NOW,
        due_at: (status.awaits_payment() || status == Status::Cancelling).then_some(NOW),
        version: 1,
        trace: String::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn set_of(order: Order) -> Set {
    Set { orders: Rows::loaded([(order.id, order)]), ..Set::default() }
}

fn seen(event: Seen) -> Command {
    Command::Event { order_id: ORDER, event }
}

fn captured(attempt: u32) -> Seen {
    Seen::Captured { attempt, amount: Some(usd(2000)) }
}

fn declined(attempt: u32) -> Seen {
    Seen::Declined { attempt, code: Some("card_declined".to_owned()) }
}

fn refunded(all: bool, by_admin: bool) -> Seen {
    Seen::Refunded { refund_id: Some(Uuid::from_u128(9)), amount: Some(usd(500)), all, by_admin, reason: None }
}

fn by(subject: &str, admin: bool) -> By {
    By { subject: subject.to_owned(), admin }
}

/// The state after one command, the types of what it emitted, and the reply.
fn after(status: Status, command: &Command) -> (Status, Vec<&'static str>, Reply) {
    let (mut set, mut cx) = (set_of(order(status)), context(NOW));
    let reply = apply(TTL, &mut set, command, &mut cx).unwrap();
    let types = cx.take_records().iter().map(|record| record.event_type).collect();
    let order = set.orders.get(&ORDER).unwrap();
    let rows = i64::try_from(set.timeline.len()).unwrap();
    assert_eq!(order.version, 1 + rows, "every version is a row of the timeline");
    (order.status, types, reply)
}

/// Every state against every command; a pair that is not named here changes nothing.
#[test]
fn the_table_of_transitions() {
    use Status::{
        Cancelled, Cancelling, Confirmed, Delivered, Expired, PaymentFailed, Pending, Rejected, Reserved, Shipped,
    };
    let cancel = Command::Cancel { order_id: ORDER, by: by("somebody", false), reason: None };
    let (carrier, tracking_number) = ("carrier".to_owned(), "1".to_owned());
    let ship = Command::Ship { order_id: ORDER, by: by("admin", true), carrier, tracking_number };
    let deliver = Command::Deliver { order_id: ORDER, by: by("admin", true) };
    let due = Command::Due { order_id: ORDER };
    let reserved = seen(Seen::StockReserved);
    let rejected = seen(Seen::StockRejected { reason: "out_of_stock".to_owned() });
    let released = seen(Seen::StockReleased);
    let captured = seen(captured(1));
    let declined = seen(declined(1));
    let paid_back = seen(Seen::PaidBack);
    let refunded = seen(refunded(true, false));
    let table = [
        (
            &cancel,
            vec![(Pending, Cancelling), (Reserved, Cancelling), (PaymentFailed, Cancelling), (Confirmed, Cancelling)],
        ),
        (&ship, vec![(Confirmed, Shipped)]),
        (&deliver, vec![(Shipped, Delivered)]),
        (&due, vec![(Pending, Cancelling), (Reserved, Cancelling), (PaymentFailed, Cancelling)]),
        (&reserved, vec![(Pending, Reserved)]),
        (&rejected, vec![(Pending, Rejected)]),
        (&captured, vec![(Pending, Confirmed), (Reserved, Confirmed), (PaymentFailed, Confirmed)]),
        (&declined, vec![(Pending, PaymentFailed), (Reserved, PaymentFailed)]),
        (&released, vec![]),
        (&paid_back, vec![]),
        (&refunded, vec![]),
    ];
    for (command, transitions) in table {
        for from in Status::ALL {
            let to = transitions.iter().find(|(state, _)| *state == from).map_or(from, |(_, to)| *to);
            assert_eq!(after(from, command).0, to, "{from:?} and {command:?}");
        }
    }
    for status in [Cancelled, Expired, Rejected, Delivered] {
        assert!(!status.awaits_payment(), "{status:?} has ended");
    }
}

#[test]
fn what_is_emitted_and_who_is_told() {
    let cancel = Command::Cancel { order_id: ORDER, by: by("somebody", false), reason: None };
    assert_eq!(after(Status::Confirmed, &cancel).1, ["order.cancelled.v1"]);
    assert_eq!(after(Status::Cancelling, &cancel).1, [""; 0], "once is enough; the timer repeats it");
    assert_eq!(after(Status::Pending, &Command::Due { order_id: ORDER }).1, ["order.cancelled.v1"]);
    assert_eq!(after(Status::Cancelling, &Command::Due { order_id: ORDER }).1, ["order.cancelled.v1"]);
    assert_eq!(after(Status::Confirmed, &Command::Due { order_id: ORDER }).1, [""; 0]);
    assert_eq!(after(Status::Pending, &seen(Seen::StockReserved)).1, [""; 0]);
    for event in [captured(1), declined(1), Seen::StockRejected { reason: "out_of_stock".to_owned() }] {
        assert_eq!(after(Status::Pending, &seen(event)).1, ["notification.send.v1"]);
    }
    assert_eq!(after(Status::Shipped, &seen(refunded(false, true))).1, ["notification.send.v1"]);
    assert_eq!(after(Status::Shipped, &seen(refunded(false, false))).1, [""; 0], "a cancel's own refund");
}

#[test]
fn a_cancel_ends_when_stock_and_money_are_back() {
    let (mut set, mut cx) = (set_of(order(Status::Cancelling)), context(NOW));
    let mut see = |event: Seen| {
        apply(TTL, &mut set, &seen(event), &mut cx).unwrap();
        set.orders.get(&ORDER).unwrap().status
    };
    assert_eq!(see(refunded(false, false)), Status::Cancelling, "a part is not all");
    assert_eq!(see(Seen::StockReleased), Status::Cancelling);
    assert_eq!(see(refunded(true, false)), Status::Cancelled);
}

#[test]
fn an_admins_refund_is_entered_once() {
    let (mut set, mut cx) = (set_of(order(Status::Delivered)), context(NOW));
    for _ in 0..3 {
        apply(TTL, &mut set, &seen(refunded(false, true)), &mut cx).unwrap();
    }
    assert_eq!((set.timeline.len(), cx.take_records().len()), (1, 1));
    assert_eq!((set.timeline[0].from, set.timeline[0].to), (Some(Status::Delivered), Status::Delivered));
}

#[test]
fn others_orders_are_as_none() {
    let cancel = Command::Cancel { order_id: ORDER, by: by("somebody else", false), reason: None };
    assert_eq!(after(Status::Confirmed, &cancel).2, Reply::Refused(Refusal::OrderNotFound));
    let admin = Command::Cancel { order_id: ORDER, by: by("somebody else", true), reason: None };
    assert_eq!(after(Status::Confirmed, &admin).0, Status::Cancelling);
}

#[test]
fn what_can_not_be_is_poison() {
    let amounts = [None, Some(usd(1999)), Some(Money::new(2000, Currency::parse("EUR").unwrap()).unwrap())];
    for amount in amounts {
        let (mut set, mut cx) = (set_of(order(Status::Reserved)), context(NOW));
        let wrong = seen(Seen::Captured { attempt: 1, amount });
        assert!(apply(TTL, &mut set, &wrong, &mut cx).is_err(), "{amount:?}");
        assert_eq!(set.orders.get(&ORDER).unwrap().status, Status::Reserved);
    }
    assert!(apply(TTL, &mut Set::default(), &seen(Seen::StockReserved), &mut context(NOW)).is_err(), "never placed");
}

#[test]
fn prices_come_from_the_catalogue() {
    let mut set = Set { catalogue: Rows::loaded([(PRODUCT, item(PRODUCT, usd(1999)))]), ..Set::default() };
    let mut cx = context(NOW);
    let Reply::Placed(order) = apply(TTL, &mut set, &placement(vec![wanted(PRODUCT, 3)]), &mut cx).unwrap() else {
        panic!("not placed");
    };
    assert_eq!((order.total, order.status, order.expires_at), (usd(5997), Status::Pending, NOW + TTL));
    let records = cx.take_records();
    let created = decode::<OrderEvent>(Some(records[0].value.as_bytes())).unwrap().event.unwrap();
    assert!(matches!(&created, OrderEvent::Created(created) if created.total == usd(5997)));
    assert_eq!((created.key(), records[1].event_type), (ORDER, "notification.send.v1"));
}

#[test]
fn orders_that_can_not_be() {
    let other = Uuid::from_u128(3 << 64);
    let euro = Money::new(1, Currency::parse("EUR").unwrap()).unwrap();
    let archived = CatalogueItem { orderable: false, ..item(Uuid::from_u128(4 << 64), usd(1)) };
    let dear = item(Uuid::from_u128(5 << 64), usd(i64::MAX));
    let items = [item(PRODUCT, usd(1)), item(other, euro), archived.clone(), dear.clone()];
    let catalogue = Rows::loaded(items.map(|item| (item.product_id, item)));
    let refused = |lines: Vec<WantedLine>| {
        let mut set = Set { catalogue: catalogue.clone(), ..Set::default() };
        let Reply::Refused(refusal) = apply(TTL, &mut set, &placement(lines), &mut context(NOW)).unwrap() else {
            panic!("placed");
        };
        assert!(set.orders.iter().next().is_none() && set.timeline.is_empty());
        refusal
    };
    let unknown = wanted(Uuid::nil(), 1);
    assert_eq!(refused(vec![]), Refusal::NoLines);
    assert_eq!(refused(vec![wanted(PRODUCT, 1), unknown]), Refusal::NotOrderable { lines: vec![1] });
    assert_eq!(refused(vec![wanted(archived.product_id, 1)]), Refusal::NotOrderable { lines: vec![0] });
    assert_eq!(refused(vec![wanted(PRODUCT, 1), wanted(PRODUCT, 2)]), Refusal::DuplicateLine { lines: vec![1] });
    assert_eq!(refused(vec![wanted(PRODUCT, 1), wanted(other, 1)]), Refusal::MixedCurrencies { lines: vec![1] });
    assert_eq!(refused(vec![wanted(dear.product_id, 2)]), Refusal::TotalTooLarge);
    assert_eq!(refused(vec![wanted(dear.product_id, 1), wanted(PRODUCT, 1)]), Refusal::TotalTooLarge);
}

#[test]
fn the_catalogue_keeps_the_highest_version() {
    let mut set = Set::default();
    for version in [2, 1, 3, 3, 2] {
        let item = CatalogueItem { version, price: usd(version), ..item(PRODUCT, usd(0)) };
        apply(TTL, &mut set, &Command::ProductChanged(item), &mut context(NOW)).unwrap();
    }
    assert_eq!(set.catalogue.get(&PRODUCT).unwrap().price, usd(3));
}

#[test]
fn the_pause_before_a_cancel_is_sent_again_grows_up_to_a_bound() {
    let mut set = set_of(order(Status::Cancelling));
    let (mut at, mut pauses) = (NOW, Vec::new());
    for _ in 0..10 {
        apply(TTL, &mut set, &Command::Due { order_id: ORDER }, &mut context(at)).unwrap();
        let next = set.orders.get(&ORDER).unwrap().due_at.unwrap();
        pauses.push(next - at);
        at = next;
    }
    assert!(pauses.is_sorted() && pauses[0] == SEND_CANCEL_AGAIN * 2);
    assert_eq!(pauses.last(), Some(&SEND_CANCEL_AT_LEAST));
}

/// Whatever is shuffled and repeated of these ends the same.
fn shuffled(facts: Vec<Seen>) -> impl Strategy<Value = Vec<Seen>> {
    let repeated: Vec<Seen> = facts.iter().chain(&facts).cloned().collect();
    (Just(facts), proptest::sample::subsequence(repeated.clone(), 0..=repeated.len()))
        .prop_map(|(all, more)| all.into_iter().chain(more).collect::<Vec<Seen>>())
        .prop_shuffle()
}

fn end(from: Order, facts: Vec<Seen>) -> Order {
    let (mut set, mut cx) = (set_of(from), context(NOW));
    for fact in facts {
        apply(TTL, &mut set, &seen(fact), &mut cx).unwrap();
    }
    let causes: HashSet<&str> = set.timeline.iter().map(|row| row.cause.as_str()).collect();
    assert_eq!(causes.len(), set.timeline.len(), "a cause is entered once");
    set.orders.get(&ORDER).unwrap().clone()
}

proptest! {
    #[test]
    fn a_paid_order_is_confirmed(facts in shuffled(vec![Seen::StockReserved, captured(1)])) {
        prop_assert_eq!(end(order(Status::Pending), facts).status, Status::Confirmed);
    }

    #[test]
    fn a_declined_order_that_is_paid_again_is_confirmed(
        facts in shuffled(vec![Seen::StockReserved, declined(1), declined(2), captured(3)]),
    ) {
        prop_assert_eq!(end(order(Status::Pending), facts).status, Status::Confirmed);
    }

    #[test]
    fn a_rejected_order_stays_so(
        facts in shuffled(vec![Seen::StockRejected { reason: "out_of_stock".to_owned() }, Seen::PaidBack]),
    ) {
        prop_assert_eq!(end(order(Status::Pending), facts).status, Status::Rejected);
    }

    #[test]
    fn a_cancelled_order_ends_whatever_comes_late(
        facts in shuffled(vec![
            Seen::StockReserved, declined(1), captured(2), refunded(false, true), Seen::StockReleased, refunded(true, false),
        ]),
    ) {
        let order = end(order(Status::Cancelling), facts);
        prop_assert_eq!(order.status, Status::Cancelled);
        prop_assert_eq!(order.due_at, None);
    }
}
