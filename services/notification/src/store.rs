//! Rows in and out of PostgreSQL: `load` and `save` for the writer, `reads` for HTTP, `due` for the timer.

mod load;
pub mod reads;
mod save;

use crate::domain::{self, Carriers, Command, Context, Reply, Send, Set};
use common::trace::Trace;
use engine::{Due, Machine, Poison};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// What the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Notifications {
    pub carriers: Carriers,
}

impl Machine for Notifications {
    const NAME: &'static str = "notification-service";
    type Command = Command;
    type Set = Set;
    type Reply = Reply;
    type Effect = Send;

    async fn load(&self, db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
        load::load(db, commands).await
    }

    fn apply(&self, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
        domain::apply(self.carriers, set, command, cx)
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        save::save(db, set).await
    }
}

/// Messages whose lease has run out, or their pause.
///
/// # Errors
/// Those of Postgres.
pub async fn due(pool: PgPool, now: OffsetDateTime, limit: i64) -> Result<Vec<Due<Command>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, trace
         FROM notifications
         WHERE due_at <= $1
         ORDER BY due_at
         LIMIT $2",
        now,
        limit,
    )
    .fetch_all(&pool)
    .await?;
    let due = |id, trace: &str| Due { key: id, command: Command::Due { id }, trace: Trace::parse(trace) };
    Ok(rows.into_iter().map(|row| due(row.id, &row.trace)).collect())
}

/// A word in a row that this version does not know.
fn unknown_word(column: &'static str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} is {word:?}").into())
}
