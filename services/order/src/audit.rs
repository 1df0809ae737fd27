//! `order audit`: orders, their timelines and their deadlines.

use clap::Parser;
use service_kit::audit::{self, AuditArgs};
use sqlx::PgPool;

/// Compares the order service's books with each other, and ends with an error where something is wrong.
#[derive(Debug, Parser)]
#[command(name = "order audit")]
struct Args {
    #[command(flatten)]
    audit: AuditArgs,
}

/// `order audit`, with the arguments after it.
///
/// # Errors
/// Something is wrong with the books, or they can't be read.
pub fn run(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    audit::run(&Args::parse_from(args).audit, async |mut audit| {
        let (pool, grace_s) = (audit.pool.clone(), audit.grace_s());
        audit.check("no order waits long past its deadline", overdue(&pool, grace_s)).await?;
        audit.check("every order's timeline leads to where it is", broken_timelines(&pool)).await?;
        audit.check("every total is the sum of its lines", wrong_totals(&pool)).await?;
        Ok(audit)
    })
}

/// Unpaid past `expires_at`, or cancelled without the answers of inventory and payment.
async fn overdue(pool: &PgPool, grace_s: f64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('order %s is %s, since %s, to expire at %s', id, status, updated_at, expires_at) AS "finding!"
           FROM orders
           WHERE (status IN ('pending', 'reserved', 'payment_failed')
                  AND expires_at < now() - make_interval(secs => $1))
              OR (status = 'cancelling' AND updated_at < now() - make_interval(secs => $1))
           ORDER BY updated_at"#,
        grace_s,
    )
    .fetch_all(pool)
    .await
}

/// From nothing to the status of today, each step from where the last one led, and as many as the order has versions.
async fn broken_timelines(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH steps AS (
               SELECT order_id, sequence, from_status, to_status,
                      lag(to_status) OVER (PARTITION BY order_id ORDER BY sequence) AS before
               FROM order_timeline
           ),
           timelines AS (
               SELECT order_id, count(*) AS steps, max(sequence) AS last,
                      (array_agg(to_status ORDER BY sequence DESC))[1] AS status,
                      bool_and(from_status IS NOT DISTINCT FROM before) AS connected
               FROM steps
               GROUP BY order_id
           )
           SELECT format('order %s is %s at version %s; its timeline has %s steps up to %s, and ends as %s%s',
                         COALESCE(orders.id, timelines.order_id), orders.status, orders.version, timelines.steps,
                         timelines.last, timelines.status,
                         CASE WHEN timelines.connected THEN '' ELSE ', with a gap' END) AS "finding!"
           FROM orders
           FULL JOIN timelines ON timelines.order_id = orders.id
           WHERE orders.id IS NULL
              OR timelines.status IS DISTINCT FROM orders.status
              OR timelines.steps IS DISTINCT FROM orders.version
              OR timelines.last IS DISTINCT FROM orders.version
              OR NOT timelines.connected
           ORDER BY 1"#
    )
    .fetch_all(pool)
    .await
}

async fn wrong_totals(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('order %s has a total of %s, and its lines of %s', id, total_minor, sum) AS "finding!"
           FROM orders
           CROSS JOIN LATERAL (
               SELECT sum((line -> 'lineTotal' ->> 'amount')::bigint) AS sum
               FROM json_array_elements(lines) AS line
           ) of_lines
           WHERE total_minor IS DISTINCT FROM sum
           ORDER BY id"#
    )
    .fetch_all(pool)
    .await
}
