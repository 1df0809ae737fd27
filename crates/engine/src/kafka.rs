//! librdkafka's settings, and the topics that every service makes for itself.

use crate::failpoints::{Guard, is_off};
use crate::health::Health;
use common::events::{TOPICS, Topic};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// How long a reader waits at the broker for the first record before it asks again.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// With how much the broker answers a reader who lets it gather, at the latest.
const GATHERED_BYTES: usize = 1024 * 1024;

/// How to reach Kafka, and what topics are made like.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    pub partitions: i32,
    pub replication: i32,
    /// More of librdkafka's properties, such as those of TLS and SASL.
    pub properties: Vec<(String, String)>,
}

impl KafkaSettings {
    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            // A name that resolves to ::1 first costs a refused connection each time.
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set("allow.auto.create.topics", "false");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A message is never given up: the outbox has promised it.
            .set("message.timeout.ms", "0")
            // A whole batch is enqueued at once; to wait for more gains nothing.
            .set("linger.ms", "1")
            .set("queue.buffering.max.kbytes", "65536");
        config
    }

    /// `gather`: how long the broker may wait for more before it answers; zero: it answers with the first record.
    pub(crate) fn consumer(&self, group: &str, gather: Duration) -> ClientConfig {
        let mut config = self.base();
        let (wait, bytes) = if gather.is_zero() { (IDLE_WAIT, 1) } else { (gather, GATHERED_BYTES) };
        let from = if is_off(Guard::FromTheBeginning) { "latest" } else { "earliest" };
        config
            .set("group.id", group)
            .set("auto.offset.reset", from)
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            // Offsets are stored only after the commit of what they brought.
            .set("enable.auto.offset.store", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            // A heartbeat's answer is how a member hears that partitions are to be shared out anew.
            .set("heartbeat.interval.ms", "1000")
            .set("fetch.wait.max.ms", wait.as_millis().to_string())
            .set("fetch.min.bytes", bytes.to_string())
            // After its queue was full, librdkafka waits so long before it fetches again (default 1000).
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "16384");
        config
    }
}

/// What is counted of librdkafka's statistics: a client, and the requests that it has sent (`STATISTICS.md`).
#[derive(Deserialize)]
struct Requests {
    name: String,
    tx: u64,
}

/// Tells the health of what librdkafka sees.
pub(crate) struct KafkaContext {
    pub(crate) health: Arc<Health>,
}

impl ClientContext for KafkaContext {
    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(RDKafkaErrorCode::AllBrokersDown) = error.rdkafka_error_code() {
            self.health.set_kafka(false);
        }
        tracing::debug!(%error, reason, "librdkafka");
    }

    /// Told only where `statistics.interval.ms` is set. The whole report is large, and only one figure is wanted.
    fn stats_raw(&self, report: &[u8]) {
        if let Ok(Requests { name, tx }) = serde_json::from_slice(report) {
            metrics::counter!("rtoms_kafka_requests_total", "client" => name).absolute(tx);
        }
    }
}

/// Makes every topic that is missing; one that exists stays as it is.
pub(crate) async fn make_topics(settings: &KafkaSettings) -> Result<(), String> {
    let admin: AdminClient<DefaultClientContext> =
        settings.base().create().map_err(|e| format!("making a Kafka client: {e}"))?;
    let wanted: Vec<NewTopic<'_>> = TOPICS.iter().map(|topic| new_topic(topic, settings)).collect();
    let bound = Some(Duration::from_secs(10));
    let results = admin
        .create_topics(&wanted, &AdminOptions::new().request_timeout(bound).operation_timeout(bound))
        .await
        .map_err(|e| format!("creating topics: {e}"))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(format!("creating topic {name}: {code}")),
        }
    }
    Ok(())
}

fn new_topic<'a>(topic: &'a Topic, settings: &KafkaSettings) -> NewTopic<'a> {
    let new = NewTopic::new(topic.name, settings.partitions, TopicReplication::Fixed(settings.replication));
    if topic.compacted { new.set("cleanup.policy", "compact") } else { new }
}
