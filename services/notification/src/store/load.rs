//! The rows that a batch works on, locked.

use super::unknown_word;
use crate::domain::{Channel, Command, Key, Notification, Set, Status};
use common::events::Template;
use engine::Rows;
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) async fn load(db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
    let notifications = notifications(db, commands.iter().filter_map(|command| command.id()).collect()).await?;
    Ok(Set { notifications, known: known(db, commands).await? })
}

/// A notification as its row has it.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) order_id: Uuid,
    pub(super) customer_id: String,
    pub(super) timeline_sequence: i32,
    pub(super) channel: String,
    pub(super) template: String,
    pub(super) recipient: String,
    pub(super) subject: Option<String>,
    pub(super) body: String,
    pub(super) html: Option<String>,
    pub(super) status: String,
    pub(super) attempts: i32,
    pub(super) last_error: Option<String>,
    pub(super) due_at: Option<OffsetDateTime>,
    pub(super) trace: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) sent_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Notification {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            order_id: row.order_id,
            customer_id: row.customer_id,
            timeline_sequence: row.timeline_sequence,
            channel: channel(&row.channel)?,
            template: Template::parse(&row.template).ok_or_else(|| unknown_word("template", &row.template))?,
            recipient: row.recipient,
            subject: row.subject,
            body: row.body,
            html: row.html,
            status: Status::parse(&row.status).ok_or_else(|| unknown_word("status", &row.status))?,
            attempts: row.attempts,
            last_error: row.last_error,
            due_at: row.due_at,
            trace: row.trace,
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}

fn channel(word: &str) -> Result<Channel, sqlx::Error> {
    Channel::parse(word).ok_or_else(|| unknown_word("channel", word))
}

async fn notifications(db: &mut PgConnection, ids: BTreeSet<Uuid>) -> Result<Rows<Uuid, Notification>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Rows::default());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, order_id, customer_id, timeline_sequence, channel, template, recipient, subject, body, html, status,
             attempts, last_error, due_at, trace, created_at, sent_at
         FROM notifications
         WHERE id = ANY($1)
         ORDER BY id
         FOR UPDATE",
        &ids,
    )
    .fetch_all(db)
    .await?;
    let rows: Vec<Notification> = rows.into_iter().map(Notification::try_from).collect::<Result<_, _>>()?;
    Ok(Rows::loaded(rows.into_iter().map(|row| (row.id, row))))
}

/// Which of the messages in `commands` were asked for before.
async fn known(db: &mut PgConnection, commands: &[&Command]) -> Result<HashSet<Key>, sqlx::Error> {
    let (mut orders, mut sequences) = (Vec::new(), Vec::new());
    for command in commands {
        if let Command::Requested(asked) = command {
            orders.push(asked.order_id);
            sequences.push(asked.timeline_sequence);
        }
    }
    if orders.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query!(
        "SELECT order_id, timeline_sequence, channel
         FROM notifications
         WHERE (order_id, timeline_sequence) IN (SELECT * FROM UNNEST($1::uuid[], $2::int[]))",
        &orders,
        &sequences,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok((row.order_id, row.timeline_sequence, channel(&row.channel)?))).collect()
}
