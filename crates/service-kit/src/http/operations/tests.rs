use super::*;
use crate::http::health::Condition;
use axum::body::{Body, to_bytes};
use http::Request;
use serde_json::Value;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

async fn fetch(path: &str, postgres: Condition) -> (u16, String) {
    let mut checks = Checks::default();
    checks.add("postgres", move || postgres);
    let metrics = telemetry::metrics().unwrap().clone();
    let openapi = crate::http::openapi::document("RTOMS product", "Products", OpenApi::default());
    let router = operations(Operations { name: "product", checks, metrics, openapi, specs: Vec::new() });
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn json(path: &str) -> Value {
    serde_json::from_str(&fetch(path, Condition::Up).await.1).unwrap()
}

#[tokio::test]
async fn the_process_lives_also_when_it_is_not_ready() {
    assert_eq!(fetch("/livez", Condition::Down).await.0, 200);
    assert_eq!(fetch("/readyz", Condition::Down).await.0, 503);
    assert_eq!(fetch("/readyz", Condition::Degraded).await.0, 200);
}

#[tokio::test]
async fn metrics_and_info_tell_of_the_process() {
    telemetry::metrics().unwrap();
    metrics::counter!("rtoms_test_total").increment(1);
    metrics::histogram!("rtoms_batch_size").record(3.0);
    let text = fetch("/metrics", Condition::Up).await.1;
    assert!(text.contains("rtoms_test_total") && text.contains("rtoms_batch_size_bucket{le=\"4\"}"), "{text}");
    if cfg!(target_os = "linux") {
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
    let info = json("/info").await;
    assert_eq!((info["name"].as_str(), info["version"].as_str()), (Some("product"), Some(env!("CARGO_PKG_VERSION"))));
    assert!(info["buildTime"].as_str().is_some_and(|time| time.ends_with('Z')));
}

#[tokio::test]
async fn swagger_ui_shows_all_services_with_its_own_first() {
    assert_eq!(fetch("/swagger-ui", Condition::Up).await.0, 303);
    assert!(fetch("/swagger-ui/", Condition::Up).await.1.contains("swagger-ui"));
    let script = fetch("/swagger-ui/swagger-initializer.js", Condition::Up).await.1;
    let places = ["\"/openapi.json\"", ":8182/openapi.json", ":8183/", ":8184/", ":8185/"].map(|url| script.find(url));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{script}");
    assert!(!script.contains(":8181/"), "{script}");
    assert_eq!(json("/openapi.json").await["info"]["title"], "RTOMS product");
}
