//! One batch as one transaction: load, apply, save, commit once.

use crate::answer::Answer;
use crate::context::{Cause, Context, Ids};
use crate::dead_letters::{Settling, Verdict};
use crate::failpoints::{Guard, is_off};
use crate::idempotency::{Known, Repeat};
use crate::lanes::{IdempotencyKey, Item, Origin, Record, Work};
use crate::outbox::{self, OutboxEvent};
use crate::session::Session;
use crate::verdict::{Failure, judge};
use crate::{Machine, Poison, dead_letters};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

/// Where a writer stands: the numbers of its last committed batch and of its last event.
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
    pub(crate) events: Vec<OutboxEvent>,
    pub(crate) effects: Vec<(Cause, E)>,
    pub(crate) ignored: Vec<&'static str>,
    /// Which items became dead letters, and why.
    pub(crate) dead: Vec<(usize, String)>,
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
        session.begin(position, published_seq).await?;
        let db = &mut session.db;
        let keys: Vec<&IdempotencyKey> = items.iter().filter_map(Item::idempotency).collect();
        let known = Known::load(db, &keys).await.map_err(judge)?;
        let letters: Vec<Uuid> = items.iter().filter_map(Item::settlement).map(|s| s.letter).collect();
        let settling = Settling::load(db, &letters).await.map_err(judge)?;
        let commands: Vec<&M::Command> =
            items.iter().filter_map(|item| open_command(item, &known, &settling)).collect();
        let mut set = machine.load(db, &commands).await.map_err(judge)?;
        let batch = Applying::new(machine, known, settling);
        let (outcome, known, settling) = batch.all(items, &mut set, position.seq)?;
        machine.save(db, &set).await.map_err(judge)?;
        if is_off(Guard::Bury) && !outcome.dead.is_empty() {
            return Err(Failure::Infrastructure("a test lets nothing be buried".to_owned()));
        }
        let dead: Vec<(&Record, &str)> = outcome.dead.iter().filter_map(|dead| letter_of(items, dead)).collect();
        dead_letters::insert(db, &dead, now).await.map_err(judge)?;
        if !is_off(Guard::SettleWithEffect) {
            settling.save(db).await.map_err(judge)?;
        }
        known.save(db, now).await.map_err(judge)?;
        outbox::insert(db, position.writer, now.date(), &outcome.events).await.map_err(judge)?;
        Ok(outcome)
    };
    timeout(busy_bound, work)
        .await
        .unwrap_or_else(|_| Err(Failure::Infrastructure("the batch took too long before COMMIT".to_owned())))
}

/// The item's command, unless it was judged, answered before, or asks for the impossible.
fn open_command<'a, C>(item: &'a Item<C>, known: &Known, settling: &Settling) -> Option<&'a C> {
    let Work::Command(command) = &item.work else { return None };
    let is_first = item.idempotency().is_none_or(|key| matches!(known.repeat(key), Repeat::First));
    let is_open = item.settlement().is_none_or(|settlement| settling.refusal(settlement.letter).is_none());
    (is_first && is_open).then_some(command)
}

fn letter_of<'a, C>(items: &'a [Item<C>], (at, cause): &'a (usize, String)) -> Option<(&'a Record, &'a str)> {
    match &items[*at].origin {
        Origin::Event(record) => Some((record, cause)),
        _ => None,
    }
}

/// The items of one batch, applied one by one, in order.
struct Applying<'m, M: Machine> {
    machine: &'m M,
    known: Known,
    settling: Settling,
    cx: Context<M::Effect>,
    dead: Vec<(usize, String)>,
    applied: usize,
}

/// What became of one item's work: a reply where it has one, or why it failed for good.
type Done<R> = Result<Option<R>, String>;

impl<'m, M: Machine> Applying<'m, M> {
    fn new(machine: &'m M, known: Known, settling: Settling) -> Self {
        let cx = Context::new(M::NAME, Ids::V7, Cause::own(OffsetDateTime::UNIX_EPOCH));
        Self { machine, known, settling, cx, dead: Vec::new(), applied: 0 }
    }

    fn all(
        mut self,
        items: &[Item<M::Command>],
        set: &mut M::Set,
        last_seq: i64,
    ) -> Result<(Outcome<M::Effect>, Known, Settling), Failure> {
        let mut answers = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            answers.push(self.one(at, item, set)?);
        }
        let outcome = Outcome {
            answers,
            events: outbox::number(self.cx.take_records(), last_seq),
            effects: std::mem::take(&mut self.cx.effects),
            ignored: std::mem::take(&mut self.cx.ignored),
            dead: self.dead,
            applied: self.applied,
        };
        Ok((outcome, self.known, self.settling))
    }

    /// The answer, where somebody waits for one.
    fn one(&mut self, at: usize, item: &Item<M::Command>, set: &mut M::Set) -> Result<Option<Answer>, Failure> {
        if let Some(key) = item.idempotency() {
            match self.known.repeat(key) {
                Repeat::First => {}
                Repeat::Replay(answer) => return Ok(Some(answer)),
                Repeat::OtherRequest => return Ok(Some(key_reused())),
            }
        }
        let refusal = item.settlement().and_then(|settlement| self.settling.refusal(settlement.letter));
        let answer = match (refusal, item.settlement()) {
            (Some(refusal), _) => Some(refusal),
            (None, Some(settlement)) => {
                let verdict = self.work(at, item, set)?.map_or_else(Verdict::DeadAgain, |_| Verdict::Applied);
                Some(self.settling.settle(settlement, verdict, item.cause.at))
            }
            (None, None) => match (self.work(at, item, set)?, &item.origin) {
                (Ok(reply), Origin::Request { .. }) => reply.map(Into::into),
                (Err(cause), Origin::Event(_)) => {
                    self.dead.push((at, cause));
                    None
                }
                // Of what is neither a request nor an event, whoever tells of the batch reads the verdict off the item.
                _ => None,
            },
        };
        if let (Some(key), Some(answer)) = (item.idempotency(), &answer)
            && answer.status < 500
        {
            self.known.store(key, answer);
        }
        Ok(answer)
    }

    fn work(&mut self, at: usize, item: &Item<M::Command>, set: &mut M::Set) -> Result<Done<M::Reply>, Failure> {
        let command = match &item.work {
            Work::Command(command) => command,
            Work::Skip => return Ok(Ok(None)),
            Work::Condemned(cause) => return Ok(Err(cause.clone())),
        };
        self.cx.caused_by(item.cause.clone());
        let reply = catch_unwind(AssertUnwindSafe(|| self.machine.apply(set, command, &mut self.cx)))
            .map_err(|panic| Failure::Panicked { at, message: panic_text(panic.as_ref()) })?;
        self.applied += 1;
        Ok(match reply {
            Ok(reply) => Ok(Some(reply)),
            Err(Poison(cause)) => {
                if !matches!(item.origin, Origin::Event(_)) && item.settlement().is_none() {
                    tracing::error!(cause, "a command that is no event was called poison");
                }
                Err(cause)
            }
        })
    }
}

fn key_reused() -> Answer {
    let detail = "this Idempotency-Key was used before, for another request";
    Answer::problem(422, "Unprocessable Entity", "idempotency_key_reused", detail)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("apply panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}
