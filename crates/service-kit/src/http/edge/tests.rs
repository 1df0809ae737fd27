//! Whatever happens behind the edge, what comes out is a problem with the request's id.

use super::*;
use crate::http::{Answered, Json, Nothing};
use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use engine::Answer as Decided;
use serde_json::Value;
use tower::ServiceExt;

fn router() -> Router {
    let routes = Router::new()
        .route("/ok", get(async |meta: Meta| format!("{} {}", meta.request_id, meta.trace)))
        .route("/panic", get(async || -> String { panic!("on purpose") }))
        .route("/body", post(async |_: Json<Nothing>| "read"))
        .route("/form", post(async |_: axum::Form<Vec<(String, String)>>| "read"))
        .route(
            "/oauth",
            get(async || (StatusCode::BAD_REQUEST, axum::Json(serde_json::json!({"error": "invalid_grant"})))),
        )
        .route("/refused", get(async || Answered(Decided::from(Problem::conflict("no", "no")))))
        .route("/silent", get(async || StatusCode::IM_A_TEAPOT));
    edge(routes, Edge { body_timeout: Duration::from_secs(1) })
}

async fn send(request: http::request::Builder, body: impl Into<Body>) -> (Response, Value) {
    let request = request.header(X_REQUEST_ID, "id-1").body(body.into()).unwrap();
    let response = router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1_000_000).await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into()));
    (Response::from_parts(parts, Body::empty()), json)
}

#[tokio::test]
async fn ids_go_in_and_out() {
    let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (response, body) = send(Request::get("/ok").header(TRACEPARENT, sent), "").await;
    assert_eq!(response.headers()[X_REQUEST_ID], "id-1");
    let traceparent = response.headers()[TRACEPARENT].to_str().unwrap();
    assert!(traceparent.contains("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(body, format!("id-1 {traceparent}"), "the handler sees the same");
    assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let large = "x".repeat(65 * 1024);
    let form = "application/x-www-form-urlencoded";
    let cases = [
        (Request::get("/nowhere"), "", 404, "not_found"),
        (Request::delete("/ok"), "", 405, "method_not_allowed"),
        (Request::get("/panic"), "", 500, "internal"),
        (Request::post("/body").header(CONTENT_TYPE, "text/plain"), "x", 415, "unsupported_media_type"),
        (Request::post("/body").header(CONTENT_TYPE, "application/json"), "{", 400, "malformed"),
        (Request::post("/body").header(CONTENT_TYPE, "application/json"), &large, 413, "body_too_large"),
        (Request::post("/form"), "a=b", 415, "unsupported_media_type"),
        (Request::post("/form").header(CONTENT_TYPE, form), &large, 413, "body_too_large"),
        (Request::get("/refused"), "", 409, "no"),
        (Request::get("/silent"), "", 418, "malformed"),
    ];
    for (request, body, status, code) in cases {
        let what = format!("{:?} {:?}", request.method_ref(), request.uri_ref());
        let (response, problem) = send(request, body.to_owned()).await;
        assert_eq!(response.status().as_u16(), status, "{what}");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json", "{what}");
        assert_eq!((problem["code"].as_str(), problem["requestId"].as_str()), (Some(code), Some("id-1")), "{what}");
        assert_eq!(problem["status"], status, "{what}");
    }
}

#[tokio::test]
async fn a_405_names_the_methods() {
    let (response, _) = send(Request::delete("/ok"), "").await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn json_of_another_standard_stays_as_it_is() {
    let (response, body) = send(Request::get("/oauth"), "").await;
    assert_eq!((response.status().as_u16(), &body["error"]), (400, &Value::from("invalid_grant")));
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    assert!(body.get("requestId").is_none());
}

#[tokio::test]
async fn a_page_of_another_local_port_may_call() {
    let preflight = Request::options("/body")
        .header("origin", "http://localhost:8183")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,idempotency-key");
    let (response, _) = send(preflight, "").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "http://localhost:8183");
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization,idempotency-key");
    let (response, _) = send(Request::get("/nowhere").header("origin", "http://localhost:8183"), "").await;
    assert_eq!(response.headers()["access-control-allow-origin"], "http://localhost:8183", "errors can be read too");
    let (response, _) = send(Request::get("/ok").header("origin", "https://example.com"), "").await;
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}
