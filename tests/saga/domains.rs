//! The real domains, one order each. Each module holds what the service's tables hold of the order, and applies
//! commands to it as a batch of one would be.
//!
//! What no handler decides by is flattened after each command, so that states which differ in nothing else are one:
//! versions, how often a call came back unanswered, times that only tell when something was written, ids that only name
//! a record. Time stands still but where a deadline, a lease or the pause of a refused refund ends: there it is exactly
//! that late.

pub(crate) mod inventory;
pub(crate) mod order;
pub(crate) mod payment;

use common::trace::Trace;
use engine::{Cause, Context, Ids, NewRecord};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

pub(crate) const ORDER: Uuid = Uuid::from_u128(1 << 64);
pub(crate) const PRODUCT: Uuid = Uuid::from_u128(2 << 64);
pub(crate) const CUSTOMER: &str = "somebody";
pub(crate) const PIECES: i64 = 2;
/// The order's total in minor units: the least of which a part can be paid back.
pub(crate) const TOTAL: i64 = 2;

pub(crate) const NOW: OffsetDateTime = datetime!(2031-01-01 12:00 UTC);
/// Where everything that will be due is flattened to.
pub(crate) const LATER: OffsetDateTime = datetime!(2031-01-01 13:00 UTC);

const TRACEPARENT: &str = "00-0000000000000000000000000000002a-000000000000002a-01";

/// What a command has brought about besides the row.
#[derive(Debug)]
pub(crate) struct Told<E> {
    pub(crate) records: Vec<NewRecord>,
    pub(crate) effects: Vec<E>,
}

impl<E> Told<E> {
    pub(crate) fn nothing() -> Self {
        Self { records: Vec::new(), effects: Vec::new() }
    }

    fn of(mut cx: Context<E>) -> Self {
        Self { records: cx.take_records(), effects: cx.take_effects() }
    }

    pub(crate) fn and(mut self, more: Self) -> Self {
        self.records.extend(more.records);
        self.effects.extend(more.effects);
        self
    }
}

fn trace() -> Trace {
    Trace::parse(TRACEPARENT).expect("a traceparent")
}

/// Ids count from `first_id`, which has to be derived from the row: the same row gives the same ids.
fn context<E>(service: &str, first_id: u128, at: OffsetDateTime) -> Context<E> {
    let of_nobody = || "cause".to_owned();
    let cause = Cause { at, trace: trace(), correlation_id: of_nobody(), causation_id: of_nobody() };
    Context::new(service, Ids::Counted(first_id), cause)
}
