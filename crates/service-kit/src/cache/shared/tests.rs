//! On a Redis of their own, because what is promised is promised for its outages, and they would hurt a shared one.

use super::super::Cache;
use super::*;
use bytes::Bytes;
use stack::process::{Process, Signal};
use std::process::Command;
use std::sync::atomic::AtomicI64;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

struct Redis {
    process: Process,
    port: u16,
    dir: TempDir,
}

impl Redis {
    fn start() -> Self {
        let [port] = stack::ports::free_ports().unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { process: launch(port, &dir), port, dir }
    }

    fn restart(&mut self) {
        self.process.kill();
        self.process = launch(self.port, &self.dir);
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    async fn connection(&self) -> ConnectionManager {
        let client = Client::open(self.url()).unwrap();
        for _ in 0..100 {
            if let Ok(connection) = ConnectionManager::new(client.clone()).await {
                return connection;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("Redis does not come up: is redis-server installed? `cargo xtask test` sees to it");
    }
}

fn launch(port: u16, dir: &TempDir) -> Process {
    let mut server = Command::new("redis-server");
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(dir.path());
    Process::start(&server, Signal::Kill, None, &dir.path().join("redis.log")).unwrap()
}

fn entry(version: i64) -> Entry {
    Entry { version, bytes: Bytes::from(format!("body of {version}")) }
}

async fn lease(redis: &mut ConnectionManager, name: &str) -> String {
    match script::look(redis, name, &Uuid::new_v4().to_string(), LEASE).await.unwrap() {
        Found::Lease(lease) => lease,
        _ => panic!("an entry in {name}"),
    }
}

async fn version(redis: &mut ConnectionManager, name: &str) -> Option<i64> {
    match script::look(redis, name, "lease", LEASE).await.unwrap() {
        Found::Entry(entry) => Some(entry.version),
        _ => None,
    }
}

#[tokio::test]
async fn only_higher_versions_and_valid_leases_are_stored() {
    let server = Redis::start();
    let mut redis = server.connection().await;
    let lasts = TIME_TO_LIVE;

    // A commit needs no lease, and only a higher version takes its place.
    assert!(script::store(&mut redis, "a", &entry(10), lasts, None).await.unwrap());
    assert!(!script::store(&mut redis, "a", &entry(9), lasts, None).await.unwrap());
    assert!(!script::store(&mut redis, "a", &entry(10), lasts, None).await.unwrap());
    assert_eq!(version(&mut redis, "a").await, Some(10));
    assert!(script::store(&mut redis, "a", &entry(11), lasts, None).await.unwrap());

    // All who miss share one lease, and what comes first is kept.
    let first = lease(&mut redis, "b").await;
    assert_eq!(lease(&mut redis, "b").await, first);
    assert!(script::store(&mut redis, "b", &entry(1), lasts, Some(&first)).await.unwrap());
    assert_eq!(version(&mut redis, "b").await, Some(1));

    // A slow reader does not put back what was replaced and then emptied in between.
    let slow = lease(&mut redis, "c").await;
    assert!(script::store(&mut redis, "c", &entry(2), lasts, None).await.unwrap());
    redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    assert!(!script::store(&mut redis, "c", &entry(1), lasts, Some(&slow)).await.unwrap());
    let next = lease(&mut redis, "c").await;
    assert!(!script::store(&mut redis, "c", &entry(1), lasts, Some(&slow)).await.unwrap());
    assert!(script::store(&mut redis, "c", &entry(2), lasts, Some(&next)).await.unwrap());
}

async fn trusted(cache: &Cache) {
    let shared = cache.shared.as_ref().unwrap();
    for _ in 0..200 {
        if shared.is_trusted() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("Redis is not trusted");
}

#[tokio::test]
async fn what_one_replica_loaded_or_wrote_another_finds() {
    let server = Redis::start();
    server.connection().await;
    let (a, b) = (Cache::new(Some(&server.url()), "t").unwrap(), Cache::new(Some(&server.url()), "t").unwrap());
    tokio::join!(trusted(&a), trusted(&b));
    let (loaded, written) = (Uuid::from_u128(1), Uuid::from_u128(2));
    a.get(loaded, async || Ok(Some(entry(5)))).await.unwrap();
    a.put(written, entry(6)).await;
    sleep(Duration::from_millis(100)).await;
    for (key, wanted) in [(loaded, entry(5)), (written, entry(6))] {
        let found = b.get(key, async || panic!("not from the database")).await.unwrap();
        assert_eq!(found, Some(wanted));
    }
}

/// One replica writes, another reads, and Redis is paused, emptied and killed meanwhile. The reader is never more than
/// two seconds behind and never goes back; the writer never serves older than it wrote; and no read takes long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_stay_right_whatever_happens_to_redis() {
    const KEY: Uuid = Uuid::from_u128(3);
    const PROMISED: Duration = Duration::from_secs(2);
    let mut server = Redis::start();
    server.connection().await;
    let (writer, reader) =
        (Cache::new(Some(&server.url()), "t").unwrap(), Cache::new(Some(&server.url()), "t").unwrap());
    tokio::join!(trusted(&writer), trusted(&reader));
    // The database, and when it got each version.
    let committed = AtomicI64::new(0);
    let history = Mutex::new(vec![Instant::now()]);
    let load = async || Ok(Some(entry(committed.load(Ordering::SeqCst))));

    let writes = async {
        loop {
            let next = committed.load(Ordering::SeqCst) + 1;
            history.lock().unwrap().push(Instant::now());
            committed.store(next, Ordering::SeqCst);
            writer.put(KEY, entry(next)).await;
            assert!(writer.get(KEY, load).await.unwrap().unwrap().version >= next, "its own answer");
            sleep(Duration::from_millis(330)).await;
        }
    };
    let reads = async {
        let mut last = 0;
        loop {
            let asked = Instant::now();
            let version = reader.get(KEY, load).await.unwrap().unwrap().version;
            assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
            assert!(version >= last, "went back from {last} to {version}");
            last = version;
            let newer = usize::try_from(version).unwrap() + 1;
            let outdated = history.lock().unwrap().get(newer).map(|at| asked.saturating_duration_since(*at));
            assert!(outdated.is_none_or(|age| age <= PROMISED), "{outdated:?} behind");
            sleep(Duration::from_millis(15)).await;
        }
    };
    let faults = async {
        sleep(Duration::from_millis(700)).await;
        for frozen_ms in [150, 1_500] {
            server.process.signal(Signal::Stop).unwrap();
            sleep(Duration::from_millis(frozen_ms)).await;
            server.process.signal(Signal::Cont).unwrap();
            sleep(Duration::from_millis(1_800)).await;
        }
        let mut redis = server.connection().await;
        for _ in 0..5 {
            redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        server.restart();
        sleep(Duration::from_millis(1_800)).await;
    };
    tokio::select! {
        () = writes => {}
        () = reads => {}
        () = faults => {}
    }
    tokio::join!(trusted(&writer), trusted(&reader));
    assert!(committed.load(Ordering::SeqCst) > 20);
}

/// The way to Redis, which can be cut: what is under way is lost, and nobody gets through.
struct Way {
    port: u16,
    cut: watch::Sender<bool>,
}

impl Way {
    async fn to(server: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = server.port;
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    if *is_cut.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn cache(&self) -> Cache {
        Cache::new(Some(&format!("redis://127.0.0.1:{}/0", self.port)), "t").unwrap()
    }
}

/// What was committed while Redis was out of reach is there before anybody reads there again, also who never asked for it
/// in between.
#[tokio::test]
async fn after_an_outage_nobody_finds_what_was_replaced_during_it() {
    let server = Redis::start();
    server.connection().await;
    let mut pairs = Vec::new();
    for n in 100..104_u128 {
        let (to_writer, to_reader) = (Way::to(&server).await, Way::to(&server).await);
        pairs.push((Uuid::from_u128(n), to_writer.cache(), to_reader.cache(), [to_writer, to_reader]));
    }
    for (key, writer, reader, _) in &pairs {
        tokio::join!(trusted(writer), trusted(reader));
        writer.put(*key, entry(1)).await;
    }
    sleep(Duration::from_millis(200)).await;
    let set_cut = |who: usize, cut: bool| pairs.iter().for_each(|(.., ways)| _ = ways[who].cut.send(cut));
    let (writers, readers) = (0, 1);
    set_cut(writers, true);
    set_cut(readers, true);
    for (key, writer, ..) in &pairs {
        writer.put(*key, entry(2)).await;
    }
    sleep(Duration::from_millis(1_200)).await;
    set_cut(readers, false);
    let healed = Instant::now();
    while healed.elapsed() < Duration::from_secs(3) {
        // The writers come back last.
        if healed.elapsed() > Duration::from_millis(400) {
            set_cut(writers, false);
        }
        // As soon as it answers, which is before it is trusted.
        for (key, _, reader, _) in pairs.iter().filter(|(_, _, reader, _)| reader.is_up()) {
            let found = reader.get(*key, async || Ok(Some(entry(2)))).await.unwrap().unwrap();
            assert_eq!(found.version, 2, "{:?} after the outage", healed.elapsed());
            // So that every read goes as far as it may.
            reader.local.invalidate(key).await;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let mut redis = server.connection().await;
    for (key, _, reader, _) in &pairs {
        assert!(reader.shared.as_ref().unwrap().is_trusted());
        assert_eq!(version(&mut redis, &format!("rtoms:t:{key}")).await, Some(2));
    }
}
