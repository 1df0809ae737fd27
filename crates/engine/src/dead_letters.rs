//! Records that can't be read, or that failed for good: kept with their cause, in the transaction that passes them by,
//! until an admin redrives or discards them.

mod desk;
mod letter;
mod settlement;

pub use desk::DeadLetters;
pub use letter::{DeadLetter, FailedRedrive, LetterStatus};
pub use settlement::Decided;
pub(crate) use settlement::{Settlement, Settling, Verdict};

use crate::lanes::Record;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// How much of a record's value is kept, and of its key.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;
/// How much of a cause is kept, which may quote what it complains of.
const CAUSE_BYTES: usize = 1024;

/// A second copy of a record that is there already changes nothing.
pub(crate) async fn insert(
    db: &mut PgConnection,
    dead: &[(&Record, &str)],
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    if dead.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO dead_letters (at, id, topic, partition, \"offset\", key, payload, truncated, cause)
         SELECT $1, new.*
         FROM UNNEST($2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bool[], $9::text[])
             AS new
         ON CONFLICT (topic, partition, \"offset\") DO NOTHING",
    )
    .bind(now)
    .bind(dead.iter().map(|_| common::ids::new()).collect::<Vec<Uuid>>())
    .bind(dead.iter().map(|(r, _)| r.topic).collect::<Vec<_>>())
    .bind(dead.iter().map(|(r, _)| r.partition).collect::<Vec<_>>())
    .bind(dead.iter().map(|(r, _)| r.offset).collect::<Vec<_>>())
    .bind(dead.iter().map(|(r, _)| r.key.as_deref()).collect::<Vec<_>>())
    .bind(dead.iter().map(|(r, _)| r.value.as_deref()).collect::<Vec<_>>())
    .bind(dead.iter().map(|(r, _)| r.truncated).collect::<Vec<_>>())
    .bind(dead.iter().map(|(_, cause)| storable(cause)).collect::<Vec<_>>())
    .execute(db)
    .await
    .map(|_| ())
}

/// A text of Postgres holds no NUL, and a cause may quote one, or much else.
fn storable(cause: &str) -> String {
    cause[..cause.floor_char_boundary(CAUSE_BYTES)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_short_and_holds_no_nul() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        let long = storable(&"ä".repeat(CAUSE_BYTES));
        assert_eq!(long.chars().count(), CAUSE_BYTES / 2);
    }
}
