//! Queries of HTTP and the timer, from the pool: never a lock. What is only a mark is not there.

use super::row::Record;
use crate::domain::{Attempt, Command, Payment, Refund, Status};
use common::trace::Trace;
use engine::Due;
use sqlx::PgPool;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// The payment of an order, if it is `customer`'s; of any order where that is `None`.
pub async fn payment(pool: &PgPool, order_id: Uuid, customer: Option<&str>) -> Result<Option<Payment>, sqlx::Error> {
    let record = sqlx::query_as!(
        Record,
        r#"SELECT order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status,
                  cancelled, attempts AS "attempts: Json<Vec<Attempt>>", refunds AS "refunds: Json<Vec<Refund>>",
                  version, trace, created_at, updated_at
           FROM payments
           WHERE order_id = $1
             AND id IS NOT NULL
             AND ($2::text IS NULL OR customer_id = $2)"#,
        order_id,
        customer,
    )
    .fetch_optional(pool)
    .await?;
    record.map(Payment::try_from).transpose()
}

/// Up to `limit` payments before that of order `before`, newest order first; with `status`, those that have it.
pub async fn payments_page(
    pool: &PgPool,
    status: Option<Status>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Payment>, sqlx::Error> {
    let records = sqlx::query_as!(
        Record,
        r#"SELECT order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status,
                  cancelled, attempts AS "attempts: Json<Vec<Attempt>>", refunds AS "refunds: Json<Vec<Refund>>",
                  version, trace, created_at, updated_at
           FROM payments
           WHERE id IS NOT NULL
             AND ($1::text IS NULL OR status = $1)
             AND ($2::uuid IS NULL OR order_id < $2)
           ORDER BY order_id DESC
           LIMIT $3"#,
        status.map(Status::as_str),
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    records.into_iter().map(Payment::try_from).collect()
}

/// Up to `limit` payments with a call that nobody has answered in time, or a refund whose next try has come.
pub async fn due(pool: PgPool, now: OffsetDateTime, limit: i64) -> Result<Vec<Due<Command>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT order_id, trace
         FROM payments
         WHERE due_at <= $1
         ORDER BY due_at
         LIMIT $2",
        now,
        limit,
    )
    .fetch_all(&pool)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        key: row.order_id,
        command: Command::CallDue { order_id: row.order_id },
        trace: Trace::parse(&row.trace),
    });
    Ok(due.collect())
}

/// What an audit reads of one payment.
pub struct Books {
    pub order_id: Uuid,
    pub amount_minor: i64,
    pub attempts: Vec<Attempt>,
    pub refunds: Vec<Refund>,
}

struct BooksRecord {
    order_id: Uuid,
    amount_minor: i64,
    attempts: Json<Vec<Attempt>>,
    refunds: Json<Vec<Refund>>,
}

impl From<BooksRecord> for Books {
    fn from(record: BooksRecord) -> Self {
        let BooksRecord { order_id, amount_minor, attempts: Json(attempts), refunds: Json(refunds) } = record;
        Self { order_id, amount_minor, attempts, refunds }
    }
}

/// Up to `limit` payments of orders after `after`, in the order of their ids.
pub async fn books_after(pool: &PgPool, after: Uuid, limit: i64) -> Result<Vec<Books>, sqlx::Error> {
    let records = sqlx::query_as!(
        BooksRecord,
        r#"SELECT order_id, amount_minor AS "amount_minor!", attempts AS "attempts: Json<Vec<Attempt>>",
                  refunds AS "refunds: Json<Vec<Refund>>"
           FROM payments
           WHERE order_id > $1 AND id IS NOT NULL
           ORDER BY order_id
           LIMIT $2"#,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(records.into_iter().map(Books::from).collect())
}

/// The payments of these orders.
pub async fn books_of(pool: &PgPool, orders: &[Uuid]) -> Result<Vec<Books>, sqlx::Error> {
    let records = sqlx::query_as!(
        BooksRecord,
        r#"SELECT order_id, amount_minor AS "amount_minor!", attempts AS "attempts: Json<Vec<Attempt>>",
                  refunds AS "refunds: Json<Vec<Refund>>"
           FROM payments
           WHERE order_id = ANY($1) AND id IS NOT NULL"#,
        orders,
    )
    .fetch_all(pool)
    .await?;
    Ok(records.into_iter().map(Books::from).collect())
}
