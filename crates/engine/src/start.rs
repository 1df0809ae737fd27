//! Puts the engine's tasks together, and takes them down in order.

use crate::answer::Answer;
use crate::consumer::{ConsumerTask, Offsets, Subscription};
use crate::context::Cause;
use crate::dead_letters::{DeadLetters, Settlement};
use crate::effects::{EFFECTS_MAX, Effects, Perform};
use crate::health::Health;
use crate::held::Manners;
use crate::kafka::{KafkaSettings, make_topics};
use crate::lanes::{Bounds, IdempotencyKey, Item, Origin, Refused, Slot, Work, lanes};
use crate::outbox::set_published;
use crate::publisher::Publisher;
use crate::session::SessionBounds;
use crate::sweeper::Sweeper;
use crate::threads::Threads;
use crate::timers::{Backoffs, TIMER_PAGE, Timer};
use crate::verdict::Verdicts;
use crate::writer::{WriterTask, new_position, short};
use crate::{Machine, backoff::Backoff};
use common::trace::Trace;
use sqlx::postgres::{PgConnectOptions, PgPool};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many consumed events may wait for the writer; more stay in Kafka.
const EVENT_LANE: usize = 4096;
/// How many batches the publisher may be behind before it reads from the outbox.
const HANDOVER_QUEUE: usize = 1024;
/// How long a request may wait to be taken by the writer.
const CLAIM_BOUND: Duration = Duration::from_secs(5);
/// How long a request that was taken may wait for its answer.
const ANSWER_BOUND: Duration = Duration::from_secs(10);
/// How long what is under way may take at the end.
const DRAIN_BOUND: Duration = Duration::from_secs(6);

/// What an engine needs to know.
pub struct Settings<M: Machine> {
    pub database: PgConnectOptions,
    /// For reads: due rows, the outbox, the sweeper.
    pub pool: PgPool,
    pub kafka: KafkaSettings,
    /// The most commands that one transaction takes.
    pub batch_max: usize,
    /// The writer rests twice as long as a batch took that leaves nothing waiting, and at most so long.
    pub batch_rest_max: Duration,
    /// How many requests may wait for the writer; more are refused at once.
    pub requests_max: usize,
    /// How many events may wait for Kafka before requests are refused.
    pub outbox_max_rows: i64,
    pub session: SessionBounds,
    pub subscriptions: Vec<Subscription<M::Command>>,
    /// How long Kafka may gather events before it hands them over; zero where an order waits for them.
    pub gather: Duration,
    pub timers: Vec<Timer<M::Command>>,
    pub perform: Option<Perform<M>>,
}

/// A command that somebody waits for.
#[derive(Debug)]
pub struct Request<C> {
    pub command: C,
    pub idempotency: Option<IdempotencyKey>,
    pub trace: Trace,
    pub request_id: String,
    /// The id that what is made would have, for an answer that does not know whether it was.
    pub id: Option<Uuid>,
}

/// Where handlers hand in commands.
pub struct Writer<M: Machine> {
    requests: mpsc::Sender<Item<M::Command>>,
    health: Arc<Health>,
}

impl<M: Machine> Clone for Writer<M> {
    fn clone(&self) -> Self {
        Self { requests: self.requests.clone(), health: Arc::clone(&self.health) }
    }
}

impl<M: Machine> Writer<M> {
    /// Hands in a command and waits for its answer.
    ///
    /// # Errors
    /// [`Refused::Busy`] means that it was not and will not be applied.
    pub async fn submit(&self, request: Request<M::Command>) -> Result<Answer, Refused> {
        let cause = Cause::of(request.trace, &request.request_id);
        let Request { command, idempotency, id, .. } = request;
        self.hand_in(Work::Command(command), idempotency, None, cause, id).await
    }

    /// The same for a dead letter, whose record asks for `work`.
    pub(crate) async fn settle(
        &self,
        request: Request<Settlement>,
        work: Work<M::Command>,
        cause: Cause,
    ) -> Result<Answer, Refused> {
        let Request { command: settlement, idempotency, id, .. } = request;
        self.hand_in(work, idempotency, Some(settlement), cause, id).await
    }

    async fn hand_in(
        &self,
        work: Work<M::Command>,
        idempotency: Option<IdempotencyKey>,
        settlement: Option<Settlement>,
        cause: Cause,
        id: Option<Uuid>,
    ) -> Result<Answer, Refused> {
        if !self.health.postgres() || self.health.outbox_full() {
            return Err(Refused::Busy);
        }
        let (slot, mut reply) = Slot::new();
        let origin = Origin::Request { slot: Arc::clone(&slot), idempotency, settlement };
        let item = Item::new(origin, work, cause);
        if self.requests.try_send(item).is_err() {
            metrics::counter!("rtoms_requests_refused_total").increment(1);
            return Err(Refused::Busy);
        }
        let unknown = Refused::OutcomeUnknown { id };
        if let Ok(answered) = timeout(CLAIM_BOUND, &mut reply).await {
            // Without an answer the writer has ended; what it had not taken was not applied.
            return answered.unwrap_or_else(|_| Err(if slot.withdraw() { Refused::Busy } else { unknown }));
        }
        if slot.withdraw() {
            return Err(Refused::Busy);
        }
        match timeout(ANSWER_BOUND, reply).await {
            Ok(Ok(answered)) => answered,
            _ => Err(unknown),
        }
    }
}

/// The running engine of one process.
pub struct Engine<M: Machine> {
    writer: Writer<M>,
    dead_letters: DeadLetters,
    health: Arc<Health>,
    stop_reading: CancellationToken,
    stop_publishing: CancellationToken,
    leave_group: CancellationToken,
    stop_writer: oneshot::Sender<()>,
    gone: CancellationToken,
    /// For the last word on what was published.
    pool: PgPool,
    writer_id: Uuid,
    tasks: Tasks,
    /// On which they run.
    _threads: Threads,
}

struct Tasks {
    writer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
    publishers: Vec<JoinHandle<()>>,
    consumer: JoinHandle<()>,
}

impl<M: Machine> Engine<M> {
    /// Starts all tasks, on threads of their own. Kafka may be away: the writer works without it. The schema has been
    /// migrated before.
    ///
    /// # Errors
    /// The threads can't be started.
    pub fn start(machine: M, settings: Settings<M>) -> io::Result<Self> {
        let threads = Threads::start()?;
        let health = Arc::new(Health::new(settings.outbox_max_rows));
        let bounds = Bounds {
            requests: settings.requests_max.max(1),
            events: EVENT_LANE,
            effects: EFFECTS_MAX,
            timers: usize::try_from(TIMER_PAGE).unwrap_or(usize::MAX),
        };
        let (inlets, lanes) = lanes(bounds, Manners::of::<M>());
        let (handovers, handed) = mpsc::channel(HANDOVER_QUEUE);
        let (swept, to_sweep) = mpsc::channel(1);
        let (stop_writer, stopped) = oneshot::channel();
        let stop_reading = CancellationToken::new();
        let stop_publishing = CancellationToken::new();
        let leave_group = CancellationToken::new();
        let topics_ready = CancellationToken::new();
        let gone = CancellationToken::new();
        let position = new_position();
        let pool = settings.pool.clone();
        let offsets = Offsets::new();
        let backoffs = Arc::new(Backoffs::default());
        tracing::info!(writer = short(position.writer), "the writer starts");

        let writer = WriterTask {
            machine: Arc::new(machine),
            lanes,
            database: settings.database,
            bounds: settings.session,
            batch_max: settings.batch_max.max(1),
            rest_max: settings.batch_rest_max,
            health: Arc::clone(&health),
            effects: Effects::new(settings.perform, inlets.effects),
            offsets: offsets.clone(),
            backoffs: Arc::clone(&backoffs),
            handovers,
            position,
            session: None,
            verdicts: Verdicts::default(),
        };
        let publisher = Publisher {
            settings: settings.kafka.clone(),
            pool: settings.pool.clone(),
            writer: position.writer,
            health: Arc::clone(&health),
            handovers: handed,
            swept: to_sweep,
            ready: topics_ready.clone(),
            stop: stop_publishing.clone(),
        };
        let sweeper =
            Sweeper { pool: settings.pool.clone(), own: position.writer, swept, stop: stop_publishing.clone() };
        let api = Writer { requests: inlets.requests, health: Arc::clone(&health) };
        let dead_letters = DeadLetters::new(pool.clone(), api.clone(), settings.subscriptions.clone());
        let consumer = ConsumerTask {
            settings: settings.kafka.clone(),
            group: M::NAME,
            subscriptions: settings.subscriptions,
            gather: settings.gather,
            lane: inlets.events,
            offsets,
            health: Arc::clone(&health),
            ready: topics_ready.clone(),
            stop: stop_reading.clone(),
            leave: leave_group.clone(),
        };
        let mut readers = vec![threads.spawn(prepare_topics(
            settings.kafka,
            Arc::clone(&health),
            topics_ready,
            stop_reading.clone(),
        ))];
        for timer in settings.timers {
            let (pool, lane, backoffs) = (settings.pool.clone(), inlets.timers.clone(), Arc::clone(&backoffs));
            readers.push(threads.spawn(timer.run(pool, lane, backoffs, stop_reading.clone())));
        }
        let tasks = Tasks {
            writer: threads.spawn({
                let guard = gone.clone().drop_guard();
                async move {
                    let _guard = guard;
                    writer.run(stopped).await;
                }
            }),
            readers,
            publishers: vec![threads.spawn(publisher.run()), threads.spawn(sweeper.run())],
            consumer: threads.spawn(consumer.run()),
        };
        Ok(Self {
            writer: api,
            dead_letters,
            health,
            stop_reading,
            stop_publishing,
            leave_group,
            stop_writer,
            gone,
            pool,
            writer_id: position.writer,
            tasks,
            _threads: threads,
        })
    }

    #[must_use]
    pub fn writer(&self) -> Writer<M> {
        self.writer.clone()
    }

    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        self.dead_letters.clone()
    }

    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Cancelled when the writer has ended, also by a panic of `load` or `save`: then the process has to end too.
    #[must_use]
    pub fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// After HTTP is drained: reads no more, finishes what was read, flushes the producer, leaves the group.
    pub async fn stop(self) {
        self.stop_reading.cancel();
        for reader in self.tasks.readers {
            let _ = timeout(DRAIN_BOUND, reader).await;
        }
        let _ = self.stop_writer.send(());
        if timeout(DRAIN_BOUND, self.tasks.writer).await.is_err() {
            tracing::warn!("the writer did not finish in time");
        }
        self.stop_publishing.cancel();
        for publisher in self.tasks.publishers {
            let _ = timeout(DRAIN_BOUND, publisher).await;
        }
        let last_word = set_published(&self.pool, self.writer_id, self.health.published_seq());
        if !matches!(timeout(DRAIN_BOUND, last_word).await, Ok(Ok(()))) {
            tracing::warn!("the cursor was not moved at the end: some events will be published twice");
        }
        self.leave_group.cancel();
        let _ = timeout(DRAIN_BOUND, self.tasks.consumer).await;
    }
}

/// Tries until the topics are there.
async fn prepare_topics(
    settings: KafkaSettings,
    health: Arc<Health>,
    ready: CancellationToken,
    stop: CancellationToken,
) {
    let mut waiting = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let made = tokio::select! {
            made = make_topics(&settings) => made,
            () = stop.cancelled() => return,
        };
        match made {
            Ok(()) => {
                health.set_kafka(true);
                ready.cancel();
                return;
            }
            Err(cause) => {
                tracing::warn!(cause, "topics are not there yet");
                health.set_kafka(false);
            }
        }
        sleep(waiting.next_delay()).await;
    }
}
