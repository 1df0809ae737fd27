//! The tables of (state, command), and what holds whatever comes in whatever order.

mod properties;
mod tables;

use super::*;
use engine::{Cause, Ids, NewRecord};
use std::collections::BTreeMap;
use time::OffsetDateTime;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// A database of its own: each batch loads what [`products_of`] asks for, and nothing else.
#[derive(Debug, Clone, Default)]
struct World {
    reservations: BTreeMap<Uuid, Reservation>,
    stock: BTreeMap<Uuid, Stock>,
    movements: Vec<Movement>,
    ids: u128,
}

/// What one batch did.
struct Done {
    replies: Vec<Result<Reply, Poison>>,
    records: Vec<NewRecord>,
}

impl World {
    fn batch(&mut self, commands: &[Command]) -> Done {
        let commands: Vec<&Command> = commands.iter().collect();
        let orders = commands.iter().filter_map(|command| command.order_id());
        let known = orders.filter_map(|id| self.reservations.get(&id).map(|row| (id, row.clone())));
        let reservations = Rows::loaded(known.collect::<Vec<_>>());
        let products = products_of(&commands, &reservations);
        let known = products.iter().filter_map(|id| self.stock.get(id).map(|row| (*id, row.clone())));
        let mut set = Set { stock: Rows::loaded(known.collect::<Vec<_>>()), reservations, movements: Vec::new() };

        let mut cx = Context::new("inventory-service", Ids::Counted(self.ids), Cause::own(NOW));
        let replies = commands.iter().map(|command| apply(Opening::Empty, &mut set, command, &mut cx)).collect();

        for row in set.reservations.inserted() {
            assert!(self.reservations.insert(row.order_id, row.clone()).is_none(), "inserted twice");
        }
        for row in set.reservations.updated() {
            assert!(self.reservations.insert(row.order_id, row.clone()).is_some(), "updated before it was there");
        }
        for row in set.stock.inserted() {
            assert!(self.stock.insert(row.product_id, row.clone()).is_none(), "inserted twice");
        }
        for row in set.stock.updated() {
            assert!(self.stock.insert(row.product_id, row.clone()).is_some(), "updated before it was there");
        }
        self.movements.extend(set.movements);
        let records = cx.take_records();
        self.ids += 1_000_000;
        Done { replies, records }
    }

    fn one(&mut self, command: Command) -> Done {
        self.batch(&[command])
    }

    /// A product with so many pieces.
    fn stocked(mut self, product: u128, pieces: i64) -> Self {
        self.one(product_changed(product, 1));
        if pieces > 0 {
            self.one(adjust(product, pieces));
        }
        self
    }

    fn pieces(&self, product: u128) -> (i64, i64) {
        let stock = &self.stock[&product_id(product)];
        (stock.on_hand, stock.reserved)
    }

    fn status(&self, order: u128) -> Option<Status> {
        self.reservations.get(&order_id(order)).map(|row| row.status)
    }
}

impl Done {
    fn types(&self) -> Vec<&'static str> {
        self.records.iter().map(|record| record.event_type).collect()
    }
}

fn order_id(n: u128) -> Uuid {
    Uuid::from_u128((1 << 100) + n)
}

fn product_id(n: u128) -> Uuid {
    Uuid::from_u128((2 << 100) + n)
}

fn created(order: u128, lines: &[(u128, u32)]) -> Command {
    let lines = lines.iter().map(|(product, quantity)| (product_id(*product), *quantity)).collect();
    Command::OrderCreated { order_id: order_id(order), lines }
}

fn cancelled(order: u128) -> Command {
    Command::OrderCancelled { order_id: order_id(order) }
}

fn shipped(order: u128) -> Command {
    Command::OrderShipped { order_id: order_id(order) }
}

fn product_changed(product: u128, version: i64) -> Command {
    let (sku, name) = (format!("SKU-{product}"), format!("version {version}"));
    Command::ProductChanged(Product { product_id: product_id(product), version, sku, name })
}

fn adjust(product: u128, delta: i64) -> Command {
    let (reason, actor) = ("counted".to_owned(), "admin".to_owned());
    Command::Adjust(Adjustment { product_id: product_id(product), delta, reason, actor })
}
