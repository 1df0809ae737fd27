//! What every request passes on its way in and out: its ids, the metrics, and the care that every error, also of the
//! framework or of a panic, is a problem.

use super::context::{Context, Meta, TRACEPARENT, X_REQUEST_ID};
use super::cors::cors;
use super::problem::{Problem, is_unsigned, sign};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// What the edge is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    /// How long a body may take to arrive.
    pub(crate) body_timeout: Duration,
}

/// Puts the edge around all of a service's routes.
pub(crate) fn edge(routes: Router, edge: Edge) -> Router {
    routes
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            let detail = "the header Allow names the methods of this path";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(DefaultBodyLimit::max(super::MAX_BODY_BYTES))
        .layer(cors())
        .layer(from_fn_with_state(edge, pass))
}

async fn pass(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let meta = Meta::of(request.headers());
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(Context { meta: meta.clone(), body_timeout: edge.body_timeout });

    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    // The panic itself was logged by the hook.
    let mut response = answered.unwrap_or_else(|_| Problem::internal().into_response());

    if is_bare_error(&response) {
        response = as_problem(&response);
    }
    sign(&mut response, &meta.request_id);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in [(X_REQUEST_ID, &*meta.request_id), (TRACEPARENT, &meta.trace.to_string())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let answer = Answer { meta: &meta, method, route, status: response.status(), took: started.elapsed() };
    answer.record();
    response
}

/// What the framework itself refuses, in plain text or in silence: a 405, an extractor that is not ours.
fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() || is_unsigned(response) {
        return false;
    }
    response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn as_problem(response: &Response) -> Response {
    let status = response.status();
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::new(status, "not_found", "there is nothing at this path"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "body_too_large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(status, "unsupported_media_type", "another type is needed"),
        StatusCode::UNAUTHORIZED => Problem::unauthorized(),
        status if status.is_server_error() => Problem::internal(),
        _ => Problem::new(status, "malformed", "the request can't be read"),
    };
    let mut replaced = problem.into_response();
    *replaced.status_mut() = status;
    // Such as Allow; what describes the old body goes with it.
    for (name, value) in response.headers() {
        if name.as_str().starts_with("content-") || replaced.headers().contains_key(name) {
            continue;
        }
        replaced.headers_mut().append(name, value.clone());
    }
    replaced
}

/// Methods that nobody offers share one name, so that clients can't make metrics.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

struct Answer<'a> {
    meta: &'a Meta,
    method: &'static str,
    /// The pattern of the path, not the path: `/v1/orders/{id}`.
    route: Option<String>,
    status: StatusCode,
    took: Duration,
}

impl Answer<'_> {
    fn record(self) {
        let route = self.route.unwrap_or_else(|| "unmatched".to_owned());
        let request_id = &*self.meta.request_id;
        let trace_id = || self.meta.trace.trace_id();
        let status = self.status.as_u16();
        if matches!(status, 500 | 504) {
            tracing::warn!(request_id, trace_id = trace_id(), method = self.method, route, status, "answered");
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let took = self.took;
            tracing::debug!(request_id, trace_id = trace_id(), method = self.method, route, status, ?took, "answered");
        }
        let labels = [
            ("method", metrics::SharedString::const_str(self.method)),
            ("route", metrics::SharedString::from(route)),
            ("status", metrics::SharedString::from(status.to_string())),
        ];
        metrics::histogram!("http_server_request_duration_seconds", &labels).record(self.took);
    }
}

#[cfg(test)]
mod tests;
