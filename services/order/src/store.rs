//! Rows in and out of PostgreSQL: `load` and `save` for the writer, `reads` for HTTP, `due` for the timer.
//!
//! Locks are taken in one order: orders before the catalogue, rows by key.

mod load;
pub mod reads;
mod save;

use crate::domain::{self, Command, Context, Reply, Seen, Set, Status};
use common::trace::Trace;
use engine::{Due, Machine, Poison};
use sqlx::{PgConnection, PgPool};
use std::convert::Infallible;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// What the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// How long a new order may wait for its payment.
    pub time_to_pay: Duration,
}

impl Machine for Orders {
    const NAME: &'static str = "order-service";
    type Command = Command;
    type Set = Set;
    type Reply = Reply;
    type Effect = Infallible;

    fn root(command: &Command) -> Option<Uuid> {
        command.order_id()
    }

    /// What follows a reservation at once is the payment.
    fn may_wait(command: &Command) -> bool {
        matches!(command, Command::Event { event: Seen::StockReserved, .. })
    }

    async fn load(&self, db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
        load::load(db, commands).await
    }

    fn apply(&self, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
        domain::apply(self.time_to_pay, set, command, cx)
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        save::save(db, set).await
    }
}

/// Orders past their deadline, or whose cancel is to be sent again.
///
/// # Errors
/// Those of Postgres.
pub async fn due(pool: PgPool, now: OffsetDateTime, limit: i64) -> Result<Vec<Due<Command>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, trace
         FROM orders
         WHERE due_at <= $1
         ORDER BY due_at
         LIMIT $2",
        now,
        limit,
    )
    .fetch_all(&pool)
    .await?;
    let due = |id, trace: &str| Due { key: id, command: Command::Due { order_id: id }, trace: Trace::parse(trace) };
    Ok(rows.into_iter().map(|row| due(row.id, &row.trace)).collect())
}

fn status(word: &str) -> Result<Status, sqlx::Error> {
    Status::parse(word).ok_or_else(|| unknown_word("status", word))
}

/// A word in a row that this version does not know.
fn unknown_word(column: &'static str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} is {word:?}").into())
}
