//! Which pages of other origins may read our answers: those on this computer, so that the Swagger UI of one service can
//! call the others. Tokens travel in a header and never in a cookie, so nothing is given away by it.

use http::header::{ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, request};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(|origin: &HeaderValue, _: &request::Parts| is_local(origin)))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            ETAG,
            LOCATION,
            RETRY_AFTER,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("idempotent-replayed"),
        ])
        .max_age(Duration::from_secs(600))
}

fn is_local(origin: &HeaderValue) -> bool {
    let Some(host) = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) else { return false };
    let (host, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    matches!(host, "localhost" | "127.0.0.1") && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_computer() {
        for (origin, local) in [
            ("http://localhost:8183", true),
            ("http://127.0.0.1:8185", true),
            ("http://localhost", true),
            ("https://example.com", false),
            ("http://localhost.example.com:80", false),
            ("http://localhost:80.example.com", false),
            ("null", false),
        ] {
            assert_eq!(is_local(&HeaderValue::from_static(origin)), local, "{origin}");
        }
    }
}
