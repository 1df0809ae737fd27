//! From what a customer wants to an order.

use super::*;
use common::events::{MAX_RECORD_BYTES, OrderEvent, TopicEvent};

pub(super) fn item(product_id: Uuid, price: Money) -> CatalogueItem {
    let (sku, name) = ("SKU-1".to_owned(), "A thing".to_owned());
    CatalogueItem { product_id, version: 1, sku, name, price, orderable: true }
}

fn wanted(product_id: Uuid, quantity: i64) -> WantedLine {
    WantedLine { product_id, quantity: Quantity::new(quantity).unwrap() }
}

pub(super) fn placement(lines: Vec<WantedLine>) -> Placement {
    Placement {
        order_id: ORDER,
        customer_id: CUSTOMER.to_owned(),
        lines,
        payment_method: "pm_card_visa".to_owned(),
        contact: contact(),
        shipping_address: None,
    }
}

fn shop(items: impl IntoIterator<Item = CatalogueItem>) -> World {
    let catalogue = Rows::loaded(items.into_iter().map(|item| (item.product_id, item)));
    World { set: Set { catalogue, ..Set::default() }, cx: context(NOW) }
}

impl World {
    fn place(&mut self, placement: Placement) -> Reply {
        self.apply(&Command::Place(Box::new(placement)))
    }
}

#[test]
fn prices_come_from_the_catalogue() {
    let mut shop = shop([item(PRODUCT, usd(1999))]);
    let Reply::Placed(order) = shop.place(placement(vec![wanted(PRODUCT, 3)])) else { panic!("not placed") };
    assert_eq!((order.total, order.status, order.expires_at), (usd(5997), Status::Pending, NOW + TTL));
    assert_eq!((order.due_at, order.version), (Some(NOW + TTL), 1));
    let [created, placed] = &shop.cx.take_records()[..] else { panic!("one event, one message") };
    let event = decode::<OrderEvent>(Some(created.value.as_bytes())).unwrap().event.unwrap();
    assert!(matches!(&event, OrderEvent::Created(created) if created.total == usd(5997)));
    assert_eq!((event.key(), name(placed).as_str()), (ORDER, "order_placed"));
    let [row] = &shop.set.timeline[..] else { panic!("one row") };
    assert_eq!((row.from, row.to, row.sequence), (None, Status::Pending, 1));
    assert_eq!((row.cause.as_str(), row.actor.as_str()), ("placed", CUSTOMER));
}

/// A sample that costs nothing is ordered as anything else; the provider takes nothing for it.
#[test]
fn what_is_free_can_be_ordered() {
    let mut shop = shop([item(PRODUCT, usd(0))]);
    let Reply::Placed(order) = shop.place(placement(vec![wanted(PRODUCT, 3)])) else { panic!("not placed") };
    assert_eq!(order.total, usd(0));
    let nothing = Seen::Captured { attempt: 1, amount: Some(usd(0)) };
    assert_eq!(shop.see(nothing), Status::Confirmed);
    shop.apply(&cancel());
    shop.see(Seen::StockReleased);
    assert_eq!(shop.see(paid_back(true)), Status::Cancelled);
}

#[test]
fn orders_that_can_not_be() {
    let [other, archived, dear] = [3, 4, 5].map(|n| Uuid::from_u128(n << 64));
    let items = [
        item(PRODUCT, usd(1)),
        item(other, money(1, "EUR")),
        CatalogueItem { orderable: false, ..item(archived, usd(1)) },
        item(dear, usd(i64::MAX)),
    ];
    let refused = |lines: Vec<WantedLine>| {
        let mut shop = shop(items.clone());
        let Reply::Refused(refusal) = shop.place(placement(lines)) else { panic!("placed") };
        assert!(shop.set.orders.iter().next().is_none() && shop.set.timeline.is_empty() && shop.told().is_empty());
        refusal
    };
    let (thing, unknown) = (wanted(PRODUCT, 1), wanted(Uuid::nil(), 1));
    assert_eq!(refused(vec![]), Refusal::NoLines);
    assert_eq!(refused(vec![thing, unknown]), Refusal::NotOrderable { lines: vec![1] });
    assert_eq!(refused(vec![wanted(archived, 1), thing, unknown]), Refusal::NotOrderable { lines: vec![0, 2] });
    assert_eq!(refused(vec![thing, wanted(PRODUCT, 2)]), Refusal::DuplicateLine { lines: vec![1] });
    assert_eq!(refused(vec![thing, wanted(other, 1)]), Refusal::MixedCurrencies { lines: vec![1] });
    assert_eq!(refused(vec![wanted(dear, 2)]), Refusal::TotalTooLarge);
    assert_eq!(refused(vec![wanted(dear, 1), thing]), Refusal::TotalTooLarge);
}

/// The longest texts that API.md allows, of the characters that cost most in JSON.
#[test]
fn the_largest_order_fits_in_a_record() {
    let text = |characters: usize| "\u{10348}".repeat(characters);
    let ids: Vec<Uuid> = (0..100).map(Uuid::from_u128).collect();
    let items = ids.iter().map(|id| CatalogueItem { sku: text(64), name: text(200), ..item(*id, usd(1_000_000_000)) });
    let mut shop = shop(items);
    let contact = Contact { email: Some(text(254)), phone: Some("1".repeat(32)) };
    let lines = ids.iter().map(|id| wanted(*id, 10_000)).collect();
    let largest = Placement { customer_id: text(255), contact, ..placement(lines) };
    assert!(matches!(shop.place(largest), Reply::Placed(_)));
    shop.see(Seen::Captured { attempt: 1, amount: Some(shop.order().total) });
    let sizes: Vec<usize> = shop.cx.take_records().iter().map(|record| record.value.len()).collect();
    assert_eq!(sizes.len(), 3, "order.created, and two messages");
    assert!(sizes.iter().all(|size| *size <= MAX_RECORD_BYTES), "{sizes:?}");
}
