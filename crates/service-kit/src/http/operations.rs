//! The routes that every service has for those who run it: `/livez`, `/readyz`, `/metrics`, `/info`, and its
//! specification.

use super::health::Checks;
use super::openapi::{SpecUrl, swagger_ui};
use crate::telemetry;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What these routes tell.
pub(crate) struct Operations {
    pub(crate) name: &'static str,
    pub(crate) checks: Checks,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) openapi: utoipa::openapi::OpenApi,
    /// The other services' specifications.
    pub(crate) specs: Vec<SpecUrl>,
}

pub(crate) fn operations(of: Operations) -> Router {
    let Operations { name, checks, metrics, openapi, specs } = of;
    let about = json!({
        "name": name,
        "version": env!("CARGO_PKG_VERSION"),
        // Set by whoever builds images; a development build does without, so that a commit compiles nothing anew.
        "gitSha": option_env!("RTOMS_GIT_SHA"),
        "buildTime": option_env!("RTOMS_BUILD_TIME").map(ToOwned::to_owned).or_else(executable_time),
    });
    let specification = Bytes::from(serde_json::to_vec(&openapi).expect("a specification is plain data"));
    let swagger: Router = swagger_ui(name, specs).into();
    Router::new()
        .route("/livez", get(async || fresh(axum::Json(json!({ "status": "alive" })))))
        .route("/readyz", get(async move || readiness(&checks)))
        .route("/metrics", get(async move || exposition(&metrics)))
        .route("/info", get(async move || fresh(axum::Json(about.clone()))))
        .route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], specification.clone())))
        .merge(swagger)
}

fn readiness(checks: &Checks) -> Response {
    let (ready, body) = checks.report();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh((status, axum::Json(body)))
}

fn exposition(metrics: &PrometheusHandle) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render(metrics)).into_response()
}

fn fresh(response: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], response).into_response()
}

/// When the program was linked, near enough.
fn executable_time() -> Option<String> {
    let modified = std::env::current_exe().ok()?.metadata().ok()?.modified().ok()?;
    rfc_3339(modified)
}

fn rfc_3339(at: SystemTime) -> Option<String> {
    let seconds = i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests;
