//! What people ask for. A refusal is decided before anything changes.

use super::saga::begin_cancel;
use super::telling::tell;
use super::timeline::{Step, begin, go};
use super::{By, Context, Order, Placement, Refusal, Reply, Set, Shipment, Status, place};
use common::events::{CancelReason, OrderCreated, OrderEvent, OrderShipped, Template};
use time::Duration;
use uuid::Uuid;

pub(super) fn place(
    time_to_pay: Duration,
    set: &mut Set,
    placement: &Placement,
    cx: &mut Context,
) -> Result<Reply, Refusal> {
    let expires_at = cx.now() + time_to_pay;
    let order = place::order(placement, &set.catalogue, cx.now(), expires_at, cx.trace().to_string())?;
    begin(set, &order, cx);
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
    tell(&order, Template::OrderPlaced, None, cx);
    set.orders.put(order.id, order.clone());
    Ok(Reply::Placed(Box::new(order)))
}

/// Asked again, it is answered again: people press buttons twice.
pub(super) fn cancel(
    set: &mut Set,
    id: Uuid,
    by: &By,
    reason: Option<&str>,
    cx: &mut Context,
) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    match order.status {
        Status::Pending | Status::Reserved | Status::PaymentFailed | Status::Confirmed => {
            let reason = reason.map(ToOwned::to_owned);
            let step = Step::by_person(Status::Cancelling, "cancel", &by.subject).because(reason.clone());
            begin_cancel(set, id, CancelReason::Cancelled, reason, step, cx);
            Ok(Reply::Cancelling(as_it_is(set, id)?))
        }
        Status::Cancelling | Status::Cancelled => Ok(Reply::Cancelling(as_it_is(set, id)?)),
        status @ (Status::Shipped | Status::Delivered | Status::Rejected | Status::Expired) => {
            Err(Refusal::NotCancellable(status))
        }
    }
}

pub(super) fn ship(set: &mut Set, id: Uuid, by: &By, shipment: &Shipment, cx: &mut Context) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    if order.status != Status::Confirmed {
        return Err(Refusal::NotShippable(order.status));
    }
    if let Some(order) = set.orders.change(&id) {
        order.shipment = Some(shipment.clone());
    }
    go(set, id, Step::by_person(Status::Shipped, "ship", &by.subject), cx);
    let order = as_it_is(set, id)?;
    let Shipment { carrier, tracking_number } = shipment.clone();
    cx.emit(order.version, &OrderEvent::Shipped(OrderShipped { order_id: id, carrier, tracking_number }));
    tell(&order, Template::OrderShipped, None, cx);
    Ok(Reply::Changed(order))
}

pub(super) fn deliver(set: &mut Set, id: Uuid, by: &By, cx: &mut Context) -> Result<Reply, Refusal> {
    let order = owned(set, id, by)?;
    if order.status != Status::Shipped {
        return Err(Refusal::NotDeliverable(order.status));
    }
    go(set, id, Step::by_person(Status::Delivered, "deliver", &by.subject), cx);
    let order = as_it_is(set, id)?;
    tell(&order, Template::OrderDelivered, None, cx);
    Ok(Reply::Changed(order))
}

/// Another's order is as one that does not exist.
fn owned<'a>(set: &'a Set, id: Uuid, by: &By) -> Result<&'a Order, Refusal> {
    let order = set.orders.get(&id).filter(|order| by.admin || order.customer_id == by.subject);
    order.ok_or(Refusal::OrderNotFound)
}

fn as_it_is(set: &Set, id: Uuid) -> Result<Box<Order>, Refusal> {
    set.orders.get(&id).cloned().map(Box::new).ok_or(Refusal::OrderNotFound)
}
