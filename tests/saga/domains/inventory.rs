//! The order's reservation, and the stock row of its only product with the sum of its movements.

use super::{NOW, ORDER, PIECES, PRODUCT, Told, context};
use engine::Rows;
use inventory::domain::{
    Command, Opening, Product, Reply, Reservation, Set, Status, Stock, apply as apply_real, products_of,
};
use std::convert::Infallible;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) reservation: Option<Reservation>,
    stock: Stock,
    /// On hand, and reserved.
    moved: (i64, i64),
}

impl Row {
    /// Nobody has heard of the order; `enough` of its product is there.
    pub(crate) fn before(enough: bool) -> Self {
        let product = Product { product_id: PRODUCT, version: 1, sku: "SKU-1".to_owned(), name: "A thing".to_owned() };
        let on_hand = if enough { PIECES } else { PIECES - 1 };
        Self { reservation: None, stock: Stock { on_hand, ..Stock::new(&product, NOW) }, moved: (on_hand, 0) }
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.reservation.as_ref().map(|reservation| reservation.status)
    }
}

/// # Errors
/// The event is poison, or the stock is wrong.
pub(crate) fn apply(row: &mut Row, command: &Command) -> Result<Told<Infallible>, String> {
    let reservations = Rows::loaded(row.reservation.clone().map(|reservation| (ORDER, reservation)));
    // Only what the batch asks for is loaded.
    let wanted = products_of(&[command], &reservations);
    let stock = Rows::loaded(wanted.contains(&PRODUCT).then(|| (PRODUCT, row.stock.clone())));
    let mut set = Set { reservations, stock, movements: Vec::new() };
    let mut cx = context("inventory-service", 0, NOW);
    let reply = apply_real(Opening::Empty, &mut set, command, &mut cx).map_err(|poison| poison.0)?;
    if let Reply::Alerted(alert) = reply {
        return Err(format!("{alert:?}"));
    }
    row.reservation = set.reservations.get(&ORDER).cloned();
    if let Some(stock) = set.stock.get(&PRODUCT) {
        row.stock = stock.clone();
    }
    for movement in &set.movements {
        row.moved = (row.moved.0 + movement.delta_on_hand, row.moved.1 + movement.delta_reserved);
    }
    let Stock { on_hand, reserved, .. } = row.stock;
    if row.moved != (on_hand, reserved) || reserved < 0 || reserved > on_hand {
        return Err(format!("{on_hand} on hand, {reserved} reserved, moved {:?}", row.moved));
    }
    Ok(Told::of(cx))
}

/// It only grows.
pub(crate) fn rank(status: Option<Status>) -> u8 {
    match status {
        None => 0,
        Some(Status::Held) => 1,
        Some(Status::Released | Status::Shipped | Status::Rejected) => 2,
    }
}
