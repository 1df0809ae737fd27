//! What a batch changed, a statement for each kind of change.

use crate::domain::{Notification, Set};
use sqlx::PgConnection;
use time::OffsetDateTime;

pub(super) async fn save(db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
    insert(db, &set.notifications.inserted().collect::<Vec<_>>()).await?;
    update(db, &set.notifications.updated().collect::<Vec<_>>()).await
}

async fn insert(db: &mut PgConnection, rows: &[&Notification]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO notifications
             (id, order_id, customer_id, timeline_sequence, channel, template, recipient, subject, body, html, status,
              attempts, last_error, due_at, trace, created_at, sent_at)
         SELECT *
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::int[], $13::text[], $14::timestamptz[], $15::text[],
                     $16::timestamptz[], $17::timestamptz[])",
        &column(rows, |n| n.id),
        &column(rows, |n| n.order_id),
        &column(rows, |n| n.customer_id.as_str()) as &[&str],
        &column(rows, |n| n.timeline_sequence),
        &column(rows, |n| n.channel.as_str()) as &[&str],
        &column(rows, |n| n.template.as_str()) as &[&str],
        &column(rows, |n| n.recipient.as_str()) as &[&str],
        &column(rows, |n| n.subject.as_deref()) as &[Option<&str>],
        &column(rows, |n| n.body.as_str()) as &[&str],
        &column(rows, |n| n.html.as_deref()) as &[Option<&str>],
        &column(rows, |n| n.status.as_str()) as &[&str],
        &column(rows, |n| n.attempts),
        &column(rows, |n| n.last_error.as_deref()) as &[Option<&str>],
        &column(rows, |n| n.due_at) as &[Option<OffsetDateTime>],
        &column(rows, |n| n.trace.as_str()) as &[&str],
        &column(rows, |n| n.created_at),
        &column(rows, |n| n.sent_at) as &[Option<OffsetDateTime>],
    )
    .execute(db)
    .await
    .map(|_| ())
}

async fn update(db: &mut PgConnection, rows: &[&Notification]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE notifications AS old
         SET status = new.status, attempts = new.attempts, last_error = new.last_error, due_at = new.due_at,
             sent_at = new.sent_at
         FROM UNNEST($1::uuid[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[])
              AS new (id, status, attempts, last_error, due_at, sent_at)
         WHERE old.id = new.id",
        &column(rows, |n| n.id),
        &column(rows, |n| n.status.as_str()) as &[&str],
        &column(rows, |n| n.attempts),
        &column(rows, |n| n.last_error.as_deref()) as &[Option<&str>],
        &column(rows, |n| n.due_at) as &[Option<OffsetDateTime>],
        &column(rows, |n| n.sent_at) as &[Option<OffsetDateTime>],
    )
    .execute(db)
    .await?;
    // Every row was locked and loaded, so every row must have been there.
    if done.rows_affected() == rows.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

fn column<'a, T>(rows: &[&'a Notification], of: impl Fn(&'a Notification) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}
