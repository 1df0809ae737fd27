//! The CloudEvents envelope around `data`.

use super::{MAX_RECORD_BYTES, TopicEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use time::OffsetDateTime;
use uuid::Uuid;

/// The attributes of an event that its domain does not know: who sent it, when, and because of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub id: Uuid,
    /// `/order-service`
    pub source: Cow<'static, str>,
    pub time: OffsetDateTime,
    /// The aggregate's version, for people and tests; no handler decides by it.
    pub sequence: i64,
    /// What all events of one flow share.
    pub correlation_id: String,
    /// The event or request that caused this one.
    pub causation_id: String,
}

/// A record as a consumer gets it.
#[derive(Debug, PartialEq)]
pub struct Received<T> {
    pub envelope: Envelope,
    pub event_type: String,
    /// `None`: a type that this version does not know, to be skipped and counted.
    pub event: Option<T>,
}

/// Why a record can't be read, in words for the dead letter.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("the record has no value")]
    Tombstone,
    #[error("the record is empty")]
    Empty,
    #[error("the record has {0} bytes, more than {MAX_RECORD_BYTES}")]
    TooLarge(usize),
    #[error("no CloudEvents envelope: {0}")]
    Envelope(#[source] serde_json::Error),
    #[error("CloudEvents version {0:?}, not 1.0")]
    Version(String),
    #[error("data of {0} does not have its shape: {1}")]
    Data(String, #[source] serde_json::Error),
    #[error("the subject is {subject:?}, but the data tells of {key}")]
    Subject { subject: String, key: Uuid },
}

#[derive(Serialize)]
struct Written<'a, T> {
    specversion: &'static str,
    id: Uuid,
    source: &'a str,
    r#type: &'static str,
    subject: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    datacontenttype: &'static str,
    sequence: String,
    correlationid: &'a str,
    causationid: &'a str,
    data: &'a T,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: Uuid,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    #[serde(borrow, default)]
    sequence: Cow<'a, str>,
    #[serde(default)]
    correlationid: String,
    #[serde(default)]
    causationid: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The record's value: the event in its envelope, as JSON.
///
/// # Panics
/// Never: every event is made of strings, numbers and lists, which JSON can hold.
#[must_use]
pub fn encode<T: TopicEvent>(envelope: &Envelope, event: &T) -> String {
    serde_json::to_string(&Written {
        specversion: "1.0",
        id: envelope.id,
        source: &envelope.source,
        r#type: event.event_type(),
        subject: event.key(),
        time: envelope.time,
        datacontenttype: "application/json",
        sequence: envelope.sequence.to_string(),
        correlationid: &envelope.correlation_id,
        causationid: &envelope.causation_id,
        data: event,
    })
    .expect("events are plain data")
}

/// Reads a record's value.
///
/// # Errors
/// Whatever makes it a poison record; an unknown type is no error.
pub fn decode<T: TopicEvent>(value: Option<&[u8]>) -> Result<Received<T>, Unreadable> {
    let value = value.ok_or(Unreadable::Tombstone)?;
    match value.len() {
        0 => return Err(Unreadable::Empty),
        n if n > MAX_RECORD_BYTES => return Err(Unreadable::TooLarge(n)),
        _ => {}
    }
    let read: Read<'_> = serde_json::from_slice(value).map_err(Unreadable::Envelope)?;
    if read.specversion != "1.0" {
        return Err(Unreadable::Version(read.specversion.into_owned()));
    }
    let event = T::from_data(&read.r#type, read.data.get())
        .map_err(|cause| Unreadable::Data(read.r#type.clone().into_owned(), cause))?;
    if let Some(event) = &event
        && Uuid::try_parse(&read.subject).ok() != Some(event.key())
    {
        return Err(Unreadable::Subject { subject: read.subject.into_owned(), key: event.key() });
    }
    Ok(Received {
        envelope: Envelope {
            id: read.id,
            source: Cow::Owned(read.source.into_owned()),
            time: read.time,
            sequence: read.sequence.parse().unwrap_or(0),
            correlation_id: read.correlationid,
            causation_id: read.causationid,
        },
        event_type: read.r#type.into_owned(),
        event,
    })
}
