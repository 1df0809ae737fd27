//! `inventory audit`: stock, its movements, and what orders hold of it.

use clap::Parser;
use service_kit::audit::{self, AuditArgs};
use sqlx::PgPool;

/// Compares inventory's books with each other, and ends with an error where something is wrong.
#[derive(Debug, Parser)]
#[command(name = "inventory audit")]
struct Args {
    #[command(flatten)]
    audit: AuditArgs,
}

/// `inventory audit`, with the arguments after it.
///
/// # Errors
/// Something is wrong with the books, or they can't be read.
pub fn run(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    audit::run(&Args::parse_from(args).audit, async |mut audit| {
        let pool = audit.pool.clone();
        audit.check("stock is the sum of its movements", stock_without_movements(&pool)).await?;
        audit.check("what is reserved is what orders hold", reserved_for_nobody(&pool)).await?;
        audit.check("every order has moved what its reservation says", reservations_without_movements(&pool)).await?;
        Ok(audit)
    })
}

async fn stock_without_movements(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('product %s: on hand %s and reserved %s, by its movements %s and %s',
                         COALESCE(stock.product_id, moved.product_id), stock.on_hand, stock.reserved, moved.on_hand,
                         moved.reserved) AS "finding!"
           FROM stock
           FULL JOIN (
               SELECT product_id, sum(delta_on_hand) AS on_hand, sum(delta_reserved) AS reserved
               FROM stock_movements
               GROUP BY product_id
           ) moved USING (product_id)
           WHERE stock.product_id IS NULL
              OR stock.on_hand <> COALESCE(moved.on_hand, 0)
              OR stock.reserved <> COALESCE(moved.reserved, 0)
           ORDER BY 1"#
    )
    .fetch_all(pool)
    .await
}

async fn reserved_for_nobody(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT format('product %s: reserved %s, and orders hold %s', COALESCE(stock.product_id, held.product_id),
                         stock.reserved, held.pieces) AS "finding!"
           FROM stock
           FULL JOIN (
               SELECT line.key::uuid AS product_id, sum(line.value::bigint) AS pieces
               FROM reservations
               CROSS JOIN LATERAL json_each_text(lines) AS line
               WHERE status = 'held'
               GROUP BY 1
           ) held USING (product_id)
           WHERE stock.product_id IS NULL OR stock.reserved <> COALESCE(held.pieces, 0)
           ORDER BY 1"#
    )
    .fetch_all(pool)
    .await
}

/// Held: its pieces are reserved. Shipped: they have left. Else nothing has moved in the end.
async fn reservations_without_movements(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH wanted AS (
               SELECT order_id, line.key::uuid AS product_id, status,
                      CASE status WHEN 'held' THEN line.value::bigint ELSE 0 END AS reserved,
                      CASE status WHEN 'shipped' THEN -line.value::bigint ELSE 0 END AS on_hand
               FROM reservations
               CROSS JOIN LATERAL json_each_text(lines) AS line
           ),
           moved AS (
               SELECT order_id, product_id, sum(delta_reserved) AS reserved, sum(delta_on_hand) AS on_hand
               FROM stock_movements
               WHERE order_id IS NOT NULL
               GROUP BY order_id, product_id
           )
           SELECT format('order %s, product %s: the reservation is %s, and %s were reserved and %s left', order_id,
                         product_id, COALESCE(wanted.status, 'missing'), COALESCE(moved.reserved, 0),
                         -COALESCE(moved.on_hand, 0)) AS "finding!"
           FROM wanted
           FULL JOIN moved USING (order_id, product_id)
           WHERE COALESCE(wanted.reserved, 0) <> COALESCE(moved.reserved, 0)
              OR COALESCE(wanted.on_hand, 0) <> COALESCE(moved.on_hand, 0)
           ORDER BY 1"#
    )
    .fetch_all(pool)
    .await
}
