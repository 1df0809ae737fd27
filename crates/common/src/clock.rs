//! The clock of the edge. The domain never reads it: time comes in with each command.

use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// Now, in UTC, to the microsecond: what PostgreSQL stores, so that a value equals itself after a round trip.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one module that may read the clock")]
pub fn now() -> OffsetDateTime {
    truncate(OffsetDateTime::now_utc())
}

/// Cuts a time to whole microseconds.
#[must_use]
pub fn truncate(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).unwrap_or(at)
}

/// Seconds since the epoch, for JWT claims (RFC 7519, `NumericDate`).
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
