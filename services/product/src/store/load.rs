//! The rows that a batch works on, locked.

use super::unknown_word;
use crate::domain::{Command, Product, Set};
use common::events::ProductStatus;
use common::money::{Currency, Money};
use engine::Rows;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn load(db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
    let products = products(db, commands.iter().map(|command| command.id()).collect()).await?;
    Ok(Set { products, skus: skus(db, commands.iter().filter_map(|command| command.sku()).collect()).await? })
}

/// A product as its row has it.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: String,
    pub(super) price_minor: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) version: i64,
    pub(super) available: i64,
    pub(super) stock_version: i64,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Product {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let currency = Currency::parse(&row.currency).map_err(|_| unknown_word("currency", &row.currency))?;
        Ok(Self {
            id: row.id,
            sku: row.sku,
            name: row.name,
            description: row.description,
            category: row.category,
            price: Money::new(row.price_minor, currency).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            status: ProductStatus::parse(&row.status).ok_or_else(|| unknown_word("status", &row.status))?,
            version: row.version,
            available: row.available,
            stock_version: row.stock_version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

async fn products(db: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<Rows<Uuid, Product>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, sku, name, description, category, price_minor, currency, status, version, available, stock_version,
             created_at, updated_at
         FROM products
         WHERE id = ANY($1)
         ORDER BY id
         FOR UPDATE",
        &ids,
    )
    .fetch_all(db)
    .await?;
    let rows: Vec<Product> = rows.into_iter().map(Product::try_from).collect::<Result<_, _>>()?;
    Ok(Rows::loaded(rows.into_iter().map(|product| (product.id, product))))
}

/// Whose these skus are.
async fn skus(db: &mut PgConnection, skus: BTreeSet<&str>) -> Result<HashMap<String, Uuid>, sqlx::Error> {
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let skus: Vec<&str> = skus.into_iter().collect();
    let rows = sqlx::query!(
        "SELECT sku, id
         FROM products
         WHERE sku = ANY($1)",
        &skus as &[&str],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sku, row.id)).collect())
}
