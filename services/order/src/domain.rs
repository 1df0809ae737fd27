//! The order, which owns the saga: what has become of its stock and its money decides what becomes of it. Pure.

mod command;
mod order;
mod place;
#[cfg(test)]
mod tests;

pub use command::{By, Command, Placement, Seen, WantedLine};
pub use order::{Address, Cancel, CatalogueItem, Order, Shipment, Status, TimelineRow};

use common::events::{
    CancelReason, NotificationLine, NotificationRequested, NotificationVars, OrderCancelled, OrderCreated, OrderEvent,
    OrderShipped, Template,
};
use common::money::Money;
use engine::{Poison, Rows};
use std::collections::HashSet;
use std::convert::Infallible;
use time::Duration;
use uuid::Uuid;

/// The order service calls nobody: it has no effects.
pub type Context = engine::Context<Infallible>;

/// When `order.cancelled` is sent for the second time; then after twice as long, and so on.
const SEND_CANCEL_AGAIN: Duration = Duration::seconds(5);
/// The longest pause between two of them.
const SEND_CANCEL_AT_LEAST: Duration = Duration::minutes(5);

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
    /// On its way to `cancelled`, or there.
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

/// Why and by whom an order goes on, for its timeline.
struct Step {
    to: Status,
    cause: String,
    actor: String,
    reason: Option<String>,
    /// Whether an event brought it.
    by_event: bool,
}

impl Step {
    fn by_event(to: Status, cause: impl Into<String>, actor: &str) -> Self {
        Self { to, cause: cause.into(), actor: actor.to_owned(), reason: None, by_event: true }
    }

    fn by_person(to: Status, cause: &str, actor: &str) -> Self {
        Self { to, cause: cause.to_owned(), actor: actor.to_owned(), reason: None, by_event: false }
    }

    fn because(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }
}

const INVENTORY: &str = "inventory";
const PAYMENT: &str = "payment";
const DEADLINE: &str = "deadline";

/// Applies one command. `time_to_pay`: how long a new order may wait for its payment.
///
/// # Errors
/// An event of an order that was never placed, or of another amount than the order's.
pub fn apply(time_to_pay: Duration, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
    Ok(match command {
        Command::Place(placement) => place(time_to_pay, set, placement, cx).unwrap_or_else(Reply::Refused),
        Command::Cancel { order_id, by, reason } => {
            cancel(set, *order_id, by, reason.clone(), cx).unwrap_or_else(Reply::Refused)
        }
        Command::Ship { order_id, by, carrier, tracking_number } => {
            let shipment = Shipment { carrier: carrier.clone(), tracking_number: tracking_number.clone() };
            ship(set, *order_id, by, shipment, cx).unwrap_or_else(Reply::Refused)
        }
        Command::Deliver { order_id, by } => deliver(set, *order_id, by, cx).unwrap_or_else(Reply::Refused),
        Command::Due { order_id } => {
            due(set, *order_id, cx);
            Reply::Done
        }
        Command::Event { order_id, event } => {
            seen(set, *order_id, event, cx)?;
            Reply::Done
        }
        Command::ProductChanged(item) => {
            product_changed(set, item, cx);
            Reply::Done
        }
    })
}

fn place(time_to_pay: Duration, set: &mut Set, placement: &Placement, cx: &mut Context) -> Result<Reply, Refusal> {
    let expires_at = cx.now() + time_to_pay;
    let order = place::order(placement, &set.catalogue, cx.now(), expires_at, cx.trace().to_string())?;
    let step = Step::by_person(Status::Pending, "placed", &order.customer_id);
    set.timeline.push(timeline_row(&order, None, &step, cx));
    cx.emit(
        order.version,
        &OrderEvent::Created(OrderCreated {
            order_id: order.id,
            order_number: order.number.clone(),
            customer_id: order.customer_id.clone(),
            lines: order.lines.clone(),
            total: order.total,
            payment_method: placement.payment_method.clone(),
            contact: order.contact.clone(),
            expires_at,
        }),
    );
    tell(&order, Template::OrderPlaced, order.total, None, cx);
    set.orders.put(order.id, order.clone());
    Ok(Reply::Placed(Box::new(order)))
}

fn cancel(set: &mut Set, id: Uuid, by: &By, reason: Option<String>, cx: &mut Context) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    match order.status {
        Status::Pending | Status::Reserved | Status::PaymentFailed | Status::Confirmed => {
            let step = Step::by_person(Status::Cancelling, "cancel", &by.subject).because(reason.clone());
            begin_cancel(set, id, CancelReason::Cancelled, reason, &step, cx);
            Ok(Reply::Cancelling(changed(set, id)?))
        }
        Status::Cancelling | Status::Cancelled if order.cancelled_by_people() => {
            Ok(Reply::Cancelling(Box::new(order.clone())))
        }
        status => Err(Refusal::NotCancellable(status)),
    }
}

fn ship(set: &mut Set, id: Uuid, by: &By, shipment: Shipment, cx: &mut Context) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    if order.status != Status::Confirmed {
        return Err(Refusal::NotShippable(order.status));
    }
    let Shipment { carrier, tracking_number } = shipment.clone();
    if let Some(order) = set.orders.change(&id) {
        order.shipment = Some(shipment);
    }
    go(set, id, &Step::by_person(Status::Shipped, "ship", &by.subject), cx);
    let order = changed(set, id)?;
    cx.emit(order.version, &OrderEvent::Shipped(OrderShipped { order_id: id, carrier, tracking_number }));
    tell(&order, Template::OrderShipped, order.total, None, cx);
    Ok(Reply::Changed(order))
}

fn deliver(set: &mut Set, id: Uuid, by: &By, cx: &mut Context) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    if order.status != Status::Shipped {
        return Err(Refusal::NotDeliverable(order.status));
    }
    go(set, id, &Step::by_person(Status::Delivered, "deliver", &by.subject), cx);
    let order = changed(set, id)?;
    tell(&order, Template::OrderDelivered, order.total, None, cx);
    Ok(Reply::Changed(order))
}

/// A timer found the order past `due_at`; under its lock it may be another one.
fn due(set: &mut Set, id: Uuid, cx: &mut Context) {
    let Some(order) = set.orders.get(&id).filter(|order| order.due_at.is_some_and(|due_at| due_at <= cx.now())) else {
        cx.ignore("no longer due");
        return;
    };
    if order.status.awaits_payment() {
        let step = Step::by_person(Status::Cancelling, "expire", DEADLINE);
        begin_cancel(set, id, CancelReason::Expired, None, &step, cx);
    } else if let (Status::Cancelling, Some(cancel)) = (order.status, order.cancel) {
        // Whoever missed it answers now, and whoever answered answers again: the first answer may be lost.
        send_cancel(set, id, Cancel { sent: cancel.sent.saturating_add(1), ..cancel }, cx);
    }
}

fn begin_cancel(set: &mut Set, id: Uuid, why: CancelReason, reason: Option<String>, step: &Step, cx: &mut Context) {
    if let Some(order) = set.orders.change(&id) {
        order.reason = reason;
    }
    go(set, id, step, cx);
    send_cancel(set, id, Cancel::begun(why), cx);
}

fn send_cancel(set: &mut Set, id: Uuid, cancel: Cancel, cx: &mut Context) {
    let Some(order) = set.orders.change(&id) else { return };
    let doublings = u32::try_from(cancel.sent - 1).unwrap_or(0).min(10);
    let pause = (SEND_CANCEL_AGAIN * 2_i32.pow(doublings)).min(SEND_CANCEL_AT_LEAST);
    order.due_at = Some(cx.now() + pause);
    order.cancel = Some(cancel);
    cx.emit(order.version, &OrderEvent::Cancelled(OrderCancelled { order_id: id, reason: cancel.reason }));
}

/// What inventory or payment tell. What comes late, or again, changes nothing.
fn seen(set: &mut Set, id: Uuid, event: &Seen, cx: &mut Context) -> Result<(), Poison> {
    let Some(order) = set.orders.get(&id) else {
        // An order is committed before anybody hears of it.
        return Err(Poison(format!("order {id} was never placed")));
    };
    let status = order.status;
    match event {
        Seen::StockReserved if status == Status::Pending => {
            go(set, id, &Step::by_event(Status::Reserved, "reserved", INVENTORY), cx);
        }
        Seen::StockRejected { reason } if status == Status::Pending => {
            if let Some(order) = set.orders.change(&id) {
                order.reason = Some(reason.clone());
            }
            go(set, id, &Step::by_event(Status::Rejected, "rejected", INVENTORY).because(Some(reason.clone())), cx);
            tell_of(set, id, Template::OrderRejected, cx);
        }
        Seen::Captured { attempt, amount } => captured(set, id, *attempt, *amount, cx)?,
        Seen::Declined { attempt, code } if matches!(status, Status::Pending | Status::Reserved) => {
            let step = Step::by_event(Status::PaymentFailed, format!("declined {attempt}"), PAYMENT);
            go(set, id, &step.because(code.clone()), cx);
            let order = set.orders.get(&id);
            if let Some(order) = order {
                tell(order, Template::PaymentFailed, order.total, code.clone(), cx);
            }
        }
        Seen::StockReleased if status == Status::Cancelling => {
            answered(set, id, |cancel| Cancel { stock_back: true, ..cancel }, cx);
        }
        Seen::PaidBack if status == Status::Cancelling => {
            answered(set, id, |cancel| Cancel { paid_back: true, ..cancel }, cx);
        }
        Seen::Refunded { refund_id, amount, all, by_admin, reason } => {
            if let (true, Some(refund_id), Some(amount)) = (*by_admin, *refund_id, *amount) {
                enter_refund(set, id, refund_id, amount, reason.clone(), cx);
            }
            if *all && status == Status::Cancelling {
                answered(set, id, |cancel| Cancel { paid_back: true, ..cancel }, cx);
            }
        }
        _ => cx.ignore("late, or again"),
    }
    Ok(())
}

/// A capture confirms, also one that comes before the reservation or after a decline.
fn captured(set: &mut Set, id: Uuid, attempt: u32, amount: Option<Money>, cx: &mut Context) -> Result<(), Poison> {
    let Some(order) = set.orders.get(&id) else { return Ok(()) };
    if amount != Some(order.total) {
        let amount = amount.map_or_else(|| "an unknown amount".to_owned(), |amount| amount.to_string());
        return Err(Poison(format!("{amount} was captured for order {id}, whose total is {}", order.total)));
    }
    if !order.status.awaits_payment() {
        cx.ignore("late, or again");
        return Ok(());
    }
    go(set, id, &Step::by_event(Status::Confirmed, format!("captured {attempt}"), PAYMENT), cx);
    tell_of(set, id, Template::OrderConfirmed, cx);
    Ok(())
}

/// An admin's refund stands on the timeline once, in whatever state the order is.
fn enter_refund(set: &mut Set, id: Uuid, refund_id: Uuid, amount: Money, reason: Option<String>, cx: &mut Context) {
    if !set.refunds.insert((id, refund_id)) {
        cx.ignore("refund is on the timeline");
        return;
    }
    let Some(status) = set.orders.get(&id).map(|order| order.status) else { return };
    let due_at = set.orders.get(&id).and_then(|order| order.due_at);
    go(set, id, &Step::by_event(status, refund_cause(refund_id), PAYMENT).because(reason.clone()), cx);
    if let Some(order) = set.orders.change(&id) {
        // It is no transition: what was to come still is.
        order.due_at = due_at;
    }
    if let Some(order) = set.orders.get(&id) {
        tell(order, Template::OrderRefunded, amount, reason, cx);
    }
}

/// The timeline's cause of an admin's refund.
#[must_use]
pub fn refund_cause(refund_id: Uuid) -> String {
    format!("refund {refund_id}")
}

/// One of the two has answered the cancel; with both answers the order ends.
fn answered(set: &mut Set, id: Uuid, with: impl FnOnce(Cancel) -> Cancel, cx: &mut Context) {
    let Some(order) = set.orders.change(&id) else { return };
    let Some(cancel) = order.cancel.map(with) else { return };
    order.cancel = Some(cancel);
    if !(cancel.stock_back && cancel.paid_back) {
        return;
    }
    let (to, template) = match cancel.reason {
        CancelReason::Cancelled => (Status::Cancelled, Template::OrderCancelled),
        CancelReason::Expired => (Status::Expired, Template::OrderExpired),
    };
    go(set, id, &Step::by_event(to, "returned", "order"), cx);
    tell_of(set, id, template, cx);
}

fn product_changed(set: &mut Set, item: &CatalogueItem, cx: &mut Context) {
    match set.catalogue.get(&item.product_id) {
        Some(known) if known.version >= item.version => cx.ignore("product is known as new as this"),
        _ => set.catalogue.put(item.product_id, item.clone()),
    }
}

/// The only way in which an order gets another version: with a row of its timeline.
fn go(set: &mut Set, id: Uuid, step: &Step, cx: &mut Context) {
    let now = cx.now();
    let Some(order) = set.orders.change(&id) else { return };
    let from = order.status;
    order.status = step.to;
    order.version += 1;
    order.updated_at = now;
    order.due_at = step.to.awaits_payment().then_some(order.expires_at);
    set.timeline.push(timeline_row(order, Some(from), step, cx));
}

fn timeline_row(order: &Order, from: Option<Status>, step: &Step, cx: &Context) -> TimelineRow {
    TimelineRow {
        order_id: order.id,
        sequence: order.version,
        from,
        to: step.to,
        cause: step.cause.clone(),
        actor: step.actor.clone(),
        reason: step.reason.clone(),
        event_id: Uuid::parse_str(cx.causation_id()).ok().filter(|_| step.by_event),
        trace_id: cx.trace().trace_id(),
        at: cx.now(),
    }
}

fn tell_of(set: &Set, id: Uuid, template: Template, cx: &mut Context) {
    if let Some(order) = set.orders.get(&id) {
        tell(order, template, order.total, order.reason.clone(), cx);
    }
}

/// Sends `notification.send`, of the timeline's last row. Somebody who can't be reached is not told.
fn tell(order: &Order, template: Template, total: Money, reason: Option<String>, cx: &mut Context) {
    if order.contact.email.is_none() && order.contact.phone.is_none() {
        return;
    }
    let with_lines = matches!(template, Template::OrderPlaced | Template::OrderConfirmed);
    let lines = order.lines.iter().filter(|_| with_lines).map(|line| NotificationLine {
        name: line.name.clone(),
        quantity: line.quantity.get(),
        line_total: line.line_total,
    });
    cx.emit(
        order.version,
        &NotificationRequested {
            order_id: order.id,
            order_number: order.number.clone(),
            customer_id: order.customer_id.clone(),
            timeline_sequence: i32::try_from(order.version).unwrap_or(i32::MAX),
            template,
            contact: order.contact.clone(),
            vars: NotificationVars {
                total,
                lines: lines.collect(),
                reason,
                tracking_number: order.shipment.as_ref().map(|shipment| shipment.tracking_number.clone()),
            },
        },
    );
}

/// Another's order is as one that does not exist.
fn owned<'a>(set: &'a Set, id: Uuid, by: &By) -> Result<&'a Order, Refusal> {
    let order = set.orders.get(&id).filter(|order| by.admin || order.customer_id == by.subject);
    order.ok_or(Refusal::OrderNotFound)
}

fn changed(set: &Set, id: Uuid) -> Result<Box<Order>, Refusal> {
    set.orders.get(&id).cloned().map(Box::new).ok_or(Refusal::OrderNotFound)
}

impl Order {
    fn cancelled_by_people(&self) -> bool {
        self.cancel.is_some_and(|cancel| cancel.reason == CancelReason::Cancelled)
    }
}
