//! Answers to requests that may be repeated, stored in the transaction of their effect.

use crate::answer::Answer;
use crate::lanes::IdempotencyKey;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;

struct Stored {
    fingerprint: Vec<u8>,
    answer: Answer,
}

/// What is known of the keys of one batch.
pub(crate) struct Known {
    stored: HashMap<(String, String), Stored>,
    /// In key order, so that two replicas insert in one order.
    new: BTreeMap<(String, String), Stored>,
}

/// Whether a request was answered before.
pub(crate) enum Repeat {
    First,
    Replay(Answer),
    /// The key was used for another request: 422.
    OtherRequest,
}

impl Known {
    pub(crate) async fn load(db: &mut PgConnection, keys: &[&IdempotencyKey]) -> Result<Self, sqlx::Error> {
        let mut stored = HashMap::new();
        if !keys.is_empty() {
            let scopes: Vec<&str> = keys.iter().map(|k| k.scope.as_str()).collect();
            let names: Vec<&str> = keys.iter().map(|k| k.key.as_str()).collect();
            let rows = sqlx::query(
                "SELECT scope, key, fingerprint, status, body, location, etag
                 FROM idempotency_keys
                 WHERE (scope, key) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
            )
            .bind(scopes)
            .bind(names)
            .fetch_all(db)
            .await?;
            for row in rows {
                let status: i16 = row.try_get("status")?;
                let answer = Answer {
                    status: u16::try_from(status).unwrap_or(500),
                    body: row.try_get("body")?,
                    location: row.try_get("location")?,
                    etag: row.try_get("etag")?,
                    replayed: false,
                };
                let key = (row.try_get("scope")?, row.try_get("key")?);
                stored.insert(key, Stored { fingerprint: row.try_get("fingerprint")?, answer });
            }
        }
        Ok(Self { stored, new: BTreeMap::new() })
    }

    pub(crate) fn repeat(&self, key: &IdempotencyKey) -> Repeat {
        let name = (key.scope.clone(), key.key.clone());
        match self.stored.get(&name).or_else(|| self.new.get(&name)) {
            None => Repeat::First,
            Some(stored) if stored.fingerprint == key.fingerprint => {
                Repeat::Replay(Answer { replayed: true, ..stored.answer.clone() })
            }
            Some(_) => Repeat::OtherRequest,
        }
    }

    pub(crate) fn store(&mut self, key: &IdempotencyKey, answer: &Answer) {
        let stored = Stored { fingerprint: key.fingerprint.to_vec(), answer: answer.clone() };
        self.new.insert((key.scope.clone(), key.key.clone()), stored);
    }

    /// A key that another replica stored in between is a unique violation, and a fresh load finds it.
    pub(crate) async fn save(&self, db: &mut PgConnection, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        if self.new.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&Stored) -> Option<&str>| self.new.values().map(of).collect::<Vec<_>>();
        let statuses: Vec<i16> = self.new.values().map(|s| i16::try_from(s.answer.status).unwrap_or(500)).collect();
        sqlx::query(
            "INSERT INTO idempotency_keys (created_at, scope, key, fingerprint, status, body, location, etag)
             SELECT $1, new.*
             FROM UNNEST($2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::bytea[], $7::text[], $8::text[]) AS new",
        )
        .bind(now)
        .bind(self.new.keys().map(|(scope, _)| scope.as_str()).collect::<Vec<_>>())
        .bind(self.new.keys().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
        .bind(self.new.values().map(|s| s.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(statuses)
        .bind(self.new.values().map(|s| s.answer.body.as_slice()).collect::<Vec<_>>())
        .bind(column(|s| s.answer.location.as_deref()))
        .bind(column(|s| s.answer.etag.as_deref()))
        .execute(db)
        .await
        .map(|_| ())
    }
}
