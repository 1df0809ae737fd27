//! What a batch changed, a statement for each kind of change.

use crate::domain::{Cancel, CatalogueItem, Order, Set, TimelineRow};
use common::events::CancelReason;
use engine::json;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn save(db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
    insert_orders(db, &set.orders.inserted().collect::<Vec<_>>()).await?;
    update_orders(db, &set.orders.updated().collect::<Vec<_>>()).await?;
    insert_items(db, &set.catalogue.inserted().collect::<Vec<_>>()).await?;
    update_items(db, &set.catalogue.updated().collect::<Vec<_>>()).await?;
    insert_timeline(db, &set.timeline.iter().collect::<Vec<_>>()).await
}

async fn insert_orders(db: &mut PgConnection, rows: &[&Order]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = rows.iter().map(|o| json(&o.lines)).collect::<Result<_, _>>()?;
    let contacts: Vec<String> = rows.iter().map(|o| json(&o.contact)).collect::<Result<_, _>>()?;
    let addresses: Vec<Option<String>> =
        rows.iter().map(|o| o.shipping_address.as_ref().map(json).transpose()).collect::<Result<_, _>>()?;
    let changes = Changes::of(rows);
    sqlx::query!(
        "INSERT INTO orders
             (id, status, carrier, tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent, due_at,
              version, updated_at, number, customer_id, lines, total_minor, currency, contact, shipping_address,
              expires_at, trace, created_at)
         SELECT id, status, carrier, tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent, due_at,
             version, updated_at, number, customer_id, lines::json, total_minor, currency, contact::json,
             shipping_address::json, expires_at, trace, created_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::bool[],
                     $9::int[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::text[], $14::text[],
                     $15::text[], $16::bigint[], $17::text[], $18::text[], $19::text[], $20::timestamptz[],
                     $21::text[], $22::timestamptz[])
              AS new (id, status, carrier, tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent,
                      due_at, version, updated_at, number, customer_id, lines, total_minor, currency, contact,
                      shipping_address, expires_at, trace, created_at)",
        &changes.ids,
        &changes.statuses as &[&str],
        &changes.carriers as &[Option<&str>],
        &changes.tracking_numbers as &[Option<&str>],
        &changes.reasons as &[Option<&str>],
        &changes.cancel_reasons as &[Option<&str>],
        &changes.stock_back,
        &changes.paid_back,
        &changes.cancels_sent,
        &changes.due_at as &[Option<OffsetDateTime>],
        &changes.versions,
        &changes.updated_at,
        &column(rows, |o| o.number.as_str()) as &[&str],
        &column(rows, |o| o.customer_id.as_str()) as &[&str],
        &lines,
        &column(rows, |o| o.total.amount_minor()),
        &column(rows, |o| String::from(o.total.currency())),
        &contacts,
        &addresses as &[Option<String>],
        &column(rows, |o| o.expires_at),
        &column(rows, |o| o.trace.as_str()) as &[&str],
        &column(rows, |o| o.created_at),
    )
    .execute(db)
    .await
    .map(|_| ())
}

async fn update_orders(db: &mut PgConnection, rows: &[&Order]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let changes = Changes::of(rows);
    let done = sqlx::query!(
        "UPDATE orders AS old
         SET status = new.status, carrier = new.carrier, tracking_number = new.tracking_number, reason = new.reason,
             cancel_reason = new.cancel_reason, stock_back = new.stock_back, paid_back = new.paid_back,
             cancels_sent = new.cancels_sent, due_at = new.due_at, version = new.version, updated_at = new.updated_at
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::bool[],
                     $9::int[], $10::timestamptz[], $11::bigint[], $12::timestamptz[])
              AS new (id, status, carrier, tracking_number, reason, cancel_reason, stock_back, paid_back, cancels_sent,
                      due_at, version, updated_at)
         WHERE old.id = new.id",
        &changes.ids,
        &changes.statuses as &[&str],
        &changes.carriers as &[Option<&str>],
        &changes.tracking_numbers as &[Option<&str>],
        &changes.reasons as &[Option<&str>],
        &changes.cancel_reasons as &[Option<&str>],
        &changes.stock_back,
        &changes.paid_back,
        &changes.cancels_sent,
        &changes.due_at as &[Option<OffsetDateTime>],
        &changes.versions,
        &changes.updated_at,
    )
    .execute(db)
    .await?;
    all_there(&done, rows.len())
}

/// The columns of an order that change after it is placed.
struct Changes<'a> {
    ids: Vec<Uuid>,
    statuses: Vec<&'a str>,
    carriers: Vec<Option<&'a str>>,
    tracking_numbers: Vec<Option<&'a str>>,
    reasons: Vec<Option<&'a str>>,
    cancel_reasons: Vec<Option<&'a str>>,
    stock_back: Vec<bool>,
    paid_back: Vec<bool>,
    cancels_sent: Vec<i32>,
    due_at: Vec<Option<OffsetDateTime>>,
    versions: Vec<i64>,
    updated_at: Vec<OffsetDateTime>,
}

impl<'a> Changes<'a> {
    fn of(rows: &[&'a Order]) -> Self {
        let cancel = |of: fn(&Cancel) -> bool| column(rows, |o| o.cancel.as_ref().is_some_and(of));
        Self {
            ids: column(rows, |o| o.id),
            statuses: column(rows, |o| o.status.as_str()),
            carriers: column(rows, |o| o.shipment.as_ref().map(|shipment| shipment.carrier.as_str())),
            tracking_numbers: column(rows, |o| o.shipment.as_ref().map(|shipment| shipment.tracking_number.as_str())),
            reasons: column(rows, |o| o.reason.as_deref()),
            cancel_reasons: column(rows, |o| {
                o.cancel.map(|cancel| match cancel.reason {
                    CancelReason::Cancelled => "cancelled",
                    CancelReason::Expired => "expired",
                })
            }),
            stock_back: cancel(|cancel| cancel.stock_back),
            paid_back: cancel(|cancel| cancel.paid_back),
            cancels_sent: column(rows, |o| o.cancel.map_or(0, |cancel| cancel.sent)),
            due_at: column(rows, |o| o.due_at),
            versions: column(rows, |o| o.version),
            updated_at: column(rows, |o| o.updated_at),
        }
    }
}

async fn insert_items(db: &mut PgConnection, rows: &[&CatalogueItem]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO catalogue (product_id, version, sku, name, price_minor, currency, orderable)
         SELECT *
         FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bool[])",
        &column(rows, |i| i.product_id),
        &column(rows, |i| i.version),
        &column(rows, |i| i.sku.as_str()) as &[&str],
        &column(rows, |i| i.name.as_str()) as &[&str],
        &column(rows, |i| i.price.amount_minor()),
        &column(rows, |i| String::from(i.price.currency())),
        &column(rows, |i| i.orderable),
    )
    .execute(db)
    .await
    .map(|_| ())
}

async fn update_items(db: &mut PgConnection, rows: &[&CatalogueItem]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE catalogue AS old
         SET version = new.version, sku = new.sku, name = new.name, price_minor = new.price_minor,
             currency = new.currency, orderable = new.orderable
         FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bool[])
              AS new (product_id, version, sku, name, price_minor, currency, orderable)
         WHERE old.product_id = new.product_id",
        &column(rows, |i| i.product_id),
        &column(rows, |i| i.version),
        &column(rows, |i| i.sku.as_str()) as &[&str],
        &column(rows, |i| i.name.as_str()) as &[&str],
        &column(rows, |i| i.price.amount_minor()),
        &column(rows, |i| String::from(i.price.currency())),
        &column(rows, |i| i.orderable),
    )
    .execute(db)
    .await?;
    all_there(&done, rows.len())
}

async fn insert_timeline(db: &mut PgConnection, rows: &[&TimelineRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let from: Vec<Option<&str>> = column(rows, |r| r.from.map(|status| status.as_str()));
    sqlx::query!(
        "INSERT INTO order_timeline
             (order_id, sequence, from_status, to_status, cause, actor, reason, event_id, trace_id, at)
         SELECT *
         FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                     $9::text[], $10::timestamptz[])",
        &column(rows, |r| r.order_id),
        &column(rows, |r| r.sequence),
        &from as &[Option<&str>],
        &column(rows, |r| r.to.as_str()) as &[&str],
        &column(rows, |r| r.cause.as_str()) as &[&str],
        &column(rows, |r| r.actor.as_str()) as &[&str],
        &column(rows, |r| r.reason.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.event_id) as &[Option<Uuid>],
        &column(rows, |r| r.trace_id.as_str()) as &[&str],
        &column(rows, |r| r.at),
    )
    .execute(db)
    .await
    .map(|_| ())
}

fn column<'a, R, T>(rows: &[&'a R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

/// Every row was locked and loaded, so every row must have been there.
fn all_there(done: &PgQueryResult, rows: usize) -> Result<(), sqlx::Error> {
    if done.rows_affected() == rows as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
