//! What is known of a request before its handler runs.

use axum::extract::FromRequestParts;
use common::trace::Trace;
use http::HeaderMap;
use http::request::Parts;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

pub(super) const X_REQUEST_ID: &str = "x-request-id";
pub(super) const TRACEPARENT: &str = "traceparent";

/// The longest request id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;

/// The request's id, and the trace that it is part of.
#[derive(Debug, Clone)]
pub struct Meta {
    pub request_id: Arc<str>,
    pub trace: Trace,
}

/// What the edge leaves with a request for the extractors.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) meta: Meta,
    /// How long its body may take to arrive.
    pub(super) body_timeout: Duration,
}

impl Meta {
    /// As the client names it, or new where it names nothing usable.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let request_id = headers
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
            .map_or_else(|| Arc::from(common::ids::new().to_string()), Arc::from);
        let trace = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(Trace::parse)
            .map_or_else(Trace::start, Trace::child);
        Self { request_id, trace }
    }
}

impl<S: Sync> FromRequestParts<S> for Meta {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Context>().map(|context| context.meta.clone());
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn request_id(sent: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(sent).unwrap());
        Meta::of(&headers).request_id.to_string()
    }

    #[test]
    fn a_usable_request_id_is_kept() {
        assert_eq!(request_id(b"abc-123"), "abc-123");
        for unusable in [&b""[..], b"two words", b"\xff", &[b'x'; 129]] {
            assert_eq!(request_id(unusable).len(), 36, "{unusable:?}");
        }
    }

    #[test]
    fn a_trace_goes_on() {
        let mut headers = HeaderMap::new();
        let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(sent));
        let trace = Meta::of(&headers).trace;
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(trace.to_string(), sent, "in a span of its own");
    }
}
