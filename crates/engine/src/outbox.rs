//! The outbox: the events of a transaction are one row, written with it, read by whoever publishes.

use crate::context::NewRecord;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, PgConnection};
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

/// One event on its way to Kafka.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct OutboxEvent {
    pub(crate) seq: i64,
    pub(crate) topic: String,
    pub(crate) key: Uuid,
    pub(crate) value: String,
    pub(crate) traceparent: String,
}

/// A writer that has not shown itself for a while and has events above what it published.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Orphan {
    pub(crate) id: Uuid,
    pub(crate) published_seq: i64,
}

/// The events of how many transactions are read at once.
const PAGE: i64 = 8;

/// Numbers `records` from `last_seq + 1` on.
pub(crate) fn number(records: Vec<NewRecord>, last_seq: i64) -> Vec<OutboxEvent> {
    (last_seq + 1..)
        .zip(records)
        .map(|(seq, record)| OutboxEvent {
            seq,
            topic: record.topic.name.to_owned(),
            key: record.key,
            value: record.value,
            traceparent: record.trace.to_string(),
        })
        .collect()
}

pub(crate) async fn insert(
    db: &mut PgConnection,
    writer: Uuid,
    day: Date,
    events: &[OutboxEvent],
) -> Result<(), sqlx::Error> {
    let Some(last) = events.last() else { return Ok(()) };
    let mut topics = Vec::with_capacity(events.len());
    let mut keys = Vec::with_capacity(events.len());
    let mut values = Vec::with_capacity(events.len());
    let mut traceparents = Vec::with_capacity(events.len());
    for event in events {
        topics.push(event.topic.as_str());
        keys.push(event.key);
        values.push(event.value.as_str());
        traceparents.push(event.traceparent.as_str());
    }
    sqlx::query(
        r#"INSERT INTO outbox (writer, seq, day, topics, keys, "values", traceparents) VALUES ($1, $2, $3, $4, $5, $6, $7)"#,
    )
    .bind(writer)
    .bind(last.seq)
    .bind(day)
    .bind(topics)
    .bind(keys)
    .bind(values)
    .bind(traceparents)
    .execute(db)
    .await
    .map(|_| ())
}

/// Events of `writer` above `seq`, in order: those of the next few transactions.
pub(crate) async fn above(pool: &PgPool, writer: Uuid, seq: i64) -> Result<Vec<OutboxEvent>, sqlx::Error> {
    sqlx::query_as(
        r#"SELECT event.*
           FROM (
               -- Of the version before, whose rows may be here for a week, each event is a row.
               SELECT seq, COALESCE(topics, ARRAY[topic]) AS topics, COALESCE(keys, ARRAY[key]) AS keys,
                   COALESCE("values", ARRAY[value]) AS "values", COALESCE(traceparents, ARRAY[traceparent]) AS traceparents
               FROM outbox
               WHERE writer = $1 AND seq > $2
               ORDER BY seq
               LIMIT $3
           ) AS row
           CROSS JOIN LATERAL (
               SELECT row.seq - cardinality(row.keys) + n AS seq, topic, key, value, traceparent
               FROM UNNEST(row.topics, row.keys, row."values", row.traceparents)
                    WITH ORDINALITY AS new (topic, key, value, traceparent, n)
           ) AS event
           WHERE event.seq > $2
           ORDER BY event.seq"#,
    )
    .bind(writer)
    .bind(seq)
    .bind(PAGE)
    .fetch_all(pool)
    .await
}

/// Writers other than `own` whose last sign of life is older than `age` and who left events unpublished.
pub(crate) async fn orphans(pool: &PgPool, own: Uuid, age: std::time::Duration) -> Result<Vec<Orphan>, sqlx::Error> {
    sqlx::query_as(
        // No EXISTS: it may be made a join, for which a plan without statistics reads the whole outbox.
        "SELECT id, published_seq
         FROM writers
         WHERE id <> $1
             AND beat_at < now() - make_interval(secs => $2)
             AND (SELECT seq FROM outbox WHERE writer = id AND seq > published_seq ORDER BY seq LIMIT 1) IS NOT NULL",
    )
    .bind(own)
    .bind(age.as_secs_f64())
    .fetch_all(pool)
    .await
}

/// Moves the cursor of a writer that was swept; never back.
pub(crate) async fn set_published(pool: &PgPool, writer: Uuid, seq: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE writers SET published_seq = GREATEST(published_seq, $2) WHERE id = $1")
        .bind(writer)
        .bind(seq)
        .execute(pool)
        .await
        .map(|_| ())
}

/// Days for which partitions are made ahead.
const DAYS_AHEAD: i64 = 3;
/// Days for which published rows are kept.
const DAYS_KEPT: i64 = 7;

/// Makes the partitions of the days to come, drops those that are old and published, and forgets what is kept a day.
pub(crate) async fn maintain(pool: &PgPool, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    for ahead in 0..=DAYS_AHEAD {
        make_partition(pool, now.date() + Duration::days(ahead)).await?;
    }
    drop_old(pool, now.date() - Duration::days(DAYS_KEPT)).await?;
    sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
        .bind(now - Duration::days(1))
        .execute(pool)
        .await?;
    sqlx::query(
        // As in `orphans`, no join.
        "DELETE FROM writers
         WHERE beat_at < $1 AND (SELECT seq FROM outbox WHERE writer = id ORDER BY seq LIMIT 1) IS NULL",
    )
    .bind(now - Duration::days(DAYS_KEPT))
    .execute(pool)
    .await?;
    Ok(())
}

fn partition_name(day: Date) -> String {
    format!("outbox_{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}

async fn make_partition(pool: &PgPool, day: Date) -> Result<(), sqlx::Error> {
    let name = partition_name(day);
    let next = day + Duration::days(1);
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(pool).await?;
    if there {
        return Ok(());
    }
    let sql = format!(
        // Rows are never updated and go with their partition: to vacuum it would only read it.
        "SET lock_timeout = '1s';
         CREATE TABLE IF NOT EXISTS {name} PARTITION OF outbox FOR VALUES FROM ('{day}') TO ('{next}')
             WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
         RESET lock_timeout"
    );
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await {
        Ok(_) => {}
        // Rows of that day are in the default partition, or another replica is at it: both are well.
        Err(error) => tracing::info!(partition = name, %error, "partition of the outbox not made"),
    }
    Ok(())
}

async fn drop_old(pool: &PgPool, before: Date) -> Result<(), sqlx::Error> {
    let oldest = partition_name(before);
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text
         FROM pg_inherits
         WHERE inhparent = 'outbox'::regclass
             AND inhrelid::regclass::text ~ '^outbox_[0-9]{8}$'
             AND inhrelid::regclass::text < $1",
    )
    .bind(oldest)
    .fetch_all(pool)
    .await?;
    for name in names {
        let unpublished: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT EXISTS (
                 SELECT 1
                 FROM {name} old
                 LEFT JOIN writers ON writers.id = old.writer
                 WHERE old.seq > COALESCE(writers.published_seq, 0)
             )"
        )))
        .fetch_one(pool)
        .await?;
        if !unpublished {
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}"))).execute(pool).await?;
            tracing::info!(partition = name, "old partition of the outbox dropped");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::events::PRODUCT_UPDATED;
    use common::trace::Trace;

    #[test]
    fn events_are_numbered_without_a_gap() {
        let record = NewRecord {
            topic: &PRODUCT_UPDATED,
            event_type: "product.updated.v1",
            key: Uuid::nil(),
            value: "{}".to_owned(),
            trace: Trace::start(),
        };
        let events = number(vec![record.clone(), record], 41);
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [42, 43]);
    }

    #[test]
    fn partitions_are_named_so_that_they_sort_by_day() {
        let day = time::macros::date!(2031 - 02 - 03);
        assert_eq!(partition_name(day), "outbox_20310203");
    }
}
