//! A read cache in two levels: this process, for a second, over Redis, which the replicas share.
//!
//! Entries have versions, which only grow. What is promised: the replica that wrote never serves older than its own
//! answer; no replica serves an older version than it has served before; others are at most two seconds behind. With
//! Redis killed, paused or emptied, answers come from the database and stay right.
//!
//! How: Redis is asked only while it has answered every heartbeat for a while ([`shared`]), so that after an outage the
//! writers' entries arrive before anybody reads there; it replaces entries by higher versions alone; and it takes what
//! was read from the database only from who holds the lease that was given out with the miss, so that a slow reader
//! can't put back what was replaced, or emptied, in between. A replica that dies between its commit and its `put`
//! leaves an old entry to its time to live, [`shared::TIME_TO_LIVE`]; so does one that alone can't reach a Redis which the
//! others do reach, and a Redis that comes back with what it held before: let it save nothing.

mod shared;

use crate::http::Problem;
use bytes::Bytes;
use moka::future::Cache as Local;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use shared::{Found, Shared};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long this process serves an entry without looking again.
const LOCAL_TIME_TO_LIVE: Duration = Duration::from_secs(1);
/// How much memory entries may take in this process.
const LOCAL_BYTES: u64 = 32 * 1024 * 1024;
/// How long a version that was seen is remembered: longer than an older one can last in Redis.
const SEEN_TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// How many seen versions are remembered.
const SEEN_KEYS: u64 = 200_000;

/// Something that can be served, as the version that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Grows with every visible change. Where two counters make a version, their sum does.
    pub version: i64,
    pub bytes: Bytes,
}

/// Entries by id.
#[derive(Clone)]
pub struct Cache {
    local: Local<Uuid, Entry>,
    /// The highest version that this process has served or written.
    seen: Local<Uuid, i64>,
    shared: Option<Arc<Shared>>,
}

/// Why there is no entry; told to all who waited for one load.
enum NoEntry {
    Missing,
    Failed(Problem),
}

impl Cache {
    /// `redis_url` as `redis://[:password@]host:port/database`, or `rediss://` for TLS; `None` does without. `namespace`
    /// begins its keys. Has to be called in a runtime, where it keeps one task.
    ///
    /// # Errors
    /// The URL is none of Redis.
    pub fn new(redis_url: Option<&str>, namespace: &'static str) -> anyhow::Result<Self> {
        let local = Local::builder()
            .time_to_live(LOCAL_TIME_TO_LIVE)
            .max_capacity(LOCAL_BYTES)
            .weigher(|_, entry: &Entry| u32::try_from(entry.bytes.len()).unwrap_or(u32::MAX).saturating_add(64))
            .build();
        // The policy by default would rather turn away what was just written than drop what is asked for more often.
        let seen = Local::builder()
            .time_to_live(SEEN_TIME_TO_LIVE)
            .max_capacity(SEEN_KEYS)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let shared = redis_url.map(|url| Shared::start(url, namespace)).transpose()?;
        Ok(Self { local, seen, shared })
    }

    /// The entry of `key`, loaded once however many ask at the same time; `load` reads it from the database, `None`
    /// where it is not there.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get<L, F>(&self, key: Uuid, load: L) -> Result<Option<Entry>, Problem>
    where
        L: Fn() -> F,
        F: Future<Output = Result<Option<Entry>, Problem>>,
    {
        let found = self.local.try_get_with(key, self.fill(key, &load)).await;
        let entry = match found.map_err(|no_entry| no_entry.again()) {
            Ok(entry) => entry,
            Err(NoEntry::Missing) => return Ok(None),
            Err(NoEntry::Failed(problem)) => return Err(problem),
        };
        if entry.version >= self.seen.get(&key).await.unwrap_or(i64::MIN) {
            return Ok(Some(entry));
        }
        // Something newer was written while this was being loaded.
        let fresh = load().await?;
        if let Some(entry) = &fresh {
            self.keep(key, entry).await;
        }
        Ok(fresh)
    }

    /// Takes in what was just committed.
    pub async fn put(&self, key: Uuid, entry: Entry) {
        self.keep(key, &entry).await;
        if let Some(shared) = &self.shared {
            shared.put(key, entry);
        }
    }

    /// From now on, nothing older than `version` is served here.
    pub async fn expect(&self, key: Uuid, version: i64) {
        self.remember(key, version).await;
    }

    /// Whether Redis answers; true where there is none.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.is_up())
    }

    async fn fill<L, F>(&self, key: Uuid, load: &L) -> Result<Entry, NoEntry>
    where
        L: Fn() -> F,
        F: Future<Output = Result<Option<Entry>, Problem>>,
    {
        let seen = self.seen.get(&key).await.unwrap_or(i64::MIN);
        let lease = match &self.shared {
            None => None,
            Some(shared) => match shared.look(key).await {
                Found::Entry(entry) if entry.version >= seen => {
                    count("redis");
                    self.remember(key, entry.version).await;
                    return Ok(entry);
                }
                Found::Entry(_) | Found::Nothing => None,
                Found::Lease(lease) => Some(lease),
            },
        };
        count("database");
        let entry = load().await.map_err(NoEntry::Failed)?.ok_or(NoEntry::Missing)?;
        self.remember(key, entry.version).await;
        if let (Some(shared), Some(lease)) = (&self.shared, lease) {
            shared.fill(key, entry.clone(), lease);
        }
        Ok(entry)
    }

    async fn keep(&self, key: Uuid, entry: &Entry) {
        self.remember(key, entry.version).await;
        self.local
            .entry(key)
            .and_compute_with(async |old| match old {
                Some(old) if old.value().version >= entry.version => Op::Nop,
                _ => Op::Put(entry.clone()),
            })
            .await;
    }

    async fn remember(&self, key: Uuid, version: i64) {
        self.seen
            .entry(key)
            .and_compute_with(async |old| match old {
                // Put again where it is equal: its time starts anew.
                Some(old) if *old.value() > version => Op::Nop,
                _ => Op::Put(version),
            })
            .await;
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("entries", &self.local.entry_count()).finish_non_exhaustive()
    }
}

impl NoEntry {
    /// Many may have waited for one load.
    fn again(&self) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Failed(problem) => Self::Failed(problem.clone()),
        }
    }
}

fn count(level: &'static str) {
    metrics::counter!("rtoms_cache_fills_total", "from" => level).increment(1);
}

#[cfg(test)]
mod tests;
