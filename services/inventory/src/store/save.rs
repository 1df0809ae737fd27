//! What a batch changed, a statement for each kind of change.

use crate::domain::{Movement, Reservation, Set, Stock};
use engine::json;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn save(db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
    insert_reservations(db, &set.reservations.inserted().collect::<Vec<_>>()).await?;
    update_reservations(db, &set.reservations.updated().collect::<Vec<_>>()).await?;
    insert_stock(db, &set.stock.inserted().collect::<Vec<_>>()).await?;
    update_stock(db, &set.stock.updated().collect::<Vec<_>>()).await?;
    insert_movements(db, &set.movements).await
}

async fn insert_reservations(db: &mut PgConnection, rows: &[&Reservation]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let lines: Vec<Option<String>> =
        rows.iter().map(|r| r.lines.as_ref().map(json).transpose()).collect::<Result<_, _>>()?;
    let reasons: Vec<Option<&str>> = rows.iter().map(|r| r.reason.as_deref()).collect();
    sqlx::query!(
        "INSERT INTO reservations (order_id, status, lines, reason, created_at, updated_at)
         SELECT order_id, status, lines::json, reason, created_at, updated_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
              AS new (order_id, status, lines, reason, created_at, updated_at)",
        &column(rows, |r| r.order_id),
        &column(rows, |r| r.status.as_str()) as &[&str],
        &lines as &[Option<String>],
        &reasons as &[Option<&str>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
    )
    .execute(db)
    .await
    .map(|_| ())
}

/// Only its end is ever changed.
async fn update_reservations(db: &mut PgConnection, rows: &[&Reservation]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE reservations AS old
         SET status = new.status, updated_at = new.updated_at
         FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[]) AS new (order_id, status, updated_at)
         WHERE old.order_id = new.order_id",
        &column(rows, |r| r.order_id),
        &column(rows, |r| r.status.as_str()) as &[&str],
        &column(rows, |r| r.updated_at),
    )
    .execute(db)
    .await?;
    all_there(&done, rows.len())
}

async fn insert_stock(db: &mut PgConnection, rows: &[&Stock]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO stock (product_id, sku, name, product_version, on_hand, reserved, version, updated_at)
         SELECT *
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::timestamptz[])",
        &column(rows, |s| s.product_id),
        &column(rows, |s| s.sku.as_str()) as &[&str],
        &column(rows, |s| s.name.as_str()) as &[&str],
        &column(rows, |s| s.product_version),
        &column(rows, |s| s.on_hand),
        &column(rows, |s| s.reserved),
        &column(rows, |s| s.version),
        &column(rows, |s| s.updated_at),
    )
    .execute(db)
    .await
    .map(|_| ())
}

async fn update_stock(db: &mut PgConnection, rows: &[&Stock]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE stock AS old
         SET sku = new.sku, name = new.name, product_version = new.product_version, on_hand = new.on_hand,
             reserved = new.reserved, version = new.version, updated_at = new.updated_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::timestamptz[])
              AS new (product_id, sku, name, product_version, on_hand, reserved, version, updated_at)
         WHERE old.product_id = new.product_id",
        &column(rows, |s| s.product_id),
        &column(rows, |s| s.sku.as_str()) as &[&str],
        &column(rows, |s| s.name.as_str()) as &[&str],
        &column(rows, |s| s.product_version),
        &column(rows, |s| s.on_hand),
        &column(rows, |s| s.reserved),
        &column(rows, |s| s.version),
        &column(rows, |s| s.updated_at),
    )
    .execute(db)
    .await?;
    all_there(&done, rows.len())
}

async fn insert_movements(db: &mut PgConnection, rows: &[Movement]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|m| m.id).collect();
    let products: Vec<Uuid> = rows.iter().map(|m| m.product_id).collect();
    let kinds: Vec<&str> = rows.iter().map(|m| m.kind.as_str()).collect();
    let on_hand: Vec<i64> = rows.iter().map(|m| m.delta_on_hand).collect();
    let reserved: Vec<i64> = rows.iter().map(|m| m.delta_reserved).collect();
    let orders: Vec<Option<Uuid>> = rows.iter().map(|m| m.order_id).collect();
    let reasons: Vec<Option<&str>> = rows.iter().map(|m| m.reason.as_deref()).collect();
    let actors: Vec<Option<&str>> = rows.iter().map(|m| m.actor.as_deref()).collect();
    let times: Vec<OffsetDateTime> = rows.iter().map(|m| m.at).collect();
    sqlx::query!(
        "INSERT INTO stock_movements
             (id, product_id, kind, delta_on_hand, delta_reserved, order_id, reason, actor, at)
         SELECT *
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::uuid[], $7::text[],
                     $8::text[], $9::timestamptz[])",
        &ids,
        &products,
        &kinds as &[&str],
        &on_hand,
        &reserved,
        &orders as &[Option<Uuid>],
        &reasons as &[Option<&str>],
        &actors as &[Option<&str>],
        &times,
    )
    .execute(db)
    .await
    .map(|_| ())
}

fn column<'a, R, T>(rows: &[&'a R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

/// Every row was locked and loaded, so every row must have been there.
fn all_there(done: &PgQueryResult, rows: usize) -> Result<(), sqlx::Error> {
    if done.rows_affected() == rows as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
