//! Connections for transactions that may be cut anywhere: by a client that goes away, or by a bound.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use std::ops::{Deref, DerefMut};

/// A connection that is closed, and not given back, unless its transaction came to its end. sqlx knows nothing of a
/// transaction whose BEGIN it has sent and not heard of: whoever came next would be in the middle of it.
pub(crate) struct Undisturbed {
    connection: PoolConnection<Postgres>,
    kept: bool,
}

impl Undisturbed {
    pub(crate) async fn acquire(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: pool.acquire().await?, kept: false })
    }

    /// Gives it back for the next one.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        if !self.kept {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Undisturbed {
    type Target = PoolConnection<Postgres>;
    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Undisturbed {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}
