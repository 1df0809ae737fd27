//! What the engine's own tables tell of trouble, a line each, for `<service> audit`.

use sqlx::postgres::PgPool;
use std::time::Duration;

/// Dead letters that nobody has settled.
///
/// # Errors
/// Those of Postgres.
pub async fn waiting_letters(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT format('dead letter %s, record %s/%s/%s of %s: %s', id, topic, partition, \"offset\", at, cause)
         FROM dead_letters
         WHERE status = 'dead'
         ORDER BY id",
    )
    .fetch_all(pool)
    .await
}

/// Writers with events that Kafka has not acknowledged for longer than `grace`.
///
/// # Errors
/// Those of Postgres.
pub async fn late_events(pool: &PgPool, grace: Duration) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT format('%s events of writer %s wait, the first one number %s of %s', late.events, id, late.first, late.since)
         FROM writers
         CROSS JOIN LATERAL (
             SELECT max(seq) - writers.published_seq AS events, writers.published_seq + 1 AS first,
                 min((COALESCE(\"values\"[1], value)::jsonb ->> 'time')::timestamptz) AS since
             FROM outbox
             WHERE writer = writers.id AND seq > writers.published_seq
         ) late
         WHERE late.since < now() - make_interval(secs => $1)
         ORDER BY late.since",
    )
    .bind(grace.as_secs_f64())
    .fetch_all(pool)
    .await
}
