//! The rows that a batch works on, locked.

use super::unknown_word;
use crate::domain::{Command, Lines, Reservation, Set, Status, Stock, products_of};
use engine::Rows;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

pub(super) async fn load(db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
    let orders: BTreeSet<Uuid> = commands.iter().filter_map(|command| command.order_id()).collect();
    let reservations = reservations(db, orders).await?;
    let stock = stock(db, products_of(commands, &reservations)).await?;
    Ok(Set { reservations, stock, movements: Vec::new() })
}

async fn reservations(db: &mut PgConnection, orders: BTreeSet<Uuid>) -> Result<Rows<Uuid, Reservation>, sqlx::Error> {
    if orders.is_empty() {
        return Ok(Rows::default());
    }
    let orders: Vec<Uuid> = orders.into_iter().collect();
    let rows = sqlx::query!(
        r#"SELECT order_id, status, lines AS "lines: Json<Lines>", reason, created_at, updated_at
           FROM reservations
           WHERE order_id = ANY($1)
           ORDER BY order_id
           FOR UPDATE"#,
        &orders,
    )
    .fetch_all(db)
    .await?;
    let reservations = rows.into_iter().map(|row| {
        let reservation = Reservation {
            order_id: row.order_id,
            status: Status::parse(&row.status).ok_or_else(|| unknown_word("reservations.status", &row.status))?,
            lines: row.lines.map(|lines| lines.0),
            reason: row.reason,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok((reservation.order_id, reservation))
    });
    Ok(Rows::loaded(reservations.collect::<Result<Vec<_>, sqlx::Error>>()?))
}

async fn stock(db: &mut PgConnection, products: BTreeSet<Uuid>) -> Result<Rows<Uuid, Stock>, sqlx::Error> {
    if products.is_empty() {
        return Ok(Rows::default());
    }
    let products: Vec<Uuid> = products.into_iter().collect();
    let rows = sqlx::query_as!(
        Stock,
        "SELECT product_id, sku, name, product_version, on_hand, reserved, version, updated_at
         FROM stock
         WHERE product_id = ANY($1)
         ORDER BY product_id
         FOR UPDATE",
        &products,
    )
    .fetch_all(db)
    .await?;
    Ok(Rows::loaded(rows.into_iter().map(|stock| (stock.product_id, stock))))
}
