//! What the events of other services tell of orders. Pure: the engine reads the topics.

use crate::domain::{AdminRefund, CatalogueItem, Command, Seen};
use common::events::{
    INVENTORY_UPDATED, InventoryEvent, PAYMENT_COMPLETED, PRODUCT_UPDATED, PaymentEvent, PaymentFact, ProductStatus,
    ProductUpdated, Unreadable, decode,
};
use engine::{Parsed, Subscription};

/// What payment gives as the reason of a refund that a cancel asked for.
const BY_CANCEL: &str = "order_cancelled";

/// The topics that the order service reads.
#[must_use]
pub fn subscriptions() -> Vec<Subscription<Command>> {
    vec![
        Subscription { topic: &INVENTORY_UPDATED, read: read_inventory },
        Subscription { topic: &PAYMENT_COMPLETED, read: read_payment },
        Subscription { topic: &PRODUCT_UPDATED, read: read_product },
    ]
}

fn read_inventory(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| Parsed::of(received, on_inventory))
}

fn read_payment(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| Parsed::of(received, |event| Some(on_payment(event))))
}

/// A compacted topic may hold tombstones; what was ordered stays ordered.
fn read_product(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    if value.is_none() {
        return Ok(Parsed::nothing());
    }
    decode(value).map(|received| Parsed::of(received, |event| Some(on_product(event))))
}

fn on_inventory(event: InventoryEvent) -> Option<Command> {
    let (order_id, event) = match event {
        InventoryEvent::Reserved(order) => (order.order_id, Seen::StockReserved),
        InventoryEvent::Rejected(rejected) => (rejected.order_id, Seen::StockRejected { reason: rejected.reason }),
        InventoryEvent::Released(order) => (order.order_id, Seen::StockReleased),
        InventoryEvent::StockChanged(_) => return None,
    };
    Some(Command::Event { order_id, event })
}

fn on_payment(event: PaymentEvent) -> Command {
    let order_id = event.fact().order_id;
    let event = match event {
        PaymentEvent::Captured(fact) => Seen::Captured { attempt: fact.attempt, amount: fact.amount },
        PaymentEvent::Declined(fact) => Seen::Declined { attempt: fact.attempt, code: fact.decline_code },
        PaymentEvent::Voided(fact) | PaymentEvent::Refunded(fact) => {
            Seen::PaidBack { all: fact.refunded == fact.captured, refund: admins_refund(fact) }
        }
    };
    Command::Event { order_id, event }
}

/// A cancel is told of when the order ends; an admin's refund by itself.
fn admins_refund(fact: PaymentFact) -> Option<AdminRefund> {
    if fact.reason.as_deref() == Some(BY_CANCEL) {
        return None;
    }
    let (id, amount) = fact.refund_id.zip(fact.amount)?;
    Some(AdminRefund { id, amount, reason: fact.reason })
}

fn on_product(event: ProductUpdated) -> Command {
    let ProductUpdated { product_id, version, sku, name, price, status, .. } = event;
    Command::ProductChanged(CatalogueItem {
        product_id,
        version,
        sku,
        name,
        price,
        orderable: status == ProductStatus::Active,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::money::{Currency, Money};
    use uuid::{Uuid, uuid};

    const ORDER: Uuid = uuid!("019b8e2c-51f0-7c3a-9d2e-6b1f0a4c7e58");

    /// The golden record of a type.
    macro_rules! golden {
        ($event_type:literal) => {
            include_bytes!(concat!("../../../crates/common/examples/", $event_type, ".json")).as_slice()
        };
    }

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::parse("USD").unwrap()).unwrap()
    }

    fn of_inventory(record: &[u8]) -> Option<Command> {
        read_inventory(Some(record)).unwrap().command
    }

    fn of_payment(record: &[u8]) -> Option<Command> {
        read_payment(Some(record)).unwrap().command
    }

    fn event(event: Seen) -> Option<Command> {
        Some(Command::Event { order_id: ORDER, event })
    }

    #[test]
    fn inventory_tells_of_stock() {
        let out_of_stock = Seen::StockRejected { reason: "out_of_stock".to_owned() };
        assert_eq!(of_inventory(golden!("inventory.reserved.v1")), event(Seen::StockReserved));
        assert_eq!(of_inventory(golden!("inventory.rejected.v1")), event(out_of_stock));
        assert_eq!(of_inventory(golden!("inventory.released.v1")), event(Seen::StockReleased));
        assert_eq!(of_inventory(golden!("stock.changed.v1")), None, "that is for products");
    }

    #[test]
    fn payment_tells_of_money() {
        let captured = Seen::Captured { attempt: 1, amount: Some(usd(5999)) };
        assert_eq!(of_payment(golden!("payment.captured.v1")), event(captured));
        let declined = Seen::Declined { attempt: 1, code: Some("insufficient_funds".to_owned()) };
        assert_eq!(of_payment(golden!("payment.declined.v1")), event(declined));
        assert_eq!(of_payment(golden!("payment.voided.v1")), event(Seen::PaidBack { all: true, refund: None }));
        let refund = AdminRefund {
            id: uuid!("019b8e30-11c8-7f20-8899-aabbccddeeff"),
            amount: usd(1000),
            reason: Some("one was damaged".to_owned()),
        };
        let part = Seen::PaidBack { all: false, refund: Some(refund) };
        assert_eq!(of_payment(golden!("payment.refunded.v1")), event(part));
    }

    #[test]
    fn a_refund_that_a_cancel_asked_for_is_no_admins() {
        let record = String::from_utf8(golden!("payment.refunded.v1").to_vec()).unwrap();
        let by_cancel =
            record.replace("one was damaged", BY_CANCEL).replace("\"refunded\": 1000", "\"refunded\": 5999");
        assert_eq!(of_payment(by_cancel.as_bytes()), event(Seen::PaidBack { all: true, refund: None }));
    }

    #[test]
    fn products_become_what_can_be_ordered() {
        let item = CatalogueItem {
            product_id: uuid!("019b7f00-0a10-7001-8000-000000000001"),
            version: 3,
            sku: "CUP-01".to_owned(),
            name: "Cup, blue".to_owned(),
            price: usd(1250),
            orderable: true,
        };
        let record = String::from_utf8(golden!("product.updated.v1").to_vec()).unwrap();
        let read = |record: &str| read_product(Some(record.as_bytes())).unwrap().command;
        assert_eq!(read(&record), Some(Command::ProductChanged(item.clone())));
        let archived = record.replace("\"active\"", "\"archived\"");
        assert_eq!(read(&archived), Some(Command::ProductChanged(CatalogueItem { orderable: false, ..item })));
        assert_eq!(read_product(None).unwrap(), Parsed::nothing(), "a tombstone");
    }

    #[test]
    fn only_products_have_tombstones() {
        assert!(read_inventory(None).is_err() && read_payment(None).is_err());
    }
}
