//! What the customer is told: the order service picks the template, notification makes the message.

use super::{Context, Order};
use common::events::{NotificationLine, NotificationRequested, NotificationVars, Template};
use common::money::Money;

/// Tells of the timeline's last row.
pub(super) fn tell(order: &Order, template: Template, reason: Option<String>, cx: &mut Context) {
    send(order, template, order.total, reason, cx);
}

/// Tells of an admin's refund: of what was paid back, not of the total.
pub(super) fn tell_of_refund(order: &Order, amount: Money, reason: Option<String>, cx: &mut Context) {
    send(order, Template::OrderRefunded, amount, reason, cx);
}

/// Somebody who can't be reached is not told.
fn send(order: &Order, template: Template, total: Money, reason: Option<String>, cx: &mut Context) {
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
