//! The ledger of charges: one row a key, and the first one counts.

use super::ledger::{unreadable, write};
use super::methods::decline_code;
use crate::domain::{ChargeIntent, ChargeOutcome};
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What the ledger says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) outcome: ChargeOutcome,
    /// Whether this call made it so.
    pub(super) is_new: bool,
}

/// Charges all of `group`, each key once: two statements at most, whatever their number.
pub(super) async fn record(pool: PgPool, group: Vec<ChargeIntent>) -> Result<Vec<Recorded>, sqlx::Error> {
    // In key order, so that two processes never wait for each other in a circle.
    let wanted: BTreeMap<&str, &ChargeIntent> = group.iter().map(|intent| (intent.key.as_str(), intent)).collect();
    let outcomes: BTreeMap<&str, ChargeOutcome> =
        wanted.iter().map(|(key, intent)| (*key, decide(&intent.payment_method))).collect();
    let (mut new, known) = write(&pool, async |db| {
        let new = insert(db, &wanted, &outcomes).await?;
        let others: Vec<String> =
            wanted.keys().filter(|key| !new.contains(**key)).map(|key| (*key).to_owned()).collect();
        let known = if others.is_empty() { HashMap::new() } else { find(db, &others).await? };
        Ok((new, known))
    })
    .await?;
    let recorded = group.iter().map(|intent| {
        let key = intent.key.as_str();
        match known.get(key) {
            Some(outcome) => Recorded { outcome: outcome.clone(), is_new: false },
            // Of two calls under one key in one group, the first made it.
            None => Recorded { outcome: outcomes[key].clone(), is_new: new.remove(key) },
        }
    });
    Ok(recorded.collect())
}

fn decide(payment_method: &str) -> ChargeOutcome {
    match decline_code(payment_method) {
        None => ChargeOutcome::Captured { reference: format!("ch_{}", common::ids::new().simple()) },
        Some(code) => ChargeOutcome::Declined { code: code.to_owned() },
    }
}

/// The keys that were free.
async fn insert(
    db: &mut PgConnection,
    wanted: &BTreeMap<&str, &ChargeIntent>,
    outcomes: &BTreeMap<&str, ChargeOutcome>,
) -> Result<HashSet<String>, sqlx::Error> {
    let column = |of: fn(&ChargeOutcome) -> Option<&str>| outcomes.values().map(of).collect::<Vec<_>>();
    let statuses: Vec<&str> =
        outcomes.values().map(|outcome| if reference(outcome).is_some() { "captured" } else { "declined" }).collect();
    let keys = sqlx::query_scalar!(
        "INSERT INTO provider_charges
             (key, order_id, amount_minor, currency, payment_method, status, reference, decline_code)
         SELECT *
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         ON CONFLICT (key) DO NOTHING
         RETURNING key",
        &wanted.keys().copied().collect::<Vec<_>>() as &[&str],
        &wanted.values().map(|intent| intent.order_id).collect::<Vec<Uuid>>(),
        &wanted.values().map(|intent| intent.amount.amount_minor()).collect::<Vec<i64>>(),
        &wanted.values().map(|intent| intent.amount.currency().to_string()).collect::<Vec<String>>(),
        &wanted.values().map(|intent| intent.payment_method.as_str()).collect::<Vec<_>>() as &[&str],
        &statuses as &[&str],
        &column(reference) as &[Option<&str>],
        &column(code) as &[Option<&str>],
    )
    .fetch_all(db)
    .await?;
    Ok(keys.into_iter().collect())
}

fn reference(outcome: &ChargeOutcome) -> Option<&str> {
    match outcome {
        ChargeOutcome::Captured { reference } => Some(reference),
        ChargeOutcome::Declined { .. } | ChargeOutcome::Unknown => None,
    }
}

fn code(outcome: &ChargeOutcome) -> Option<&str> {
    match outcome {
        ChargeOutcome::Declined { code } => Some(code),
        ChargeOutcome::Captured { .. } | ChargeOutcome::Unknown => None,
    }
}

/// What was recorded before under `keys`.
async fn find(db: &mut PgConnection, keys: &[String]) -> Result<HashMap<String, ChargeOutcome>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT key, reference, decline_code
         FROM provider_charges
         WHERE key = ANY($1)",
        keys,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| match (row.reference, row.decline_code) {
            (Some(reference), None) => Ok((row.key, ChargeOutcome::Captured { reference })),
            (None, Some(code)) => Ok((row.key, ChargeOutcome::Declined { code })),
            _ => Err(unreadable("reference or decline_code")),
        })
        .collect()
}

/// What became of the charge under `key`; `None` where there is none.
pub(super) async fn look_up(pool: &PgPool, key: &str) -> Result<Option<ChargeOutcome>, sqlx::Error> {
    let mut found = write(pool, async |db| find(db, &[key.to_owned()]).await).await?;
    Ok(found.remove(key))
}

/// Whether the call under `key` fails, as the first `times` do.
pub(super) async fn fail(pool: &PgPool, key: &str, times: i32) -> Result<bool, sqlx::Error> {
    let failed = write(pool, async |db| {
        sqlx::query_scalar!(
            "INSERT INTO provider_failures AS seen (key, failures)
             VALUES ($1, 1)
             ON CONFLICT (key) DO UPDATE
             SET failures = seen.failures + 1
             WHERE seen.failures < $2
             RETURNING failures",
            key,
            times,
        )
        .fetch_optional(db)
        .await
    })
    .await?;
    Ok(failed.is_some())
}
