//! One dead letter, as it is kept and shown.

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPool;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A record that was given up.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DeadLetter {
    pub id: Uuid,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    /// What was kept of the record's value; `None` for a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Whether the value was larger than what was kept: then it can't be applied again.
    pub truncated: bool,
    /// Why it is dead: of the last redrive, where there was one.
    pub cause: String,
    pub at: OffsetDateTime,
    #[sqlx(try_from = "String")]
    pub status: LetterStatus,
    /// Who settled it, when, and why.
    pub settled_by: Option<String>,
    pub settled_at: Option<OffsetDateTime>,
    pub reason: Option<String>,
    /// The last redrives that failed again, oldest first.
    #[sqlx(json)]
    pub redrives: Vec<FailedRedrive>,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterStatus {
    /// It waits for somebody's decision.
    Dead,
    /// It was applied after all.
    Redriven,
    Discarded,
}

impl LetterStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}

impl TryFrom<String> for LetterStatus {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "dead" => Ok(Self::Dead),
            "redriven" => Ok(Self::Redriven),
            "discarded" => Ok(Self::Discarded),
            _ => Err(format!("a dead letter is {word:?}")),
        }
    }
}

/// A redrive that ended in another dead end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRedrive {
    pub by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub reason: Option<String>,
    /// Why the letter was dead before, which was not mended.
    pub cause: String,
}

const COLUMNS: &str = "id, topic, partition, \"offset\", key, payload, truncated, cause, at, status, settled_by,
     settled_at, reason, redrives";

pub(super) async fn find(pool: &PgPool, id: Uuid) -> Result<Option<DeadLetter>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = $1");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await
}

pub(super) async fn page(
    pool: &PgPool,
    status: Option<LetterStatus>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS}
         FROM dead_letters
         WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC
         LIMIT $3"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(status.map(LetterStatus::as_str))
        .bind(before)
        .bind(limit)
        .fetch_all(pool)
        .await
}

/// What a batch has to know of a letter that it settles.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Locked {
    pub(super) id: Uuid,
    #[sqlx(try_from = "String")]
    pub(super) status: LetterStatus,
    pub(super) cause: String,
    pub(super) settled_by: Option<String>,
    pub(super) settled_at: Option<OffsetDateTime>,
    pub(super) reason: Option<String>,
    pub(super) redrives: Json<Vec<FailedRedrive>>,
}
