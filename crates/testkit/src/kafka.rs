//! Events as a service meets them: told by a test in another service's name, and all of them heard.

use crate::records::{Place, Records};
use anyhow::Result;
use common::events::{Envelope, TOPICS, TopicEvent, encode};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// The fleet's topics, once they are there.
pub struct Topics {
    records: Records,
    heard: Heard,
    listening: AbortHandle,
}

/// All events by their key: those of one topic in its order.
type Heard = Arc<Mutex<HashMap<Uuid, Vec<Value>>>>;

impl Topics {
    /// Starts to listen, from the first record on.
    ///
    /// # Errors
    /// Where librdkafka refuses.
    pub fn connect(brokers: &str) -> Result<Self> {
        let records = Records::of(brokers)?;
        let consumer: StreamConsumer = records.reader(&format!("test-{}", Uuid::new_v4())).create()?;
        consumer.subscribe(&TOPICS.map(|topic| topic.name))?;
        let heard = Heard::default();
        let listening = tokio::spawn(listen(consumer, Arc::clone(&heard))).abort_handle();
        Ok(Self { records, heard, listening })
    }

    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Writes `event`, in an envelope of its own.
    ///
    /// # Errors
    /// The broker does not take it.
    pub async fn tell<E: TopicEvent>(&self, event: &E) -> Result<Place> {
        let id = common::ids::new();
        let envelope = Envelope {
            id,
            source: "/test".into(),
            time: common::clock::now(),
            sequence: 1,
            correlation_id: id.to_string(),
            causation_id: id.to_string(),
        };
        let value = encode(&envelope, event);
        self.records.write(E::topic().name, &event.key().to_string(), Some(value.as_bytes())).await
    }

    /// What was heard with `key` so far: CloudEvents, whose types begin with `prefix`.
    #[must_use]
    pub fn heard(&self, key: Uuid, prefix: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = heard.get(&key).into_iter().flatten();
        of_key.filter(|event| event["type"].as_str().is_some_and(|name| name.starts_with(prefix))).cloned().collect()
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(consumer: StreamConsumer, heard: Heard) {
    loop {
        // Errors of the connection pass.
        let Ok(record) = consumer.recv().await else { continue };
        let key = record.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
        let event = record.payload().and_then(|value| serde_json::from_slice(value).ok());
        if let (Some(key), Some(event)) = (key, event) {
            heard.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().push(event);
        }
    }
}
