//! What inventory tells of stock, and what the service's own topic holds. Pure: the engine reads the topics.

use crate::domain::Command;
use common::events::{INVENTORY_UPDATED, InventoryEvent, PRODUCT_UPDATED, ProductUpdated, Unreadable, decode};
use engine::{Parsed, Subscription};

/// The topics that product reads.
#[must_use]
pub fn subscriptions() -> Vec<Subscription<Command>> {
    vec![
        Subscription { topic: &INVENTORY_UPDATED, read: read_inventory },
        Subscription { topic: &PRODUCT_UPDATED, read: read_product },
    ]
}

fn read_inventory(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode(value).map(|received| {
        Parsed::of(received, |event| match event {
            InventoryEvent::StockChanged(stock) => Some(Command::StockChanged {
                id: stock.product_id,
                stock_version: stock.version,
                available: stock.available,
            }),
            InventoryEvent::Reserved(_) | InventoryEvent::Rejected(_) | InventoryEvent::Released(_) => None,
        })
    })
}

/// A compacted topic may hold tombstones.
fn read_product(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    if value.is_none() {
        return Ok(Parsed::nothing());
    }
    decode::<ProductUpdated>(value).map(|received| {
        Parsed::of(received, |event| Some(Command::Published { id: event.product_id, version: event.version }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_records_ask_for_what_they_tell() {
        let stock = include_bytes!("../../../crates/common/examples/stock.changed.v1.json");
        assert!(matches!(read_inventory(Some(stock)).unwrap().command, Some(Command::StockChanged { .. })));
        let reserved = include_bytes!("../../../crates/common/examples/inventory.reserved.v1.json");
        assert_eq!(read_inventory(Some(reserved)).unwrap().command, None);
        let product = include_bytes!("../../../crates/common/examples/product.updated.v1.json");
        assert!(matches!(read_product(Some(product)).unwrap().command, Some(Command::Published { .. })));
    }

    #[test]
    fn only_the_compacted_topic_has_tombstones() {
        assert_eq!(read_product(None).unwrap(), Parsed::nothing());
        assert!(read_inventory(None).is_err());
    }
}
