//! Without Redis; `shared/tests.rs` has one.

use super::*;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tokio::time::sleep;

fn entry(version: i64) -> Entry {
    Entry { version, bytes: Bytes::from(version.to_string()) }
}

const KEY: Uuid = Uuid::from_u128(7);

async fn get(cache: &Cache, version: i64) -> i64 {
    cache.get(KEY, async || Ok(Some(entry(version)))).await.unwrap().unwrap().version
}

#[tokio::test]
async fn a_key_is_loaded_once_however_many_ask() {
    let cache = Cache::new(None, "test").unwrap();
    let loads = AtomicU32::new(0);
    let asked = (0..100).map(|_| {
        cache.get(KEY, || async {
            loads.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
            Ok(Some(entry(1)))
        })
    });
    let answers = futures::future::join_all(asked).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == Some(entry(1))));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn who_wrote_never_serves_older_than_its_own_answer() {
    let cache = Cache::new(None, "test").unwrap();
    assert_eq!(get(&cache, 1).await, 1);
    cache.put(KEY, entry(3)).await;
    cache.put(KEY, entry(2)).await;
    assert_eq!(get(&cache, 0).await, 3, "from memory");

    // A read that began before the commit and ends after it.
    let other = Uuid::from_u128(8);
    let in_database = AtomicI64::new(1);
    let slow = cache.get(other, || async {
        let read = in_database.load(Ordering::Relaxed);
        sleep(Duration::from_millis(50)).await;
        Ok(Some(entry(read)))
    });
    let write = async {
        sleep(Duration::from_millis(10)).await;
        in_database.store(2, Ordering::Relaxed);
        cache.put(other, entry(2)).await;
    };
    let (read, ()) = tokio::join!(slow, write);
    assert_eq!(read.unwrap().unwrap().version, 2);
    let next = cache.get(other, async || Ok(Some(entry(2)))).await.unwrap().unwrap();
    assert_eq!(next.version, 2);
}

#[tokio::test]
async fn what_is_expected_is_not_undercut() {
    let cache = Cache::new(None, "test").unwrap();
    assert_eq!(get(&cache, 1).await, 1);
    cache.expect(KEY, 2).await;
    assert_eq!(get(&cache, 2).await, 2, "though the first entry is not a second old");
    assert_eq!(get(&cache, 3).await, 2, "which is kept as any other");
    cache.expect(KEY, 1).await;
    assert_eq!(get(&cache, 3).await, 2);
}

#[tokio::test]
async fn an_entry_is_served_for_a_second_and_then_looked_for_again() {
    let cache = Cache::new(None, "test").unwrap();
    assert_eq!(get(&cache, 1).await, 1);
    assert_eq!(get(&cache, 2).await, 1);
    sleep(LOCAL_TIME_TO_LIVE + Duration::from_millis(100)).await;
    assert_eq!(get(&cache, 2).await, 2);
}

#[tokio::test]
async fn what_is_not_there_and_what_fails_is_not_kept() {
    let cache = Cache::new(None, "test").unwrap();
    assert_eq!(cache.get(KEY, async || Ok(None)).await.unwrap(), None);
    assert_eq!(cache.get(KEY, async || Err(Problem::unavailable())).await.unwrap_err().status(), 503);
    assert_eq!(get(&cache, 1).await, 1);
}

#[tokio::test]
async fn without_an_answer_from_redis_the_database_answers_quickly() {
    // A listener that never answers, as a paused Redis; and a closed port, as a killed one.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let paused = format!("redis://{}/0", silent.local_addr().unwrap());
    for url in [paused.as_str(), "redis://127.0.0.1:1/0"] {
        let cache = Cache::new(Some(url), "test").unwrap();
        let started = std::time::Instant::now();
        for version in 1..=50 {
            let key = Uuid::from_u128(version);
            let found = cache.get(key, async || Ok(Some(entry(1)))).await.unwrap().unwrap();
            assert_eq!(found.version, 1);
            cache.put(key, entry(2)).await;
            assert_eq!(cache.get(key, async || Ok(Some(entry(0)))).await.unwrap().unwrap().version, 2);
        }
        assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
        sleep(Duration::from_millis(300)).await;
        assert!(!cache.is_up(), "{url}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_being_repeated() {
    let error = Cache::new(Some("http://:hunter2@localhost"), "test").unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_handler_may_wait_for_the_cache() {
    fn can_be_served<F: Future + Send>(_: F) {}
    async fn handler(cache: Cache, row: String) -> Option<Entry> {
        cache.get(KEY, || async { Ok(Some(Entry { version: 1, bytes: Bytes::from(row.clone()) })) }).await.ok()?
    }
    can_be_served(async {
        if let Ok(cache) = Cache::new(None, "test") {
            handler(cache, String::new()).await;
        }
    });
}
