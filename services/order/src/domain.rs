//! The order, which owns the saga: what has become of its stock and its money decides what becomes of it. Pure.
//!
//! - [`Command`]: what people ask for, what events tell, what deadlines bring
//! - [`Order`] and the other rows of the [`Set`] on which [`apply`] works
//! - `place`, `requests`: what people ask for
//! - `saga`: what inventory, payment and the clock tell
//! - `timeline`, `telling`: what every step leaves behind: a row, and where it matters a message

mod command;
mod order;
mod place;
mod requests;
mod saga;
mod telling;
#[cfg(test)]
mod tests;
mod timeline;

pub use command::{AdminRefund, By, Command, Placement, Seen, WantedLine};
pub use order::{Address, Cancel, CatalogueItem, Order, Shipment, Status, TimelineRow};
pub use timeline::refund_cause;

use engine::{Poison, Rows};
use std::collections::HashSet;
use std::convert::Infallible;
use time::Duration;
use uuid::Uuid;

/// The order service calls nobody: it has no effects.
pub type Context = engine::Context<Infallible>;

/// The rows that a batch works on.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub orders: Rows<Uuid, Order>,
    pub catalogue: Rows<Uuid, CatalogueItem>,
    /// Refunds that are on a timeline, by order and refund.
    pub refunds: HashSet<(Uuid, Uuid)>,
    /// New rows.
    pub timeline: Vec<TimelineRow>,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An event or a timer is dealt with.
    Done,
    Placed(Box<Order>),
    /// On its way to its end, or `cancelled`.
    Cancelling(Box<Order>),
    Changed(Box<Order>),
    Refused(Refusal),
}

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Also where it is somebody else's.
    OrderNotFound,
    NoLines,
    /// These name a product that another line names.
    DuplicateLine {
        lines: Vec<usize>,
    },
    /// These name a product that is unknown or archived.
    NotOrderable {
        lines: Vec<usize>,
    },
    /// These are of another currency than the first.
    MixedCurrencies {
        lines: Vec<usize>,
    },
    TotalTooLarge,
    NotCancellable(Status),
    NotShippable(Status),
    NotDeliverable(Status),
}

/// Applies one command. `time_to_pay`: how long a new order may wait for its payment.
///
/// # Errors
/// An event of an order that was never placed, or of money that can't be the order's.
pub fn apply(time_to_pay: Duration, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
    let asked = match command {
        Command::Place(placement) => requests::place(time_to_pay, set, placement, cx),
        Command::Cancel { order_id, by, reason } => requests::cancel(set, *order_id, by, reason.as_deref(), cx),
        Command::Ship { order_id, by, shipment } => requests::ship(set, *order_id, by, shipment, cx),
        Command::Deliver { order_id, by } => requests::deliver(set, *order_id, by, cx),
        Command::Due { order_id } => {
            saga::due(set, *order_id, cx);
            Ok(Reply::Done)
        }
        Command::Event { order_id, event } => {
            saga::seen(set, *order_id, event, cx)?;
            Ok(Reply::Done)
        }
        Command::ProductChanged(item) => {
            product_changed(set, item, cx);
            Ok(Reply::Done)
        }
    };
    Ok(asked.unwrap_or_else(Reply::Refused))
}

/// The highest version counts, in whatever order they come.
fn product_changed(set: &mut Set, item: &CatalogueItem, cx: &mut Context) {
    match set.catalogue.get(&item.product_id) {
        Some(known) if known.version >= item.version => cx.ignore("product is known as new as this"),
        _ => set.catalogue.put(item.product_id, item.clone()),
    }
}
