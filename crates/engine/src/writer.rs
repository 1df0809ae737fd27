//! The loop that makes all changes of a service: gather, prepare, COMMIT, and then tell everybody.

use crate::answer::Answer;
use crate::batch::{Outcome, Position, prepare};
use crate::consumer::Offsets;
use crate::effects::Effects;
use crate::failpoints::{Guard, Point, hit, is_off};
use crate::health::Health;
use crate::lanes::{Item, Lanes, Origin, Refused, Work};
use crate::publisher::Handover;
use crate::session::{Backend, Session, SessionBounds};
use crate::timers::Backoffs;
use crate::verdict::{Accusation, Failure, Verdicts};
use crate::{Machine, backoff::Backoff};
use sqlx::postgres::PgConnectOptions;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use uuid::Uuid;

/// How often an idle writer shows that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// How many times as long as a batch took the writer rests after it, so that more gathers. A transaction takes longer the
/// more the machine has to do: so batches grow with the load, and an idle service answers soon.
const REST: u32 = 2;
/// How many conflicts in a row are taken for bad luck.
const MAX_CONFLICTS: u32 = 20;
/// How often a unique violation may be another replica's doing.
const MAX_RACES: u32 = 3;

type Batch<M> = Vec<Item<<M as Machine>::Command>>;

pub(crate) struct WriterTask<M: Machine> {
    pub(crate) machine: Arc<M>,
    pub(crate) lanes: Lanes<M::Command>,
    pub(crate) database: PgConnectOptions,
    pub(crate) bounds: SessionBounds,
    pub(crate) batch_max: usize,
    /// The longest rest after a batch that leaves nothing waiting.
    pub(crate) rest_max: Duration,
    pub(crate) health: Arc<Health>,
    pub(crate) effects: Effects<M>,
    pub(crate) offsets: Offsets,
    pub(crate) backoffs: Arc<Backoffs>,
    pub(crate) handovers: mpsc::Sender<Handover>,
    pub(crate) position: Position,
    pub(crate) session: Option<Session>,
    pub(crate) verdicts: Verdicts,
}

impl<M: Machine> WriterTask<M> {
    /// Runs until all lanes are closed and empty.
    pub(crate) async fn run(mut self, mut stop: tokio::sync::oneshot::Receiver<()>) {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        let mut not_before = Instant::now();
        loop {
            let take_events = self.effects.room(self.batch_max);
            let batch = tokio::select! {
                biased;
                _ = &mut stop, if !stopping => {
                    stopping = true;
                    self.lanes.close();
                    continue;
                }
                _ = heartbeat.tick() => {
                    self.beat().await;
                    continue;
                }
                batch = async {
                    sleep_until(not_before).await;
                    self.lanes.gather(self.batch_max, take_events || stopping).await
                } => batch,
            };
            match batch {
                Some(batch) => {
                    if is_off(Guard::OffsetsAfterCommit) {
                        self.store_early(&batch).await;
                    }
                    let (is_full, began) = (batch.len() >= self.batch_max, Instant::now());
                    self.settle(batch).await;
                    if !is_full {
                        not_before = Instant::now() + self.rest_max.min(REST * began.elapsed());
                    }
                }
                None => break,
            }
        }
    }

    /// Brings every item of `batch` to its end, however long that takes.
    async fn settle(&mut self, batch: Batch<M>) {
        let mut todo = VecDeque::from([batch]);
        let mut conflicts = 0;
        let mut races = 0;
        let mut waiting = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        while let Some(mut batch) = todo.pop_front() {
            if batch.is_empty() {
                continue;
            }
            let failure = match self.attempt(&mut batch).await {
                Ok(outcome) => {
                    (conflicts, races) = (0, 0);
                    waiting.reset();
                    self.tell(batch, outcome);
                    continue;
                }
                Err(failure) => failure,
            };
            if let Some(cause) = rash_verdict(&failure) {
                condemn(&mut batch, &cause);
                todo.push_front(batch);
                continue;
            }
            let trouble = match failure {
                Failure::Panicked { at, message } => {
                    condemn(&mut batch[at..=at], &message);
                    None
                }
                Failure::Conflict(error) => {
                    conflicts += 1;
                    metrics::counter!("rtoms_conflicts_total").increment(1);
                    sleep(Duration::from_millis(u64::from(conflicts))).await;
                    (conflicts > MAX_CONFLICTS).then(|| format!("{MAX_CONFLICTS} conflicts in a row: {error}"))
                }
                Failure::Accused(accusation) if accusation.may_be_a_race() && races < MAX_RACES - 1 => {
                    races += 1;
                    None
                }
                Failure::Accused(_) if batch.len() > 1 => {
                    races = 0;
                    let right = batch.split_off(batch.len() / 2);
                    todo.push_front(right);
                    None
                }
                Failure::Accused(accusation) => {
                    races = 0;
                    self.judge(&mut batch, &accusation)
                }
                Failure::Infrastructure(cause) => Some(cause),
                // It is known by now: nothing was committed.
                Failure::OutcomeUnknown(_) => None,
            };
            todo.push_front(batch);
            if let Some(cause) = trouble {
                self.health.set_postgres(false);
                tracing::warn!(cause, "a batch waits for its next try");
                todo.iter_mut().for_each(refuse_requests);
                sleep(waiting.next_delay()).await;
            }
        }
    }

    /// The verdict over a command that fails alone. The trouble, where it is rather the schema that is broken.
    fn judge(&mut self, alone: &mut [Item<M::Command>], accusation: &Accusation) -> Option<String> {
        let cause = format!("{} {}", accusation.code, accusation.message);
        if !self.verdicts.believes(accusation) {
            return Some(format!("the third verdict in a row of one kind: {cause}"));
        }
        condemn(alone, &cause);
        None
    }

    /// One try of `batch`; it is committed where this returns an outcome.
    async fn attempt(&mut self, batch: &mut Batch<M>) -> Result<Outcome<M::Effect>, Failure> {
        if batch.iter().all(|item| matches!((&item.work, &item.origin), (Work::Skip, Origin::Event(_)))) {
            return Ok(Outcome::nothing(batch.len()));
        }
        let started = Instant::now();
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let published = self.health.published_seq();
        let now = common::clock::now();
        let prepared =
            prepare(&*self.machine, &mut session, self.position, published, batch, now, self.bounds.client).await;
        let outcome = match prepared {
            Ok(outcome) => outcome,
            // The connection is dropped: whatever it still did, it never sent COMMIT.
            Err(failure @ Failure::Infrastructure(_)) => return Err(failure),
            Err(failure) => {
                if session.rollback().await.is_ok() {
                    self.session = Some(session);
                }
                return Err(failure);
            }
        };
        hit(Point::BeforeCommit);
        if batch.iter().any(|item| item.idempotency().is_some()) {
            hit(Point::BeforeKeyedCommit);
        }
        match session.commit(self.bounds.client).await {
            Ok(()) => self.session = Some(session),
            Err(Failure::OutcomeUnknown(cause)) => {
                tracing::warn!(cause, "COMMIT was not answered");
                let old = session.backend;
                drop(session);
                if is_off(Guard::AskWhatCommitDid) || !self.was_committed(old).await {
                    return Err(Failure::OutcomeUnknown(cause));
                }
            }
            Err(failure) => {
                if session.rollback().await.is_ok() {
                    self.session = Some(session);
                }
                return Err(failure);
            }
        }
        hit(Point::AfterCommit);
        self.position.batch += 1;
        self.health.set_postgres(true);
        if outcome.applied > 0 {
            self.verdicts.forget();
        }
        metrics::counter!("rtoms_batches_total").increment(1);
        metrics::counter!("rtoms_batch_commands_total").increment(outcome.applied as u64);
        metrics::histogram!("rtoms_batch_size").record(batch.len() as f64);
        metrics::histogram!("rtoms_batch_seconds").record(started.elapsed());
        Ok(outcome)
    }

    /// Connects, and makes the writer known.
    async fn connect(&mut self) -> Result<Session, Failure> {
        let mut session = Session::connect(&self.database, &self.bounds).await?;
        session.register(self.position, self.health.published_seq()).await?;
        Ok(session)
    }

    /// Finds out what a COMMIT without an answer did; tries until Postgres tells. The requests of the batch stay claimed.
    async fn was_committed(&mut self, old: Backend) -> bool {
        let mut waiting = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let asked = async {
                let mut session = Session::connect(&self.database, &self.bounds).await?;
                let last = session.last_batch(old, self.position.writer, self.bounds.client).await;
                let last = last.map_err(|e| Failure::Infrastructure(e.to_string()))?;
                Ok::<_, Failure>((session, last))
            };
            match asked.await {
                Ok((session, last)) => {
                    self.session = Some(session);
                    return last == Some(self.position.batch + 1);
                }
                Err(failure) => {
                    self.health.set_postgres(false);
                    tracing::warn!(?failure, "what the last COMMIT did is not known yet");
                    sleep(waiting.next_delay()).await;
                }
            }
        }
    }

    /// After the commit: answers, events, effects, offsets.
    fn tell(&mut self, batch: Batch<M>, outcome: Outcome<M::Effect>) {
        let first_seq = self.position.seq + 1;
        if let Some(last) = outcome.events.last() {
            self.position.seq = last.seq;
            // Where its queue is full, the publisher reads them from the outbox.
            let _ = self.handovers.try_send(Handover { first_seq, events: outcome.events });
            self.health.set_committed_seq(self.position.seq);
        }
        self.effects.start(outcome.effects);
        for why in outcome.ignored {
            metrics::counter!("rtoms_events_ignored_total", "why" => why).increment(1);
        }
        for (at, cause) in &outcome.dead {
            if let Origin::Event(record) = &batch[*at].origin {
                let (topic, partition, offset) = (record.topic, record.partition, record.offset);
                metrics::counter!("rtoms_dead_letters_total", "topic" => topic).increment(1);
                tracing::error!(topic, partition, offset, cause, "a record went to the dead letters");
            }
        }
        for (item, answer) in batch.into_iter().zip(outcome.answers) {
            match item.origin {
                Origin::Request { slot, .. } => slot.answer(answer.ok_or(Refused::Failed)),
                Origin::Event(record) => self.offsets.finished(&record, item.was_held),
                Origin::Timer { key, .. } => {
                    if let Work::Condemned(cause) = &item.work {
                        tracing::error!(%key, cause, "a row past its deadline failed and waits");
                        self.backoffs.punish(key);
                    }
                }
                Origin::Effect { .. } => {
                    if let Work::Condemned(cause) = &item.work {
                        tracing::error!(cause, "the result of an effect failed; its lease will run out");
                    }
                }
            }
        }
        hit(Point::BeforeOffsets);
        self.offsets.store(&self.lanes.lowest_held());
    }

    /// What a test sees lost where offsets do not wait for the commit.
    async fn store_early(&mut self, batch: &Batch<M>) {
        for item in batch {
            if let Origin::Event(record) = &item.origin {
                self.offsets.finished(record, item.was_held);
            }
        }
        self.offsets.store(&self.lanes.lowest_held());
        // Longer than the interval at which librdkafka tells the broker.
        sleep(Duration::from_secs(2)).await;
    }

    /// Shows that the writer lives, also when nothing happens.
    async fn beat(&mut self) {
        let beat = async {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => self.connect().await?,
            };
            let beaten = session.beat(self.position.writer, self.health.published_seq());
            match tokio::time::timeout(self.bounds.client, beaten).await {
                Ok(Ok(())) => Ok(session),
                Ok(Err(error)) => Err(Failure::Infrastructure(error.to_string())),
                Err(_) => Err(Failure::Infrastructure("the heartbeat took too long".to_owned())),
            }
        };
        match beat.await {
            Ok(session) => {
                self.session = Some(session);
                self.health.set_postgres(true);
            }
            Err(failure) => {
                self.health.set_postgres(false);
                tracing::debug!(?failure, "no heartbeat");
            }
        }
    }
}

impl<E> Outcome<E> {
    /// Of a batch that holds nothing to do.
    fn nothing(items: usize) -> Self {
        Self {
            answers: std::iter::repeat_with(|| None).take(items).collect::<Vec<Option<Answer>>>(),
            events: Vec::new(),
            effects: Vec::new(),
            ignored: Vec::new(),
            dead: Vec::new(),
            applied: 0,
        }
    }
}

fn condemn<C>(items: &mut [Item<C>], cause: &str) {
    for item in items {
        item.work = Work::Condemned(cause.to_owned());
    }
}

/// The verdict over a whole batch, where a test has switched off what is done instead.
fn rash_verdict(failure: &Failure) -> Option<String> {
    let off = match failure {
        Failure::Conflict(_) => is_off(Guard::RetryConflicts),
        Failure::Infrastructure(_) => is_off(Guard::InfrastructureWaits),
        Failure::Accused(accusation) => {
            is_off(Guard::HalveAccused) || (accusation.may_be_a_race() && is_off(Guard::RetryRaces))
        }
        Failure::Panicked { .. } | Failure::OutcomeUnknown(_) => false,
    };
    off.then(|| format!("{failure:?}"))
}

/// Requests are not kept waiting for the infrastructure: they were not applied, and their callers are told so.
fn refuse_requests<C>(batch: &mut Vec<Item<C>>) {
    batch.retain(|item| match &item.origin {
        Origin::Request { slot, .. } => {
            slot.answer(Err(Refused::Busy));
            false
        }
        _ => true,
    });
}

/// A new writer: one a process, and never the same twice.
pub(crate) fn new_position() -> Position {
    Position { writer: common::ids::new(), batch: 0, seq: 0 }
}

/// Names the writer in logs.
pub(crate) fn short(writer: Uuid) -> String {
    writer.simple().to_string()[20..].to_owned()
}
