//! The engine's own tables, in the schema of the service.

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

/// Creates or alters the engine's tables; safe with many replicas starting at once, for the migrator takes a lock.
///
/// # Errors
/// Those of Postgres, and a schema that a newer version has altered.
pub async fn migrate(db: &mut PgConnection) -> Result<(), MigrateError> {
    let mut migrator: Migrator = sqlx::migrate!("./migrations");
    // The service's own migrations are counted in the usual table.
    migrator.dangerous_set_table_name("_engine_migrations");
    migrator.run(db).await
}
