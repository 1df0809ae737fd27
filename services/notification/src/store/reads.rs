//! Queries of HTTP, from the pool: never a lock. Who may see a message stands in the SQL.

use super::load::Row;
use crate::domain::{Channel, Notification, Status};
use sqlx::PgPool;
use uuid::Uuid;

/// All messages of an order, oldest first: of `customer`, or of anybody.
pub async fn of_order(pool: &PgPool, order_id: Uuid, customer: Option<&str>) -> Result<Vec<Notification>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, customer_id, timeline_sequence, channel, template, recipient, subject, body, html, status,
             attempts, last_error, due_at, trace, created_at, sent_at
         FROM notifications
         WHERE order_id = $1
           AND ($2::text IS NULL OR customer_id = $2)
         ORDER BY timeline_sequence, channel",
        order_id,
        customer,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// Up to `limit` messages before message `before`, newest first.
pub async fn page(
    pool: &PgPool,
    status: Option<Status>,
    channel: Option<Channel>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, customer_id, timeline_sequence, channel, template, recipient, subject, body, html, status,
             attempts, last_error, due_at, trace, created_at, sent_at
         FROM notifications
         WHERE ($1::text IS NULL OR status = $1)
           AND ($2::text IS NULL OR channel = $2)
           AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC
         LIMIT $4",
        status.map(Status::as_str),
        channel.map(Channel::as_str),
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Notification::try_from).collect()
}
