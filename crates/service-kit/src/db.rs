//! PostgreSQL for reads: a small pool, a bound for every read, and migrations at the start. Nothing here writes: changes
//! go through the engine's writer, on its own connection.

use crate::config::DatabaseArgs;
use crate::http::Problem;
use anyhow::Context;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a statement may run on the server: less than [`READ_BOUND`], so that the server gives up first and the
/// connection goes back to the pool clean.
const STATEMENT_BOUND: Duration = Duration::from_secs(3);
/// How long a read may wait for a connection.
const ACQUIRE_BOUND: Duration = Duration::from_secs(3);
/// How long a read may take as a whole.
const READ_BOUND: Duration = Duration::from_secs(5);
/// How long the start waits for Postgres, and for other replicas that migrate.
const START_BOUND: Duration = Duration::from_secs(60);
/// How long one try to connect may take.
const CONNECT_BOUND: Duration = Duration::from_secs(5);
/// The first and the longest pause between tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Waits for Postgres, brings the engine's tables and the service's own up to date, and opens the pool for reads.
///
/// # Errors
/// Postgres stayed away for a minute, refuses the role, or a migration failed; or `shutdown` came first.
pub async fn open(args: &DatabaseArgs, own: Migrator, shutdown: &CancellationToken) -> anyhow::Result<PgPool> {
    let options = args.options()?;
    migrate(&options, Schema::Service(own), shutdown).await?;
    Ok(pool(&options, args.database_pool_max))
}

/// What a schema holds.
#[derive(Debug)]
pub enum Schema {
    /// The engine's tables, and a service's own.
    Service(Migrator),
    /// Only these, such as the accounts of the issuer.
    Plain(Migrator),
}

/// Brings a schema up to date, on a connection of its own that is closed afterwards. Replicas that start at once wait
/// for each other by sqlx's advisory lock.
///
/// # Errors
/// As [`open`].
pub async fn migrate(
    options: &PgConnectOptions,
    mut schema: Schema,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    // A replica of the version before may start again while the next one is rolled out.
    match &mut schema {
        Schema::Service(own) | Schema::Plain(own) => own.set_ignore_missing(true),
    };
    let options = keepalive(options)
        .options([("lock_timeout", START_BOUND.as_millis().to_string())])
        .log_statements(tracing::log::LevelFilter::Trace);
    let deadline = Instant::now() + START_BOUND;
    let mut pause = PAUSE.0;
    loop {
        let tried = tokio::select! {
            tried = try_migrate(&options, &schema) => tried,
            () = shutdown.cancelled() => anyhow::bail!("told to stop before the database was ready"),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(error)) if is_transient(&error) && Instant::now() + pause < deadline => {
                tracing::warn!(%error, "waiting for Postgres");
            }
            Err(error) => return Err(error).context("bringing the database up to date"),
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn try_migrate(options: &PgConnectOptions, schema: &Schema) -> Result<(), MigrateError> {
    let mut db = timeout(CONNECT_BOUND, PgConnection::connect_with(options))
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))?;
    match schema {
        Schema::Service(own) => {
            engine::migrate(&mut db).await?;
            own.run(&mut db).await?;
        }
        Schema::Plain(own) => own.run(&mut db).await?,
    }
    // The lock is given back with the connection, whatever becomes of the farewell.
    let _ = timeout(CONNECT_BOUND, db.close()).await;
    Ok(())
}

/// A pool for reads; connects when first asked.
#[must_use]
pub fn pool(options: &PgConnectOptions, max_connections: u32) -> PgPool {
    let options = keepalive(options).options([("statement_timeout", STATEMENT_BOUND.as_millis().to_string())]);
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_BOUND)
        .idle_timeout(Duration::from_secs(300))
        // A ping before each read doubles its round trips; a connection that broke costs one 503 instead.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

/// The server notices within half a minute that this process has vanished.
fn keepalive(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Runs a read that may not take for ever.
///
/// # Errors
/// 503 where Postgres is away or slow; 500 where the statement is wrong.
pub async fn bounded<T>(read: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Problem> {
    match timeout(READ_BOUND, read).await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(error)) if is_transient(&error) => {
            tracing::warn!(%error, "a read was put off");
            Err(Problem::unavailable())
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a read failed");
            Err(Problem::internal())
        }
        Err(_) => {
            tracing::warn!("a read took more than {READ_BOUND:?}");
            Err(Problem::unavailable())
        }
    }
}

/// Whether the same read may succeed a little later: lost or missing connections, an overloaded or stopping server.
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // Classes: connection, transaction rollback, resources, operator intervention, lock not available, system.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "55P03"
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_a_503() {
        let hangs = std::future::pending::<Result<(), sqlx::Error>>();
        assert_eq!(bounded(hangs).await.unwrap_err().status(), 503);
    }

    #[tokio::test]
    async fn only_what_may_pass_is_a_503() {
        let lost = async { Err::<(), _>(sqlx::Error::PoolTimedOut) };
        assert_eq!(bounded(lost).await.unwrap_err().status(), 503);
        let wrong = async { Err::<(), _>(sqlx::Error::ColumnNotFound("x".to_owned())) };
        assert_eq!(bounded(wrong).await.unwrap_err().status(), 500);
        assert_eq!(bounded(async { Ok(1) }).await.unwrap(), 1);
    }
}
