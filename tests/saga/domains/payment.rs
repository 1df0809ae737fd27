//! What is known of the order's payment.

use super::{LATER, NOW, ORDER, Told, context, trace};
use engine::Rows;
use payment::domain::{
    AttemptState, Command, Effect, Mark, OpenCall, Payment, Policy, RefundState, Row as Known, Set, apply as apply_real,
};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) type Row = Option<Known>;

pub(crate) const POLICY: Policy = Policy { provider_timeout: Duration::from_secs(10) };
/// Ids are counted from here, for each refund that is there: they name refunds until these get a flat id.
const IDS_A_REFUND: u128 = 1000;

/// When the timer strikes.
pub(crate) fn due_at(row: &Row) -> OffsetDateTime {
    payment(row).and_then(Payment::due_at).unwrap_or(NOW)
}

pub(crate) fn payment(row: &Row) -> Option<&Payment> {
    match row {
        Some(Known::Payment(payment)) => Some(payment),
        Some(Known::Mark(_)) | None => None,
    }
}

pub(crate) fn apply(row: &mut Row, command: &Command, at: OffsetDateTime) -> Told<Effect> {
    let refunds = payment(row).map_or(0, |payment| payment.refunds.len()) as u128;
    let mut set = Set { payments: Rows::loaded(row.take().map(|known| (ORDER, known))) };
    let mut cx = context("payment-service", (refunds + 1) * IDS_A_REFUND, at);
    apply_real(POLICY, &mut set, command, &mut cx);
    *row = set.payments.get(&ORDER).cloned();
    match row {
        Some(Known::Payment(payment)) => flatten(payment, at),
        Some(Known::Mark(Mark { version, trace: of, created_at, updated_at, .. })) => {
            (*version, *of, *created_at, *updated_at) = (1, trace(), NOW, NOW);
        }
        None => {}
    }
    Told::of(cx)
}

/// After a command at `now`: what could have been started by then is ready, what could not is later.
fn flatten(payment: &mut Payment, now: OffsetDateTime) {
    (payment.version, payment.trace, payment.created_at, payment.updated_at) = (1, trace(), NOW, NOW);
    let open = OpenCall::start(POLICY, NOW);
    for attempt in &mut payment.attempts {
        attempt.at = NOW;
        if let AttemptState::Processing(call) = &mut attempt.state {
            *call = open.clone();
        }
    }
    for refund in &mut payment.refunds {
        refund.at = NOW;
        refund.id = Uuid::from_u128(refund.number.into());
        match &mut refund.state {
            RefundState::Processing(call) => *call = open.clone(),
            RefundState::Waiting { until } => *until = if *until <= now { NOW } else { LATER },
            RefundState::Refunded { .. } | RefundState::Failed { .. } => {}
        }
    }
}
