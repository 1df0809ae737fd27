//! Cached reads of products: right whatever becomes of Redis. Two product services and a Redis of their own.

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use testkit::annex::{Lodger, api_of, free_url};
use testkit::api::{Service, User, id, read};
use testkit::eventually::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use uuid::Uuid;

/// How far a replica that did not write may be behind: two seconds, and one for a machine that does other things too.
const BEHIND: Duration = Duration::from_secs(3);
/// How long Redis may take to answer until the database is asked instead; `service_kit::cache` has it.
const ANSWER_BOUND: Duration = Duration::from_millis(100);
/// Longer than a process serves what it has without looking again, and than a breaker takes to close.
const SETTLED: Duration = Duration::from_secs(2);

/// Two replicas, an admin at each, and their Redis.
struct Catalogue {
    redis: stack::redis::Redis,
    one: User,
    other: User,
    urls: [String; 2],
    _lodgers: [Lodger; 2],
}

impl Catalogue {
    async fn open(shop: &Shop) -> Result<Self> {
        let annex = shop.annex().await?;
        let redis = annex.redis().await?;
        let issuer = shop.api.replicas(Service::Order)[0].as_str();
        let urls = [free_url()?, free_url()?];
        let launch = |url: &str| annex.launch(Service::Product, url, issuer, &[("REDIS_URL", &redis.url())]);
        let lodgers = [launch(&urls[0])?, launch(&urls[1])?];
        for lodger in &lodgers {
            lodger.ready().await?;
        }
        let admin = api_of(&[&lodgers[0], &lodgers[1]])?.anonymous().with_token(shop.admin.token().context("a token")?);
        Ok(Self { redis, one: admin.at_replica(0), other: admin.at_replica(1), urls, _lodgers: lodgers })
    }

    async fn product(&self) -> Result<Uuid> {
        let price = json!({ "amount": 1, "currency": "USD" });
        let new = json!({ "sku": Uuid::new_v4(), "name": "Cached", "category": "cache", "price": price });
        id(&self.one.post(Service::Product, "/v1/products", &new).await?.expect(201)?)
    }

    async fn command(&self, command: &str) -> Result<()> {
        let mut redis = TcpStream::connect(("127.0.0.1", self.redis.server.port())).await?;
        redis.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = [0; 3];
        redis.read_exact(&mut answer).await?;
        ensure!(&answer == b"+OK", "{command}: {answer:?}");
        Ok(())
    }

    /// How often the first replica has looked for an entry, in Redis or in the database.
    async fn fills(&self) -> Result<f64> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let metrics = http.get(format!("{}/metrics", self.urls[0])).send().await?.text().await?;
        let lines = metrics.lines().filter(|line| line.starts_with("rtoms_cache_fills_total"));
        lines.map(|line| Ok(line.rsplit(' ').next().context("a value")?.parse::<f64>()?)).sum()
    }
}

fn path(product: Uuid) -> String {
    format!("/v1/products/{product}")
}

async fn version(user: &User, product: Uuid) -> Result<i64> {
    let body = user.get(Service::Product, &path(product)).await?.expect(200)?;
    body["version"].as_i64().context("a version")
}

/// The version that the product has by now.
async fn rename(user: &User, product: Uuid, n: usize) -> Result<i64> {
    let name = json!({ "name": format!("Name {n}") });
    let change = user.request(Method::PATCH, Service::Product, &path(product)).header("if-match", "*").json(&name);
    read(change).await?.expect(200)?["version"].as_i64().context("a version")
}

pub(crate) async fn a_product_is_loaded_once_however_many_ask(shop: Shop) -> Result<()> {
    const CLIENTS: usize = 300;
    let catalogue = Catalogue::open(&shop).await?;
    let product = catalogue.product().await?;
    sleep(SETTLED).await;
    let (before, started) = (catalogue.fills().await?, Instant::now());
    let asked = (0..CLIENTS).map(|_| version(&catalogue.one, product));
    ensure!(try_join_all(asked).await? == [1; CLIENTS]);
    // An entry lives for a second.
    let seconds = started.elapsed().as_secs_f64().ceil();
    let fills = catalogue.fills().await? - before;
    ensure!((1.0..=seconds).contains(&fills), "{fills} fills for {CLIENTS} reads within {seconds} s");
    Ok(())
}

/// One replica changes a product again and again, both are read all the time, and Redis is frozen, emptied, killed and
/// started again meanwhile.
pub(crate) async fn answers_stay_right_whatever_becomes_of_redis(shop: Shop) -> Result<()> {
    let mut catalogue = Catalogue::open(&shop).await?;
    let product = catalogue.product().await?;
    let (one, other) = (catalogue.one.clone(), catalogue.other.clone());
    // When each version was known to be the newest, from the first on.
    let changed = Mutex::new(vec![Instant::now()]);
    let (newest, done) = (AtomicI64::new(1), AtomicBool::new(false));
    let writes = async {
        while !done.load(Ordering::Relaxed) {
            let n = changed.lock().expect("no panic").len();
            let version_now = rename(&one, product, n).await?;
            changed.lock().expect("no panic").push(Instant::now());
            newest.store(version_now, Ordering::Release);
            for _ in 0..3 {
                let seen = version(&one, product).await?;
                ensure!(seen == version_now, "{seen} is not its own answer, {version_now}");
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let reads = async {
        let mut last = 1;
        while !done.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let seen = version(&other, product).await?;
            ensure!(seen >= last, "went back from {last} to {seen}");
            last = seen;
            // The version after it: since when has it been there?
            let next = changed.lock().expect("no panic").get(usize::try_from(seen)?).copied();
            let behind = next.map(|at| asked.saturating_duration_since(at)).unwrap_or_default();
            ensure!(behind <= BEHIND, "{behind:?} behind at version {seen}");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    let faults = async {
        let done_after = async {
            sleep(SETTLED).await;
            for frozen in [Duration::from_millis(150), SETTLED] {
                catalogue.redis.server.freeze();
                sleep(frozen).await;
                catalogue.redis.server.thaw();
                sleep(SETTLED).await;
            }
            for _ in 0..5 {
                catalogue.command("FLUSHALL").await?;
                sleep(Duration::from_millis(150)).await;
            }
            tokio::task::block_in_place(|| catalogue.redis.server.crash());
            sleep(SETTLED).await;
            tokio::task::block_in_place(|| catalogue.redis.server.restart())?;
            sleep(SETTLED).await;
            Ok::<_, anyhow::Error>(())
        };
        let ended = done_after.await;
        done.store(true, Ordering::Relaxed);
        ended
    };
    tokio::try_join!(writes, reads, faults)?;
    let last = newest.load(Ordering::Acquire);
    ensure!(last > 20, "only {last} versions");
    eventually("the last version at the other replica", || async {
        Ok((version(&other, product).await? == last).then_some(()))
    })
    .await
}

/// With a breaker that is open, reads take about as long as before, not as long as Redis is waited for.
pub(crate) async fn reads_are_quick_without_redis(shop: Shop) -> Result<()> {
    const PRODUCTS: usize = 100;
    let mut catalogue = Catalogue::open(&shop).await?;
    let mut products = Vec::new();
    for _ in 0..PRODUCTS {
        products.push(catalogue.product().await?);
    }
    // Each of them once: none is served from what the process has.
    let all = async || {
        sleep(SETTLED).await;
        let started = Instant::now();
        for product in &products {
            version(&catalogue.other, *product).await?;
        }
        Ok::<_, anyhow::Error>(started.elapsed())
    };
    let before = all().await?;
    catalogue.redis.server.freeze();
    let frozen = all().await?;
    catalogue.redis.server.thaw();
    let thawed = all().await?;
    tokio::task::block_in_place(|| catalogue.redis.server.crash());
    let gone = all().await?;
    let waited = ANSWER_BOUND * u32::try_from(PRODUCTS)?;
    for (what, took) in [("frozen", frozen), ("thawed", thawed), ("gone", gone)] {
        ensure!(took < (before * 4).max(waited / 2), "{took:?} while Redis was {what}, {before:?} before");
    }
    Ok(())
}
