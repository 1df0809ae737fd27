//! Clients that take all the time in the world are cut, and those beside them notice nothing.

use crate::api::Specification;
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::{try_join_all, try_join3};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::api::Service;
use testkit::eventually::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How many such clients there are of each kind.
const CLIENTS: usize = 40;
/// Between one byte and the next.
const DRIP: Duration = Duration::from_secs(1);

/// A connection to a service, without a client that knows HTTP.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("the URLs here are http")?;
        Ok(Self(TcpStream::connect(address).await?))
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.0.write_all(text.as_bytes()).await?)
    }

    /// Sends byte after byte without an end, until the other side has had enough.
    async fn drip(&mut self, start: &str) -> Result<String> {
        self.send(start).await?;
        let (mut reader, mut writer) = self.0.split();
        let mut answer = Vec::new();
        let drips = async {
            while writer.write_all(b"x").await.is_ok() {
                sleep(DRIP).await;
            }
            // It was cut; what it was told may still be read.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // A reset is an end too.
            _ = reader.read_to_end(&mut answer) => {}
            () = drips => {}
            () = sleep(PATIENCE) => anyhow::bail!("{start:?} and a byte a second goes on and on"),
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// All that comes until the other side closes.
    pub(crate) async fn rest(&mut self) -> Result<String> {
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut answer)).await.context("the connection stays open")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

pub(crate) async fn clients_that_never_finish_are_cut(shop: Shop) -> Result<()> {
    let customer = shop.customer().await?;
    let url = shop.api.replicas(Service::Order)[0].clone();
    let token = customer.token().context("a token")?;
    let body = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 5000\r\n\r\n{{\"lines\":\""
    );
    let started = Instant::now();
    let silent = try_join_all((0..CLIENTS).map(|_| async { Raw::connect(&url).await?.rest().await }));
    let heads = try_join_all(
        (0..CLIENTS).map(|_| async { Raw::connect(&url).await?.drip("GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await }),
    );
    let bodies = try_join_all((0..CLIENTS).map(|_| async { Raw::connect(&url).await?.drip(&body).await }));
    let cut = AtomicBool::new(false);
    let slow = async {
        let all = try_join3(silent, heads, bodies).await;
        cut.store(true, Ordering::Relaxed);
        all
    };
    let normal = async {
        let (here, mut answered) = (customer.at_replica(0), 0);
        while !cut.load(Ordering::Relaxed) {
            let asked = Instant::now();
            here.get(Service::Order, "/v1/orders?limit=1").await?.expect(200)?;
            ensure!(asked.elapsed() < Duration::from_secs(5), "a normal client waited for {:?}", asked.elapsed());
            answered += 1;
            sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, anyhow::Error>(answered)
    };
    let (all, answered) = tokio::join!(slow, normal);
    let (silent, heads, bodies) = all?;
    ensure!(answered? > 10, "a normal client was hardly there");
    ensure!(started.elapsed() > Duration::from_secs(3), "cut before they were slow: {:?}", started.elapsed());
    ensure!(silent.iter().all(String::is_empty), "to say nothing is no request: {silent:?}");
    ensure!(heads.iter().all(|answer| !answer.contains(" 200 ")), "{heads:?}");
    for answer in bodies {
        let told = answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout");
        ensure!(told && answer.contains("application/problem+json"), "{answer}");
    }
    Ok(())
}

/// What is no request at all ends with its connection, at every service.
pub(crate) async fn what_is_no_request_is_refused(shop: Shop) -> Result<()> {
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(70_000));
    for service in Service::ALL {
        let url = &shop.api.replicas(service)[0];
        for (request, status) in [
            ("\r\n\r\nhello\r\n\r\n", "400"),
            ("GET / HTTP/9.9\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "400"),
            (&long, "431"),
        ] {
            let mut raw = Raw::connect(url).await?;
            // It may be cut while it still speaks.
            let _ = raw.send(request).await;
            let answer = raw.rest().await?;
            let start = &request[..request.len().min(60)];
            let told = answer.split(' ').nth(1);
            // Where the end of the connection overtakes it, there is no answer.
            ensure!(told.is_none_or(|told| told == status), "{start:?} of {}: {answer}", service.name());
        }
        // And it serves on.
        Specification::of(&shop, service).await?;
    }
    Ok(())
}
