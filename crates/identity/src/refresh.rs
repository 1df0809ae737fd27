//! Refresh tokens: random, stored hashed, each good for one use. One that is used twice was stolen: it ends its family.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
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
    let mut transaction = pool.begin().await?;
    let row = sqlx::query!(
        "SELECT family, account_id, expires_at, used_at, revoked_at
         FROM refresh_tokens
         WHERE hash = $1
         FOR UPDATE",
        hash(token),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok(Used::Refused) };
    if row.used_at.is_some() {
        tracing::warn!(account = %row.account_id, "a refresh token was used twice: its family ends");
        sqlx::query!(
            "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL",
            row.family,
            now
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        return Ok(Used::Refused);
    }
    if row.revoked_at.is_some() || row.expires_at <= now {
        return Ok(Used::Refused);
    }
    let next = random()?;
    sqlx::query!("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1", hash(token), now)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "INSERT INTO refresh_tokens (hash, family, account_id, expires_at) VALUES ($1, $2, $3, $4)",
        hash(&next),
        row.family,
        row.account_id,
        now + TTL,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Used::By { account_id: row.account_id, next: Fresh(next) })
}

/// Ends the family of a token; one that is not known is none (RFC 7009, section 2.2).
pub(crate) async fn revoke(pool: &PgPool, token: &str, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE refresh_tokens
         SET revoked_at = $2
         WHERE family = (SELECT family FROM refresh_tokens WHERE hash = $1)
           AND revoked_at IS NULL",
        hash(token),
        now,
    )
    .execute(pool)
    .await
    .map(|_| ())
}

pub(crate) async fn forget_expired(pool: &PgPool, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM refresh_tokens WHERE expires_at < $1", now).execute(pool).await.map(|_| ())
}
