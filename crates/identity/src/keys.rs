//! The issuer's keys: one signs, the next is published before it does, the last stays published while its tokens live.

use crate::{Inner, refresh};
use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use common::clock;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use service_kit::auth::{KeySet, Keys, publish};
use sqlx::PgPool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the keys are looked at, at the least.
const LOOK_EVERY: StdDuration = StdDuration::from_secs(60);
/// Any number, the same in all replicas.
const LOCK: i64 = 0x7274_6f6d_7300;

/// When keys come and go.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long a key signs before its successor is made.
    pub signs_for: Duration,
    /// How long a key is published before it signs: longer than any service keeps the keys that it has fetched.
    pub published_ahead: Duration,
    /// How long a token lives; its key stays published for longer.
    pub access_ttl: Duration,
}

impl Rotation {
    /// Several times between the publication of a key and its first signature, so that all replicas know it by then.
    fn look_every(self) -> StdDuration {
        StdDuration::try_from(self.published_ahead / 4).unwrap_or_default().clamp(StdDuration::from_secs(1), LOOK_EVERY)
    }

    /// When the next key is to sign, if it has to be made now; `newest`: when the newest one does.
    fn next_key(self, newest: Option<OffsetDateTime>, now: OffsetDateTime) -> Option<OffsetDateTime> {
        match newest {
            None => Some(now),
            Some(newest) if newest + self.signs_for <= now => Some(now + self.published_ahead),
            Some(_) => None,
        }
    }

    /// Whether the last token of a key has expired, whose successor signs from `next_signs_from` on.
    fn is_over(self, next_signs_from: OffsetDateTime, now: OffsetDateTime) -> bool {
        // Replicas look at different moments.
        next_signs_from + self.access_ttl + 2 * self.look_every() < now
    }
}

struct Row {
    kid: String,
    pkcs8: Vec<u8>,
    signs_from: OffsetDateTime,
}

/// The key that signs now.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) kid: String,
    pub(crate) key: EncodingKey,
}

pub(crate) struct KeyRing {
    rotation: Rotation,
    current: Mutex<Ring>,
    publisher: watch::Sender<Option<Arc<KeySet>>>,
    published: Keys,
}

#[derive(Clone)]
struct Ring {
    signer: Signer,
    jwks: JwkSet,
}

impl KeyRing {
    pub(crate) async fn load(pool: &PgPool, rotation: Rotation) -> Result<Self> {
        let ring = load(pool, rotation, clock::now()).await?;
        let (publisher, published) = publish(Some(KeySet::of(&ring.jwks)));
        Ok(Self { rotation, current: Mutex::new(ring), publisher, published })
    }

    pub(crate) fn signer(&self) -> Signer {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).signer.clone()
    }

    pub(crate) fn jwks(&self) -> JwkSet {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).jwks.clone()
    }

    pub(crate) fn published(&self) -> Keys {
        self.published.clone()
    }

    async fn reload(&self, pool: &PgPool) -> Result<()> {
        let ring = load(pool, self.rotation, clock::now()).await?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.jwks != current.jwks {
            self.publisher.send_replace(Some(Arc::new(KeySet::of(&ring.jwks))));
        }
        *current = ring;
        Ok(())
    }
}

/// Makes and forgets keys, and forgets refresh tokens that are over.
pub(crate) async fn look_after(identity: Arc<Inner>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(identity.keys.rotation.look_every()) => {}
            () = shutdown.cancelled() => return,
        }
        if let Err(error) = identity.keys.reload(&identity.pool).await {
            tracing::warn!("the issuer's keys were not read: {error:#}");
        }
        if let Err(error) = refresh::forget_expired(&identity.pool, clock::now()).await {
            tracing::warn!(%error, "old refresh tokens were not removed");
        }
    }
}

/// The keys as they should be at `now`; what is missing is made, under a lock that all replicas share.
async fn load(pool: &PgPool, rotation: Rotation, now: OffsetDateTime) -> Result<Ring> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).execute(&mut *transaction).await?;
    let mut rows = sqlx::query_as!(Row, "SELECT kid, pkcs8, signs_from FROM signing_keys ORDER BY signs_from")
        .fetch_all(&mut *transaction)
        .await?;
    if let Some(signs_from) = rotation.next_key(rows.last().map(|row| row.signs_from), now) {
        let row = new_key(signs_from)?;
        sqlx::query!(
            "INSERT INTO signing_keys (kid, pkcs8, signs_from) VALUES ($1, $2, $3)",
            row.kid,
            row.pkcs8,
            row.signs_from,
        )
        .execute(&mut *transaction)
        .await?;
        rows.push(row);
    }
    let over = rows.iter().zip(rows.iter().skip(1)).filter(|(_, next)| rotation.is_over(next.signs_from, now)).count();
    for row in rows.drain(..over) {
        sqlx::query!("DELETE FROM signing_keys WHERE kid = $1", row.kid).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    ring(&rows, now)
}

fn new_key(signs_from: OffsetDateTime) -> Result<Row> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| anyhow!("a key can't be made"))?;
    Ok(Row { kid: common::ids::new().to_string(), pkcs8: pkcs8.as_ref().to_vec(), signs_from })
}

fn ring(rows: &[Row], now: OffsetDateTime) -> Result<Ring> {
    let signing = rows.iter().rev().find(|row| row.signs_from <= now).or_else(|| rows.first());
    let signing = signing.context("there is no signing key")?;
    let keys = rows.iter().map(public).collect::<Result<_>>()?;
    let key = EncodingKey::from_ec_der(&signing.pkcs8);
    Ok(Ring { signer: Signer { kid: signing.kid.clone(), key }, jwks: JwkSet { keys } })
}

fn public(row: &Row) -> Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(&EncodingKey::from_ec_der(&row.pkcs8), Algorithm::ES256)?;
    jwk.common.key_id = Some(row.kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2031-01-01 00:00 UTC);
    const ROTATION: Rotation = Rotation {
        signs_for: Duration::days(30),
        published_ahead: Duration::minutes(15),
        access_ttl: Duration::minutes(15),
    };

    #[test]
    fn a_new_key_is_published_before_it_signs() {
        let Rotation { signs_for, published_ahead, .. } = ROTATION;
        assert_eq!(ROTATION.next_key(None, NOW), Some(NOW), "the first one has to sign at once");
        assert_eq!(ROTATION.next_key(Some(NOW - signs_for + Duration::SECOND), NOW), None);
        assert_eq!(ROTATION.next_key(Some(NOW - signs_for), NOW), Some(NOW + published_ahead));
        let (old, new) = (new_key(NOW - signs_for).unwrap(), new_key(NOW + published_ahead).unwrap());
        let (old_kid, new_kid) = (old.kid.clone(), new.kid.clone());
        let rows = [old, new];
        let before = ring(&rows, NOW).unwrap();
        assert_eq!((before.signer.kid, before.jwks.keys.len()), (old_kid, 2));
        assert_eq!(ring(&rows, NOW + published_ahead).unwrap().signer.kid, new_kid);
    }

    #[test]
    fn an_old_key_stays_while_its_tokens_live() {
        assert!(!ROTATION.is_over(NOW - ROTATION.access_ttl, NOW));
        assert!(ROTATION.is_over(NOW - ROTATION.access_ttl - Duration::minutes(3), NOW));
    }

    #[test]
    fn replicas_look_often_enough() {
        assert_eq!(ROTATION.look_every(), StdDuration::from_secs(60));
        let short = Rotation { published_ahead: Duration::seconds(8), ..ROTATION };
        assert_eq!(short.look_every(), StdDuration::from_secs(2));
    }
}
