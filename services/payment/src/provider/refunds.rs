//! The ledger of refunds: one row a key, refused ones too, and never more than was captured.

use super::ledger::{unreadable, write};
use super::methods::refuses_first_refund;
use crate::domain::{RefundIntent, RefundOutcome};
use sqlx::{Connection, PgConnection, PgPool};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// What is known of the charges that a group pays back.
struct Ledger {
    /// By the charge's key: what can still be paid back; none for a charge that was declined, or never heard of.
    left_minor: HashMap<String, i64>,
    /// Keys of charges whose first refund is refused, and has not been yet.
    reluctant: HashSet<String>,
    /// By the refund's key.
    outcomes: HashMap<String, RefundOutcome>,
}

/// Pays back all of `group`, each key once, in one transaction under the locks of their charges.
pub(super) async fn record(pool: PgPool, group: Vec<RefundIntent>) -> Result<Vec<RefundOutcome>, sqlx::Error> {
    write(&pool, async |db| {
        let mut transaction = db.begin().await?;
        let mut ledger = lock(&mut transaction, &group).await?;
        let mut new = Vec::new();
        for intent in &group {
            if !ledger.outcomes.contains_key(&intent.key) {
                let outcome = ledger.decide(intent);
                ledger.outcomes.insert(intent.key.clone(), outcome);
                new.push(intent);
            }
        }
        insert(&mut transaction, &new, &ledger.outcomes).await?;
        transaction.commit().await?;
        Ok(group.iter().map(|intent| ledger.outcomes[&intent.key].clone()).collect())
    })
    .await
}

impl Ledger {
    fn decide(&mut self, intent: &RefundIntent) -> RefundOutcome {
        let amount = intent.amount.amount_minor();
        if self.reluctant.remove(&intent.charge_key) {
            return RefundOutcome::Refused { code: "refund_refused".to_owned() };
        }
        match self.left_minor.get_mut(&intent.charge_key) {
            None => RefundOutcome::Refused { code: "charge_not_found".to_owned() },
            Some(left) if *left < amount => RefundOutcome::Refused { code: "refund_exceeds_capture".to_owned() },
            Some(left) => {
                *left -= amount;
                RefundOutcome::Refunded { reference: format!("re_{}", common::ids::new().simple()) }
            }
        }
    }
}

/// Locks the charges first, in key order; what is read of their refunds afterwards stays true until the commit.
async fn lock(db: &mut PgConnection, group: &[RefundIntent]) -> Result<Ledger, sqlx::Error> {
    let charges: BTreeSet<&str> = group.iter().map(|intent| intent.charge_key.as_str()).collect();
    let charges: Vec<String> = charges.into_iter().map(ToOwned::to_owned).collect();
    let captured = sqlx::query!(
        "SELECT key, amount_minor, payment_method
         FROM provider_charges
         WHERE key = ANY($1) AND status = 'captured'
         ORDER BY key
         FOR UPDATE",
        &charges,
    )
    .fetch_all(&mut *db)
    .await?;
    let reluctant = captured.iter().filter(|row| refuses_first_refund(&row.payment_method));
    let mut reluctant: HashSet<String> = reluctant.map(|row| row.key.clone()).collect();
    let mut left_minor: HashMap<String, i64> = captured.into_iter().map(|row| (row.key, row.amount_minor)).collect();
    let refunds = sqlx::query!(
        "SELECT key, charge_key, amount_minor, reference, refusal_code
         FROM provider_refunds
         WHERE charge_key = ANY($1)",
        &charges,
    )
    .fetch_all(db)
    .await?;
    let mut outcomes = HashMap::new();
    for row in refunds {
        reluctant.remove(&row.charge_key);
        let outcome = outcome(row.reference, row.refusal_code)?;
        if let (RefundOutcome::Refunded { .. }, Some(left)) = (&outcome, left_minor.get_mut(&row.charge_key)) {
            *left -= row.amount_minor;
        }
        outcomes.insert(row.key, outcome);
    }
    Ok(Ledger { left_minor, reluctant, outcomes })
}

async fn insert(
    db: &mut PgConnection,
    new: &[&RefundIntent],
    outcomes: &HashMap<String, RefundOutcome>,
) -> Result<(), sqlx::Error> {
    if new.is_empty() {
        return Ok(());
    }
    let (mut statuses, mut references, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for intent in new {
        let (status, reference, code) = match &outcomes[&intent.key] {
            RefundOutcome::Refunded { reference } => ("refunded", Some(reference.as_str()), None),
            RefundOutcome::Refused { code } => ("refused", None, Some(code.as_str())),
            RefundOutcome::Unknown => return Err(unreadable("status")),
        };
        statuses.push(status);
        references.push(reference);
        codes.push(code);
    }
    sqlx::query!(
        "INSERT INTO provider_refunds
             (key, charge_key, order_id, amount_minor, currency, status, reference, refusal_code)
         SELECT *
         FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])",
        &new.iter().map(|intent| intent.key.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|intent| intent.charge_key.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|intent| intent.order_id).collect::<Vec<Uuid>>(),
        &new.iter().map(|intent| intent.amount.amount_minor()).collect::<Vec<i64>>(),
        &new.iter().map(|intent| intent.amount.currency().to_string()).collect::<Vec<String>>(),
        &statuses as &[&str],
        &references as &[Option<&str>],
        &codes as &[Option<&str>],
    )
    .execute(db)
    .await
    .map(|_| ())
}

/// What became of the refund under `key`; `None` where there is none.
pub(super) async fn look_up(pool: &PgPool, key: &str) -> Result<Option<RefundOutcome>, sqlx::Error> {
    write(pool, async |db| {
        let found = sqlx::query!(
            "SELECT reference, refusal_code
             FROM provider_refunds
             WHERE key = $1",
            key,
        )
        .fetch_optional(db)
        .await?;
        found.map(|row| outcome(row.reference, row.refusal_code)).transpose()
    })
    .await
}

fn outcome(reference: Option<String>, refusal_code: Option<String>) -> Result<RefundOutcome, sqlx::Error> {
    match (reference, refusal_code) {
        (Some(reference), None) => Ok(RefundOutcome::Refunded { reference }),
        (None, Some(code)) => Ok(RefundOutcome::Refused { code }),
        _ => Err(unreadable("reference or refusal_code")),
    }
}
