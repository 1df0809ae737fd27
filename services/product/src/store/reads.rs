//! Queries of HTTP, from the pool: never a lock.

use super::load::Row;
use crate::domain::Product;
use common::events::ProductStatus;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

pub async fn product(pool: &PgPool, id: Uuid) -> Result<Option<Product>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, sku, name, description, category, price_minor, currency, status, version, available, stock_version,
             created_at, updated_at
         FROM products
         WHERE id = $1",
        id,
    )
    .fetch_optional(pool)
    .await?;
    row.map(Product::try_from).transpose()
}

/// Which products a list holds.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub status: ProductStatus,
    /// Anywhere in name, description or sku, in any case.
    pub text: Option<String>,
    pub category: Option<String>,
    pub in_stock: Option<bool>,
}

impl Wanted {
    /// For LIKE, whose own signs are escaped.
    fn pattern(&self) -> Option<String> {
        let text = self.text.as_ref()?;
        Some(format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")))
    }
}

/// One page in one order: `$column` and id, compared by `$after`, sorted by `$order`.
macro_rules! page {
    ($pool:expr, $wanted:expr, $limit:expr, $at:expr, $id:expr, $after:literal, $order:literal) => {{
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, sku, name, description, category, price_minor, currency, status, version, available,
                 stock_version, created_at, updated_at
             FROM products
             WHERE status = $1
               AND ($2::text IS NULL OR name ILIKE $2 OR description ILIKE $2 OR sku ILIKE $2)
               AND ($3::text IS NULL OR category = $3)
               AND ($4::bool IS NULL OR (available > 0) = $4)
               AND "
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $7",
            $wanted.status.as_str(),
            $wanted.pattern(),
            $wanted.category,
            $wanted.in_stock,
            $at,
            $id,
            $limit,
        )
        .fetch_all($pool)
        .await?;
        rows.into_iter().map(Product::try_from).collect()
    }};
}

/// Up to `limit` products after a name, in the order of their names.
pub async fn by_name(
    pool: &PgPool,
    wanted: &Wanted,
    after: Option<(String, Uuid)>,
    limit: i64,
) -> Result<Vec<Product>, sqlx::Error> {
    let (name, id) = after.unzip();
    page!(pool, wanted, limit, name, id, "($5::text IS NULL OR (name, id) > ($5, $6::uuid))", "name, id")
}

/// Up to `limit` products after a price, the cheapest first.
pub async fn by_price(
    pool: &PgPool,
    wanted: &Wanted,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Vec<Product>, sqlx::Error> {
    let (price, id) = after.unzip();
    page!(
        pool,
        wanted,
        limit,
        price,
        id,
        "($5::bigint IS NULL OR (price_minor, id) > ($5, $6::uuid))",
        "price_minor, id"
    )
}

/// Up to `limit` products after a price, the dearest first.
pub async fn by_price_descending(
    pool: &PgPool,
    wanted: &Wanted,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Vec<Product>, sqlx::Error> {
    let (price, id) = after.unzip();
    page!(
        pool,
        wanted,
        limit,
        price,
        id,
        "($5::bigint IS NULL OR (price_minor, id) < ($5, $6::uuid))",
        "price_minor DESC, id DESC"
    )
}

/// Up to `limit` products before a time, the newest first.
pub async fn by_age(
    pool: &PgPool,
    wanted: &Wanted,
    before: Option<(OffsetDateTime, Uuid)>,
    limit: i64,
) -> Result<Vec<Product>, sqlx::Error> {
    let (created_at, id) = before.unzip();
    page!(
        pool,
        wanted,
        limit,
        created_at,
        id,
        "($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))",
        "created_at DESC, id DESC"
    )
}
