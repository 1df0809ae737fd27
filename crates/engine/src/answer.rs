//! What a request is answered: decided by `apply`, stored beside an idempotency key, given to HTTP as it is.

use serde::Serialize;

/// A response as `apply` decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON, or problem+json from 400 on; empty for 204.
    pub body: Vec<u8>,
    pub location: Option<String>,
    pub etag: Option<String>,
    /// Whether this is the stored answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl Answer {
    /// # Panics
    /// Never: a body is plain data, which JSON can hold.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies are plain data");
        Self { status, body, location: None, etag: None, replayed: false }
    }

    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, body: Vec::new(), location: None, etag: None, replayed: false }
    }

    /// RFC 9457, as every other problem of the services. `title`: the name of the status.
    pub(crate) fn problem(status: u16, title: &str, code: &str, detail: &str) -> Self {
        let body = serde_json::json!({
            "type": "about:blank", "title": title, "status": status, "code": code, "detail": detail,
        });
        Self::json(status, &body)
    }

    #[must_use]
    pub fn with_location(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    #[must_use]
    pub fn with_etag(self, etag: String) -> Self {
        Self { etag: Some(etag), ..self }
    }
}
