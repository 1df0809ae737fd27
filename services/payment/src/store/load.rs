//! The rows that a batch works on, locked.

use super::row::Record;
use crate::domain::{Attempt, Command, Refund, Row, Set};
use engine::Rows;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Nothing but the key can be violated: ids are new.
pub(super) async fn load(db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
    let orders: BTreeSet<Uuid> = commands.iter().map(|command| command.order_id()).collect();
    if orders.is_empty() {
        return Ok(Set::default());
    }
    let orders: Vec<Uuid> = orders.into_iter().collect();
    let records = sqlx::query_as!(
        Record,
        r#"SELECT order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status,
                  cancelled, attempts AS "attempts: Json<Vec<Attempt>>", refunds AS "refunds: Json<Vec<Refund>>",
                  version, trace, created_at, updated_at
           FROM payments
           WHERE order_id = ANY($1)
           ORDER BY order_id
           FOR UPDATE"#,
        &orders,
    )
    .fetch_all(db)
    .await?;
    let rows = records.into_iter().map(|record| Ok((record.order_id, Row::try_from(record)?)));
    Ok(Set { payments: Rows::loaded(rows.collect::<Result<Vec<_>, sqlx::Error>>()?) })
}
