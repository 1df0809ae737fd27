//! What inventory, payment and the clock tell of an order. Handlers commute: whatever comes early, late or again, the
//! end is the same.

use super::telling::{tell, tell_of_refund};
use super::timeline::{Step, go, refund_cause};
use super::{AdminRefund, Cancel, Context, Seen, Set, Status};
use common::events::{CancelReason, OrderCancelled, OrderEvent, Template};
use common::money::Money;
use engine::Poison;
use time::Duration;
use uuid::Uuid;

/// When `order.cancelled` is sent for the second time; then after twice as long, and so on.
pub(super) const SEND_CANCEL_AGAIN: Duration = Duration::seconds(5);
/// The longest pause between two of them.
pub(super) const SEND_CANCEL_AT_LEAST: Duration = Duration::minutes(5);

const INVENTORY: &str = "inventory";
const PAYMENT: &str = "payment";
const DEADLINE: &str = "deadline";
const LATE: &str = "late, or again";

/// A timer found the order past `due_at`; under its lock it may be another one.
pub(super) fn due(set: &mut Set, id: Uuid, cx: &mut Context) {
    let Some(order) = set.orders.get(&id).filter(|order| order.due_at.is_some_and(|due_at| due_at <= cx.now())) else {
        cx.ignore("no longer due");
        return;
    };
    if order.status.awaits_payment() {
        let step = Step::by_person(Status::Cancelling, "expire", DEADLINE);
        begin_cancel(set, id, CancelReason::Expired, None, step, cx);
    } else if let (Status::Cancelling, Some(cancel)) = (order.status, order.cancel) {
        // Whoever missed it answers now, and whoever answered answers again: the first answer may be lost.
        send_cancel(set, id, Cancel { sent: cancel.sent.saturating_add(1), ..cancel }, cx);
    }
}

/// From here on the order only waits for its stock and its money to be back.
pub(super) fn begin_cancel(
    set: &mut Set,
    id: Uuid,
    why: CancelReason,
    reason: Option<String>,
    step: Step,
    cx: &mut Context,
) {
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

/// # Errors
/// Where the event can't be true of any order that was placed.
pub(super) fn seen(set: &mut Set, id: Uuid, event: &Seen, cx: &mut Context) -> Result<(), Poison> {
    let Some(order) = set.orders.get(&id) else {
        // An order is committed before anybody hears of it.
        return Err(Poison(format!("order {id} was never placed")));
    };
    let (status, total) = (order.status, order.total);
    match event {
        Seen::StockReserved if status == Status::Pending => {
            go(set, id, Step::by_event(Status::Reserved, "reserved", INVENTORY), cx);
        }
        Seen::StockRejected { reason } if status == Status::Pending => rejected(set, id, reason, cx),
        // A capture confirms, also one that comes before the reservation or after a decline.
        Seen::Captured { attempt, amount } => {
            check_capture(id, *amount, total)?;
            if status.awaits_payment() {
                go(set, id, Step::by_event(Status::Confirmed, format!("captured {attempt}"), PAYMENT), cx);
                tell_as_it_is(set, id, Template::OrderConfirmed, None, cx);
            } else {
                cx.ignore(LATE);
            }
        }
        Seen::Declined { attempt, code } if matches!(status, Status::Pending | Status::Reserved) => {
            let step = Step::by_event(Status::PaymentFailed, format!("declined {attempt}"), PAYMENT);
            go(set, id, step.because(code.clone()), cx);
            tell_as_it_is(set, id, Template::PaymentFailed, code.clone(), cx);
        }
        Seen::StockReleased => {
            if !answered(set, id, INVENTORY, |cancel| Cancel { stock_back: true, ..cancel }, cx) {
                cx.ignore(LATE);
            }
        }
        Seen::PaidBack { all, refund } => {
            let entered = refund.as_ref().map(|refund| enter_refund(set, id, refund, total, cx)).transpose()?;
            let ends = *all && answered(set, id, PAYMENT, |cancel| Cancel { paid_back: true, ..cancel }, cx);
            if entered != Some(true) && !ends {
                cx.ignore(LATE);
            }
        }
        Seen::StockReserved | Seen::StockRejected { .. } | Seen::Declined { .. } => cx.ignore(LATE),
    }
    Ok(())
}

fn rejected(set: &mut Set, id: Uuid, reason: &str, cx: &mut Context) {
    let reason = Some(reason.to_owned());
    if let Some(order) = set.orders.change(&id) {
        order.reason.clone_from(&reason);
    }
    go(set, id, Step::by_event(Status::Rejected, "rejected", INVENTORY).because(reason.clone()), cx);
    tell_as_it_is(set, id, Template::OrderRejected, reason, cx);
}

fn check_capture(id: Uuid, amount: Option<Money>, total: Money) -> Result<(), Poison> {
    if amount == Some(total) {
        return Ok(());
    }
    let amount = amount.map_or_else(|| "an unknown amount".to_owned(), |amount| amount.to_string());
    Err(Poison(format!("{amount} was captured for order {id}, whose total is {total}")))
}

/// An admin's refund stands on the timeline once, in whatever state the order is; whether it did not before.
fn enter_refund(set: &mut Set, id: Uuid, refund: &AdminRefund, total: Money, cx: &mut Context) -> Result<bool, Poison> {
    let AdminRefund { id: refund_id, amount, reason } = refund;
    if total.minus(*amount).is_err() {
        return Err(Poison(format!("{amount} was paid back for order {id}, whose total is {total}")));
    }
    if !set.refunds.insert((id, *refund_id)) {
        return Ok(false);
    }
    let Some(status) = set.orders.get(&id).map(|order| order.status) else { return Ok(false) };
    go(set, id, Step::by_event(status, refund_cause(*refund_id), PAYMENT).because(reason.clone()), cx);
    if let Some(order) = set.orders.get(&id) {
        tell_of_refund(order, *amount, reason.clone(), cx);
    }
    Ok(true)
}

/// One of the two has answered the cancel; with both answers the order ends. False where it answers nothing new.
fn answered(set: &mut Set, id: Uuid, who: &str, with: impl FnOnce(Cancel) -> Cancel, cx: &mut Context) -> bool {
    let Some(before) = set.orders.get(&id).filter(|o| o.status == Status::Cancelling).and_then(|o| o.cancel) else {
        return false;
    };
    let cancel = with(before);
    if cancel == before {
        return false;
    }
    if let Some(order) = set.orders.change(&id) {
        order.cancel = Some(cancel);
    }
    if cancel.stock_back && cancel.paid_back {
        let (to, template) = match cancel.reason {
            CancelReason::Cancelled => (Status::Cancelled, Template::OrderCancelled),
            CancelReason::Expired => (Status::Expired, Template::OrderExpired),
        };
        go(set, id, Step::by_event(to, "returned", who), cx);
        let reason = set.orders.get(&id).and_then(|order| order.reason.clone());
        tell_as_it_is(set, id, template, reason, cx);
    }
    true
}

fn tell_as_it_is(set: &Set, id: Uuid, template: Template, reason: Option<String>, cx: &mut Context) {
    if let Some(order) = set.orders.get(&id) {
        tell(order, template, reason, cx);
    }
}
