//! What the events of other services ask of inventory. Pure: the engine reads the topics.

use crate::domain::{Command, Lines, Product};
use common::events::{
    self, ORDER_CREATED, OrderCreated, OrderEvent, PRODUCT_UPDATED, ProductUpdated, Unreadable, decode,
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
fn lines_of(lines: &[events::OrderLine]) -> Lines {
    let mut pieces = Lines::new();
    for line in lines {
        let sum: &mut u32 = pieces.entry(line.product_id).or_default();
        *sum = sum.saturating_add(line.quantity.get());
    }
    pieces
}
