//! The rows of people.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    /// Whoever was made at the command line has none.
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) password_hash: String,
    pub(crate) roles: Vec<String>,
}

pub(crate) type NewAccount = Account;

/// Another account has the name.
#[derive(Debug)]
pub(crate) struct Taken;

pub(crate) async fn insert(
    pool: &PgPool,
    new: &NewAccount,
    at: OffsetDateTime,
) -> Result<Result<(), Taken>, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO accounts (id, username, email, name, password_hash, roles, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT DO NOTHING",
        new.id,
        new.username,
        new.email,
        new.name,
        new.password_hash,
        &new.roles,
        at,
    )
    .execute(pool)
    .await?;
    Ok(if done.rows_affected() == 1 { Ok(()) } else { Err(Taken) })
}

pub(crate) async fn by_username(pool: &PgPool, username: &str) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as!(
        Account,
        "SELECT id, username, email, name, password_hash, roles
         FROM accounts
         WHERE lower(username) = lower($1)",
        username,
    )
    .fetch_optional(pool)
    .await
}

pub(crate) async fn by_id(pool: &PgPool, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as!(
        Account,
        "SELECT id, username, email, name, password_hash, roles
         FROM accounts
         WHERE id = $1",
        id,
    )
    .fetch_optional(pool)
    .await
}
