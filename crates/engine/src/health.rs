//! What the process knows of its dependencies, for `/readyz` and for refusing requests at once.

use crate::failpoints::{Guard, is_off};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::Notify;

/// Shared by the engine's tasks; read by HTTP.
#[derive(Debug)]
pub struct Health {
    postgres: AtomicBool,
    kafka: AtomicBool,
    outbox_max_rows: i64,
    /// The number of the last committed event.
    committed_seq: AtomicI64,
    /// The end of the contiguous run of events that Kafka has acknowledged.
    published_seq: AtomicI64,
    pub(crate) committed: Notify,
}

impl Health {
    pub(crate) fn new(outbox_max_rows: i64) -> Self {
        Self {
            postgres: AtomicBool::new(true),
            // Until it has answered once.
            kafka: AtomicBool::new(false),
            outbox_max_rows,
            committed_seq: AtomicI64::new(0),
            published_seq: AtomicI64::new(0),
            committed: Notify::new(),
        }
    }

    /// Whether the writer's last try reached Postgres.
    #[must_use]
    pub fn postgres(&self) -> bool {
        self.postgres.load(Ordering::Relaxed)
    }

    /// Whether a broker answers.
    #[must_use]
    pub fn kafka(&self) -> bool {
        self.kafka.load(Ordering::Relaxed)
    }

    /// Whether so many events wait for Kafka that no more requests are taken.
    #[must_use]
    pub fn outbox_full(&self) -> bool {
        self.waiting_events() >= self.outbox_max_rows && !is_off(Guard::OutboxBound)
    }

    /// How many of this writer's events wait for Kafka.
    #[must_use]
    pub fn waiting_events(&self) -> i64 {
        self.committed_seq() - self.published_seq()
    }

    pub(crate) fn set_postgres(&self, up: bool) {
        if self.postgres.swap(up, Ordering::Relaxed) != up {
            if up {
                tracing::info!("Postgres answers again");
            } else {
                tracing::error!("Postgres is away: requests are refused, everything else waits");
            }
        }
    }

    pub(crate) fn set_kafka(&self, up: bool) {
        if self.kafka.swap(up, Ordering::Relaxed) != up {
            if up {
                tracing::info!("Kafka answers again");
            } else {
                tracing::warn!("Kafka is away: events wait in the outbox");
            }
        }
    }

    pub(crate) fn committed_seq(&self) -> i64 {
        self.committed_seq.load(Ordering::Acquire)
    }

    pub(crate) fn set_committed_seq(&self, seq: i64) {
        self.committed_seq.store(seq, Ordering::Release);
        self.committed.notify_one();
    }

    pub(crate) fn published_seq(&self) -> i64 {
        self.published_seq.load(Ordering::Acquire)
    }

    pub(crate) fn set_published_seq(&self, seq: i64) {
        self.published_seq.store(seq, Ordering::Release);
    }
}
