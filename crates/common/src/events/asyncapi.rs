//! The topics as an AsyncAPI 3.1 document, for people and tools outside.

use super::{
    CONTENT_TYPE, INVENTORY_UPDATED, NOTIFICATION_SEND, NotificationRequested, ORDER_CREATED, OrderCancelled,
    OrderCreated, OrderRef, OrderShipped, PAYMENT_COMPLETED, PRODUCT_UPDATED, PaymentFact, ProductUpdated,
    StockChanged, StockRejected, TOPICS, Topic,
};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// One type of event.
struct Message {
    event_type: &'static str,
    topic: &'static Topic,
    /// What it tells, in a sentence.
    summary: &'static str,
    data: fn() -> Data,
}

/// The schema of `data`, and those that it refers to.
struct Data {
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

fn data<T: ToSchema>() -> Data {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    Data { name, schemas }
}

static MESSAGES: [Message; 13] = [
    message("order.created.v1", &ORDER_CREATED, "an order is placed", data::<OrderCreated>),
    message("order.cancelled.v1", &ORDER_CREATED, "give back what is held, and answer", data::<OrderCancelled>),
    message("order.shipped.v1", &ORDER_CREATED, "the reserved stock has left the house", data::<OrderShipped>),
    message("inventory.reserved.v1", &INVENTORY_UPDATED, "all lines of an order are held", data::<OrderRef>),
    message("inventory.rejected.v1", &INVENTORY_UPDATED, "no line of an order is held", data::<StockRejected>),
    message("inventory.released.v1", &INVENTORY_UPDATED, "nothing is held for an order", data::<OrderRef>),
    message("stock.changed.v1", &INVENTORY_UPDATED, "stock was adjusted, or came or went", data::<StockChanged>),
    message("payment.captured.v1", &PAYMENT_COMPLETED, "an order's amount is taken", data::<PaymentFact>),
    message("payment.declined.v1", &PAYMENT_COMPLETED, "an attempt to pay is refused", data::<PaymentFact>),
    message("payment.voided.v1", &PAYMENT_COMPLETED, "nothing was taken, and nothing will be", data::<PaymentFact>),
    message("payment.refunded.v1", &PAYMENT_COMPLETED, "a refund is done", data::<PaymentFact>),
    message("notification.send.v1", &NOTIFICATION_SEND, "a customer is to be told", data::<NotificationRequested>),
    message("product.updated.v1", &PRODUCT_UPDATED, "the whole product as it is now", data::<ProductUpdated>),
];

const fn message(
    event_type: &'static str,
    topic: &'static Topic,
    summary: &'static str,
    data: fn() -> Data,
) -> Message {
    Message { event_type, topic, summary, data }
}

/// Who writes each topic, and who reads it.
static PARTIES: [(&Topic, &str, &[&str]); 5] = [
    (&ORDER_CREATED, "order", &["inventory", "payment"]),
    (&INVENTORY_UPDATED, "inventory", &["order", "payment", "product"]),
    (&PAYMENT_COMPLETED, "payment", &["order"]),
    (&NOTIFICATION_SEND, "order", &["notification"]),
    (&PRODUCT_UPDATED, "product", &["order", "inventory", "product"]),
];

/// The whole document.
#[must_use]
pub fn asyncapi() -> Value {
    let mut schemas = Map::from_iter([("Envelope".to_owned(), envelope())]);
    let mut messages = Map::new();
    for message in &MESSAGES {
        let Data { name, schemas: needed } = (message.data)();
        for (name, schema) in needed {
            schemas.insert(name, json!(schema));
        }
        messages.insert(message.event_type.to_owned(), described(message, &name));
    }
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "RTOMS events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services of RTOMS tell each other: CloudEvents 1.0 in structured mode, one record \
                each. Changes are additive; readers ignore unknown fields, and skip unknown types.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": TOPICS.map(|topic| (topic.name.to_owned(), channel(topic))).into_iter().collect::<Map<_, _>>(),
        "operations": operations(),
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn channel(topic: &Topic) -> Value {
    let of_topic = MESSAGES.iter().filter(|message| message.topic == topic).map(|message| message.event_type);
    let messages: Map<String, Value> =
        of_topic.map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }))).collect();
    let policy = if topic.compacted { "compact" } else { "delete" };
    json!({
        "address": topic.name,
        "messages": messages,
        "bindings": { "kafka": { "topicConfiguration": { "cleanup.policy": [policy] } } },
    })
}

fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    for (topic, writer, readers) in &PARTIES {
        let channel = json!({ "$ref": format!("#/channels/{}", topic.name) });
        operations.insert(format!("{writer} writes {}", topic.name), json!({ "action": "send", "channel": channel }));
        for reader in *readers {
            let operation = json!({ "action": "receive", "channel": channel });
            operations.insert(format!("{reader} reads {}", topic.name), operation);
        }
    }
    operations
}

fn described(message: &Message, data: &str) -> Value {
    let own = json!({
        "type": "object",
        "properties": {
            "type": { "const": message.event_type },
            "data": { "$ref": format!("#/components/schemas/{data}") },
        },
    });
    json!({
        "name": message.event_type,
        "summary": message.summary,
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": ["content-type", "traceparent"],
            "properties": {
                "content-type": { "const": CONTENT_TYPE },
                "traceparent": { "type": "string", "description": "W3C Trace Context" },
            },
        },
        "payload": { "allOf": [{ "$ref": "#/components/schemas/Envelope" }, own] },
        "bindings": { "kafka": { "key": { "type": "string", "format": "uuid", "description": "the subject" } } },
    })
}

/// What all events have.
fn envelope() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "format": "uuid" },
            "source": { "type": "string", "examples": ["/order-service"] },
            "type": { "type": "string" },
            "subject": { "type": "string", "format": "uuid", "description": "the aggregate; the record's key" },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "sequence": { "type": "string", "description": "the aggregate's version, for people" },
            "correlationid": { "type": "string", "description": "what all events of one flow share" },
            "causationid": { "type": "string", "description": "the event or the request that caused this one" },
            "data": { "type": "object" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_messages_and_parties() {
        let document = asyncapi();
        for topic in TOPICS {
            let messages = document["channels"][topic.name]["messages"].as_object().unwrap();
            assert!(!messages.is_empty(), "{}", topic.name);
            assert!(PARTIES.iter().any(|(known, _, readers)| *known == topic && !readers.is_empty()), "{}", topic.name);
        }
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(pointer) = members.get("$ref").and_then(Value::as_str) {
                        assert!(document.pointer(&pointer[1..]).is_some(), "{pointer}");
                    }
                    members.values().for_each(|member| check(member, document));
                }
                Value::Array(elements) => elements.iter().for_each(|element| check(element, document)),
                _ => {}
            }
        }
        let document = asyncapi();
        check(&document, &document);
    }
}
