//! Publishes what writers left behind that show no sign of life. It need not know whether they are dead: to publish a
//! record again is harmless.

use crate::failpoints::{Guard, is_off};
use crate::outbox::{Orphan, OutboxEvent, above, maintain, orphans, set_published};
use crate::publisher::{Reports, Swept};
use crate::writer::short;
use sqlx::postgres::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often orphans are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How old the last sign of life of an orphan is: several missed heartbeats.
const ORPHAN_AGE: Duration = Duration::from_secs(5);
/// How long Kafka may take to acknowledge a page.
const PAGE_BOUND: Duration = Duration::from_secs(30);
/// How often partitions are made and dropped.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3600);

pub(crate) struct Sweeper {
    pub(crate) pool: PgPool,
    pub(crate) own: Uuid,
    pub(crate) swept: mpsc::Sender<Swept>,
    pub(crate) stop: CancellationToken,
}

impl Sweeper {
    pub(crate) async fn run(self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut maintained: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.stop.cancelled() => return,
            }
            if maintained.is_none_or(|at| at.elapsed() > MAINTAIN_EVERY) {
                maintained = Some(Instant::now());
                if let Err(error) = maintain(&self.pool, common::clock::now()).await {
                    tracing::warn!(%error, "maintenance of the engine's tables");
                }
            }
            if is_off(Guard::Sweep) {
                continue;
            }
            let found = timeout(Duration::from_secs(5), orphans(&self.pool, self.own, ORPHAN_AGE)).await;
            let Ok(Ok(orphans)) = found else { continue };
            for orphan in orphans {
                self.sweep(orphan).await;
            }
        }
    }

    /// Page after page, until no event is above the cursor.
    async fn sweep(&self, orphan: Orphan) {
        let mut cursor = orphan.published_seq;
        while !self.stop.is_cancelled() {
            let Ok(mut events) = above(&self.pool, orphan.id, cursor).await else { return };
            let Some(last) = events.last().map(|event| event.seq) else { break };
            if is_off(Guard::SweepInOrder) {
                events.reverse();
            }
            if !self.publish(events).await {
                return;
            }
            if let Err(error) = set_published(&self.pool, orphan.id, last).await {
                tracing::warn!(%error, "the cursor of another writer was not moved");
                return;
            }
            metrics::counter!("rtoms_swept_total").increment(u64::try_from(last - cursor).unwrap_or(0));
            cursor = last;
        }
        tracing::info!(
            writer = short(orphan.id),
            from = orphan.published_seq,
            to = cursor,
            "published for a silent writer"
        );
    }

    /// Whether all of `events` were acknowledged.
    async fn publish(&self, events: Vec<OutboxEvent>) -> bool {
        let changed = Arc::new(Notify::new());
        let reports = Reports::new(events.len(), Arc::clone(&changed));
        if self.swept.send(Swept { events, reports: Arc::clone(&reports) }).await.is_err() {
            return false;
        }
        let acknowledged = async {
            while !reports.done() && !reports.failed() {
                changed.notified().await;
            }
        };
        timeout(PAGE_BOUND, acknowledged).await.is_ok() && !reports.failed()
    }
}
