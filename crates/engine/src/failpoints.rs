//! Places where a test build can be killed or frozen, and guards that it can switch off. They come with the feature
//! `failpoints`, which only `tests/` asks for; without it every function here is empty.
//!
//! `RTOMS_FAILPOINTS` says what is to happen, separated by commas: `before-commit=kill@3` kills the process when it comes
//! there for the third time, `before-commit=freeze` stops it at the first, `sweep=off` switches a guard off.

#[cfg(feature = "failpoints")]
mod armed;

#[cfg(feature = "failpoints")]
pub use armed::{Armed, arm};

/// Where a process can be killed or frozen, on the way of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// All is saved, COMMIT is not sent.
    BeforeCommit,
    /// The same, and a keyed request of somebody is in the batch: never one of the process's own.
    BeforeKeyedCommit,
    /// COMMIT has succeeded, and nobody has heard of it.
    AfterCommit,
    /// Kafka has acknowledged the events, and the cursor does not know.
    AfterPublish,
    /// The events are handed over, the effects started, the callers answered; the offsets are not stored.
    BeforeOffsets,
    /// The intent is committed, the call not made.
    BeforeCall,
    /// The call was made, its result not told.
    AfterCall,
}

/// What keeps a promise, and can be switched off to see the promise broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Offsets are stored after the commit of what they brought; off: when it is taken.
    OffsetsAfterCommit,
    /// And up to the first record that waits for another; off: beyond it.
    OffsetsStopBeforeHeld,
    /// What waits for another waits no longer than a moment; off: until that comes.
    PatienceEnds,
    /// The cursor waits for the delivery reports; off: it moves when events are handed over.
    CursorAfterReport,
    /// After a COMMIT without an answer, Postgres is asked what it did; off: it is taken for lost.
    AskWhatCommitDid,
    /// A batch that accuses its data is halved until the offender stands alone; off: all of it is condemned.
    HalveAccused,
    /// A conflict is tried again; off: it condemns what met it.
    RetryConflicts,
    /// A unique violation gets a fresh load before it is a verdict.
    RetryRaces,
    /// Trouble of the infrastructure makes everything wait; off: it condemns what met it.
    InfrastructureWaits,
    /// A transaction that lies idle is ended by the server.
    IdleInTransaction,
    /// Silent writers are published for; and in the order of their rows.
    Sweep,
    SweepInOrder,
    /// Timers look for rows past their deadline.
    DueTimers,
    /// A call that may have been made is looked up under its key; off: it is made again under another.
    OneKeyACall,
    /// Every lane has its share of a batch, and what finishes orders the rest; off: requests come first.
    LaneShares,
    /// A request whose handler has given up is not taken; off: it is applied after its 503.
    ClaimFirst,
    /// With so many events unpublished requests are refused; off: they are taken all the same.
    OutboxBound,
    /// A group that has read nothing yet begins at the first record; off: at the next that comes.
    FromTheBeginning,
    /// A record that can't be read is buried; off: it is tried again, and nothing behind it is read.
    Bury,
    /// A dead letter is settled in the transaction of its effect; off: its row stays as it was.
    SettleWithEffect,
}

/// Dies or freezes here, where a test said so.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(point: Point) {
    armed::hit(point);
}

#[cfg(not(feature = "failpoints"))]
pub(crate) const fn hit(_: Point) {}

/// Whether a test has switched the guard off; never outside a test build.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn is_off(guard: Guard) -> bool {
    armed::is_off(guard)
}

#[cfg(not(feature = "failpoints"))]
#[must_use]
pub const fn is_off(_: Guard) -> bool {
    false
}
