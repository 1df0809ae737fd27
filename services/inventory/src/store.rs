//! Rows in and out of PostgreSQL: `load` and `save` for the writer, `reads` for HTTP.
//!
//! Locks are taken in one order: reservations before stock, rows by key. Which stock rows an order's end touches stands
//! in its reservation, so it can't be the other way round. New rows are inserted in the same order, by `save`, when all
//! locks are held; so two replicas may wait for each other, but never in a circle.

mod load;
pub mod reads;
mod save;

use crate::domain::{self, Command, Context, Opening, Reply, Set};
use engine::{Machine, Poison};
use sqlx::PgConnection;
use std::convert::Infallible;

/// What the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Inventory {
    pub opening: Opening,
}

impl Machine for Inventory {
    const NAME: &'static str = "inventory-service";
    type Command = Command;
    type Set = Set;
    type Reply = Reply;
    type Effect = Infallible;

    async fn load(&self, db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
        load::load(db, commands).await
    }

    fn apply(&self, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
        let reply = domain::apply(self.opening, set, command, cx)?;
        if let Reply::Alerted(alert) = &reply {
            tracing::error!(?alert, "somebody should look at this");
        }
        Ok(reply)
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        save::save(db, set).await
    }
}

/// A word in a row that this version does not know.
fn unknown_word(column: &'static str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} is {word:?}").into())
}
