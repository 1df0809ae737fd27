//! A storm of requests: each is answered in time, those that were refused never happened, and what finishes the orders
//! already taken does not wait behind them.

use super::long::progress::Progress;
use super::scene::order_of;
use super::{caught, superuser};
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use testkit::api::{Answer, Service, User, id};
use testkit::eventually::eventually;
use testkit::fleet::Fleet;
use testkit::metrics::sum;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

const CONNECTIONS: usize = 500;
const REQUESTS_EACH: usize = 40;
/// Of a control, which needs no more to see events wait.
const REQUESTS_EACH_OF_CONTROL: usize = 20;
/// Longer than a request may wait to be taken and then for its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// Less than the connections, so that requests are refused; several batches' share, so that who comes behind them waits.
const LANE: &str = "256";
const BEHIND: &str = "events wait behind requests";
const NEVER_FULL: &str = "the lane was never full: this was no storm";
const APPLIED: &str = "that nobody accepted";
/// So many requests wait behind a lock, a few of them in each batch.
const WAITING: usize = 100;
const SMALL_BATCH: &str = "16";

pub(crate) async fn of_twenty_thousand_requests(fleet: &Fleet) -> Result<()> {
    storm(fleet, REQUESTS_EACH, LANE, "").await
}

pub(crate) async fn control_requests_come_first(fleet: &Fleet) -> Result<()> {
    caught(storm(fleet, REQUESTS_EACH_OF_CONTROL, LANE, "lane-shares=off").await, BEHIND)
}

pub(crate) async fn control_the_lane_has_no_bound(fleet: &Fleet) -> Result<()> {
    caught(storm(fleet, 2, "1000000", "").await, NEVER_FULL)
}

async fn storm(fleet: &Fleet, each: usize, lane: &str, off: &str) -> Result<()> {
    let shop = with_order_service(fleet, &[("REQUESTS_MAX", lane), ("RTOMS_FAILPOINTS", off)]).await?;
    let product = shop.product(1000, 1_000_000).await?;
    let customer = shop.customer().await?;
    let before = overtaking(&shop).await?;
    let began = Instant::now();
    let sent = try_join_all((0..CONNECTIONS).map(|_| requests(&customer, product, each))).await?;
    let answers = Answers::sorted(sent.into_iter().flatten())?;
    eprintln!("{} accepted and {} refused in {:?}", answers.accepted.len(), answers.refused.len(), began.elapsed());
    let ended = Progress::of(&shop.ledger, product).until_all_have_ended().await;
    ensure!(!answers.refused.is_empty(), NEVER_FULL);
    answers.only_accepted_happened(&shop, &customer).await?;
    let overtaking = overtaking(&shop).await? - before;
    eprintln!("all ended after {:?}", began.elapsed());
    ensure!(overtaking == 0.0, "{BEHIND}: {overtaking} were taken beyond their share while events were left");
    ended
}

/// Requests that the order service's writer took before events without right.
async fn overtaking(shop: &Shop) -> Result<f64> {
    sum(&shop.api, Service::Order, "rtoms_lane_overtaking_total", "").await
}

pub(crate) async fn of_requests_that_wait_too_long(fleet: &Fleet) -> Result<()> {
    behind_a_locked_table(fleet, "").await
}

pub(crate) async fn control_who_was_refused_is_taken(fleet: &Fleet) -> Result<()> {
    caught(behind_a_locked_table(fleet, "claim-first=off").await, APPLIED)
}

/// Each batch meets the lock and is refused; most requests wait behind it until their time to be taken has run out.
async fn behind_a_locked_table(fleet: &Fleet, off: &str) -> Result<()> {
    let shop = with_order_service(fleet, &[("BATCH_MAX", SMALL_BATCH), ("RTOMS_FAILPOINTS", off)]).await?;
    let product = shop.product(1000, 1_000_000).await?;
    let customer = shop.customer().await?;
    let mut db = superuser(fleet).await?;
    sqlx::raw_sql(r#"BEGIN; LOCK TABLE "order".orders IN EXCLUSIVE MODE"#).execute(&mut db).await?;
    let sent = try_join_all((0..WAITING).map(|_| requests(&customer, product, 1))).await?;
    sqlx::raw_sql("COMMIT").execute(&mut db).await?;
    let answers = Answers::sorted(sent.into_iter().flatten())?;
    ensure!(answers.accepted.is_empty(), "{} were accepted behind the lock", answers.accepted.len());
    // Behind all that still waits in the lane.
    let last = eventually("an order is taken again", || async {
        let answers = Answers::sorted(requests(&customer, product, 1).await?.into_iter())?;
        Ok((!answers.accepted.is_empty()).then_some(answers.accepted))
    });
    let answers = Answers { accepted: last.await?, ..answers };
    Progress::of(&shop.ledger, product).until_all_have_ended().await?;
    answers.only_accepted_happened(&shop, &customer).await
}

/// The fleet with an order service that began anew.
async fn with_order_service(fleet: &Fleet, env: &[(&str, &str)]) -> Result<Shop> {
    fleet.replica(Service::Order, 0).begin_anew(env).await?;
    // The others are ready once they have its keys.
    fleet.ready().await?;
    Shop::open(fleet).await
}

/// One connection's requests, one after the other, each with its key.
async fn requests(customer: &User, product: Uuid, n: usize) -> Result<Vec<(String, Answer)>> {
    let body = order_of(product);
    let mut answers = Vec::with_capacity(n);
    for _ in 0..n {
        let key = Uuid::new_v4().to_string();
        let asked = customer.post_keyed(Service::Order, "/v1/orders", &key, &body);
        let answer = timeout(ANSWERED_WITHIN, asked).await.context("a request without an answer")?;
        answers.push((key, answer.context("a connection that broke")?));
    }
    Ok(answers)
}

/// What the clients were told.
struct Answers {
    accepted: BTreeSet<Uuid>,
    refused: Vec<String>,
}

impl Answers {
    /// Only two answers are allowed.
    fn sorted(sent: impl Iterator<Item = (String, Answer)>) -> Result<Self> {
        let mut answers = Self { accepted: BTreeSet::new(), refused: Vec::new() };
        let mut others: BTreeMap<u16, (usize, Value)> = BTreeMap::new();
        for (key, answer) in sent {
            match answer.status.as_u16() {
                201 => ensure!(answers.accepted.insert(id(&answer.body)?), "two requests made one order"),
                503 if answer.headers.contains_key("retry-after") => answers.refused.push(key),
                other => others.entry(other).or_insert((0, answer.body)).0 += 1,
            }
        }
        ensure!(others.is_empty(), "neither taken nor refused: {others:?}");
        Ok(answers)
    }

    /// The customer's orders are those that were accepted, and under no refused key anything is stored.
    async fn only_accepted_happened(&self, shop: &Shop, customer: &User) -> Result<()> {
        let orders: BTreeSet<Uuid> = shop.ledger.orders_of(&subject(customer).await?).await?.into_keys().collect();
        let (lost, unasked) = (self.accepted.difference(&orders).count(), orders.difference(&self.accepted).count());
        ensure!((lost, unasked) == (0, 0), "{lost} accepted orders are lost, {unasked} were made that nobody accepted");
        let applied = shop.ledger.keys_of_orders(&self.refused).await?;
        ensure!(applied.is_empty(), "{} requests were refused and applied", applied.len());
        Ok(())
    }
}

async fn subject(customer: &User) -> Result<String> {
    let me = customer.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    Ok(me["sub"].as_str().context("a customer has a sub")?.to_owned())
}
