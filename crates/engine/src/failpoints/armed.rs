//! What `RTOMS_FAILPOINTS`, or a test in this process, has set up.

use super::{Guard, Point};
use rustix::process::{Signal, getpid, kill_process};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the kernel may take to stop all threads, on a machine with more to do.
const STOPPED_WITHIN: Duration = Duration::from_millis(200);
const VARIABLE: &str = "RTOMS_FAILPOINTS";

const POINTS: [(&str, Point); 7] = [
    ("before-commit", Point::BeforeCommit),
    ("before-keyed-commit", Point::BeforeKeyedCommit),
    ("after-commit", Point::AfterCommit),
    ("after-publish", Point::AfterPublish),
    ("before-offsets", Point::BeforeOffsets),
    ("before-call", Point::BeforeCall),
    ("after-call", Point::AfterCall),
];

const GUARDS: [(&str, Guard); 20] = [
    ("offsets-after-commit", Guard::OffsetsAfterCommit),
    ("offsets-stop-before-held", Guard::OffsetsStopBeforeHeld),
    ("patience-ends", Guard::PatienceEnds),
    ("cursor-after-report", Guard::CursorAfterReport),
    ("ask-what-commit-did", Guard::AskWhatCommitDid),
    ("halve-accused", Guard::HalveAccused),
    ("retry-conflicts", Guard::RetryConflicts),
    ("retry-races", Guard::RetryRaces),
    ("infrastructure-waits", Guard::InfrastructureWaits),
    ("idle-in-transaction", Guard::IdleInTransaction),
    ("sweep", Guard::Sweep),
    ("sweep-in-order", Guard::SweepInOrder),
    ("due-timers", Guard::DueTimers),
    ("one-key-a-call", Guard::OneKeyACall),
    ("lane-shares", Guard::LaneShares),
    ("claim-first", Guard::ClaimFirst),
    ("outbox-bound", Guard::OutboxBound),
    ("from-the-beginning", Guard::FromTheBeginning),
    ("bury", Guard::Bury),
    ("settle-with-effect", Guard::SettleWithEffect),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Setup {
    /// What happens at a point, and at which arrival from now.
    signals: Vec<(Point, Sent, u32)>,
    off: Vec<Guard>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Kill,
    Freeze,
}

static SETUP: LazyLock<Mutex<Setup>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "a test's word to its process, no configuration of a service")]
    let told = std::env::var(VARIABLE).unwrap_or_default();
    Mutex::new(parse(&told).unwrap_or_else(|wrong| panic!("{VARIABLE}: {wrong}")))
});

fn setup() -> MutexGuard<'static, Setup> {
    SETUP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets up what `told` says, in this process, until the value is dropped.
///
/// # Panics
/// `told` can't be read.
#[must_use]
pub fn arm(told: &str) -> Armed {
    *setup() = parse(told).unwrap_or_else(|wrong| panic!("{wrong}"));
    Armed(())
}

/// Takes everything back when it is dropped.
#[derive(Debug)]
pub struct Armed(());

impl Drop for Armed {
    fn drop(&mut self) {
        *setup() = Setup::default();
    }
}

/// A name that does not exist is refused: a test must not pass because it armed nothing.
fn parse(told: &str) -> Result<Setup, String> {
    let mut setup = Setup::default();
    for word in told.split(',').filter(|word| !word.is_empty()) {
        let (name, action) = word.split_once('=').ok_or_else(|| format!("{word} is not name=action"))?;
        let (action, arrival) = action.split_once('@').unwrap_or((action, "1"));
        let arrival: u32 = arrival.parse().map_err(|_| format!("{arrival} is no number of an arrival"))?;
        let point = POINTS.iter().find(|(known, _)| *known == name).map(|(_, point)| *point);
        let guard = GUARDS.iter().find(|(known, _)| *known == name).map(|(_, guard)| *guard);
        match (point, guard, action) {
            (Some(point), _, "kill") => setup.signals.push((point, Sent::Kill, arrival)),
            (Some(point), _, "freeze") => setup.signals.push((point, Sent::Freeze, arrival)),
            (_, Some(guard), "off") => setup.off.push(guard),
            _ => return Err(format!("{word}: no such place or guard, or it can't do that")),
        }
    }
    Ok(setup)
}

pub(super) fn is_off(guard: Guard) -> bool {
    setup().off.contains(&guard)
}

pub(super) fn hit(point: Point) {
    let sent = {
        let mut setup = setup();
        let at = setup.signals.iter_mut().find(|(known, _, left)| *known == point && *left > 0);
        at.and_then(|(_, sent, left)| {
            *left -= 1;
            (*left == 0).then_some(*sent)
        })
    };
    let signal = match sent {
        None => return,
        Some(Sent::Kill) => Signal::KILL,
        Some(Sent::Freeze) => Signal::STOP,
    };
    kill_process(getpid(), signal).expect("a process may signal itself");
    // A stop is told to the process and reaches its threads one after the other: this one must not go on meanwhile.
    thread::sleep(STOPPED_WITHIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_or_refused() {
        let setup = parse("before-commit=kill@3,after-call=freeze,sweep=off").unwrap();
        assert_eq!(setup.signals, [(Point::BeforeCommit, Sent::Kill, 3), (Point::AfterCall, Sent::Freeze, 1)]);
        assert_eq!(setup.off, [Guard::Sweep]);
        for wrong in ["before-comit=kill", "before-commit=off", "sweep=kill", "sweep", "sweep=off@x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("").unwrap(), Setup::default());
    }
}
