//! Hands committed events to the producer, in order, and keeps count of what Kafka has acknowledged.
//!
//! Nothing is lost by anything that happens here: an event above the cursor is in the outbox, and is read again.

use crate::backoff::Backoff;
use crate::failpoints::{Guard, Point, hit, is_off};
use crate::health::Health;
use crate::kafka::{KafkaContext, KafkaSettings};
use crate::outbox::{OutboxEvent, above};
use common::events::{CONTENT_TYPE, ORDER_CREATED, Topic, partition};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Partitioner, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use sqlx::postgres::PgPool;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often the publisher looks whether the outbox holds more than it was handed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The events of one batch.
pub(crate) struct Handover {
    pub(crate) first_seq: i64,
    pub(crate) events: Vec<OutboxEvent>,
}

/// Events of another writer, to be published for it.
pub(crate) struct Swept {
    pub(crate) events: Vec<OutboxEvent>,
    pub(crate) reports: Arc<Reports>,
}

/// Counts down the delivery reports of one handover.
pub(crate) struct Reports {
    open: AtomicUsize,
    failed: AtomicBool,
    changed: Arc<Notify>,
}

impl Reports {
    pub(crate) fn new(events: usize, changed: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(events), failed: AtomicBool::new(false), changed })
    }

    pub(crate) fn done(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn report(&self, delivered: bool) {
        if !delivered {
            self.failed.store(true, Ordering::Release);
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 || !delivered {
            self.changed.notify_one();
        }
    }
}

/// Asked by librdkafka, which knows how many partitions a topic has.
struct ByKey;

impl Partitioner for ByKey {
    fn partition(&self, topic: &str, key: Option<&[u8]>, count: i32, _is_available: impl Fn(i32) -> bool) -> i32 {
        let key = key.and_then(|key| Uuid::try_parse_ascii(key).ok()).unwrap_or_default();
        let Some(topic) = Topic::named(topic) else { return 0 };
        i32::try_from(partition(topic, key, count.unsigned_abs())).unwrap_or(0)
    }
}

struct Deliveries {
    kafka: KafkaContext,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        self.kafka.error(error, reason);
    }

    fn stats_raw(&self, report: &[u8]) {
        self.kafka.stats_raw(report);
    }
}

impl ProducerContext<ByKey> for Deliveries {
    type DeliveryOpaque = Arc<Reports>;

    fn delivery(&self, result: &DeliveryResult<'_>, reports: Arc<Reports>) {
        match result {
            Ok(_) => self.kafka.health.set_kafka(true),
            Err((error, _)) => tracing::warn!(%error, "an event was not delivered and will be sent again"),
        }
        reports.report(result.is_ok());
    }

    fn get_custom_partitioner(&self) -> Option<&ByKey> {
        Some(&ByKey)
    }
}

type KafkaProducer = ThreadedProducer<Deliveries, ByKey>;

/// What was handed to the producer and is not yet acknowledged: in order, with the number of its last event.
struct InFlight {
    last_seq: i64,
    reports: Arc<Reports>,
}

pub(crate) struct Publisher {
    pub(crate) settings: KafkaSettings,
    pub(crate) pool: PgPool,
    pub(crate) writer: Uuid,
    pub(crate) health: Arc<Health>,
    pub(crate) handovers: mpsc::Receiver<Handover>,
    pub(crate) swept: mpsc::Receiver<Swept>,
    /// Topics are there.
    pub(crate) ready: CancellationToken,
    pub(crate) stop: CancellationToken,
}

struct State {
    producer: Arc<KafkaProducer>,
    handed_seq: i64,
    in_flight: VecDeque<InFlight>,
    changed: Arc<Notify>,
}

impl Publisher {
    /// Runs until it is told to stop; then what is in flight gets some time to arrive.
    pub(crate) async fn run(mut self) {
        tokio::select! {
            () = self.ready.cancelled() => {}
            () = self.stop.cancelled() => return,
        }
        let Some(producer) = self.make_producer().await else { return };
        let mut state = State { producer, handed_seq: 0, in_flight: VecDeque::new(), changed: Arc::new(Notify::new()) };
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = state.changed.notified() => {}
                Some(handover) = self.handovers.recv() => self.take(&mut state, handover).await,
                Some(swept) = self.swept.recv() => self.send(&mut state, &swept.events, &swept.reports).await,
                _ = look.tick() => {
                    self.look_for_kafka(&state).await;
                    self.catch_up(&mut state).await;
                }
                () = self.stop.cancelled() => break,
            }
            if !self.advance(&mut state) {
                self.replace_producer(&mut state).await;
            }
        }
        self.finish(state).await;
    }

    /// Where Kafka was away: whether it is back, also while there is nothing to send.
    async fn look_for_kafka(&self, state: &State) {
        if self.health.kafka() {
            return;
        }
        let producer = Arc::clone(&state.producer);
        let asked = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(Some(ORDER_CREATED.name), Duration::from_secs(1)).is_ok()
        });
        if let Ok(true) = asked.await {
            self.health.set_kafka(true);
        }
    }

    /// The next events, where none is missing before them; else the gap is read from the outbox.
    async fn take(&mut self, state: &mut State, handover: Handover) {
        let Some(last) = handover.events.last().map(|event| event.seq) else { return };
        if last <= state.handed_seq {
            return;
        }
        if handover.first_seq != state.handed_seq + 1 {
            self.catch_up(state).await;
            return;
        }
        self.hand(state, &handover.events).await;
    }

    /// Reads what was committed and not handed over.
    async fn catch_up(&mut self, state: &mut State) {
        while state.handed_seq < self.health.committed_seq() && !self.stop.is_cancelled() {
            match timeout(Duration::from_secs(5), above(&self.pool, self.writer, state.handed_seq)).await {
                Ok(Ok(events)) if events.is_empty() => return,
                Ok(Ok(events)) => self.hand(state, &events).await,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the outbox can't be read");
                    return;
                }
                Err(_) => return,
            }
        }
    }

    async fn hand(&mut self, state: &mut State, events: &[OutboxEvent]) {
        let Some(last_seq) = events.last().map(|event| event.seq) else { return };
        let reports = Reports::new(events.len(), Arc::clone(&state.changed));
        state.in_flight.push_back(InFlight { last_seq, reports: Arc::clone(&reports) });
        state.handed_seq = last_seq;
        if is_off(Guard::CursorAfterReport) {
            self.health.set_published_seq(last_seq);
        }
        self.send(state, events, &reports).await;
    }

    /// Enqueues events in order, waiting while the producer's queue is full.
    async fn send(&mut self, state: &mut State, events: &[OutboxEvent], reports: &Arc<Reports>) {
        for event in events {
            let mut buffer = Uuid::encode_buffer();
            let key: &str = event.key.as_hyphenated().encode_lower(&mut buffer);
            let mut record = BaseRecord::with_opaque_to(&event.topic, Arc::clone(reports))
                .key(key)
                .payload(event.value.as_str())
                .headers(headers(event));
            while let Err((error, refused)) = state.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    tracing::warn!(%error, topic = event.topic, "an event was not enqueued");
                    reports.report(false);
                    return;
                }
                self.advance(state);
                if self.stop.is_cancelled() || reports.failed() {
                    reports.report(false);
                    return;
                }
                sleep(Duration::from_millis(10)).await;
                record = refused;
            }
        }
    }

    /// Moves the cursor over what was acknowledged; false where a delivery failed, or the producer gave up.
    fn advance(&self, state: &mut State) -> bool {
        while let Some(first) = state.in_flight.front() {
            if first.reports.failed() {
                return false;
            }
            if !first.reports.done() {
                break;
            }
            hit(Point::AfterPublish);
            self.health.set_published_seq(first.last_seq);
            state.in_flight.pop_front();
        }
        state.producer.client().fatal_error().is_none()
            && state.in_flight.iter().all(|handover| !handover.reports.failed())
    }

    /// After a failed delivery: a new producer, which starts again at the cursor.
    async fn replace_producer(&mut self, state: &mut State) {
        tracing::warn!(from_seq = self.health.published_seq() + 1, "the producer is replaced");
        sleep(Duration::from_secs(1)).await;
        state.producer.purge(PurgeConfig::default().queue().inflight());
        let Some(producer) = self.make_producer().await else { return };
        let old = std::mem::replace(&mut state.producer, producer);
        // Its threads are joined, which blocks.
        tokio::task::spawn_blocking(move || drop(old));
        state.in_flight.clear();
        state.handed_seq = self.health.published_seq();
        self.catch_up(state).await;
    }

    async fn make_producer(&self) -> Option<Arc<KafkaProducer>> {
        let mut waiting = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        while !self.stop.is_cancelled() {
            let context = Deliveries { kafka: KafkaContext { health: Arc::clone(&self.health) } };
            match self.settings.producer().create_with_context(context) {
                Ok(producer) => return Some(Arc::new(producer)),
                Err(error) => tracing::error!(%error, "no producer"),
            }
            sleep(waiting.next_delay()).await;
        }
        None
    }

    /// At the end: what is committed goes out, if Kafka takes it in time.
    async fn finish(&mut self, mut state: State) {
        while let Ok(handover) = self.handovers.try_recv() {
            if handover.first_seq == state.handed_seq + 1 {
                self.hand(&mut state, &handover.events).await;
            }
        }
        let producer = Arc::clone(&state.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(5)));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::warn!("the producer was not flushed in time: another process will publish the rest");
        }
        self.advance(&mut state);
        tokio::task::spawn_blocking(move || drop(state));
    }
}

fn headers(event: &OutboxEvent) -> OwnedHeaders {
    OwnedHeaders::new_with_capacity(2)
        .insert(Header { key: "content-type", value: Some(CONTENT_TYPE) })
        .insert(Header { key: "traceparent", value: Some(event.traceparent.as_str()) })
}
