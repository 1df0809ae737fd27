//! What runs inside Redis, where nothing comes in between. An entry is a hash of `v` (version) and `b` (bytes), or of `l`
//! (lease) while somebody fetches it.

use super::Found;
use crate::cache::Entry;
use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{RedisError, Script};
use std::sync::LazyLock;
use std::time::Duration;

/// The entry, or a lease: the one that is out, so that all who miss may bring it, else a new one.
static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = redis.call('HMGET', KEYS[1], 'v', 'b', 'l')
         if found[1] then return {found[1], found[2]} end
         if found[3] then return {found[3]} end
         redis.call('HSET', KEYS[1], 'l', ARGV[1])
         redis.call('PEXPIRE', KEYS[1], ARGV[2])
         return {ARGV[1]}",
    )
});

/// Puts an entry in the place of a lower version; in the place of none, a reader needs the lease that is out.
static STORE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local old = redis.call('HMGET', KEYS[1], 'v', 'l')
         if old[1] then
           if tonumber(old[1]) >= tonumber(ARGV[1]) then return 0 end
         elseif ARGV[4] ~= '' and old[2] ~= ARGV[4] then
           return 0
         end
         redis.call('DEL', KEYS[1])
         redis.call('HSET', KEYS[1], 'v', ARGV[1], 'b', ARGV[2])
         redis.call('PEXPIRE', KEYS[1], ARGV[3])
         return 1",
    )
});

pub(super) async fn look(
    redis: &mut (impl ConnectionLike + Send),
    name: &str,
    lease: &str,
    lasts: Duration,
) -> Result<Found, RedisError> {
    let found: Vec<Vec<u8>> = LOOK.key(name).arg(lease).arg(lasts.as_millis().to_string()).invoke_async(redis).await?;
    Ok(match <[Vec<u8>; 2]>::try_from(found) {
        Ok([version, bytes]) => match std::str::from_utf8(&version).ok().and_then(|version| version.parse().ok()) {
            Some(version) => Found::Entry(Entry { version, bytes: Bytes::from(bytes) }),
            None => Found::Nothing,
        },
        Err(found) => match found.into_iter().next().and_then(|lease| String::from_utf8(lease).ok()) {
            Some(lease) => Found::Lease(lease),
            None => Found::Nothing,
        },
    })
}

pub(super) async fn store(
    redis: &mut (impl ConnectionLike + Send),
    name: &str,
    entry: &Entry,
    lasts: Duration,
    lease: Option<&str>,
) -> Result<bool, RedisError> {
    STORE
        .key(name)
        .arg(entry.version)
        .arg(&entry.bytes[..])
        .arg(lasts.as_millis().to_string())
        .arg(lease.unwrap_or_default())
        .invoke_async(redis)
        .await
}

pub(super) async fn ping(redis: &mut (impl ConnectionLike + Send)) -> Result<String, RedisError> {
    redis::cmd("PING").query_async(redis).await
}
