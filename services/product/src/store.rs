//! Rows in and out of PostgreSQL: `load` and `save` for the writer, `reads` for HTTP.

mod load;
pub mod reads;
mod save;

use crate::domain::{self, Command, Context, Fresh, Reply, Set};
use engine::{Machine, Poison};
use sqlx::PgConnection;

/// What the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue;

impl Machine for Catalogue {
    const NAME: &'static str = "product-service";
    type Command = Command;
    type Set = Set;
    type Reply = Reply;
    type Effect = Fresh;

    async fn load(&self, db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
        load::load(db, commands).await
    }

    fn apply(&self, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
        domain::apply(set, command, cx)
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        save::save(db, set).await
    }
}

/// A word in a row that this version does not know.
fn unknown_word(column: &'static str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} is {word:?}").into())
}
