//! What the events of other services ask of payment. Pure: the engine reads the topics.

use crate::domain::{Command, NewPayment};
use common::events::{INVENTORY_UPDATED, InventoryEvent, ORDER_CREATED, OrderCreated, OrderEvent, Unreadable, decode};
use engine::{Parsed, Subscription};

/// The topics that payment reads.
#[must_use]
pub fn subscriptions() -> Vec<Subscription<Command>> {
    vec![
        Subscription { topic: &ORDER_CREATED, read: read_order },
        Subscription { topic: &INVENTORY_UPDATED, read: read_inventory },
    ]
}

fn read_order(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| Parsed::of(received, on_order))
}

fn read_inventory(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| Parsed::of(received, on_inventory))
}

fn on_order(event: OrderEvent) -> Option<Command> {
    match event {
        OrderEvent::Created(created) => {
            let OrderCreated { order_id, customer_id, total, payment_method, expires_at, .. } = created;
            let amount = total;
            Some(Command::OrderCreated(NewPayment { order_id, customer_id, amount, payment_method, expires_at }))
        }
        OrderEvent::Cancelled(cancelled) => Some(Command::OrderCancelled { order_id: cancelled.order_id }),
        // What is shipped stays paid.
        OrderEvent::Shipped(_) => None,
    }
}

fn on_inventory(event: InventoryEvent) -> Option<Command> {
    match event {
        InventoryEvent::Reserved(held) => Some(Command::StockReserved { order_id: held.order_id }),
        InventoryEvent::Rejected(rejected) => Some(Command::StockRejected { order_id: rejected.order_id }),
        // The order service's cancel is what counts here, and stock by itself is nobody's payment.
        InventoryEvent::Released(_) | InventoryEvent::StockChanged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::money::{Currency, Money};
    use serde_json::{Value, json};
    use time::macros::datetime;
    use uuid::Uuid;

    const ORDER: Uuid = Uuid::from_u128(1);

    /// A record whose `data` is that.
    fn record(event_type: &str, subject: Uuid, data: &Value) -> Vec<u8> {
        let record = json!({
            "specversion": "1.0", "id": Uuid::nil(), "source": "/other", "type": event_type, "subject": subject,
            "time": "2026-01-02T03:04:05Z", "data": data,
        });
        serde_json::to_vec(&record).unwrap()
    }

    fn on_order_record(event_type: &str, data: &Value) -> Option<Command> {
        read_order(Some(&record(event_type, ORDER, data))).unwrap().command
    }

    fn on_inventory_record(event_type: &str, subject: Uuid, data: &Value) -> Option<Command> {
        read_inventory(Some(&record(event_type, subject, data))).unwrap().command
    }

    #[test]
    fn an_order_tells_what_is_to_be_paid() {
        let data = json!({
            "orderId": ORDER, "orderNumber": "0000-0000-0001", "customerId": "c", "lines": [],
            "total": { "amount": 100, "currency": "USD" }, "paymentMethod": "pm_card_visa", "contact": {},
            "expiresAt": "2026-01-02T03:19:05Z",
        });
        let new = NewPayment {
            order_id: ORDER,
            customer_id: "c".to_owned(),
            amount: Money::new(100, Currency::parse("USD").unwrap()).unwrap(),
            payment_method: "pm_card_visa".to_owned(),
            expires_at: datetime!(2026-01-02 03:19:05 UTC),
        };
        assert_eq!(on_order_record("order.created.v1", &data), Some(Command::OrderCreated(new)));
    }

    #[test]
    fn a_cancel_is_answered_and_a_shipment_is_nothing() {
        let cancelled = json!({ "orderId": ORDER, "reason": "expired" });
        let expected = Some(Command::OrderCancelled { order_id: ORDER });
        assert_eq!(on_order_record("order.cancelled.v1", &cancelled), expected);
        let shipped = json!({ "orderId": ORDER, "carrier": "c", "trackingNumber": "t" });
        assert_eq!(on_order_record("order.shipped.v1", &shipped), None);
    }

    #[test]
    fn stock_decides_whether_to_charge() {
        let held = json!({ "orderId": ORDER });
        let reserved = on_inventory_record("inventory.reserved.v1", ORDER, &held);
        assert_eq!(reserved, Some(Command::StockReserved { order_id: ORDER }));
        let short = json!({ "orderId": ORDER, "reason": "out_of_stock", "shortages": [] });
        let rejected = on_inventory_record("inventory.rejected.v1", ORDER, &short);
        assert_eq!(rejected, Some(Command::StockRejected { order_id: ORDER }));
        assert_eq!(on_inventory_record("inventory.released.v1", ORDER, &held), None);
        let product = Uuid::from_u128(2);
        let changed = json!({ "productId": product, "version": 3, "available": 0 });
        assert_eq!(on_inventory_record("stock.changed.v1", product, &changed), None);
    }

    #[test]
    fn what_later_versions_say_is_skipped_and_what_no_version_says_is_poison() {
        assert_eq!(on_order_record("order.weighed.v1", &json!({})), None);
        assert!(read_order(None).is_err() && read_inventory(None).is_err(), "no tombstones");
        let negative = json!({
            "orderId": ORDER, "orderNumber": "0000-0000-0001", "customerId": "c", "lines": [],
            "total": { "amount": -1, "currency": "USD" }, "paymentMethod": "pm_card_visa", "contact": {},
            "expiresAt": "2026-01-02T03:19:05Z",
        });
        assert!(read_order(Some(&record("order.created.v1", ORDER, &negative))).is_err());
    }
}
