//! The ledger as its client may read it: every charge and refund, by its key.

use sqlx::PgPool;
use uuid::Uuid;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub order_id: Uuid,
    pub amount_minor: i64,
    /// The provider's own name for it; `None` where it was declined or refused.
    pub reference: Option<String>,
}

impl Entry {
    /// Whether money moved.
    #[must_use]
    pub fn done(&self) -> bool {
        self.reference.is_some()
    }
}

/// The lines under these keys, as far as there are any.
///
/// # Errors
/// Those of Postgres.
pub async fn entries_of(ledger: &PgPool, keys: &[String]) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query_as!(
        Entry,
        r#"SELECT key AS "key!", order_id AS "order_id!", amount_minor AS "amount_minor!", reference
           FROM provider_charges
           WHERE key = ANY($1)
           UNION ALL
           SELECT key, order_id, amount_minor, reference
           FROM provider_refunds
           WHERE key = ANY($1)"#,
        keys,
    )
    .fetch_all(ledger)
    .await
}

/// Up to `limit` lines whose keys come after `after`, in their order.
///
/// # Errors
/// Those of Postgres.
pub async fn entries_after(ledger: &PgPool, after: &str, limit: i64) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query_as!(
        Entry,
        r#"SELECT key AS "key!", order_id AS "order_id!", amount_minor AS "amount_minor!", reference
           FROM (
               (SELECT key, order_id, amount_minor, reference
                FROM provider_charges
                WHERE key > $1
                ORDER BY key
                LIMIT $2)
               UNION ALL
               (SELECT key, order_id, amount_minor, reference
                FROM provider_refunds
                WHERE key > $1
                ORDER BY key
                LIMIT $2)
           ) lines
           ORDER BY key
           LIMIT $2"#,
        after,
        limit,
    )
    .fetch_all(ledger)
    .await
}
