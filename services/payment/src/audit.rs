//! `payment audit`: payments against their own sums, and against the provider's ledger.

mod books;

use crate::config::ProviderArgs;
use clap::Parser;
use service_kit::audit::{self, AuditArgs};
use sqlx::PgPool;

/// Compares payment's books with each other and with the provider's ledger, and ends with an error where something is
/// wrong.
#[derive(Debug, Parser)]
#[command(name = "payment audit")]
struct Args {
    #[command(flatten)]
    audit: AuditArgs,
    #[command(flatten)]
    provider: ProviderArgs,
}

/// `payment audit`, with the arguments after it.
///
/// # Errors
/// Something is wrong with the books, or they can't be read.
pub fn run(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let Args { audit, provider } = Args::parse_from(args);
    audit::run(&audit, async |mut audit| {
        let (pool, grace_s) = (audit.pool.clone(), audit.grace_s());
        let ledger = audit::connect(&provider.options()?).await?;
        audit.check("what was taken and paid back is what the provider says", books::compare(&pool, &ledger)).await?;
        audit.check("payments are the sum of their attempts and refunds", wrong_sums(&pool)).await?;
        audit.check("no call to the provider is long without an answer", unanswered(&pool, grace_s)).await?;
        audit.check("no money of a cancelled order stays here", kept(&pool, grace_s)).await?;
        Ok(audit)
    })
}

async fn wrong_sums(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('order %s: captured %s and refunded %s, by its attempts and refunds %s and %s', order_id,
                         captured_minor, refunded_minor, captured, refunded) AS "finding!"
           FROM payments
           CROSS JOIN LATERAL (
               SELECT count(*) * COALESCE(amount_minor, 0) AS captured
               FROM json_array_elements(attempts) AS attempt
               WHERE attempt ->> 'status' = 'captured'
           ) taken
           CROSS JOIN LATERAL (
               SELECT COALESCE(sum((refund ->> 'amount_minor')::bigint), 0) AS refunded
               FROM jsonb_array_elements(refunds::jsonb) AS refund
               WHERE refund ->> 'status' = 'refunded' AND NOT (refund -> 'cause' @> '{"surplus": {}}')
           ) paid_back
           WHERE captured_minor <> captured OR refunded_minor <> refunded
           ORDER BY order_id"#
    )
    .fetch_all(pool)
    .await
}

/// The timer asks the provider once the lease has run out; it should not take long.
async fn unanswered(pool: &PgPool, grace_s: f64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('order %s is %s, and due since %s', order_id, status, due_at) AS "finding!"
           FROM payments
           WHERE due_at < now() - make_interval(secs => $1)
           ORDER BY due_at"#,
        grace_s,
    )
    .fetch_all(pool)
    .await
}

/// Also what was captured on top of another capture.
async fn kept(pool: &PgPool, grace_s: f64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('order %s: captured %s, refunded %s, %s surplus captures, %s of them paid back', order_id,
                         captured_minor, refunded_minor, surplus, surplus_back) AS "finding!"
           FROM payments
           CROSS JOIN LATERAL (
               SELECT count(*) AS surplus
               FROM json_array_elements(attempts) AS attempt
               WHERE attempt ->> 'status' = 'surplus'
           ) taken
           CROSS JOIN LATERAL (
               SELECT count(*) AS surplus_back
               FROM jsonb_array_elements(refunds::jsonb) AS refund
               WHERE refund ->> 'status' = 'refunded' AND refund -> 'cause' @> '{"surplus": {}}'
           ) paid_back
           WHERE updated_at < now() - make_interval(secs => $1)
             AND ((cancelled AND captured_minor > refunded_minor) OR surplus > surplus_back)
           ORDER BY order_id"#,
        grace_s,
    )
    .fetch_all(pool)
    .await
}
