//! The topics, and the CloudEvents 1.0 (structured mode, JSON) that travel in them.
//!
//! One file a topic: the types of its `data`, and which of them exist. Changes are additive: consumers ignore fields
//! and skip types that they don't know. Golden records of every type live in `crates/common/examples/`.

mod asyncapi;
mod envelope;
pub mod inventory_updated;
pub mod notification_send;
pub mod order_created;
mod partition;
pub mod payment_completed;
pub mod product_updated;

pub use asyncapi::asyncapi;
pub use envelope::{Envelope, Received, Unreadable, decode, encode};
pub use inventory_updated::{InventoryEvent, OrderRef, Shortage, StockChanged, StockRejected};
pub use notification_send::{NotificationLine, NotificationRequested, NotificationVars, Template};
pub use order_created::{CancelReason, Contact, OrderCancelled, OrderCreated, OrderEvent, OrderLine, OrderShipped};
pub use partition::{TURN_MS, partition};
pub use payment_completed::{MinorUnits, PaymentEvent, PaymentFact};
pub use product_updated::{ProductStatus, ProductUpdated};

use serde::Serialize;
use uuid::Uuid;

/// The largest record that anybody may write, key and headers apart.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;

/// The content type of a record's value.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// A topic, as every service that reads or writes it creates it.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: &'static str,
    /// Keeps the last record of every key for ever, instead of all records for a time.
    pub compacted: bool,
}

pub static ORDER_CREATED: Topic = Topic { name: "order.created", compacted: false };
pub static INVENTORY_UPDATED: Topic = Topic { name: "inventory.updated", compacted: false };
pub static PAYMENT_COMPLETED: Topic = Topic { name: "payment.completed", compacted: false };
pub static NOTIFICATION_SEND: Topic = Topic { name: "notification.send", compacted: false };
pub static PRODUCT_UPDATED: Topic = Topic { name: "product.updated", compacted: true };

/// Every topic of the fleet.
pub static TOPICS: [&Topic; 5] =
    [&ORDER_CREATED, &INVENTORY_UPDATED, &PAYMENT_COMPLETED, &NOTIFICATION_SEND, &PRODUCT_UPDATED];

impl Topic {
    /// The topic of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TOPICS.into_iter().find(|topic| topic.name == name)
    }
}

/// What travels in one topic.
pub trait TopicEvent: Serialize + Sized {
    /// Where it travels.
    fn topic() -> &'static Topic;
    /// The CloudEvents `type`, such as `order.created.v1`.
    fn event_type(&self) -> &'static str;
    /// The record's key and the CloudEvents `subject`: the aggregate whose events keep their order.
    fn key(&self) -> Uuid;
    /// Reads `data` by the type's name; `None` for a type that this version does not know.
    ///
    /// # Errors
    /// `data` is not of that type's shape.
    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error>;
}
