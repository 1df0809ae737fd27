//! The rules of the saga, each of which can be broken: by a wrapper around the domains, which know nothing of it.

use crate::domains::{self, Told};
use inventory::domain as stock;
use order::domain::{self as orders, Seen};
use payment::domain::{self as payments, AttemptState, ChargeOutcome, Effect, RefundCause, RefundOutcome, RefundState};
use std::convert::Infallible;
use time::OffsetDateTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AnswerEveryCancel,
    FinalOnlyWhenAllReturned,
    RememberCancelDuringACall,
    MarkReservedBeforeCreated,
    LookupBeforeRetry,
    LateCaptureRefunded,
    DeclineNeverDemotes,
    CaptureBeforeReserved,
    CancelWaitsForRefund,
    VoidOnReject,
    DedupeReserve,
    MarkCancelledBeforeCreated,
    CancelWaitsForStock,
    CancelIsSentAgain,
    CancelRefundIsTriedAgain,
    CaptureBeatsDecline,
    SurplusIsReturned,
    WaitingRefundIsOpen,
}

impl Rule {
    pub(crate) const ALL: [Self; 18] = [
        Self::AnswerEveryCancel,
        Self::FinalOnlyWhenAllReturned,
        Self::RememberCancelDuringACall,
        Self::MarkReservedBeforeCreated,
        Self::LookupBeforeRetry,
        Self::LateCaptureRefunded,
        Self::DeclineNeverDemotes,
        Self::CaptureBeforeReserved,
        Self::CancelWaitsForRefund,
        Self::VoidOnReject,
        Self::DedupeReserve,
        Self::MarkCancelledBeforeCreated,
        Self::CancelWaitsForStock,
        Self::CancelIsSentAgain,
        Self::CancelRefundIsTriedAgain,
        Self::CaptureBeatsDecline,
        Self::SurplusIsReturned,
        Self::WaitingRefundIsOpen,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AnswerEveryCancel => "answer_every_cancel",
            Self::FinalOnlyWhenAllReturned => "final_only_when_all_returned",
            Self::RememberCancelDuringACall => "remember_cancel_during_a_call",
            Self::MarkReservedBeforeCreated => "mark_reserved_before_created",
            Self::LookupBeforeRetry => "lookup_before_retry",
            Self::LateCaptureRefunded => "late_capture_refunded",
            Self::DeclineNeverDemotes => "decline_never_demotes",
            Self::CaptureBeforeReserved => "capture_before_reserved",
            Self::CancelWaitsForRefund => "cancel_waits_for_refund",
            Self::VoidOnReject => "void_on_reject",
            Self::DedupeReserve => "dedupe_reserve",
            Self::MarkCancelledBeforeCreated => "mark_cancelled_before_created",
            Self::CancelWaitsForStock => "cancel_waits_for_stock",
            Self::CancelIsSentAgain => "cancel_is_sent_again",
            Self::CancelRefundIsTriedAgain => "cancel_refund_is_tried_again",
            Self::CaptureBeatsDecline => "capture_beats_decline",
            Self::SurplusIsReturned => "surplus_is_returned",
            Self::WaitingRefundIsOpen => "waiting_refund_is_open",
        }
    }

    /// Whether a cancel that is sent again heals what breaks: then that has to be off as well.
    pub(crate) fn is_healed_by_another_cancel(self) -> bool {
        matches!(self, Self::LateCaptureRefunded | Self::CancelRefundIsTriedAgain)
    }
}

pub(crate) fn order(
    broken: Option<Rule>,
    row: &mut domains::order::Row,
    command: &orders::Command,
    at: OffsetDateTime,
) -> Result<Told<Infallible>, String> {
    use crate::domains::order::apply;
    use orders::Status;
    let order_id = domains::ORDER;
    let event = |event| orders::Command::Event { order_id, event };
    let status = row.order.status;
    let seen = match command {
        orders::Command::Event { event, .. } => Some(event),
        _ => None,
    };
    match (broken, seen) {
        (Some(Rule::FinalOnlyWhenAllReturned), Some(Seen::PaidBack { refund, .. })) => {
            apply(row, &event(Seen::PaidBack { all: true, refund: refund.clone() }), at)
        }
        (Some(Rule::DeclineNeverDemotes), Some(Seen::Declined { .. })) if status == Status::Confirmed => {
            row.order.status = Status::Reserved;
            apply(row, command, at)
        }
        (Some(Rule::CaptureBeforeReserved), Some(Seen::Captured { .. })) if status == Status::Pending => {
            Ok(Told::nothing())
        }
        (Some(Rule::CancelWaitsForRefund), None)
            if status == Status::Confirmed && matches!(command, orders::Command::Cancel { .. }) =>
        {
            let told = apply(row, command, at)?;
            let told = told.and(apply(row, &event(Seen::StockReleased), at)?);
            Ok(told.and(apply(row, &event(Seen::PaidBack { all: true, refund: None }), at)?))
        }
        (Some(Rule::CancelWaitsForStock), Some(Seen::PaidBack { all: true, .. })) => {
            let told = apply(row, command, at)?;
            Ok(told.and(apply(row, &event(Seen::StockReleased), at)?))
        }
        _ => apply(row, command, at),
    }
}

pub(crate) fn inventory(
    broken: Option<Rule>,
    row: &mut domains::inventory::Row,
    command: &stock::Command,
) -> Result<Told<Infallible>, String> {
    use crate::domains::inventory::apply;
    use stock::Command::{OrderCancelled, OrderCreated};
    match (broken, command, row.status()) {
        (Some(Rule::DedupeReserve), OrderCreated { .. }, Some(stock::Status::Released)) => {
            row.reservation = None;
            apply(row, command)
        }
        (Some(Rule::MarkCancelledBeforeCreated), OrderCancelled { .. }, None) => {
            let told = apply(row, command)?;
            row.reservation = None;
            Ok(told)
        }
        _ => apply(row, command),
    }
}

pub(crate) fn payment(
    broken: Option<Rule>,
    row: &mut domains::payment::Row,
    command: &payments::Command,
    at: OffsetDateTime,
) -> Told<Effect> {
    use crate::domains::payment::apply;
    use payments::Command::{CallDue, ChargeAnswered, OrderCancelled, RefundAnswered, StockRejected, StockReserved};
    let before = row.clone();
    match (broken, command) {
        (Some(Rule::AnswerEveryCancel), OrderCancelled { .. }) if has_nothing_to_return(&before) => {
            Told { effects: apply(row, command, at).effects, records: Vec::new() }
        }
        (Some(Rule::RememberCancelDuringACall), OrderCancelled { .. }) if has_open_call(&before) => Told::nothing(),
        (Some(Rule::MarkReservedBeforeCreated), StockReserved { .. } | StockRejected { .. }) if before.is_none() => {
            Told::nothing()
        }
        (Some(Rule::VoidOnReject), StockRejected { .. }) if before.is_some() => Told::nothing(),
        (Some(Rule::LookupBeforeRetry), CallDue { .. }) => under_a_new_key(apply(row, command, at)),
        (Some(Rule::LateCaptureRefunded), ChargeAnswered { attempt, outcome: ChargeOutcome::Captured { .. }, .. })
            if attempt_is(&before, *attempt, |state| matches!(state, AttemptState::Processing(_))) =>
        {
            let cancelled = set_cancelled(row, false);
            let told = apply(row, command, at);
            set_cancelled(row, cancelled);
            told
        }
        (Some(Rule::CaptureBeatsDecline), ChargeAnswered { attempt, outcome: ChargeOutcome::Captured { .. }, .. })
            if attempt_is(&before, *attempt, |state| matches!(state, AttemptState::Declined { .. })) =>
        {
            Told::nothing()
        }
        (Some(Rule::SurplusIsReturned), ChargeAnswered { .. }) => {
            let told = apply(row, command, at);
            let surplus = |effect: &Effect| matches!(effect, Effect::Refund(_)) && has_surplus(row);
            let told = Told { effects: told.effects.into_iter().filter(|e| !surplus(e)).collect(), ..told };
            retain_refunds(row, |refund| !matches!(refund.cause, RefundCause::Surplus { .. }));
            told
        }
        (Some(Rule::CancelRefundIsTriedAgain), RefundAnswered { outcome: RefundOutcome::Refused { .. }, .. }) => {
            let told = apply(row, command, at);
            retain_refunds(row, |refund| {
                !(matches!(refund.state, RefundState::Waiting { .. }) && refund.cause == RefundCause::OrderCancelled)
            });
            told
        }
        (Some(Rule::WaitingRefundIsOpen), OrderCancelled { .. }) => {
            let waiting = forget_waiting(row);
            let told = apply(row, command, at);
            for (number, state) in waiting {
                for refund in refunds(row).filter(|refund| refund.number == number) {
                    refund.state = state.clone();
                }
            }
            told
        }
        _ => apply(row, command, at),
    }
}

fn has_nothing_to_return(row: &domains::payment::Row) -> bool {
    match row {
        Some(payments::Row::Payment(payment)) => match payment.state {
            payments::State::Voided => true,
            payments::State::Captured => payment.refunded_minor() == payment.captured_minor(),
            _ => false,
        },
        Some(payments::Row::Mark(mark)) => mark.wanted == payments::Wanted::Cancelled,
        None => false,
    }
}

fn has_open_call(row: &domains::payment::Row) -> bool {
    domains::payment::payment(row).is_some_and(|payment| payment.open_call().is_some())
}

fn attempt_is(row: &domains::payment::Row, number: u32, is: fn(&AttemptState) -> bool) -> bool {
    let attempts = domains::payment::payment(row).map_or(&[][..], |payment| &payment.attempts);
    attempts.iter().any(|attempt| attempt.number == number && is(&attempt.state))
}

fn has_surplus(row: &domains::payment::Row) -> bool {
    let attempts = domains::payment::payment(row).map_or(&[][..], |payment| &payment.attempts);
    attempts.iter().any(|attempt| matches!(attempt.state, AttemptState::Surplus { .. }))
}

fn under_a_new_key(told: Told<Effect>) -> Told<Effect> {
    let effects = told.effects.into_iter().map(|effect| match effect {
        Effect::LookUpCharge(intent) => {
            Effect::Charge(payments::ChargeIntent { key: format!("{}'", intent.key), ..intent })
        }
        effect => effect,
    });
    Told { effects: effects.collect(), records: told.records }
}

/// What it was before.
fn set_cancelled(row: &mut domains::payment::Row, cancelled: bool) -> bool {
    match row {
        Some(payments::Row::Payment(payment)) => std::mem::replace(&mut payment.cancelled, cancelled),
        Some(payments::Row::Mark(_)) | None => false,
    }
}

fn refunds(row: &mut domains::payment::Row) -> impl Iterator<Item = &mut payments::Refund> {
    let payment = match row {
        Some(payments::Row::Payment(payment)) => Some(payment),
        Some(payments::Row::Mark(_)) | None => None,
    };
    payment.into_iter().flat_map(|payment| &mut payment.refunds)
}

fn retain_refunds(row: &mut domains::payment::Row, keep: impl Fn(&payments::Refund) -> bool) {
    if let Some(payments::Row::Payment(payment)) = row {
        payment.refunds.retain(keep);
    }
}

/// Takes waiting refunds for refused ones; the numbers and states of those.
fn forget_waiting(row: &mut domains::payment::Row) -> Vec<(u32, RefundState)> {
    let waiting = refunds(row).filter(|refund| matches!(refund.state, RefundState::Waiting { .. }));
    let forgotten = waiting.map(|refund| {
        let failed = RefundState::Failed { code: String::new() };
        (refund.number, std::mem::replace(&mut refund.state, failed))
    });
    forgotten.collect()
}
