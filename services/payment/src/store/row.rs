//! A row of `payments`, and what it means.

use crate::domain::{Attempt, Mark, Payment, Refund, Row, Status, Wanted};
use common::money::{Currency, Money};
use common::trace::Trace;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns that say something: the others are read off these, for SQL to ask for.
pub(super) struct Record {
    pub(super) order_id: Uuid,
    pub(super) id: Option<Uuid>,
    pub(super) customer_id: Option<String>,
    pub(super) amount_minor: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) payment_method: Option<String>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) wanted: Option<String>,
    pub(super) status: String,
    pub(super) cancelled: bool,
    pub(super) attempts: Json<Vec<Attempt>>,
    pub(super) refunds: Json<Vec<Refund>>,
    pub(super) version: i64,
    pub(super) trace: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl TryFrom<Record> for Row {
    type Error = sqlx::Error;

    fn try_from(record: Record) -> Result<Self, sqlx::Error> {
        if record.id.is_some() {
            return Payment::try_from(record).map(|payment| Self::Payment(Box::new(payment)));
        }
        let wanted = match record.wanted.as_deref() {
            Some("reserved") => Wanted::Reserved,
            Some("rejected") => Wanted::Rejected,
            Some(other) => return Err(unreadable("wanted", other)),
            None => Wanted::Cancelled,
        };
        Ok(Self::Mark(Mark {
            order_id: record.order_id,
            wanted,
            version: record.version,
            trace: trace(&record.trace)?,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }))
    }
}

impl TryFrom<Record> for Payment {
    type Error = sqlx::Error;

    fn try_from(record: Record) -> Result<Self, sqlx::Error> {
        let missing = |column| move || unreadable(column, "null");
        let currency = record.currency.ok_or_else(missing("currency"))?;
        let minor = record.amount_minor.ok_or_else(missing("amount_minor"))?;
        let amount = Currency::parse(&currency).ok().and_then(|currency| Money::new(minor, currency).ok());
        let status = Status::parse(&record.status).ok_or_else(|| unreadable("status", &record.status))?;
        Ok(Self {
            order_id: record.order_id,
            id: record.id.ok_or_else(missing("id"))?,
            customer_id: record.customer_id.ok_or_else(missing("customer_id"))?,
            amount: amount.ok_or_else(|| unreadable("amount", &format!("{minor} {currency}")))?,
            payment_method: record.payment_method.ok_or_else(missing("payment_method"))?,
            expires_at: record.expires_at.ok_or_else(missing("expires_at"))?,
            state: status.state(),
            cancelled: record.cancelled,
            attempts: record.attempts.0,
            refunds: record.refunds.0,
            version: record.version,
            trace: trace(&record.trace)?,
            created_at: record.created_at,
            updated_at: record.updated_at,
        })
    }
}

fn trace(traceparent: &str) -> Result<Trace, sqlx::Error> {
    Trace::parse(traceparent).ok_or_else(|| unreadable("trace", traceparent))
}

/// A value that this version does not know.
fn unreadable(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("payments.{column} is {value:?}").into())
}
