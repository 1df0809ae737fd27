//! What a batch changed: one INSERT, one UPDATE.

use crate::domain::{Attempt, Payment, Refund, Row, Set, Status, Wanted};
use engine::json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn save(db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
    insert(db, &Columns::of(set.payments.inserted())?).await?;
    update(db, &Columns::of(set.payments.updated())?).await
}

/// The rows, turned by a quarter.
#[derive(Default)]
struct Columns<'a> {
    order_id: Vec<Uuid>,
    id: Vec<Option<Uuid>>,
    customer_id: Vec<Option<&'a str>>,
    amount_minor: Vec<Option<i64>>,
    currency: Vec<Option<String>>,
    payment_method: Vec<Option<&'a str>>,
    expires_at: Vec<Option<OffsetDateTime>>,
    wanted: Vec<Option<&'static str>>,
    status: Vec<&'static str>,
    cancelled: Vec<bool>,
    captured_minor: Vec<i64>,
    refunded_minor: Vec<i64>,
    attempts: Vec<String>,
    refunds: Vec<String>,
    due_at: Vec<Option<OffsetDateTime>>,
    version: Vec<i64>,
    trace: Vec<String>,
    created_at: Vec<OffsetDateTime>,
    updated_at: Vec<OffsetDateTime>,
}

impl<'a> Columns<'a> {
    fn of(rows: impl Iterator<Item = &'a Row>) -> Result<Self, sqlx::Error> {
        let mut columns = Self::default();
        for row in rows {
            columns.push(row)?;
        }
        Ok(columns)
    }

    fn push(&mut self, row: &'a Row) -> Result<(), sqlx::Error> {
        let payment = match row {
            Row::Payment(payment) => Some(&**payment),
            Row::Mark(_) => None,
        };
        self.id.push(payment.map(|p| p.id));
        self.customer_id.push(payment.map(|p| p.customer_id.as_str()));
        self.amount_minor.push(payment.map(|p| p.amount.amount_minor()));
        self.currency.push(payment.map(|p| p.amount.currency().to_string()));
        self.payment_method.push(payment.map(|p| p.payment_method.as_str()));
        self.expires_at.push(payment.map(|p| p.expires_at));
        self.captured_minor.push(payment.map_or(0, Payment::captured_minor));
        self.refunded_minor.push(payment.map_or(0, Payment::refunded_minor));
        self.attempts.push(json::<[Attempt]>(payment.map_or(&[], |p| &p.attempts))?);
        self.refunds.push(json::<[Refund]>(payment.map_or(&[], |p| &p.refunds))?);
        self.due_at.push(payment.and_then(Payment::due_at));
        match row {
            Row::Payment(p) => {
                self.wanted.push(None);
                self.status.push(p.status().as_str());
                self.cancelled.push(p.cancelled);
                self.push_life(p.order_id, p.version, p.trace.to_string(), p.created_at, p.updated_at);
            }
            Row::Mark(m) => {
                let (wanted, status) = match m.wanted {
                    Wanted::Reserved => (Some("reserved"), Status::Awaiting),
                    Wanted::Rejected => (Some("rejected"), Status::Awaiting),
                    Wanted::Cancelled => (None, Status::Voided),
                };
                self.wanted.push(wanted);
                self.status.push(status.as_str());
                self.cancelled.push(m.wanted == Wanted::Cancelled);
                self.push_life(m.order_id, m.version, m.trace.to_string(), m.created_at, m.updated_at);
            }
        }
        Ok(())
    }

    fn push_life(
        &mut self,
        order_id: Uuid,
        version: i64,
        trace: String,
        created: OffsetDateTime,
        updated: OffsetDateTime,
    ) {
        self.order_id.push(order_id);
        self.version.push(version);
        self.trace.push(trace);
        self.created_at.push(created);
        self.updated_at.push(updated);
    }
}

async fn insert(db: &mut PgConnection, new: &Columns<'_>) -> Result<(), sqlx::Error> {
    if new.order_id.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO payments
             (order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status, cancelled,
              captured_minor, refunded_minor, attempts, refunds, due_at, version, trace, created_at, updated_at)
         SELECT order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status, cancelled,
             captured_minor, refunded_minor, attempts::json, refunds::json, due_at, version, trace, created_at, updated_at
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::text[], $9::text[], $10::boolean[], $11::bigint[], $12::bigint[], $13::text[], $14::text[],
                     $15::timestamptz[], $16::bigint[], $17::text[], $18::timestamptz[], $19::timestamptz[])
              AS new (order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status,
                      cancelled, captured_minor, refunded_minor, attempts, refunds, due_at, version, trace, created_at,
                      updated_at)",
        &new.order_id,
        &new.id as &[Option<Uuid>],
        &new.customer_id as &[Option<&str>],
        &new.amount_minor as &[Option<i64>],
        &new.currency as &[Option<String>],
        &new.payment_method as &[Option<&str>],
        &new.expires_at as &[Option<OffsetDateTime>],
        &new.wanted as &[Option<&str>],
        &new.status as &[&str],
        &new.cancelled,
        &new.captured_minor,
        &new.refunded_minor,
        &new.attempts,
        &new.refunds,
        &new.due_at as &[Option<OffsetDateTime>],
        &new.version,
        &new.trace,
        &new.created_at,
        &new.updated_at,
    )
    .execute(db)
    .await
    .map(|_| ())
}

/// Every row was locked and loaded, so every row must be there. What `order.created` tells changes once: when a mark
/// becomes a payment.
async fn update(db: &mut PgConnection, changed: &Columns<'_>) -> Result<(), sqlx::Error> {
    if changed.order_id.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE payments AS old
         SET id = new.id, customer_id = new.customer_id, amount_minor = new.amount_minor, currency = new.currency,
             payment_method = new.payment_method, expires_at = new.expires_at, wanted = new.wanted,
             status = new.status, cancelled = new.cancelled, captured_minor = new.captured_minor,
             refunded_minor = new.refunded_minor, attempts = new.attempts::json, refunds = new.refunds::json,
             due_at = new.due_at, version = new.version, updated_at = new.updated_at
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::text[], $9::text[], $10::boolean[], $11::bigint[], $12::bigint[], $13::text[], $14::text[],
                     $15::timestamptz[], $16::bigint[], $17::timestamptz[])
              AS new (order_id, id, customer_id, amount_minor, currency, payment_method, expires_at, wanted, status,
                      cancelled, captured_minor, refunded_minor, attempts, refunds, due_at, version, updated_at)
         WHERE old.order_id = new.order_id",
        &changed.order_id,
        &changed.id as &[Option<Uuid>],
        &changed.customer_id as &[Option<&str>],
        &changed.amount_minor as &[Option<i64>],
        &changed.currency as &[Option<String>],
        &changed.payment_method as &[Option<&str>],
        &changed.expires_at as &[Option<OffsetDateTime>],
        &changed.wanted as &[Option<&str>],
        &changed.status as &[&str],
        &changed.cancelled,
        &changed.captured_minor,
        &changed.refunded_minor,
        &changed.attempts,
        &changed.refunds,
        &changed.due_at as &[Option<OffsetDateTime>],
        &changed.version,
        &changed.updated_at,
    )
    .execute(db)
    .await?;
    if done.rows_affected() == changed.order_id.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
