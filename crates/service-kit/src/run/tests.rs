//! A service without an engine, over real sockets.

use super::*;
use crate::http::Problem;
use axum::routing::get;
use clap::Parser;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

#[derive(Parser)]
struct Config {
    #[command(flatten)]
    common: CommonArgs,
}

struct Running {
    port: u16,
    shutdown: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

async fn start(redis: Condition) -> Running {
    let [port] = stack::ports::free_ports().unwrap();
    let addr = format!("--http-addr=127.0.0.1:{port}");
    let args =
        ["product", "--database-url=postgres://nobody@127.0.0.1/none", &addr, "--oidc-token-url=http://issuer/token"];
    let config = Config::try_parse_from(args).unwrap();
    let routes = Router::new().route("/v1/refused", get(async || Problem::forbidden())).route(
        "/v1/slow",
        get(async || {
            sleep(Duration::from_millis(300)).await;
            "slow"
        }),
    );
    let shutdown = CancellationToken::new();
    let service = Service::new("product", &config.common, OpenApi::default(), routes).check("redis", move || redis);
    let ended = tokio::spawn(service.serve(shutdown.clone()));
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    Running { port, shutdown, ended }
}

async fn fetch(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: r-1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_service_has_its_operations_and_the_edge_around_all() {
    let running = start(Condition::Degraded).await;
    let ready = fetch(running.port, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""redis":"degraded""#), "{ready}");
    let refused = fetch(running.port, "/v1/refused").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains(r#""requestId":"r-1""#), "{refused}");
    assert!(fetch(running.port, "/openapi.json").await.contains("http://issuer/token"));
    let metrics = fetch(running.port, "/metrics").await;
    assert!(metrics.contains(r#"route="/v1/refused",status="403""#), "{metrics}");
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_finishes_what_is_under_way() {
    let running = start(Condition::Up).await;
    let slow = tokio::spawn(fetch(running.port, "/v1/slow"));
    sleep(Duration::from_millis(100)).await;
    let told = Instant::now();
    running.shutdown.cancel();
    running.ended.await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(slow.await.unwrap().ends_with("slow"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let running = start(Condition::Up).await;
    let addr = format!("--http-addr=127.0.0.1:{}", running.port);
    let args = ["product", "--database-url=postgres://nobody@127.0.0.1/none", &addr];
    let config = Config::try_parse_from(args).unwrap();
    let second = Service::new("product", &config.common, OpenApi::default(), Router::new());
    let error = format!("{:#}", second.serve(CancellationToken::new()).await.unwrap_err());
    assert!(error.contains(&running.port.to_string()) && error.contains("HTTP_ADDR"), "{error}");
}
