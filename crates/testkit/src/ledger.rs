//! The books, read by SQL, for what neither a client nor an audit sees.

use crate::eventually::eventually;
use anyhow::{Context, Result};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};
use std::collections::{BTreeMap, BTreeSet};
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

/// How many rows the services and the provider have about some orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Entries {
    pub movements: i64,
    pub charges: i64,
    pub timeline: i64,
    pub notifications: i64,
}

/// A row that nobody else may change.
pub struct Held {
    ledger: Ledger,
    pid: i32,
    transaction: Transaction<'static, Postgres>,
}

impl Held {
    /// Waits until `writers` wait for it, also in a queue.
    ///
    /// # Errors
    /// They do not come.
    pub async fn is_waited_for(&self, writers: i64) -> Result<()> {
        let sql = "WITH RECURSIVE waiting (pid) AS (
                       SELECT $1::int
                       UNION
                       SELECT a.pid FROM pg_stat_activity a JOIN waiting w ON w.pid = ANY(pg_blocking_pids(a.pid))
                   )
                   SELECT count(*) - 1 FROM waiting";
        eventually("those who wait for a row", || async {
            let waiting: i64 = sqlx::query_scalar(sql).bind(self.pid).fetch_one(&self.ledger.pool).await?;
            Ok((waiting >= writers).then_some(()))
        })
        .await
    }

    /// # Errors
    /// Where Postgres does not answer.
    pub async fn release(self) -> Result<()> {
        Ok(self.transaction.rollback().await?)
    }
}

impl Ledger {
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn connect(superuser_url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(4).connect(superuser_url).await?;
        Ok(Self { pool })
    }

    /// Runs a statement as the superuser, to break something.
    ///
    /// # Errors
    /// Where Postgres does not answer, or refuses.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?;
        Ok(())
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
    pub async fn dead_letters_of(&self, schema: &str) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM \"{schema}\".dead_letters");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await?)
    }

    /// # Errors
    /// Where Postgres does not answer.
    pub async fn entries(&self, orders: &[Uuid]) -> Result<Entries> {
        Ok(sqlx::query_as(
            "SELECT
                 (SELECT count(*) FROM inventory.stock_movements WHERE order_id = ANY($1)) AS movements,
                 (SELECT count(*) FROM provider.provider_charges WHERE order_id = ANY($1)) AS charges,
                 (SELECT count(*) FROM \"order\".order_timeline WHERE order_id = ANY($1)) AS timeline,
                 (SELECT count(*) FROM notification.notifications WHERE order_id = ANY($1)) AS notifications",
        )
        .bind(orders)
        .fetch_one(&self.pool)
        .await?)
    }

    /// The orders of a customer, by id, with their states.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn orders_of(&self, customer: &str) -> Result<BTreeMap<Uuid, String>> {
        let sql = "SELECT id, status FROM \"order\".orders WHERE customer_id = $1";
        let orders: Vec<(Uuid, String)> = sqlx::query_as(sql).bind(customer).fetch_all(&self.pool).await?;
        Ok(orders.into_iter().collect())
    }

    /// How many orders with a line of this product are in each state.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn states_of(&self, product: Uuid) -> Result<BTreeMap<String, i64>> {
        let sql = "SELECT status, count(*)
                   FROM \"order\".orders
                   WHERE lines::text LIKE '%' || $1::text || '%'
                   GROUP BY status";
        let states: Vec<(String, i64)> = sqlx::query_as(sql).bind(product).fetch_all(&self.pool).await?;
        Ok(states.into_iter().collect())
    }

    /// Orders with a line of this product that are not confirmed, oldest first, with their states.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn unfinished(&self, product: Uuid) -> Result<Vec<(Uuid, String)>> {
        let sql = "SELECT id, status
                   FROM \"order\".orders
                   WHERE status <> 'confirmed' AND lines::text LIKE '%' || $1::text || '%'
                   ORDER BY id";
        Ok(sqlx::query_as(sql).bind(product).fetch_all(&self.pool).await?)
    }

    /// Which of these idempotency keys the order service has stored an answer under.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn keys_of_orders(&self, keys: &[String]) -> Result<BTreeSet<String>> {
        let sql = "SELECT key FROM \"order\".idempotency_keys WHERE key = ANY($1)";
        let stored: Vec<String> = sqlx::query_scalar(sql).bind(keys).fetch_all(&self.pool).await?;
        Ok(stored.into_iter().collect())
    }

    /// From where to where orders have gone so far; nowhere comes before the first row of a timeline.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn transitions(&self) -> Result<Vec<(Option<String>, String)>> {
        let sql = "SELECT DISTINCT from_status, to_status FROM \"order\".order_timeline";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
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

    /// How many deadlocks PostgreSQL has resolved so far.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn deadlocks(&self) -> Result<f64> {
        let sql = "SELECT deadlocks::float8 FROM pg_stat_database WHERE datname = current_database()";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    /// Locks a stock row as a slow writer would, until it is released or dropped.
    ///
    /// # Errors
    /// Where Postgres does not answer.
    pub async fn hold_stock(&self, product_id: Uuid) -> Result<Held> {
        let mut transaction = self.pool.begin().await?;
        let pid = sqlx::query_scalar("SELECT pg_backend_pid() FROM inventory.stock WHERE product_id = $1 FOR UPDATE")
            .bind(product_id)
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Held { ledger: self.clone(), pid, transaction })
    }
}
