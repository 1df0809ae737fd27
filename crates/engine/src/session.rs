//! The writer's connection: short time-outs on the server's side, and what a COMMIT without an answer did.

use crate::batch::Position;
use crate::failpoints::{Guard, is_off};
use crate::verdict::{Failure, judge, judge_commit};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Bounds of the writer's connection.
#[derive(Debug, Clone, Copy)]
pub struct SessionBounds {
    /// How long one statement may run on the server.
    pub statement: Duration,
    /// How long a statement may wait for a lock.
    pub lock: Duration,
    /// How long a transaction may lie idle: a frozen process must not hold a hot row.
    pub idle_in_transaction: Duration,
    /// How long connecting, a whole batch before COMMIT, or COMMIT may take on this side.
    pub client: Duration,
}

impl Default for SessionBounds {
    fn default() -> Self {
        Self {
            statement: Duration::from_secs(10),
            lock: Duration::from_secs(3),
            idle_in_transaction: Duration::from_secs(10),
            client: Duration::from_secs(20),
        }
    }
}

/// Claims the batch after `$2`. Prepared once by its text, as the simple protocol, in which it shares a round trip with
/// BEGIN, would plan it again for each batch.
const PREPARE_FENCE: &str = "PREPARE fence (uuid, bigint, bigint) AS
     UPDATE writers
     SET batch = $2 + 1, published_seq = GREATEST(published_seq, $3), beat_at = now()
     WHERE id = $1 AND batch = $2";

/// How the backend of a connection is told from a later one with the same pid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backend {
    pid: i32,
    started_at: OffsetDateTime,
}

pub(crate) struct Session {
    pub(crate) db: PgConnection,
    pub(crate) backend: Backend,
}

/// The options of every connection that writes.
pub(crate) fn options(base: &PgConnectOptions, bounds: &SessionBounds) -> PgConnectOptions {
    let ms = |d: Duration| d.as_millis().to_string();
    // Zero: never.
    let idle = if is_off(Guard::IdleInTransaction) { Duration::ZERO } else { bounds.idle_in_transaction };
    base.clone().options([
        ("statement_timeout", ms(bounds.statement)),
        ("lock_timeout", ms(bounds.lock)),
        ("idle_in_transaction_session_timeout", ms(idle)),
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", ms(bounds.client)),
        ("client_connection_check_interval", "5000".to_owned()),
        // Every statement of a batch reaches its rows by their keys. A plan that the server chose while a table was
        // small, and keeps, would read all of it for each batch once it has grown.
        ("enable_seqscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        // What can only be read whole is small, but costs as much as if it were forbidden: worth no compilation.
        ("jit", "off".to_owned()),
    ])
}

impl Session {
    pub(crate) async fn connect(base: &PgConnectOptions, bounds: &SessionBounds) -> Result<Self, Failure> {
        let connecting = async {
            let mut db = PgConnection::connect_with(&options(base, bounds)).await?;
            let row = sqlx::query("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
                .fetch_one(&mut db)
                .await?;
            sqlx::raw_sql(PREPARE_FENCE).execute(&mut db).await?;
            let backend = Backend { pid: row.try_get("pid")?, started_at: row.try_get("backend_start")? };
            Ok::<_, sqlx::Error>(Self { db, backend })
        };
        match timeout(bounds.client, connecting).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(Failure::Infrastructure(format!("connecting to Postgres: {error}"))),
            Err(_) => Err(Failure::Infrastructure("connecting to Postgres took too long".to_owned())),
        }
    }

    /// Makes the writer known, if it is not: a new one, or one that slept until its row was cleared away.
    pub(crate) async fn register(&mut self, position: Position, published_seq: i64) -> Result<(), Failure> {
        sqlx::query("INSERT INTO writers (id, batch, published_seq) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
            .bind(position.writer)
            .bind(position.batch)
            .bind(published_seq)
            .execute(&mut self.db)
            .await
            .map(|_| ())
            .map_err(|e| Failure::Infrastructure(format!("registering the writer: {e}")))
    }

    /// Begins the batch after that of `position`: of two tries of one batch only one can commit. One round trip, by the
    /// simple protocol.
    pub(crate) async fn begin(&mut self, position: Position, published_seq: i64) -> Result<(), Failure> {
        let Position { writer, batch, .. } = position;
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;
             EXECUTE fence ('{writer}', {batch}, {published_seq})"
        );
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.db).await.map_err(judge)?;
        match done.rows_affected() {
            1 => Ok(()),
            rows => Err(Failure::Infrastructure(format!("the writer's row is not at batch {batch} ({rows} rows)"))),
        }
    }

    pub(crate) async fn commit(&mut self, bound: Duration) -> Result<(), Failure> {
        match timeout(bound, sqlx::raw_sql("COMMIT").execute(&mut self.db)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge_commit(error)),
            Err(_) => Err(Failure::OutcomeUnknown("COMMIT took too long".to_owned())),
        }
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.db).await.map(|_| ())
    }

    /// Shows that the writer lives, and how far it has published.
    pub(crate) async fn beat(&mut self, writer: Uuid, published_seq: i64) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE writers
             SET beat_at = now(), published_seq = GREATEST(published_seq, $2)
             WHERE id = $1",
        )
        .bind(writer)
        .bind(published_seq)
        .execute(&mut self.db)
        .await
        .map(|_| ())
    }

    /// Over a new connection: ends `old`, waits until it is gone, and reads which batch of `writer` is the last
    /// committed one. What `old` had not committed by then, it never will.
    pub(crate) async fn last_batch(
        &mut self,
        old: Backend,
        writer: Uuid,
        bound: Duration,
    ) -> Result<Option<i64>, sqlx::Error> {
        let until = Instant::now() + bound;
        loop {
            let alive = sqlx::query(
                "SELECT pg_terminate_backend(pid)
                 FROM pg_stat_activity
                 WHERE pid = $1 AND backend_start = $2",
            )
            .bind(old.pid)
            .bind(old.started_at)
            .fetch_optional(&mut self.db)
            .await?;
            if alive.is_none() {
                break;
            }
            if Instant::now() > until {
                return Err(sqlx::Error::PoolTimedOut);
            }
            sleep(Duration::from_millis(20)).await;
        }
        sqlx::query_scalar("SELECT batch FROM writers WHERE id = $1 FOR UPDATE")
            .bind(writer)
            .fetch_optional(&mut self.db)
            .await
    }
}
