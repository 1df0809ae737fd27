//! What the events of other services ask of inventory. Pure: the engine reads the topics.

use crate::domain::{Command, Lines, Product};
use common::events::{
    ORDER_CREATED, OrderCreated, OrderEvent, OrderLine, PRODUCT_UPDATED, ProductUpdated, Unreadable, decode,
};
use engine::{Parsed, Subscription};

/// The topics that inventory reads.
#[must_use]
pub fn subscriptions() -> Vec<Subscription<Command>> {
    vec![
        Subscription { topic: &ORDER_CREATED, read: read_order },
        Subscription { topic: &PRODUCT_UPDATED, read: read_product },
    ]
}

fn read_order(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| Parsed::of(received, |event| Some(on_order(event))))
}

/// A compacted topic may hold tombstones; stock outlives its product.
fn read_product(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    if value.is_none() {
        return Ok(Parsed::nothing());
    }
    decode(value).map(|received| Parsed::of(received, |event| Some(on_product(event))))
}

fn on_order(event: OrderEvent) -> Command {
    match event {
        OrderEvent::Created(OrderCreated { order_id, lines, .. }) => {
            Command::OrderCreated { order_id, lines: lines_of(&lines) }
        }
        OrderEvent::Cancelled(cancelled) => Command::OrderCancelled { order_id: cancelled.order_id },
        OrderEvent::Shipped(shipped) => Command::OrderShipped { order_id: shipped.order_id },
    }
}

fn on_product(event: ProductUpdated) -> Command {
    let ProductUpdated { product_id, version, sku, name, .. } = event;
    Command::ProductChanged(Product { product_id, version, sku, name })
}

/// The order service refuses an order that names a product twice; here it would just be their sum.
fn lines_of(lines: &[OrderLine]) -> Lines {
    let mut pieces = Lines::new();
    for line in lines {
        let sum: &mut u32 = pieces.entry(line.product_id).or_default();
        *sum = sum.saturating_add(line.quantity.get());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    const ORDER: Uuid = Uuid::from_u128(1);
    const PRODUCT: Uuid = Uuid::from_u128(2);

    /// A record whose `data` is that.
    fn record(event_type: &str, subject: Uuid, data: &Value) -> Vec<u8> {
        let record = json!({
            "specversion": "1.0", "id": Uuid::nil(), "source": "/other", "type": event_type, "subject": subject,
            "time": "2026-01-02T03:04:05Z", "data": data,
        });
        serde_json::to_vec(&record).unwrap()
    }

    fn line(product: Uuid, quantity: u32) -> Value {
        let price = json!({ "amount": 100, "currency": "USD" });
        json!({
            "productId": product, "sku": "S", "name": "N", "quantity": quantity, "unitPrice": price, "lineTotal": price,
        })
    }

    fn order_created(lines: &[Value]) -> Value {
        json!({
            "orderId": ORDER, "orderNumber": "0000-0000-0001", "customerId": "c", "lines": lines,
            "total": { "amount": 100, "currency": "USD" }, "paymentMethod": "pm_card_visa", "contact": {},
            "expiresAt": "2026-01-02T03:19:05Z",
        })
    }

    #[test]
    fn an_order_asks_for_the_pieces_of_its_lines() {
        let other = Uuid::from_u128(3);
        let data = order_created(&[line(other, 1), line(PRODUCT, 2), line(other, 3)]);
        let parsed = read_order(Some(&record("order.created.v1", ORDER, &data))).unwrap();
        let lines = Lines::from([(PRODUCT, 2), (other, 4)]);
        assert_eq!(parsed.command, Some(Command::OrderCreated { order_id: ORDER, lines }));
        assert!(parsed.envelope.is_some());
    }

    #[test]
    fn the_end_of_an_order_asks_for_its_stock() {
        let cancelled = json!({ "orderId": ORDER, "reason": "expired" });
        let parsed = read_order(Some(&record("order.cancelled.v1", ORDER, &cancelled))).unwrap();
        assert_eq!(parsed.command, Some(Command::OrderCancelled { order_id: ORDER }));
        let shipped = json!({ "orderId": ORDER, "carrier": "c", "trackingNumber": "t" });
        let parsed = read_order(Some(&record("order.shipped.v1", ORDER, &shipped))).unwrap();
        assert_eq!(parsed.command, Some(Command::OrderShipped { order_id: ORDER }));
    }

    #[test]
    fn what_later_versions_say_is_skipped_and_what_no_version_says_is_poison() {
        let parsed = read_order(Some(&record("order.weighed.v1", ORDER, &json!({})))).unwrap();
        assert_eq!(parsed.command, None);
        assert!(read_order(None).is_err(), "a topic that keeps all has no tombstones");
        assert!(read_order(Some(b"")).is_err());
        let nothing = order_created(&[line(PRODUCT, 0)]);
        assert!(read_order(Some(&record("order.created.v1", ORDER, &nothing))).is_err(), "no pieces");
        let other = record("order.cancelled.v1", PRODUCT, &json!({ "orderId": ORDER, "reason": "cancelled" }));
        assert!(read_order(Some(&other)).is_err(), "of another order than its key says");
    }

    #[test]
    fn a_tombstone_of_a_product_is_nothing_to_do() {
        assert_eq!(read_product(None).unwrap(), Parsed::nothing());
        assert!(read_product(Some(b"")).is_err());
    }
}
