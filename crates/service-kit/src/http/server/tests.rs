//! Over real sockets: what is slow is cut, what is under way may finish, and a normal client notices nothing.

use super::*;
use axum::routing::get;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

struct Running {
    addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(drain: Duration) -> Running {
    let router = Router::new().route("/", get(async || "hello")).route(
        "/slow",
        get(async || {
            sleep(Duration::from_millis(300)).await;
            "slow"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let bounds = Bounds { header_timeout: Duration::from_millis(400), drain };
    let task = tokio::spawn(serve(listener, router, bounds, stop.clone()));
    Running { addr, stop, task }
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.addr).await.unwrap()
}

/// Reads until the other side closes.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await.expect("closed in time");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_silent_socket_is_cut() {
    let running = start(Duration::ZERO).await;
    let started = Instant::now();
    let mut stream = connect(&running).await;
    assert_eq!(read_all(&mut stream).await, "");
    assert!((300..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_drips_is_cut_while_another_client_is_served() {
    let running = start(Duration::ZERO).await;
    let mut stream = connect(&running).await;
    let (mut reader, mut writer) = stream.split();
    let started = Instant::now();
    let drip = async {
        for byte in "GET / HTTP/1.1\r\nhost: localhost\r\nx: ".bytes().chain(std::iter::repeat(b'x')) {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    let cut = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    let other = async {
        let mut other = connect(&running).await;
        other.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(read_all(&mut other).await.ends_with("hello"));
        sleep(Duration::from_secs(5)).await;
    };
    tokio::select! {
        () = cut => {}
        () = drip => {}
        () = other => panic!("not cut"),
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(!String::from_utf8(answer).unwrap().contains("hello"));
}

#[tokio::test]
async fn what_is_under_way_is_answered_after_the_end_has_begun() {
    let running = start(Duration::from_secs(5)).await;
    let mut stream = connect(&running).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let idle = connect(&running).await;
    running.stop.cancel();
    assert!(read_all(&mut stream).await.ends_with("slow"));
    timeout(Duration::from_secs(2), running.task).await.expect("ends as soon as nothing is under way").unwrap();
    assert!(TcpStream::connect(running.addr).await.is_err(), "nobody listens any more");
    drop(idle);
}

#[tokio::test]
async fn the_end_has_a_deadline() {
    let running = start(Duration::from_millis(50)).await;
    let mut stream = connect(&running).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    running.stop.cancel();
    timeout(Duration::from_millis(200), running.task).await.expect("in time").unwrap();
    assert_eq!(read_all(&mut stream).await, "", "cut");
}
