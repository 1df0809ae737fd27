//! Refresh tokens: random, stored hashed, each good for one use. One that is used twice was stolen: it ends its family.

use crate::undisturbed::Undisturbed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// How long one may wait for its use.
const TTL: Duration = Duration::days(14);
/// Random bytes.
const LENGTH: usize = 32;

/// A new token, in clear for the client.
pub(crate) struct Fresh(pub(crate) String);

/// What became of a token that was presented.
pub(crate) enum Used {
    By {
        account_id: Uuid,
        next: Fresh,
    },
    /// Unknown, expired, revoked, or used before.
    Refused,
}

fn random() -> Result<String, sqlx::Error> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| sqlx::Error::Protocol("no random bytes".to_owned()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// The first of a new family.
pub(crate) async fn begin(pool: &PgPool, account_id: Uuid, now: OffsetDateTime) -> Result<Fresh, sqlx::Error> {
    let token = random()?;
    sqlx::query!(
        "INSERT INTO refresh_tokens (hash, family, account_id, expires_at) VALUES ($1, $2, $3, $4)",
        hash(&token),
        common::ids::new(),
        account_id,
        now + TTL,
    )
    .execute(pool)
    .await?;
    Ok(Fresh(token))
}

/// Uses a token up, and makes the next of its family.
pub(crate) async fn rotate(pool: &PgPool, token: &str, now: OffsetDateTime) -> Result<Used, sqlx::Error> {
    let mut connection = Undisturbed::acquire(pool).await?;
    let mut transaction = connection.begin().await?;
    let used = rotated(&mut transaction, token, now).await?;
    transaction.commit().await?;
    connection.keep();
    Ok(used)
}

async fn rotated(db: &mut PgConnection, token: &str, now: OffsetDateTime) -> Result<Used, sqlx::Error> {
    let Some(family) = locked_family(db, token).await? else { return Ok(Used::Refused) };
    let row = sqlx::query!(
        "SELECT account_id, expires_at, used_at, revoked_at
         FROM refresh_tokens
         WHERE hash = $1",
        hash(token),
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(Used::Refused) };
    if row.used_at.is_some() {
        tracing::warn!(account = %row.account_id, "a refresh token was used twice: its family ends");
        end_family(db, family, now).await?;
        return Ok(Used::Refused);
    }
    if row.revoked_at.is_some() || row.expires_at <= now {
        return Ok(Used::Refused);
    }
    let next = random()?;
    sqlx::query!("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1", hash(token), now).execute(&mut *db).await?;
    sqlx::query!(
        "INSERT INTO refresh_tokens (hash, family, account_id, expires_at) VALUES ($1, $2, $3, $4)",
        hash(&next),
        family,
        row.account_id,
        now + TTL,
    )
    .execute(&mut *db)
    .await?;
    Ok(Used::By { account_id: row.account_id, next: Fresh(next) })
}

/// Ends the family of a token; one that is not known is none (RFC 7009, section 2.2).
pub(crate) async fn revoke(pool: &PgPool, token: &str, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    let mut connection = Undisturbed::acquire(pool).await?;
    let mut transaction = connection.begin().await?;
    if let Some(family) = locked_family(&mut transaction, token).await? {
        end_family(&mut transaction, family, now).await?;
    }
    transaction.commit().await?;
    connection.keep();
    Ok(())
}

/// The family of a token, which until the end of the transaction nobody else changes. Row locks would not do: whoever
/// ends a family can't lock the row that another transaction is about to add.
async fn locked_family(db: &mut PgConnection, token: &str) -> Result<Option<Uuid>, sqlx::Error> {
    let family = sqlx::query_scalar!("SELECT family FROM refresh_tokens WHERE hash = $1", hash(token))
        .fetch_optional(&mut *db)
        .await?;
    if let Some(family) = family {
        // Two families that share the number by chance wait for each other, and no more.
        let (high, low) = family.as_u64_pair();
        let lock = (high ^ low).cast_signed();
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", lock).execute(&mut *db).await?;
    }
    Ok(family)
}

async fn end_family(db: &mut PgConnection, family: Uuid, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL", family, now,)
        .execute(db)
        .await
        .map(|_| ())
}

pub(crate) async fn forget_expired(pool: &PgPool, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM refresh_tokens WHERE expires_at < $1", now).execute(pool).await.map(|_| ())
}
