//! `notification audit`: messages that should have been sent.

use clap::Parser;
use service_kit::audit::{self, AuditArgs};
use sqlx::PgPool;

/// Compares notification's books with each other, and ends with an error where something is wrong.
#[derive(Debug, Parser)]
#[command(name = "notification audit")]
struct Args {
    #[command(flatten)]
    audit: AuditArgs,
}

/// `notification audit`, with the arguments after it.
///
/// # Errors
/// Something is wrong with the books, or they can't be read.
pub fn run(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    audit::run(&Args::parse_from(args).audit, async |mut audit| {
        let (pool, grace_s) = (audit.pool.clone(), audit.grace_s());
        audit.check("no message waits long past its next attempt", overdue(&pool, grace_s)).await?;
        audit.check("what was sent has its time, and is not due again", wrong_times(&pool)).await?;
        Ok(audit)
    })
}

async fn overdue(pool: &PgPool, grace_s: f64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('%s for order %s: %s is %s after %s attempts, due at %s', channel, order_id, template, status,
                         attempts, due_at) AS "finding!"
           FROM notifications
           WHERE due_at < now() - make_interval(secs => $1)
           ORDER BY due_at"#,
        grace_s,
    )
    .fetch_all(pool)
    .await
}

async fn wrong_times(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('notification %s is %s, sent at %s', id, status, sent_at) AS "finding!"
           FROM notifications
           WHERE status = 'sent' AND (sent_at IS NULL OR due_at IS NOT NULL)
           ORDER BY id"#
    )
    .fetch_all(pool)
    .await
}
