//! How an order gets on: every version of it is a row of its timeline.

use super::{Context, Order, Set, Status, TimelineRow};
use uuid::Uuid;

/// Where to, why and by whom.
pub(super) struct Step {
    to: Status,
    cause: String,
    actor: String,
    reason: Option<String>,
    /// Whether an event brought it, whose id the row then names.
    by_event: bool,
}

impl Step {
    pub(super) fn by_event(to: Status, cause: impl Into<String>, actor: &str) -> Self {
        Self { to, cause: cause.into(), actor: actor.to_owned(), reason: None, by_event: true }
    }

    /// A person, or the clock.
    pub(super) fn by_person(to: Status, cause: &str, actor: &str) -> Self {
        Self { to, cause: cause.to_owned(), actor: actor.to_owned(), reason: None, by_event: false }
    }

    pub(super) fn because(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }
}

/// The timeline's cause of an admin's refund.
#[must_use]
pub fn refund_cause(refund_id: Uuid) -> String {
    format!("refund {refund_id}")
}

/// The first row, of a new order.
pub(super) fn begin(set: &mut Set, order: &Order, cx: &Context) {
    let step = Step::by_person(order.status, "placed", &order.customer_id);
    set.timeline.push(row(order, None, step, cx));
}

/// The only way in which an order gets another version. Where it is a transition, what was due no longer is.
pub(super) fn go(set: &mut Set, id: Uuid, step: Step, cx: &Context) {
    let Some(order) = set.orders.change(&id) else { return };
    let from = order.status;
    if step.to != from {
        order.status = step.to;
        order.due_at = step.to.awaits_payment().then_some(order.expires_at);
    }
    order.version += 1;
    order.updated_at = cx.now();
    set.timeline.push(row(order, Some(from), step, cx));
}

fn row(order: &Order, from: Option<Status>, step: Step, cx: &Context) -> TimelineRow {
    let Step { to, cause, actor, reason, by_event } = step;
    TimelineRow {
        order_id: order.id,
        sequence: order.version,
        from,
        to,
        cause,
        actor,
        reason,
        event_id: Uuid::parse_str(cx.causation_id()).ok().filter(|_| by_event),
        trace_id: cx.trace().trace_id(),
        at: cx.now(),
    }
}
