//! Records that can't be: golden ones, each spoilt in one way.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::api::Service;
use uuid::Uuid;

/// More than the 256 KiB that a record may have, and less than the broker refuses.
const HUGE_BYTES: usize = 900 * 1024;
/// What is kept of a record.
const KEPT_BYTES: usize = 64 * 1024;

/// A record that can't be read, or not be believed.
pub(super) struct Poison {
    pub(super) topic: &'static str,
    /// What is wrong with it.
    pub(super) name: &'static str,
    pub(super) value: Option<Vec<u8>>,
    /// A part of what the dead letter has to say.
    pub(super) cause: &'static str,
}

/// A topic with a golden record of it, an enum in it, and an amount.
struct Sample {
    topic: &'static str,
    record: &'static str,
    unknown_value: Value,
    negative_amount: Value,
}

impl Poison {
    /// Who reads the topic, and has to bury it.
    pub(super) fn readers(&self) -> &'static [Service] {
        match self.topic {
            "order.created" => &[Service::Inventory, Service::Payment],
            "inventory.updated" => &[Service::Order, Service::Payment, Service::Product],
            "payment.completed" => &[Service::Order],
            "notification.send" => &[Service::Notification],
            _ => &[Service::Order, Service::Inventory, Service::Product],
        }
    }

    /// Text as it is, bytes in base64, and of what is too large its beginning.
    pub(super) fn check_payload(&self, letter: &Value) -> Result<()> {
        let (payload, encoding) = (&letter["payload"], letter["payloadEncoding"].as_str().unwrap_or_default());
        let well = match &self.value {
            None => payload.is_null(),
            Some(value) if value.len() > KEPT_BYTES => {
                payload.as_str().map(str::len) == Some(KEPT_BYTES) && letter["truncated"] == true
            }
            Some(value) => match std::str::from_utf8(value) {
                Ok(text) => payload == text && encoding == "utf-8",
                Err(_) => encoding == "base64",
            },
        };
        ensure!(well, "{} {}: {encoding} {payload}", self.topic, self.name);
        Ok(())
    }
}

/// Every kind of poison for every topic. `unpaid`: an order that is to be paid 1000.
pub(super) fn poisons(unpaid: Uuid) -> Vec<Poison> {
    let money = |amount: i64| json!({ "amount": amount, "currency": "USD" });
    let samples = [
        Sample {
            topic: "order.created",
            record: "order.created.v1",
            unknown_value: json!({ "type": "order.cancelled.v1", "data": { "reason": "bored" } }),
            negative_amount: json!({ "data": { "total": money(-1) } }),
        },
        Sample {
            topic: "inventory.updated",
            record: "inventory.rejected.v1",
            unknown_value: json!({ "data": { "reason": 7 } }),
            negative_amount: json!({ "data": { "shortages": [{ "productId": unpaid, "requested": -1, "available": 0 }] } }),
        },
        Sample {
            topic: "payment.completed",
            record: "payment.captured.v1",
            unknown_value: json!({ "data": { "amount": { "amount": 5999, "currency": "gold" } } }),
            negative_amount: json!({ "data": { "amount": money(-1) } }),
        },
        Sample {
            topic: "notification.send",
            record: "notification.send.v1",
            unknown_value: json!({ "data": { "template": "order_admired" } }),
            negative_amount: json!({ "data": { "vars": { "total": money(-1) } } }),
        },
        Sample {
            topic: "product.updated",
            record: "product.updated.v1",
            unknown_value: json!({ "data": { "status": "admired" } }),
            negative_amount: json!({ "data": { "price": money(-1) } }),
        },
    ];
    let mut poisons: Vec<Poison> = samples.iter().flat_map(of_sample).collect();
    let other = json!({ "data": { "orderId": unpaid, "amount": money(1001) } });
    let value = Some(golden("payment.captured.v1", unpaid, &other));
    poisons.push(Poison { topic: "payment.completed", name: "another amount", value, cause: "whose total is" });
    poisons
}

fn of_sample(sample: &Sample) -> Vec<Poison> {
    let &Sample { topic, record, .. } = sample;
    let as_it_is: Vec<u8> = text(record).as_bytes().to_vec();
    let spoilt = |more: &Value| changed(record, more);
    let mut bad_utf8 = as_it_is.clone();
    let at = bad_utf8.iter().rposition(|byte| byte.is_ascii_alphabetic()).unwrap_or_default();
    bad_utf8[at] = 0xff;
    let mut without_id: Value = serde_json::from_str(text(record)).unwrap_or_default();
    without_id.as_object_mut().map(|members| members.remove("id"));
    let huge = spoilt(&json!({ "data": { "padding": "x".repeat(HUGE_BYTES) } }));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = text(record).replace("\"data\": {", &format!("\"data\": {deep}, \"more\": {{"));
    let mut poisons = vec![
        ("empty", Some(Vec::new()), "the record is empty"),
        ("truncated", Some(as_it_is[..as_it_is.len() / 2].to_vec()), "no CloudEvents envelope"),
        ("huge", Some(huge), "bytes, more than"),
        ("deep nesting", Some(deep.into_bytes()), "does not have its shape"),
        ("bad UTF-8", Some(bad_utf8), "no CloudEvents envelope"),
        ("missing id", Some(without_id.to_string().into_bytes()), "missing field `id`"),
        ("unknown value", Some(spoilt(&sample.unknown_value)), "does not have its shape"),
        ("negative amount", Some(spoilt(&sample.negative_amount)), "does not have its shape"),
    ];
    if topic != "product.updated" {
        poisons.push(("tombstone", None, "the record has no value"));
    }
    poisons.into_iter().map(|(name, value, cause)| Poison { topic, name, value, cause }).collect()
}

/// A golden record of the contract, told of `subject`, with some members changed.
pub(super) fn golden(record: &str, subject: Uuid, more: &Value) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text(record)).unwrap_or_default();
    merge(&mut value, &json!({ "subject": subject }));
    merge(&mut value, more);
    value.to_string().into_bytes()
}

fn changed(record: &str, more: &Value) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text(record)).unwrap_or_default();
    merge(&mut value, more);
    value.to_string().into_bytes()
}

/// RFC 7386, without its removals.
fn merge(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, more) in more {
                merge(members.entry(name.clone()).or_insert(Value::Null), more);
            }
        }
        (value, more) => value.clone_from(more),
    }
}

fn text(record: &str) -> &'static str {
    match record {
        "order.created.v1" => include_str!("../../../crates/common/examples/order.created.v1.json"),
        "inventory.rejected.v1" => include_str!("../../../crates/common/examples/inventory.rejected.v1.json"),
        "payment.captured.v1" => include_str!("../../../crates/common/examples/payment.captured.v1.json"),
        "notification.send.v1" => include_str!("../../../crates/common/examples/notification.send.v1.json"),
        _ => include_str!("../../../crates/common/examples/product.updated.v1.json"),
    }
}
