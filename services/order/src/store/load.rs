//! The rows that a batch works on, locked.

use super::{status, unknown_word};
use crate::domain::{Address, Cancel, CatalogueItem, Command, Order, Seen, Set, Shipment, refund_cause};
use common::events::{CancelReason, Contact, OrderLine};
use common::money::{Currency, Money};
use engine::Rows;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::{BTreeSet, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn load(db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
    let orders = orders(db, commands.iter().filter_map(|command| command.order_id()).collect()).await?;
    let mut changed = BTreeSet::new();
    let mut ordered = BTreeSet::new();
    for command in commands {
        match command {
            Command::ProductChanged(item) => {
                changed.insert(item.product_id);
            }
            Command::Place(placement) => ordered.extend(placement.lines.iter().map(|line| line.product_id)),
            _ => {}
        }
    }
    ordered.retain(|product_id| !changed.contains(product_id));
    let mut items = locked_items(db, changed).await?;
    items.extend(read_items(db, ordered).await?);
    let catalogue = Rows::loaded(items.into_iter().map(|item| (item.product_id, item)));
    Ok(Set { orders, catalogue, refunds: refunds(db, commands).await?, timeline: Vec::new() })
}

/// An order as its row has it.
pub(super) struct OrderRow {
    pub(super) id: Uuid,
    pub(super) number: String,
    pub(super) customer_id: String,
    pub(super) status: String,
    pub(super) lines: Json<Vec<OrderLine>>,
    pub(super) total_minor: i64,
    pub(super) currency: String,
    pub(super) contact: Json<Contact>,
    pub(super) shipping_address: Option<Json<Address>>,
    pub(super) carrier: Option<String>,
    pub(super) tracking_number: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) cancel_reason: Option<String>,
    pub(super) stock_back: bool,
    pub(super) paid_back: bool,
    pub(super) cancels_sent: i32,
    pub(super) expires_at: OffsetDateTime,
    pub(super) due_at: Option<OffsetDateTime>,
    pub(super) version: i64,
    pub(super) trace: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl TryFrom<OrderRow> for Order {
    type Error = sqlx::Error;

    fn try_from(row: OrderRow) -> Result<Self, sqlx::Error> {
        let cancel = match row.cancel_reason.as_deref() {
            None => None,
            Some(word) => Some(Cancel {
                reason: cancel_reason(word)?,
                stock_back: row.stock_back,
                paid_back: row.paid_back,
                sent: row.cancels_sent,
            }),
        };
        Ok(Self {
            id: row.id,
            number: row.number,
            customer_id: row.customer_id,
            status: status(&row.status)?,
            lines: row.lines.0,
            total: money(row.total_minor, &row.currency)?,
            contact: row.contact.0,
            shipping_address: row.shipping_address.map(|address| address.0),
            shipment: row
                .carrier
                .zip(row.tracking_number)
                .map(|(carrier, tracking_number)| Shipment { carrier, tracking_number }),
            reason: row.reason,
            cancel,
            expires_at: row.expires_at,
            due_at: row.due_at,
            version: row.version,
            trace: row.trace,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

async fn orders(db: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<Rows<Uuid, Order>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Rows::default());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query_as!(
        OrderRow,
        r#"SELECT id, number, customer_id, status, lines AS "lines: Json<Vec<OrderLine>>", total_minor, currency,
               contact AS "contact: Json<Contact>", shipping_address AS "shipping_address: Json<Address>", carrier,
               tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent, expires_at, due_at, version,
               trace, created_at, updated_at
           FROM orders
           WHERE id = ANY($1)
           ORDER BY id
           FOR UPDATE"#,
        &ids,
    )
    .fetch_all(db)
    .await?;
    let orders: Vec<Order> = rows.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Rows::loaded(orders.into_iter().map(|order| (order.id, order))))
}

/// A product as its row has it.
struct CatalogueRow {
    product_id: Uuid,
    version: i64,
    sku: String,
    name: String,
    price_minor: i64,
    currency: String,
    orderable: bool,
}

impl TryFrom<CatalogueRow> for CatalogueItem {
    type Error = sqlx::Error;

    fn try_from(row: CatalogueRow) -> Result<Self, sqlx::Error> {
        let CatalogueRow { product_id, version, sku, name, price_minor, currency, orderable } = row;
        Ok(Self { product_id, version, sku, name, price: money(price_minor, &currency)?, orderable })
    }
}

/// For products that are to change.
async fn locked_items(db: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<Vec<CatalogueItem>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query_as!(
        CatalogueRow,
        "SELECT product_id, version, sku, name, price_minor, currency, orderable
         FROM catalogue
         WHERE product_id = ANY($1)
         ORDER BY product_id
         FOR UPDATE",
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(CatalogueItem::try_from).collect()
}

/// For orders: a price that changes at the same moment is the old one or the new one.
async fn read_items(db: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<Vec<CatalogueItem>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query_as!(
        CatalogueRow,
        "SELECT product_id, version, sku, name, price_minor, currency, orderable
         FROM catalogue
         WHERE product_id = ANY($1)",
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(CatalogueItem::try_from).collect()
}

/// Which of the refunds in `commands` are on a timeline already.
async fn refunds(db: &mut PgConnection, commands: &[&Command]) -> Result<HashSet<(Uuid, Uuid)>, sqlx::Error> {
    let asked: Vec<(Uuid, Uuid)> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Event { order_id, event: Seen::PaidBack { refund: Some(refund), .. } } => {
                Some((*order_id, refund.id))
            }
            _ => None,
        })
        .collect();
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let orders: Vec<Uuid> = asked.iter().map(|(order_id, _)| *order_id).collect();
    let causes: Vec<String> = asked.iter().map(|(_, refund_id)| refund_cause(*refund_id)).collect();
    let rows = sqlx::query!(
        "SELECT order_id, cause
         FROM order_timeline
         WHERE (order_id, cause) IN (SELECT * FROM UNNEST($1::uuid[], $2::text[]))",
        &orders,
        &causes,
    )
    .fetch_all(db)
    .await?;
    let there: HashSet<(Uuid, String)> = rows.into_iter().map(|row| (row.order_id, row.cause)).collect();
    Ok(asked
        .into_iter()
        .filter(|(order_id, refund_id)| there.contains(&(*order_id, refund_cause(*refund_id))))
        .collect())
}

fn money(amount_minor: i64, currency: &str) -> Result<Money, sqlx::Error> {
    let currency = Currency::parse(currency).map_err(|_| unknown_word("currency", currency))?;
    Money::new(amount_minor, currency).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn cancel_reason(word: &str) -> Result<CancelReason, sqlx::Error> {
    match word {
        "cancelled" => Ok(CancelReason::Cancelled),
        "expired" => Ok(CancelReason::Expired),
        _ => Err(unknown_word("cancel_reason", word)),
    }
}
