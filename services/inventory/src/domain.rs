//! Stock, and what orders hold of it. Pure: rows and commands in, rows and events out.

mod command;
mod opening;
mod reservation;
mod stock;
#[cfg(test)]
mod tests;

pub use command::{Adjustment, Command, Product};
pub use opening::Opening;
pub use reservation::{Lines, OUT_OF_STOCK, Reservation, Status};
pub use stock::{Kind, MAX_ON_HAND, Movement, Stock};

use common::events::{InventoryEvent, OrderRef, Shortage, StockChanged, StockRejected};
use engine::{Poison, Rows};
use std::collections::BTreeSet;
use std::convert::Infallible;
use uuid::Uuid;

/// Inventory calls nobody: it has no effects.
pub type Context = engine::Context<Infallible>;

/// The rows that a batch works on.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub reservations: Rows<Uuid, Reservation>,
    pub stock: Rows<Uuid, Stock>,
    /// New ones, in the order in which they were booked.
    pub movements: Vec<Movement>,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An event is dealt with.
    Done,
    /// As `Done`, and a person should look at it.
    Alerted(Alert),
    Adjusted(Movement),
    Refused(Refusal),
}

/// What does not happen while everybody keeps to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// The order service cancels what it has shipped. It gets no answer, for its stock is not back.
    CancelledAfterShipping { order_id: Uuid },
}

/// Why a request is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has heard of the product yet.
    StockNotFound,
    /// Orders hold more than would be left.
    StockWouldGoNegative { on_hand: i64, reserved: i64 },
    /// More than [`MAX_ON_HAND`].
    StockWouldBeTooLarge,
}

/// Where the sequences of a reservation's events start and end: it is decided once, and ended once.
const DECIDED: i64 = 1;
const ENDED: i64 = 2;

/// The products whose stock `commands` may touch, given their orders' `reservations`: what has to be locked.
#[must_use]
pub fn products_of(commands: &[&Command], reservations: &Rows<Uuid, Reservation>) -> BTreeSet<Uuid> {
    let mut products = BTreeSet::new();
    for command in commands {
        match command {
            Command::OrderCreated { order_id, lines } if reservations.get(order_id).is_none() => {
                products.extend(lines.keys());
            }
            // The known order's event is a repeat, and changes nothing.
            Command::OrderCreated { .. } => {}
            // Where the order is created in the same batch, its lines are among those above.
            Command::OrderCancelled { order_id } | Command::OrderShipped { order_id } => {
                products.extend(reservations.get(order_id).into_iter().flat_map(Reservation::held).map(|(id, _)| id));
            }
            Command::ProductChanged(product) => {
                products.insert(product.product_id);
            }
            Command::Adjust(adjustment) => {
                products.insert(adjustment.product_id);
            }
        }
    }
    products
}

/// Applies one command. `opening`: what a new product starts with.
///
/// # Errors
/// The rows contradict each other: more is to be given back than is held.
pub fn apply(opening: Opening, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
    match command {
        Command::OrderCreated { order_id, lines } => order_created(set, *order_id, lines, cx),
        Command::OrderCancelled { order_id } => return order_cancelled(set, *order_id, cx),
        Command::OrderShipped { order_id } => order_shipped(set, *order_id, cx)?,
        Command::ProductChanged(product) => product_changed(opening, set, product, cx),
        Command::Adjust(adjustment) => return Ok(adjust(set, adjustment, cx)),
    }
    Ok(Reply::Done)
}

/// All lines are held, or none.
fn order_created(set: &mut Set, order_id: Uuid, lines: &Lines, cx: &mut Context) {
    if let Some(known) = set.reservations.get(&order_id) {
        cx.ignore(if known.is_mark() { "order created after its cancel" } else { "order created again" });
        return;
    }
    let mut rows = Vec::with_capacity(lines.len());
    let mut shortages = Vec::new();
    for (product_id, quantity) in lines {
        let stock = set.stock.get(product_id);
        match stock.filter(|stock| stock.available() >= i64::from(*quantity)) {
            Some(stock) => rows.push((stock.clone(), *quantity)),
            None => shortages.push(Shortage {
                product_id: *product_id,
                requested: *quantity,
                available: stock.map_or(0, |stock| u32::try_from(stock.available()).unwrap_or(u32::MAX)),
            }),
        }
    }
    let reservation = Reservation::decided(order_id, lines.clone(), shortages.is_empty(), cx.now());
    set.reservations.put(order_id, reservation);
    if shortages.is_empty() {
        for (stock, quantity) in rows {
            let movement = Movement::reserve(cx, &stock, order_id, quantity);
            book(set, stock, movement, cx);
        }
        cx.emit(DECIDED, &InventoryEvent::Reserved(OrderRef { order_id }));
    } else {
        let reason = OUT_OF_STOCK.to_owned();
        cx.emit(DECIDED, &InventoryEvent::Rejected(StockRejected { order_id, reason, shortages }));
    }
}

/// Gives back what is held, and answers: also where nothing is held, and each time that the cancel comes again.
fn order_cancelled(set: &mut Set, order_id: Uuid, cx: &mut Context) -> Result<Reply, Poison> {
    match set.reservations.get(&order_id).map(|known| known.status) {
        None => set.reservations.put(order_id, Reservation::mark(order_id, cx.now())),
        Some(Status::Held) => end(set, order_id, Status::Released, cx)?,
        Some(Status::Rejected | Status::Released) => {}
        Some(Status::Shipped) => return Ok(Reply::Alerted(Alert::CancelledAfterShipping { order_id })),
    }
    cx.emit(ENDED, &InventoryEvent::Released(OrderRef { order_id }));
    Ok(Reply::Done)
}

/// What is held leaves the house.
fn order_shipped(set: &mut Set, order_id: Uuid, cx: &mut Context) -> Result<(), Poison> {
    match set.reservations.get(&order_id).map(|known| known.status) {
        Some(Status::Held) => end(set, order_id, Status::Shipped, cx)?,
        Some(Status::Shipped) => cx.ignore("order shipped again"),
        None | Some(Status::Rejected | Status::Released) => cx.ignore("order shipped that holds nothing"),
    }
    Ok(())
}

/// Ends a held reservation, line by line.
fn end(set: &mut Set, order_id: Uuid, status: Status, cx: &mut Context) -> Result<(), Poison> {
    let Some(held) = set.reservations.get(&order_id).cloned() else { return Ok(()) };
    let mut rows = Vec::new();
    for (product_id, quantity) in held.held() {
        match set.stock.get(&product_id).filter(|stock| stock.reserved >= i64::from(quantity)) {
            Some(stock) => rows.push((stock.clone(), quantity)),
            None => {
                return Err(Poison(format!("order {order_id} holds {quantity} of {product_id}, its stock does not")));
            }
        }
    }
    for (stock, quantity) in rows {
        let movement = match status {
            Status::Shipped => Movement::ship(cx, &stock, order_id, quantity),
            _ => Movement::release(cx, &stock, order_id, quantity),
        };
        book(set, stock, movement, cx);
    }
    set.reservations.put(order_id, held.ended(status, cx.now()));
    Ok(())
}

/// Every product has a stock row, which knows its name.
fn product_changed(opening: Opening, set: &mut Set, product: &Product, cx: &mut Context) {
    match set.stock.get(&product.product_id).cloned() {
        None => {
            let stock = Stock::new(product, cx.now());
            set.stock.put(product.product_id, stock.clone());
            let pieces = opening.pieces(product.product_id);
            if pieces > 0 {
                let movement = Movement::adjust(cx, &stock, pieces, Opening::REASON.to_owned(), None);
                book(set, stock, movement, cx);
            }
        }
        Some(stock) if product.version > stock.product_version => {
            set.stock.put(product.product_id, stock.renamed(product, cx.now()));
        }
        Some(_) => cx.ignore("product is known as new as this"),
    }
}

fn adjust(set: &mut Set, adjustment: &Adjustment, cx: &mut Context) -> Reply {
    let Some(stock) = set.stock.get(&adjustment.product_id).cloned() else {
        return Reply::Refused(Refusal::StockNotFound);
    };
    // Saturated, it is refused all the same.
    let on_hand = stock.on_hand.saturating_add(adjustment.delta);
    if on_hand < stock.reserved {
        return Reply::Refused(Refusal::StockWouldGoNegative { on_hand: stock.on_hand, reserved: stock.reserved });
    }
    if on_hand > MAX_ON_HAND {
        return Reply::Refused(Refusal::StockWouldBeTooLarge);
    }
    let Adjustment { delta, reason, actor, .. } = adjustment;
    let movement = Movement::adjust(cx, &stock, *delta, reason.clone(), Some(actor.clone()));
    book(set, stock, movement.clone(), cx);
    Reply::Adjusted(movement)
}

/// The only way in which pieces change, so that stock is the sum of its movements. Tells of adjustments, and of
/// availability that came or went.
fn book(set: &mut Set, stock: Stock, movement: Movement, cx: &mut Context) {
    let was_available = stock.available() > 0;
    let stock = stock.moved(&movement);
    let is_available = stock.available() > 0;
    if movement.kind == Kind::Adjust || was_available != is_available {
        let Stock { product_id, version, .. } = stock;
        let changed = StockChanged { product_id, version, available: stock.available() };
        cx.emit_folded(version, &InventoryEvent::StockChanged(changed));
    }
    set.stock.put(stock.product_id, stock);
    set.movements.push(movement);
}
