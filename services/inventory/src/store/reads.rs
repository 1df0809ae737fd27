//! Queries of HTTP, from the pool: never a lock.

use super::unknown_word;
use crate::domain::{Kind, Lines, Movement, Reservation, Status, Stock};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

pub async fn stock(pool: &PgPool, product_id: Uuid) -> Result<Option<Stock>, sqlx::Error> {
    sqlx::query_as!(
        Stock,
        "SELECT product_id, sku, name, product_version, on_hand, reserved, version, updated_at
         FROM stock
         WHERE product_id = $1",
        product_id,
    )
    .fetch_optional(pool)
    .await
}

/// What can still be ordered; 0 of what nobody has heard of.
pub async fn available(pool: &PgPool, product_id: Uuid) -> Result<i64, sqlx::Error> {
    let available = sqlx::query_scalar!(
        r#"SELECT on_hand - reserved AS "available!"
           FROM stock
           WHERE product_id = $1"#,
        product_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(available.unwrap_or(0))
}

/// Up to `limit` rows after product `after`, in the order of the products' ids; with `below`, those of which fewer
/// pieces are available.
pub async fn stock_page(
    pool: &PgPool,
    below: Option<i64>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Stock>, sqlx::Error> {
    sqlx::query_as!(
        Stock,
        "SELECT product_id, sku, name, product_version, on_hand, reserved, version, updated_at
         FROM stock
         WHERE ($1::bigint IS NULL OR on_hand - reserved < $1)
           AND ($2::uuid IS NULL OR product_id > $2)
         ORDER BY product_id
         LIMIT $3",
        below,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Up to `limit` movements of a product before movement `before`, newest first.
pub async fn movements_page(
    pool: &PgPool,
    product_id: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Movement>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, product_id, kind, delta_on_hand, delta_reserved, order_id, reason, actor, at
         FROM stock_movements
         WHERE product_id = $1
           AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC
         LIMIT $3",
        product_id,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let movements = rows.into_iter().map(|row| {
        Ok(Movement {
            id: row.id,
            product_id: row.product_id,
            kind: Kind::parse(&row.kind).ok_or_else(|| unknown_word("stock_movements.kind", &row.kind))?,
            delta_on_hand: row.delta_on_hand,
            delta_reserved: row.delta_reserved,
            order_id: row.order_id,
            reason: row.reason,
            actor: row.actor,
            at: row.at,
        })
    });
    movements.collect()
}

/// Of an order; what is only a mark is none.
pub async fn reservation(pool: &PgPool, order_id: Uuid) -> Result<Option<Reservation>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT order_id, status, lines AS "lines!: Json<Lines>", reason, created_at, updated_at
           FROM reservations
           WHERE order_id = $1 AND lines IS NOT NULL"#,
        order_id,
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = Status::parse(&row.status).ok_or_else(|| unknown_word("reservations.status", &row.status))?;
    Ok(Some(Reservation {
        order_id: row.order_id,
        status,
        lines: Some(row.lines.0),
        reason: row.reason,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }))
}
