//! Connections to the ledger, each use of them bounded.

use sqlx::{PgConnection, PgPool};
use std::time::Duration;
use tokio::time::timeout;

/// How long one group of calls may take: the pool bounds waiting for a connection, the server its statements; this one
/// is for a server that has vanished.
const BOUND: Duration = Duration::from_secs(8);

/// Runs `work` on a connection of its own. One on which it fails, or hangs, is closed, and a transaction ends with it.
pub(super) async fn write<T>(
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut db = pool.acquire().await?;
    let done = timeout(BOUND, work(&mut db)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    if done.is_err() {
        db.close_on_drop();
    }
    done
}

/// What the ledger's rows can't be.
pub(super) fn unreadable(column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} of the provider's ledger").into())
}
