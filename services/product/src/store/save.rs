//! What a batch changed, a statement for each kind of change.

use crate::domain::{Product, Set};
use sqlx::PgConnection;

pub(super) async fn save(db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
    insert(db, &set.products.inserted().collect::<Vec<_>>()).await?;
    update(db, &set.products.updated().collect::<Vec<_>>()).await
}

async fn insert(db: &mut PgConnection, rows: &[&Product]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO products
             (id, sku, name, description, category, price_minor, currency, status, version, available, stock_version,
              created_at, updated_at)
         SELECT *
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
                     $9::bigint[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::timestamptz[])",
        &column(rows, |p| p.id),
        &column(rows, |p| p.sku.as_str()) as &[&str],
        &column(rows, |p| p.name.as_str()) as &[&str],
        &column(rows, |p| p.description.as_str()) as &[&str],
        &column(rows, |p| p.category.as_str()) as &[&str],
        &column(rows, |p| p.price.amount_minor()),
        &column(rows, |p| String::from(p.price.currency())),
        &column(rows, |p| p.status.as_str()) as &[&str],
        &column(rows, |p| p.version),
        &column(rows, |p| p.available),
        &column(rows, |p| p.stock_version),
        &column(rows, |p| p.created_at),
        &column(rows, |p| p.updated_at),
    )
    .execute(db)
    .await
    .map(|_| ())
}

/// A sku never changes.
async fn update(db: &mut PgConnection, rows: &[&Product]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE products AS old
         SET name = new.name, description = new.description, category = new.category, price_minor = new.price_minor,
             currency = new.currency, status = new.status, version = new.version, available = new.available,
             stock_version = new.stock_version, updated_at = new.updated_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
                     $9::bigint[], $10::bigint[], $11::timestamptz[])
              AS new (id, name, description, category, price_minor, currency, status, version, available, stock_version,
                      updated_at)
         WHERE old.id = new.id",
        &column(rows, |p| p.id),
        &column(rows, |p| p.name.as_str()) as &[&str],
        &column(rows, |p| p.description.as_str()) as &[&str],
        &column(rows, |p| p.category.as_str()) as &[&str],
        &column(rows, |p| p.price.amount_minor()),
        &column(rows, |p| String::from(p.price.currency())),
        &column(rows, |p| p.status.as_str()) as &[&str],
        &column(rows, |p| p.version),
        &column(rows, |p| p.available),
        &column(rows, |p| p.stock_version),
        &column(rows, |p| p.updated_at),
    )
    .execute(db)
    .await?;
    // Every row was locked and loaded, so every row must have been there.
    if done.rows_affected() == rows.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

fn column<'a, T>(rows: &[&'a Product], of: impl Fn(&'a Product) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}
