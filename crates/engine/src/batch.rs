//! One batch as one transaction: load, apply, save, commit once.

use crate::answer::Answer;
use crate::context::{Cause, Context, Ids};
use crate::idempotency::{Known, Repeat};
use crate::lanes::{IdempotencyKey, Item, Origin, Work};
use crate::outbox::{self, OutboxRow};
use crate::session::Session;
use crate::verdict::{Failure, judge};
use crate::{Machine, dead_letters};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

/// Where a writer stands: the numbers of its last committed batch and of its last outbox row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) writer: Uuid,
    pub(crate) batch: i64,
    pub(crate) seq: i64,
}

/// What is to be done once the batch is committed.
pub(crate) struct Outcome<E> {
    /// One for each item; `None` where nobody waits.
    pub(crate) answers: Vec<Option<Answer>>,
    pub(crate) rows: Vec<OutboxRow>,
    pub(crate) effects: Vec<(Cause, E)>,
    pub(crate) ignored: Vec<&'static str>,
    /// How many commands were applied.
    pub(crate) applied: usize,
}

/// Everything before COMMIT. `busy_bound`: how long it may take as a whole.
pub(crate) async fn prepare<M: Machine>(
    machine: &M,
    session: &mut Session,
    position: Position,
    published_seq: i64,
    items: &[Item<M::Command>],
    now: OffsetDateTime,
    busy_bound: Duration,
) -> Result<Outcome<M::Effect>, Failure> {
    let work = async {
        session.begin(position.writer, position.batch + 1, published_seq).await?;
        let keys: Vec<&IdempotencyKey> = items.iter().filter_map(key_of).collect();
        let mut known = Known::load(&mut session.db, &keys).await.map_err(judge)?;
        let commands: Vec<&M::Command> = items.iter().filter_map(|item| open_command(item, &known)).collect();
        let mut set = machine.load(&mut session.db, &commands).await.map_err(judge)?;
        let mut dead = Vec::new();
        let outcome = apply_all(machine, items, &mut set, &mut known, &mut dead, position.seq)?;
        machine.save(&mut session.db, &set).await.map_err(judge)?;
        let dead: Vec<_> = dead.iter().map(|(record, cause)| (*record, cause.as_str())).collect();
        dead_letters::insert(&mut session.db, &dead, now).await.map_err(judge)?;
        known.save(&mut session.db, now).await.map_err(judge)?;
        if !outcome.rows.is_empty() {
            outbox::insert(&mut session.db, position.writer, now.date(), &outcome.rows).await.map_err(judge)?;
        }
        Ok(outcome)
    };
    timeout(busy_bound, work)
        .await
        .unwrap_or_else(|_| Err(Failure::Infrastructure("the batch took too long before COMMIT".to_owned())))
}

fn key_of<C>(item: &Item<C>) -> Option<&IdempotencyKey> {
    match &item.origin {
        Origin::Request { idempotency, .. } => idempotency.as_ref(),
        _ => None,
    }
}

/// The item's command, unless it was judged, or answered before.
fn open_command<'a, C>(item: &'a Item<C>, known: &Known) -> Option<&'a C> {
    match &item.work {
        Work::Command(command) => match key_of(item).map(|key| known.repeat(key)) {
            None | Some(Repeat::First) => Some(command),
            Some(_) => None,
        },
        Work::Skip | Work::Condemned(_) => None,
    }
}

/// Applies the items one by one, in order.
fn apply_all<'a, M: Machine>(
    machine: &M,
    items: &'a [Item<M::Command>],
    set: &mut M::Set,
    known: &mut Known,
    dead: &mut Vec<(&'a crate::lanes::Record, String)>,
    last_seq: i64,
) -> Result<Outcome<M::Effect>, Failure> {
    let mut cx = Context::new(M::NAME, Ids::V7, Cause::own(OffsetDateTime::UNIX_EPOCH));
    let mut answers = Vec::with_capacity(items.len());
    let mut applied = 0;
    for (at, item) in items.iter().enumerate() {
        let command = match &item.work {
            Work::Command(command) => command,
            Work::Skip => {
                answers.push(None);
                continue;
            }
            Work::Condemned(cause) => {
                if let Origin::Event(record) = &item.origin {
                    dead.push((record, cause.clone()));
                }
                answers.push(None);
                continue;
            }
        };
        if let Some(key) = key_of(item) {
            match known.repeat(key) {
                Repeat::First => {}
                Repeat::Replay(answer) => {
                    answers.push(Some(answer));
                    continue;
                }
                Repeat::OtherRequest => {
                    answers.push(Some(key_reused()));
                    continue;
                }
            }
        }
        cx.caused_by(item.cause.clone());
        let reply = catch_unwind(AssertUnwindSafe(|| machine.apply(set, command, &mut cx)))
            .map_err(|panic| Failure::Panicked { at, message: panic_text(panic.as_ref()) })?;
        applied += 1;
        let answer = match (reply, &item.origin) {
            (Ok(reply), Origin::Request { .. }) => Some(reply.into()),
            (Err(poison), Origin::Event(record)) => {
                dead.push((record, poison.0));
                None
            }
            (Err(poison), _) => {
                tracing::error!(cause = poison.0, "a command that is no event was called poison");
                None
            }
            (Ok(_), _) => None,
        };
        if let (Some(key), Some(answer)) = (key_of(item), &answer)
            && answer.status < 500
        {
            known.store(key, answer);
        }
        answers.push(answer);
    }
    let rows = outbox::number(cx.take_records(), last_seq);
    let ignored = std::mem::take(&mut cx.ignored);
    Ok(Outcome { answers, rows, effects: std::mem::take(&mut cx.effects), ignored, applied })
}

/// RFC 9457, as every other problem of the services.
fn key_reused() -> Answer {
    Answer::json(
        422,
        &serde_json::json!({
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "code": "idempotency_key_reused",
            "detail": "this Idempotency-Key was used before, for another request",
        }),
    )
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("apply panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}
