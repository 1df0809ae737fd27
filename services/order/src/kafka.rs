//! What the events of other services tell of orders. Pure: the engine reads the topics.

use crate::domain::{CatalogueItem, Command, Seen};
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
    let all = all_returned(event.fact());
    let order_id = event.fact().order_id;
    let event = match event {
        PaymentEvent::Captured(fact) => Seen::Captured { attempt: fact.attempt, amount: fact.amount },
        PaymentEvent::Declined(fact) => Seen::Declined { attempt: fact.attempt, code: fact.decline_code },
        PaymentEvent::Voided(_) if all => Seen::PaidBack,
        PaymentEvent::Voided(fact) | PaymentEvent::Refunded(fact) => Seen::Refunded {
            refund_id: fact.refund_id,
            amount: fact.amount,
            all,
            by_admin: fact.reason.as_deref() != Some(BY_CANCEL),
            reason: fact.reason,
        },
    };
    Command::Event { order_id, event }
}

fn all_returned(fact: &PaymentFact) -> bool {
    fact.refunded == fact.captured
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
