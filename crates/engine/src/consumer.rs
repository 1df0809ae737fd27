//! Events on their way in: each record becomes a command, in the order of its partition.

use crate::context::Cause;
use crate::dead_letters::KEPT_BYTES;
use crate::health::Health;
use crate::held::Lowest;
use crate::kafka::{KafkaContext, KafkaSettings};
use crate::lanes::{Item, Origin, Partition, Record, Work};
use common::events::{Envelope, Received, Topic, Unreadable};
use common::trace::Trace;
use rdkafka::consumer::{Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a full lane is waited for before the partitions are paused. Shorter would throw away what librdkafka has
/// fetched ahead; the group takes a consumer for dead that does not poll for five minutes.
const PAUSE_AFTER: Duration = Duration::from_secs(5);
/// How long leaving the group may take.
const CLOSE_BOUND: Duration = Duration::from_secs(5);

/// One topic that a service reads.
pub struct Subscription<C> {
    pub topic: &'static Topic,
    pub read: Read<C>,
}

/// From a record's value (`None` for a tombstone) to what it asks for.
pub type Read<C> = fn(Option<&[u8]>) -> Result<Parsed<C>, Unreadable>;

impl<C> Clone for Subscription<C> {
    fn clone(&self) -> Self {
        Self { topic: self.topic, read: self.read }
    }
}

/// What a record asks for.
#[derive(Debug, PartialEq)]
pub struct Parsed<C> {
    /// `None` for a tombstone.
    pub envelope: Option<Envelope>,
    /// `None`: nothing that this service knows or cares for, skipped and counted.
    pub command: Option<C>,
}

impl<C> Parsed<C> {
    /// The command that `event` asks for, if it is of a known type and means something here.
    pub fn of<E>(received: Received<E>, command: impl FnOnce(E) -> Option<C>) -> Self {
        if received.event.is_none() {
            metrics::counter!("rtoms_events_ignored_total", "why" => "unknown type").increment(1);
        }
        Self { envelope: Some(received.envelope), command: received.event.and_then(command) }
    }

    /// Nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self { envelope: None, command: None }
    }
}

struct Context {
    kafka: KafkaContext,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.kafka.error(error, reason);
    }

    fn stats_raw(&self, report: &[u8]) {
        self.kafka.stats_raw(report);
    }
}

impl ConsumerContext for Context {}

type GroupConsumer = StreamConsumer<Context>;

/// Stores the ends of what is finished in the consumer, after the commit.
#[derive(Clone)]
pub(crate) struct Offsets {
    consumer: Arc<OnceLock<Arc<GroupConsumer>>>,
    ends: Ends,
}

impl Offsets {
    pub(crate) fn new() -> Self {
        Self { consumer: Arc::new(OnceLock::new()), ends: Ends::default() }
    }

    /// `was_held`: later ones of its partition may have been finished before it.
    pub(crate) fn finished(&mut self, record: &Record, was_held: bool) {
        self.ends.finished((record.topic, record.partition), record.offset, was_held);
    }

    /// Up to what is `held`. For a partition that was just revoked this fails, and that is fine: its next owner reads
    /// the record again.
    pub(crate) fn store(&mut self, held: &Lowest) {
        let Some(consumer) = self.consumer.get() else { return };
        let mut list = TopicPartitionList::new();
        for ((topic, partition), end) in self.ends.take(held) {
            // Fails only for offsets that can't be.
            let _ = list.add_partition_offset(topic, partition, Offset::Offset(end));
        }
        if list.count() > 0
            && let Err(error) = consumer.store_offsets(&list)
        {
            tracing::debug!(%error, "offsets of revoked partitions");
        }
    }
}

/// How far each partition is finished.
#[derive(Clone, Default)]
struct Ends {
    ends: HashMap<Partition, i64>,
    /// Where something was finished since the last time.
    changed: HashSet<Partition>,
}

impl Ends {
    /// Where nothing was held, a lower offset than before means that the partition is read again.
    fn finished(&mut self, partition: Partition, offset: i64, was_held: bool) {
        let end = self.ends.entry(partition).or_insert(0);
        *end = if was_held { (offset + 1).max(*end) } else { offset + 1 };
        self.changed.insert(partition);
    }

    /// Of the partitions that changed: what comes after the last record before which all are finished.
    fn take(&mut self, held: &Lowest) -> Vec<(Partition, i64)> {
        let end = |partition| {
            let end = self.ends[&partition];
            held.get(&partition).map_or(end, |first| end.min(*first))
        };
        self.changed.drain().map(|partition| (partition, end(partition))).collect()
    }
}

pub(crate) struct ConsumerTask<C> {
    pub(crate) settings: KafkaSettings,
    pub(crate) group: &'static str,
    pub(crate) subscriptions: Vec<Subscription<C>>,
    pub(crate) gather: Duration,
    pub(crate) lane: mpsc::Sender<Item<C>>,
    pub(crate) offsets: Offsets,
    pub(crate) health: Arc<Health>,
    /// Topics are there.
    pub(crate) ready: CancellationToken,
    /// No more records.
    pub(crate) stop: CancellationToken,
    /// What was read is finished and stored: the group may be left.
    pub(crate) leave: CancellationToken,
}

impl<C: Send + 'static> ConsumerTask<C> {
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.ready.cancelled() => {}
            () = self.stop.cancelled() => return,
        }
        let Some(consumer) = self.join().await else { return };
        self.read(&consumer).await;
        self.leave.cancelled().await;
        drop(self.offsets);
        let closing = tokio::task::spawn_blocking(move || drop(consumer));
        if timeout(CLOSE_BOUND, closing).await.is_err() {
            tracing::warn!("leaving the consumer group took too long");
        }
    }

    /// Makes the consumer and joins the group.
    async fn join(&self) -> Option<Arc<GroupConsumer>> {
        let topics: Vec<&str> = self.subscriptions.iter().map(|s| s.topic.name).collect();
        while !self.stop.is_cancelled() {
            let context = Context { kafka: KafkaContext { health: Arc::clone(&self.health) } };
            let made: Result<GroupConsumer, KafkaError> =
                self.settings.consumer(self.group, self.gather).create_with_context(context);
            match made.and_then(|consumer| consumer.subscribe(&topics).map(|()| consumer)) {
                Ok(consumer) => {
                    let consumer = Arc::new(consumer);
                    let _ = self.offsets.consumer.set(Arc::clone(&consumer));
                    return Some(consumer);
                }
                Err(error) => tracing::error!(%error, "no consumer"),
            }
            sleep(Duration::from_secs(1)).await;
        }
        None
    }

    async fn read(&self, consumer: &GroupConsumer) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                received = consumer.recv() => match received {
                    Ok(message) => {
                        let item = self.item(&message);
                        drop(message);
                        self.push(consumer, item).await;
                    }
                    Err(error) => {
                        // Most pass by themselves; librdkafka goes on by itself.
                        tracing::debug!(%error, "while consuming");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    /// Puts an item into the lane. While that is full the partitions are paused, and the consumer goes on polling, so
    /// that the group does not take it for dead.
    async fn push(&self, consumer: &GroupConsumer, item: Item<C>) {
        let mut waiting = VecDeque::from([item]);
        let mut paused = false;
        while !waiting.is_empty() {
            let permit = tokio::select! {
                () = self.stop.cancelled() => return,
                permit = self.lane.reserve() => permit,
                () = sleep(PAUSE_AFTER), if !paused => {
                    paused = true;
                    set_paused(consumer, true);
                    continue;
                }
                received = consumer.recv(), if paused => {
                    // What was on its way when the partitions were paused.
                    if let Ok(message) = received {
                        waiting.push_back(self.item(&message));
                    }
                    continue;
                }
            };
            let (Ok(permit), Some(item)) = (permit, waiting.pop_front()) else { return };
            permit.send(item);
        }
        if paused {
            set_paused(consumer, false);
        }
    }

    fn item(&self, message: &BorrowedMessage<'_>) -> Item<C> {
        self.health.set_kafka(true);
        let now = common::clock::now();
        let header_trace = message.headers().and_then(traceparent);
        let trace = header_trace.map_or_else(Trace::start, Trace::child);
        let mut cause = Cause { at: now, trace, correlation_id: trace.trace_id(), causation_id: String::new() };
        let (topic, work) = match self.subscriptions.iter().find(|s| s.topic.name == message.topic()) {
            Some(s) => (s.topic.name, work_of(s.read, message.payload(), &mut cause)),
            None => ("", Work::Skip),
        };
        let value = message.payload().unwrap_or_default();
        let record = Record {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(kept),
            value: message.payload().map(kept),
            truncated: value.len() > KEPT_BYTES,
        };
        Item::new(Origin::Event(record), work, cause)
    }
}

/// What a record asks for; the flow that it belongs to goes to `cause`. Whatever is in it, nobody is stopped by it.
pub(crate) fn work_of<C>(read: Read<C>, value: Option<&[u8]>, cause: &mut Cause) -> Work<C> {
    match catch_unwind(|| read(value)) {
        Ok(Ok(parsed)) => {
            if let Some(envelope) = parsed.envelope {
                cause.correlation_id = envelope.correlation_id;
                cause.causation_id = envelope.id.to_string();
            }
            parsed.command.map_or(Work::Skip, Work::Command)
        }
        Ok(Err(unreadable)) => Work::Condemned(unreadable.to_string()),
        Err(_) => Work::Condemned("reading it panicked".to_owned()),
    }
}

fn kept(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(KEPT_BYTES)].to_vec()
}

fn set_paused(consumer: &GroupConsumer, paused: bool) {
    let done = consumer
        .assignment()
        .and_then(|partitions| if paused { consumer.pause(&partitions) } else { consumer.resume(&partitions) });
    match done {
        Ok(()) => tracing::info!(paused, "consuming is paused or goes on"),
        Err(error) => tracing::warn!(%error, paused, "partitions were not paused or resumed"),
    }
}

fn traceparent<H: Headers>(headers: &H) -> Option<Trace> {
    headers
        .iter()
        .find(|header| header.key == "traceparent")
        .and_then(|header| header.value)
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(Trace::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_stop_before_what_is_held() {
        const ONE: Partition = ("t", 0);
        let mut ends = Ends::default();
        for offset in [3, 4, 6, 7] {
            ends.finished(ONE, offset, false);
        }
        assert_eq!(ends.take(&Lowest::from([(ONE, 5), (("t", 1), 0)])), [(ONE, 5)]);
        ends.finished(ONE, 5, true);
        assert_eq!(ends.take(&Lowest::new()), [(ONE, 8)], "what was finished before it is not read again");
        assert!(ends.take(&Lowest::new()).is_empty(), "nothing is stored twice");
        ends.finished(ONE, 2, false);
        assert_eq!(ends.take(&Lowest::new()), [(ONE, 3)], "the partition is read again");
    }
}
