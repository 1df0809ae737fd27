//! A dead letter as people read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::LetterStatus;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A record that was given up: it could not be read, or failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter {
    id: Uuid,
    #[schema(example = "payment.completed")]
    topic: String,
    partition: i32,
    offset: i64,
    /// The record's key, as `keyEncoding` says; null where it has none.
    #[schema(required = true)]
    key: Option<String>,
    key_encoding: Encoding,
    /// Why it is dead: of the last redrive, where there was one.
    cause: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The record's value, as `payloadEncoding` says; null for a tombstone.
    #[schema(required = true)]
    payload: Option<String>,
    payload_encoding: Encoding,
    /// Whether the record was larger than the 64 KiB that are kept: then it can't be redriven.
    truncated: bool,
    status: Status,
    /// The `sub` of who redrove or discarded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    settled_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(nullable = false)]
    settled_at: Option<OffsetDateTime>,
    /// Why it was redriven or discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The last redrives that failed again, oldest first.
    failed_redrives: Vec<FailedRedrive>,
}

/// How bytes are written: as they are where they are UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
// A specification has one schema a name, and most services have a status of their own.
#[schema(as = DeadLetterStatus)]
pub(super) enum Status {
    Dead,
    Redriven,
    Discarded,
}

/// A redrive that did not go well.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailedRedrive {
    by: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Why the letter was dead before, which was not mended.
    cause: String,
}

/// What a redrive or a discard has made of a dead letter.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settled {
    id: Uuid,
    /// `dead` where a redrive failed again.
    status: Status,
    cause: String,
}

impl From<engine::DeadLetter> for DeadLetter {
    fn from(letter: engine::DeadLetter) -> Self {
        let (key, key_encoding) = written(letter.key, false);
        let (payload, payload_encoding) = written(letter.payload, letter.truncated);
        let failed = letter.redrives.into_iter();
        let failed =
            failed.map(|f| FailedRedrive { by: f.by, at: f.at, reason: f.reason, cause: f.cause }).collect::<Vec<_>>();
        Self {
            id: letter.id,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            key,
            key_encoding,
            cause: letter.cause,
            at: letter.at,
            payload,
            payload_encoding,
            truncated: letter.truncated,
            status: letter.status.into(),
            settled_by: letter.settled_by,
            settled_at: letter.settled_at,
            reason: letter.reason,
            failed_redrives: failed,
        }
    }
}

impl From<LetterStatus> for Status {
    fn from(status: LetterStatus) -> Self {
        match status {
            LetterStatus::Dead => Self::Dead,
            LetterStatus::Redriven => Self::Redriven,
            LetterStatus::Discarded => Self::Discarded,
        }
    }
}

impl From<Status> for LetterStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Dead => Self::Dead,
            Status::Redriven => Self::Redriven,
            Status::Discarded => Self::Discarded,
        }
    }
}

/// `cut`: the bytes may end within a character, which is left out then.
fn written(bytes: Option<Vec<u8>>, cut: bool) -> (Option<String>, Encoding) {
    let Some(mut bytes) = bytes else { return (None, Encoding::Utf8) };
    if let Err(error) = std::str::from_utf8(&bytes)
        && cut
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), Encoding::Utf8),
        Err(error) => (Some(STANDARD.encode(error.as_bytes())), Encoding::Base64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], cut: bool) -> (Option<String>, Encoding) {
        written(Some(bytes.to_vec()), cut)
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        assert_eq!(written(None, false), (None, Encoding::Utf8));
        assert_eq!(of("{\"a\":\"ä\"}".as_bytes(), false), (Some("{\"a\":\"ä\"}".to_owned()), Encoding::Utf8));
        assert_eq!(of(b"\xff\x00", false), (Some("/wA=".to_owned()), Encoding::Base64));
        assert_eq!(of(b"", false), (Some(String::new()), Encoding::Utf8));
    }

    #[test]
    fn a_character_that_was_cut_does_not_make_bytes_of_a_text() {
        assert_eq!(of(b"ab\xc3", true), (Some("ab".to_owned()), Encoding::Utf8));
        assert_eq!(of(b"ab\xc3", false).1, Encoding::Base64);
        assert_eq!(of(b"a\xffb\xc3", true).1, Encoding::Base64, "it was none before");
    }
}
