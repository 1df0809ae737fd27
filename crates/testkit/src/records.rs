//! Records as they are: written by a test in another's name, and how far those who read them have come.

use crate::eventually::eventually;
use anyhow::{Context, Result, anyhow};
use common::events::Topic;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// How long the broker may take to answer.
const BOUND: Duration = Duration::from_secs(20);

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// The broker of a fleet.
#[derive(Clone)]
pub struct Records {
    brokers: String,
    producer: FutureProducer,
}

impl Records {
    /// # Errors
    /// Where librdkafka refuses.
    pub fn of(brokers: &str) -> Result<Self> {
        Ok(Self { brokers: brokers.to_owned(), producer: config(brokers).create()? })
    }

    /// Writes a record as it is; without a value, a tombstone.
    ///
    /// # Errors
    /// The broker does not take it.
    #[expect(clippy::disallowed_methods, reason = "a test waits for each of its few records")]
    pub async fn write(&self, topic: &str, key: &str, value: Option<&[u8]>) -> Result<Place> {
        let partition = self.partition(topic, key).await?;
        let record = FutureRecord { payload: value, partition, ..FutureRecord::to(topic).key(key) };
        let sent = self.producer.send(record, BOUND).await;
        let sent = sent.map_err(|(error, _)| anyhow!(error)).with_context(|| topic.to_owned())?;
        Ok(Place { topic: topic.to_owned(), partition: sent.partition, offset: sent.offset })
    }

    /// Where the services put a key. `None`: of another topic, or what is no key of theirs.
    async fn partition(&self, topic: &str, key: &str) -> Result<Option<i32>> {
        let Some((known, key)) = Topic::named(topic).zip(Uuid::try_parse(key).ok()) else { return Ok(None) };
        let producer = self.producer.clone();
        let metadata = spawn_blocking(move || producer.client().fetch_metadata(Some(known.name), BOUND)).await??;
        let count = metadata.topics().first().context("the topic")?.partitions().len();
        Ok(Some(i32::try_from(common::events::partition(known, key, u32::try_from(count)?))?))
    }

    /// Waits until `group` has committed the offsets behind all of `places`, which it does about a second after the
    /// changes that they bring.
    ///
    /// # Errors
    /// It does not.
    pub async fn passed(&self, group: &str, places: &[Place]) -> Result<()> {
        let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
        for place in places {
            let end = last.entry((place.topic.clone(), place.partition)).or_default();
            *end = place.offset.max(*end);
        }
        let consumer = self.member(group)?;
        eventually(&format!("{group} is past {} records", places.len()), || async {
            let (consumer, last) = (Arc::clone(&consumer), last.clone());
            spawn_blocking(move || {
                let mut partitions = TopicPartitionList::new();
                for (topic, partition) in last.keys() {
                    partitions.add_partition(topic, *partition);
                }
                let committed = consumer.committed_offsets(partitions, BOUND)?;
                let behind = committed.elements().iter().any(|element| {
                    let end = last.get(&(element.topic().to_owned(), element.partition())).copied().unwrap_or(0);
                    !matches!(element.offset(), Offset::Offset(next) if next > end)
                });
                Ok((!behind).then_some(()))
            })
            .await?
        })
        .await
    }
}

impl Records {
    /// The last record of each partition of `topic`, where there is one.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn ends(&self, topic: &'static str) -> Result<Vec<Place>> {
        // A name is needed, though nothing is read.
        let consumer = self.member("test")?;
        spawn_blocking(move || {
            let metadata = consumer.fetch_metadata(Some(topic), BOUND)?;
            let mut places = Vec::new();
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                let (_, end) = consumer.fetch_watermarks(topic, partition.id(), BOUND)?;
                places.push(Place { topic: topic.to_owned(), partition: partition.id(), offset: end - 1 });
            }
            places.retain(|place| place.offset >= 0);
            Ok(places)
        })
        .await?
    }

    /// Makes the broker forget how far `group` has come; all of its members have to end.
    ///
    /// # Errors
    /// Some do not.
    pub async fn forget(&self, group: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = config(&self.brokers).create()?;
        let bounded = AdminOptions::new().request_timeout(Some(BOUND));
        eventually(&format!("{group} is forgotten"), || async {
            let results = admin.delete_groups(&[group], &bounded).await?;
            for result in results {
                result.map_err(|(_, code)| anyhow!("{group}: {code}"))?;
            }
            Ok(Some(()))
        })
        .await
    }

    /// The settings of a consumer of its own group, from the first record on.
    pub(crate) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = config(&self.brokers);
        config.set("group.id", group).set("auto.offset.reset", "earliest");
        config
    }

    /// Somebody who may ask what `group` has committed.
    fn member(&self, group: &str) -> Result<Arc<BaseConsumer>> {
        Ok(Arc::new(config(&self.brokers).set("group.id", group).create()?))
    }
}

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("broker.address.family", "v4");
    config
}
