//! The level that the replicas share: Redis, asked only while it can be trusted.

mod script;

use super::Entry;
use anyhow::Context;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// How long Redis may take to answer; the database is not much slower.
const ANSWER_BOUND: Duration = Duration::from_millis(100);
/// How often Redis is asked for a sign of life, and what failed is written again.
const BEAT_EVERY: Duration = Duration::from_millis(250);
/// How long every heartbeat has to succeed until Redis is read again after one that failed: all replicas notice its
/// return within a beat or two, and then write first what they could not write.
const TRUST_AFTER: Duration = Duration::from_millis(1500);
/// After so many failures in a row the connection is made anew: one that hangs is not noticed otherwise.
const RECONNECT_AFTER: u32 = 3;
/// How many entries may wait to be written; what is more is left to [`TIME_TO_LIVE`].
const MAX_PENDING: usize = 10_000;
/// How long an entry lasts in Redis.
pub(super) const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// How long who missed an entry may take to bring it: longer than a read may.
const LEASE: Duration = Duration::from_secs(10);

/// What Redis holds.
pub(super) enum Found {
    Entry(Entry),
    /// Nothing; who brings the entry shows this.
    Lease(String),
    /// It was not asked, or did not answer.
    Nothing,
}

/// An entry on its way to Redis.
struct Pending {
    entry: Entry,
    /// `None` where it was committed here: then it goes there whatever was in between, and is tried until it does.
    lease: Option<String>,
}

pub(super) struct Shared {
    client: Client,
    namespace: &'static str,
    connection: Mutex<ConnectionManager>,
    started: Instant,
    /// Since when every heartbeat has succeeded, in milliseconds after `started`; [`NEVER`] while they fail.
    healthy_since_ms: AtomicU64,
    was_up: AtomicBool,
    pending: Mutex<HashMap<Uuid, Pending>>,
    more: Notify,
}

const NEVER: u64 = u64::MAX;

impl Shared {
    pub(super) fn start(url: &str, namespace: &'static str) -> anyhow::Result<Arc<Self>> {
        // The cause could repeat a password.
        let client = Client::open(url).ok().context("REDIS_URL is no URL of the form redis://host:port/0")?;
        let connection = Mutex::new(connect(&client).context("preparing the connection to Redis")?);
        let shared = Arc::new(Self {
            client,
            namespace,
            connection,
            started: Instant::now(),
            healthy_since_ms: AtomicU64::new(NEVER),
            was_up: AtomicBool::new(true),
            pending: Mutex::new(HashMap::new()),
            more: Notify::new(),
        });
        tokio::spawn(beat(Arc::downgrade(&shared)));
        Ok(shared)
    }

    pub(super) fn is_up(&self) -> bool {
        self.was_up.load(Ordering::Relaxed)
    }

    pub(super) async fn look(&self, key: Uuid) -> Found {
        if !self.is_trusted() {
            return Found::Nothing;
        }
        let lease = Uuid::new_v4().simple().to_string();
        let mut connection = self.connection();
        match self.bounded(script::look(&mut connection, &self.name(key), &lease, LEASE)).await {
            Some(found) => found,
            None => Found::Nothing,
        }
    }

    /// What was committed here.
    pub(super) fn put(&self, key: Uuid, entry: Entry) {
        self.enqueue(key, Pending { entry, lease: None });
    }

    /// What was read after a miss.
    pub(super) fn fill(&self, key: Uuid, entry: Entry, lease: String) {
        self.enqueue(key, Pending { entry, lease: Some(lease) });
    }

    fn enqueue(&self, key: Uuid, new: Pending) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.get(&key) {
            // A commit is never displaced by a read, nor anything by what is older.
            Some(old) if new.lease.is_some() || old.entry.version > new.entry.version => return,
            None if pending.len() >= MAX_PENDING => {
                metrics::counter!("rtoms_cache_dropped_total").increment(1);
                return;
            }
            _ => {}
        }
        pending.insert(key, new);
        drop(pending);
        self.more.notify_one();
    }

    fn is_trusted(&self) -> bool {
        let since = self.healthy_since_ms.load(Ordering::Relaxed);
        since != NEVER && self.now_ms().saturating_sub(since) >= millis(TRUST_AFTER)
    }

    /// Writes what waits, or asks for a sign of life; false where Redis did not answer.
    async fn beat(&self) -> bool {
        let waiting = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut connection = self.connection();
        if waiting.is_empty() {
            return self.bounded(script::ping(&mut connection)).await.is_some();
        }
        let mut waiting = waiting.into_iter();
        while let Some((key, next)) = waiting.next() {
            let name = self.name(key);
            let stored = script::store(&mut connection, &name, &next.entry, TIME_TO_LIVE, next.lease.as_deref());
            if self.bounded(stored).await.is_none() {
                // A lease will not outlive an outage; a commit is tried again.
                let unwritten = std::iter::once((key, next)).chain(waiting);
                unwritten.filter(|(_, pending)| pending.lease.is_none()).for_each(|(key, p)| self.enqueue(key, p));
                return false;
            }
        }
        true
    }

    /// `None` where Redis failed, or took too long: it is distrusted at once.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let failure = match timeout(ANSWER_BOUND, call).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {ANSWER_BOUND:?}"),
        };
        self.healthy_since_ms.store(NEVER, Ordering::Relaxed);
        if self.was_up.swap(false, Ordering::Relaxed) {
            tracing::warn!(failure, "Redis is away: reads go to the database");
        }
        None
    }

    fn succeeded(&self) {
        let healthy =
            self.healthy_since_ms.compare_exchange(NEVER, self.now_ms(), Ordering::Relaxed, Ordering::Relaxed);
        if healthy.is_ok() && !self.was_up.swap(true, Ordering::Relaxed) {
            tracing::info!("Redis answers again");
        }
    }

    fn reconnect(&self) {
        if let Ok(new) = connect(&self.client) {
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    fn connection(&self) -> ConnectionManager {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn name(&self, key: Uuid) -> String {
        format!("rtoms:{}:{key}", self.namespace)
    }

    fn now_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

/// The one task of a cache, until the cache is dropped.
async fn beat(shared: Weak<Shared>) {
    let mut failures = 0;
    while let Some(shared) = shared.upgrade() {
        if shared.beat().await {
            failures = 0;
            shared.succeeded();
            // Early where something is to be written.
            let _ = timeout(BEAT_EVERY, shared.more.notified()).await;
        } else {
            failures += 1;
            if failures % RECONNECT_AFTER == 0 {
                shared.reconnect();
            }
            tokio::time::sleep(BEAT_EVERY).await;
        }
    }
}

/// Connects when it is first used, and again when the connection is lost.
fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(BEAT_EVERY))
        .set_response_timeout(Some(ANSWER_BOUND))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
