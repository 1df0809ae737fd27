//! What a topic holds, as somebody sees who belongs to no group.

use anyhow::{Context, Result};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// How long the broker may take to answer, and to tell all.
const BOUND: Duration = Duration::from_secs(20);

/// The values of all records of `key` so far, in their order.
///
/// # Errors
/// The broker does not answer in time, or a value is no JSON.
pub async fn values_of(brokers: &str, topic: &str, key: &str) -> Result<Vec<Value>> {
    let (brokers, topic, key) = (brokers.to_owned(), topic.to_owned(), key.to_owned());
    let values = move || {
        let mut values = Vec::new();
        read(&brokers, &topic, |record| {
            if record.key() == Some(key.as_bytes()) {
                values.push(serde_json::from_slice(record.payload().unwrap_or_default())?);
            }
            Ok(())
        })?;
        Ok(values)
    };
    spawn_blocking(values).await?
}

/// How many records carry an event that an earlier record of the topic carries too. What is no event is left out.
///
/// # Errors
/// The broker does not answer in time.
pub async fn repeats(brokers: &str, topic: &str) -> Result<usize> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let repeats = move || {
        let (mut known, mut repeats) = (HashSet::new(), 0);
        read(&brokers, &topic, |record| {
            let event: Value = serde_json::from_slice(record.payload().unwrap_or_default()).unwrap_or_default();
            if let Some(id) = event["id"].as_str() {
                repeats += usize::from(!known.insert(id.to_owned()));
            }
            Ok(())
        })?;
        Ok(repeats)
    };
    spawn_blocking(repeats).await?
}

/// Shows `each` record of the topic so far.
fn read(brokers: &str, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("broker.address.family", "v4")
        // It joins none, but librdkafka asks for a name.
        .set("group.id", "nobody")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), BOUND)?;
    let partitions = metadata.topics().first().context("the topic")?.partitions();
    let mut open = TopicPartitionList::new();
    let mut left = 0;
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), BOUND)?;
        if high > low {
            open.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
            left += high - low;
        }
    }
    consumer.assign(&open)?;
    let until = Instant::now() + BOUND;
    // No topic that is read so is compacted or written in transactions: every offset is a record.
    while left > 0 {
        anyhow::ensure!(Instant::now() < until, "{left} records of {topic} are not read within {BOUND:?}");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        left -= 1;
        each(&message)?;
    }
    Ok(())
}
