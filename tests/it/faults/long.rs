//! Random faults for a long time, under a steady load: orders go on ending, and the books are right afterwards.

mod fault;
pub(crate) mod progress;

use super::caught;
use super::scene::{Scene, order_of, stubborn};
use crate::ground::Ground;
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use fault::Fault;
use futures::future::try_join_all;
use libtest_mimic::Trial;
use progress::{Progress, STANDS_STILL};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::api::{Service, User, id};
use testkit::eventually::eventually;
use testkit::fleet::{Fleet, Plan};
use testkit::ledger::Entries;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long it takes, in minutes, and what its faults are drawn from.
const MINUTES_VARIABLE: &str = "RTOMS_TEST_MINUTES";
const SEED_VARIABLE: &str = "RTOMS_TEST_SEED";
const MINUTES: u64 = 60;
/// Who place orders, each one after the other, with a pause.
const CUSTOMERS: usize = 4;
const PACE: Duration = Duration::from_millis(500);
/// Longer than an order takes.
const STANDSTILL_OF_CONTROL: Duration = Duration::from_secs(5);

/// Two replicas of everything, and nobody waits for a deadline or a new token.
pub(crate) fn plan() -> Plan {
    Plan::whole().env("ORDER_TTL_S", "86400").env_of(Service::Order, "ACCESS_TOKEN_TTL_S", "86400")
}

/// Asked for by `--faults-long`.
pub(crate) fn trials(ground: &Arc<Ground>) -> Vec<Trial> {
    let ground = Arc::clone(ground);
    let run = move || ground.trial(random_faults);
    vec![Trial::test("long::random_faults", run).with_ignored_flag(true)]
}

/// Nobody takes payments, so that nothing ends.
pub(crate) async fn control_the_gate_sees_a_standstill(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let payments = [0, 1].map(|n| fleet.replica(Service::Payment, n));
    for replica in payments {
        replica.freeze()?;
    }
    let orders = scene.place(1).await?;
    let progress = Progress::of(&scene.shop.ledger, scene.product).patient(STANDSTILL_OF_CONTROL);
    let seen = progress.until_all_have_ended().await;
    for replica in payments {
        replica.thaw()?;
    }
    scene.confirmed(&orders).await?;
    caught(seen, STANDS_STILL)
}

async fn random_faults(fleet: &Fleet) -> Result<()> {
    let minutes = number(MINUTES_VARIABLE)?.unwrap_or(MINUTES);
    let seed = number(SEED_VARIABLE)?.unwrap_or_else(rand::random);
    eprintln!("{minutes} minutes, {SEED_VARIABLE}={seed}");
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let shop = Shop::open(fleet).await?;
    let product = shop.product(1000, 10_000_000).await?;
    let customers = try_join_all((0..CUSTOMERS).map(|_| shop.customer())).await?;
    let progress = Progress::of(&shop.ledger, product);
    let placing = try_join_all(customers.iter().map(|customer| place(customer, product, until)));
    let hurting = hurt(fleet, StdRng::seed_from_u64(seed), &progress, until);
    let (orders, hurt, ()) = futures::try_join!(placing, hurting, progress.watch(until))?;
    fleet.heal().await.context("healing the fleet")?;
    let orders = orders.concat();
    progress.until_all_have_ended().await?;
    let states = shop.ledger.states_of(product).await?;
    eprintln!("faults: {hurt:?}; {} orders placed; they are {states:?}", orders.len());
    let placed = i64::try_from(orders.len())?;
    ensure!(states == BTreeMap::from([("confirmed".to_owned(), placed)]), "{placed} orders were placed");
    shop.stock_is(product, 10_000_000, placed).await?;
    let wanted = Entries { movements: placed, charges: placed, timeline: 0, notifications: 2 * placed };
    // A message may come some moments after its order has ended.
    eventually("one movement, one charge and two messages an order", || async {
        let entries = Entries { timeline: 0, ..shop.ledger.entries(&orders).await? };
        Ok((entries == wanted).then_some(()))
    })
    .await
}

/// Orders of one customer, until the time is over.
async fn place(customer: &User, product: Uuid, until: Instant) -> Result<Vec<Uuid>> {
    let body = order_of(product);
    let mut orders = Vec::new();
    while Instant::now() < until {
        orders.push(id(&stubborn(customer, Service::Order, "/v1/orders", &body).await?.expect(201)?)?);
        sleep(PACE).await;
    }
    Ok(orders)
}

/// One fault after the other; how many there were of each.
async fn hurt(
    fleet: &Fleet,
    mut random: StdRng,
    progress: &Progress<'_>,
    until: Instant,
) -> Result<BTreeMap<&'static str, usize>> {
    let mut made = BTreeMap::new();
    while Instant::now() < until {
        sleep(Duration::from_secs(random.random_range(2..6))).await;
        let fault = Fault::draw(&mut random);
        let outage = fault.stops_a_server().then(|| progress.outage());
        fault.happen(fleet, &mut random).await.with_context(|| format!("{fault:?}"))?;
        drop(outage);
        *made.entry(fault.name()).or_default() += 1;
    }
    Ok(made)
}

fn number(variable: &str) -> Result<Option<u64>> {
    let told = std::env::var_os(variable).map(|told| told.to_string_lossy().into_owned());
    told.map(|told| told.parse().with_context(|| format!("{variable}={told}"))).transpose()
}
