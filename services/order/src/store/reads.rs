//! Queries of HTTP, from the pool: never a lock. Who may see an order stands in the SQL.

use super::load::OrderRow;
use super::status;
use crate::domain::{Address, Order, Status, TimelineRow};
use common::events::{Contact, OrderLine};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

/// An order of `customer`, or of anybody.
pub async fn order(pool: &PgPool, id: Uuid, customer: Option<&str>) -> Result<Option<Order>, sqlx::Error> {
    let row = sqlx::query_as!(
        OrderRow,
        r#"SELECT id, number, customer_id, status, lines AS "lines: Json<Vec<OrderLine>>", total_minor, currency,
               contact AS "contact: Json<Contact>", shipping_address AS "shipping_address: Json<Address>", carrier,
               tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent, expires_at, due_at, version,
               trace, created_at, updated_at
           FROM orders
           WHERE id = $1
             AND ($2::text IS NULL OR customer_id = $2)"#,
        id,
        customer,
    )
    .fetch_optional(pool)
    .await?;
    row.map(Order::try_from).transpose()
}

/// The version of an order of `customer`, or of anybody.
pub async fn version(pool: &PgPool, id: Uuid, customer: Option<&str>) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT version
         FROM orders
         WHERE id = $1
           AND ($2::text IS NULL OR customer_id = $2)",
        id,
        customer,
    )
    .fetch_optional(pool)
    .await
}

/// Up to `limit` orders before order `before`, newest first: of `customer`, or of everybody.
pub async fn orders_page(
    pool: &PgPool,
    customer: Option<&str>,
    wanted: Option<Status>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let rows = sqlx::query_as!(
        OrderRow,
        r#"SELECT id, number, customer_id, status, lines AS "lines: Json<Vec<OrderLine>>", total_minor, currency,
               contact AS "contact: Json<Contact>", shipping_address AS "shipping_address: Json<Address>", carrier,
               tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent, expires_at, due_at, version,
               trace, created_at, updated_at
           FROM orders
           WHERE ($1::text IS NULL OR customer_id = $1)
             AND ($2::text IS NULL OR status = $2)
             AND ($3::uuid IS NULL OR id < $3)
           ORDER BY id DESC
           LIMIT $4"#,
        customer,
        wanted.map(Status::as_str),
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// All rows of an order's timeline, oldest first; nothing where the order is not `customer`'s.
pub async fn timeline(pool: &PgPool, id: Uuid, customer: Option<&str>) -> Result<Vec<TimelineRow>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT t.order_id, t.sequence, t.from_status, t.to_status, t.cause, t.actor, t.reason, t.event_id, t.trace_id,
             t.at
         FROM order_timeline t
         JOIN orders o ON o.id = t.order_id
         WHERE t.order_id = $1
           AND ($2::text IS NULL OR o.customer_id = $2)
         ORDER BY t.sequence",
        id,
        customer,
    )
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|row| {
        Ok(TimelineRow {
            order_id: row.order_id,
            sequence: row.sequence,
            from: row.from_status.as_deref().map(status).transpose()?,
            to: status(&row.to_status)?,
            cause: row.cause,
            actor: row.actor,
            reason: row.reason,
            event_id: row.event_id,
            trace_id: row.trace_id,
            at: row.at,
        })
    });
    rows.collect()
}
