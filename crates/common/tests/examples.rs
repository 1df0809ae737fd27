//! The golden records: one of every type, as producers write it and consumers read it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::events::{
    InventoryEvent, MAX_RECORD_BYTES, NotificationRequested, OrderEvent, PaymentEvent, ProductUpdated, TopicEvent,
    Unreadable, decode, encode,
};
use serde_json::{Value, from_str, json, to_vec};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What every record has, whatever its type.
const ATTRIBUTES: [&str; 11] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "sequence",
    "correlationid",
    "causationid",
    "data",
];

/// Reads a record, and writes it again; `None` for a type that this version does not know.
type Round = fn(&Value) -> Result<Option<Value>, Unreadable>;

/// Every type that travels, and the topic's reader.
const TYPES: [(&str, Round); 13] = [
    ("order.created.v1", round::<OrderEvent>),
    ("order.cancelled.v1", round::<OrderEvent>),
    ("order.shipped.v1", round::<OrderEvent>),
    ("inventory.reserved.v1", round::<InventoryEvent>),
    ("inventory.rejected.v1", round::<InventoryEvent>),
    ("inventory.released.v1", round::<InventoryEvent>),
    ("stock.changed.v1", round::<InventoryEvent>),
    ("payment.captured.v1", round::<PaymentEvent>),
    ("payment.declined.v1", round::<PaymentEvent>),
    ("payment.voided.v1", round::<PaymentEvent>),
    ("payment.refunded.v1", round::<PaymentEvent>),
    ("notification.send.v1", round::<NotificationRequested>),
    ("product.updated.v1", round::<ProductUpdated>),
];

fn round<T: TopicEvent>(record: &Value) -> Result<Option<Value>, Unreadable> {
    let received = decode::<T>(Some(&to_vec(record).unwrap()))?;
    Ok(received.event.map(|event| {
        assert_eq!(event.event_type(), received.event_type);
        let written = encode(&received.envelope, &event);
        assert!(written.len() <= MAX_RECORD_BYTES);
        from_str(&written).unwrap()
    }))
}

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
}

fn golden(event_type: &str) -> Value {
    let file = examples().join(format!("{event_type}.json"));
    from_str(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap()
}

#[test]
fn every_type_has_a_record_and_every_record_a_type() {
    let named = |name: &str| format!("{name}.json");
    let types: BTreeSet<String> = TYPES.iter().map(|(event_type, _)| named(event_type)).collect();
    let files = fs::read_dir(examples()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), types);
    for (event_type, _) in TYPES {
        assert_eq!(golden(event_type)["type"], event_type);
    }
}

#[test]
fn a_record_is_written_as_it_was_read() {
    for (event_type, round) in TYPES {
        assert_eq!(round(&golden(event_type)).unwrap(), Some(golden(event_type)), "{event_type}");
    }
}

/// CloudEvents 1.0, section 3.1: attributes are lower-case letters and digits, and extensions are strings here.
#[test]
fn envelopes_hold_what_cloud_events_allow() {
    for (event_type, _) in TYPES {
        let record = golden(event_type);
        let attributes: BTreeSet<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(attributes, BTreeSet::from(ATTRIBUTES), "{event_type}");
        for (name, value) in record.as_object().unwrap() {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
            assert!(name == "data" || value.is_string(), "{event_type}: {name}");
        }
    }
}

#[test]
fn fields_of_later_versions_are_ignored() {
    for (event_type, round) in TYPES {
        let mut record = golden(event_type);
        record["dataref"] = json!("https://example.com/later");
        record["data"]["later"] = json!({ "more": [1, 2] });
        assert_eq!(round(&record).unwrap(), Some(golden(event_type)), "{event_type}");
    }
}

#[test]
fn types_of_later_versions_are_no_error() {
    for (event_type, round) in TYPES {
        let mut record = golden(event_type);
        record["type"] = json!("order.weighed.v1");
        assert_eq!(round(&record).unwrap(), None, "{event_type}");
    }
}

#[test]
fn a_record_without_its_identity_is_refused() {
    for (event_type, round) in TYPES {
        for attribute in ["specversion", "id", "source", "type", "subject", "time", "data"] {
            let mut record = golden(event_type);
            record.as_object_mut().unwrap().remove(attribute);
            assert!(round(&record).is_err(), "{event_type} without {attribute}");
        }
        let mut record = golden(event_type);
        record["subject"] = json!("019b8e2c-51f0-7c3a-9d2e-000000000000");
        assert!(matches!(round(&record), Err(Unreadable::Subject { .. })), "{event_type} of another subject");
    }
}

/// A reader does without a field, or refuses the record; it makes nothing up.
#[test]
fn what_is_missing_is_missed_or_optional() {
    for (event_type, round) in TYPES {
        let whole = golden(event_type);
        for field in whole["data"].as_object().unwrap().keys() {
            let mut record = whole.clone();
            record["data"].as_object_mut().unwrap().remove(field);
            if let Ok(Some(written)) = round(&record) {
                let made_up = written["data"].get(field).filter(|value| !is_empty(value));
                assert_eq!(made_up, None, "{event_type}: {field}");
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == json!("") || *value == json!([])
}
