//! The books, read by SQL, for audits only: what no client can see of the fleet as a whole.

use anyhow::{Context, Result, ensure};
use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

/// A superuser's view of all schemas.
#[derive(Clone)]
pub struct Ledger {
    pool: PgPool,
}

/// What the provider has taken and given back for one order, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Taken {
    pub charges: i64,
    pub captured: i64,
    pub refunded: i64,
}

/// A stock row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Stock {
    pub on_hand: i64,
    pub reserved: i64,
}

impl Ledger {
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn connect(superuser_url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(4).connect(superuser_url).await?;
        Ok(Self { pool })
    }

    /// # Errors
    /// Where Postgres does not answer.
    pub async fn taken(&self, order_id: Uuid) -> Result<Taken> {
        Ok(sqlx::query_as(
            "SELECT
                 count(*) FILTER (WHERE status = 'captured') AS charges,
                 COALESCE(sum(amount_minor) FILTER (WHERE status = 'captured'), 0)::bigint AS captured,
                 (
                     SELECT COALESCE(sum(amount_minor), 0)::bigint
                     FROM provider.provider_refunds
                     WHERE order_id = $1 AND status = 'refunded'
                 ) AS refunded
             FROM provider.provider_charges
             WHERE order_id = $1",
        )
        .bind(order_id)
        .fetch_one(&self.pool)
        .await?)
    }

    /// # Errors
    /// Where there is no such row, or Postgres does not answer.
    pub async fn stock(&self, product_id: Uuid) -> Result<Stock> {
        sqlx::query_as("SELECT on_hand, reserved FROM inventory.stock WHERE product_id = $1")
            .bind(product_id)
            .fetch_one(&self.pool)
            .await
            .context("the stock row")
    }

    /// How many records a service has given up on.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn dead_letters(&self) -> Result<i64> {
        let mut total = 0;
        for schema in ["product", "inventory", "\"order\"", "payment", "notification"] {
            let sql = format!("SELECT count(*) FROM {schema}.dead_letters");
            total += sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await?;
        }
        Ok(total)
    }

    /// Batches committed by all writers of a service so far.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn batches(&self, schema: &str) -> Result<i64> {
        let sql = format!("SELECT COALESCE(sum(batch), 0)::bigint FROM \"{schema}\".writers");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await?)
    }

    /// The key that the built-in issuer signs with, and its id: for forgeries that are wrong in one thing only.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn signing_key(&self) -> Result<(String, Vec<u8>)> {
        Ok(sqlx::query_as(
            "SELECT kid, pkcs8 FROM identity.signing_keys WHERE signs_from <= now() ORDER BY signs_from DESC LIMIT 1",
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// What must hold of the books as a whole, at any moment.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub async fn audit(&self) -> Result<()> {
        let wrong_stock: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM inventory.stock s
             LEFT JOIN (
                 SELECT product_id, sum(delta_on_hand) AS on_hand, sum(delta_reserved) AS reserved
                 FROM inventory.stock_movements
                 GROUP BY product_id
             ) m USING (product_id)
             WHERE s.on_hand <> COALESCE(m.on_hand, 0) OR s.reserved <> COALESCE(m.reserved, 0)",
        )
        .fetch_one(&self.pool)
        .await?;
        ensure!(wrong_stock == 0, "{wrong_stock} stock rows differ from the sum of their movements");
        let twice: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM (
                 SELECT c.order_id
                 FROM provider.provider_charges c
                 WHERE c.status = 'captured'
                 GROUP BY c.order_id
                 HAVING sum(c.amount_minor) - COALESCE((
                     SELECT sum(r.amount_minor)
                     FROM provider.provider_refunds r
                     WHERE r.order_id = c.order_id AND r.status = 'refunded'
                 ), 0) > max(c.amount_minor)
             ) paid_twice",
        )
        .fetch_one(&self.pool)
        .await?;
        ensure!(twice == 0, "{twice} orders are charged twice");
        Ok(())
    }
}
