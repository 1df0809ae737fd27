//! Rows past their deadline, turned into commands. The deadline is a column; a timer only looks.

use crate::context::Cause;
use crate::failpoints::{Guard, is_off};
use crate::lanes::{Item, Origin, Work};
use common::trace::Trace;
use futures::future::BoxFuture;
use sqlx::postgres::PgPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many rows one look may find.
pub(crate) const TIMER_PAGE: i64 = 500;
/// How long one look may take.
const LOOK_BOUND: Duration = Duration::from_secs(5);
/// The first and the longest pause of a row whose command failed for good.
const PUNISHMENT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How many failed rows are remembered.
const MAX_PUNISHED: usize = 10_000;

/// A row past its deadline, and the command that it asks for, which looks again under the row's lock.
#[derive(Debug)]
pub struct Due<C> {
    /// The row's key.
    pub key: Uuid,
    pub command: C,
    /// The trace of the flow that the row belongs to.
    pub trace: Option<Trace>,
}

type Look<C> =
    dyn Fn(PgPool, OffsetDateTime, i64) -> BoxFuture<'static, Result<Vec<Due<C>>, sqlx::Error>> + Send + Sync;

/// Looks for rows past their deadline.
pub struct Timer<C> {
    name: &'static str,
    every: Duration,
    look: Arc<Look<C>>,
}

impl<C> Timer<C> {
    /// `look` gets the pool, the time and the number of rows that it may return.
    pub fn new<F>(name: &'static str, every: Duration, look: F) -> Self
    where
        F: Fn(PgPool, OffsetDateTime, i64) -> BoxFuture<'static, Result<Vec<Due<C>>, sqlx::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self { name, every, look: Arc::new(look) }
    }

    pub(crate) async fn run(
        self,
        pool: PgPool,
        lane: mpsc::Sender<Item<C>>,
        backoffs: Arc<Backoffs>,
        stop: CancellationToken,
    ) {
        let mut again = false;
        loop {
            let pause = if again { Duration::ZERO } else { self.every };
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            if is_off(Guard::DueTimers) {
                continue;
            }
            let at = common::clock::now();
            let due = match timeout(LOOK_BOUND, (self.look)(pool.clone(), at, TIMER_PAGE)).await {
                Ok(Ok(due)) => due,
                Ok(Err(error)) => {
                    tracing::debug!(timer = self.name, %error, "rows past their deadline can't be read");
                    continue;
                }
                Err(_) => continue,
            };
            let found = due.len();
            let (done, mut all_done) = mpsc::channel(1);
            let mut sent = 0;
            for due in due.into_iter().filter(|due| !backoffs.waits(due.key)) {
                let trace = due.trace.map_or_else(Trace::start, Trace::child);
                let cause = Cause {
                    at,
                    trace,
                    correlation_id: trace.trace_id(),
                    causation_id: format!("{}:{}", self.name, due.key),
                };
                let origin = Origin::Timer { key: due.key, _done: done.clone() };
                if lane.send(Item::new(origin, Work::Command(due.command), cause)).await.is_err() {
                    return;
                }
                sent += 1;
            }
            drop(done);
            // Nobody ever sends: this ends when the last command is done with.
            all_done.recv().await;
            again = found == usize::try_from(TIMER_PAGE).unwrap_or(usize::MAX) && sent > 0;
        }
    }
}

/// Rows whose command failed for good, and until when they are left alone.
#[derive(Debug, Default)]
pub(crate) struct Backoffs {
    rows: Mutex<HashMap<Uuid, (Instant, Duration)>>,
}

impl Backoffs {
    pub(crate) fn punish(&self, key: Uuid) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= MAX_PUNISHED {
            let now = Instant::now();
            rows.retain(|_, (until, _)| *until > now);
        }
        let pause = rows.get(&key).map_or(PUNISHMENT.0, |(_, last)| (*last * 2).min(PUNISHMENT.1));
        if rows.len() < MAX_PUNISHED || rows.contains_key(&key) {
            rows.insert(key, (Instant::now() + pause, pause));
        }
    }

    fn waits(&self, key: Uuid) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(&key).is_some_and(|(until, _)| *until > Instant::now())
    }
}
