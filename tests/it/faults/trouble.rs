//! Trouble of the infrastructure: everything waits, nothing becomes a dead letter, and afterwards all goes on without a
//! restart of a service.

use super::scene::Scene;
use super::{caught, superuser};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::try_join;
use sqlx::PgConnection;
use std::time::Duration;
use testkit::api::Service;
use testkit::fleet::Fleet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

const ORDERS: usize = 20;
/// Who place one order after the other.
const CUSTOMERS: usize = 4;
/// How often all connections of a service are killed, and the time between.
const KILLS: u32 = 12;
/// Out of step with the heartbeat of a writer, which would meet every one of them before a batch does.
const BETWEEN_KILLS: Duration = Duration::from_millis(370);
/// So that orders come all the time.
const BETWEEN_WAVES: Duration = Duration::from_millis(100);
/// Longer than the backoff of a writer, and than its heartbeat.
const READ_ONLY: Duration = Duration::from_secs(10);
/// Longer than the `lock_timeout` of a writer, three seconds.
const LOCKED: Duration = Duration::from_secs(8);
/// Longer than the `idle_in_transaction_session_timeout` of a writer, ten seconds, and a try after it.
const HOT_ROW_FREE: Duration = Duration::from_secs(30);

pub(crate) async fn a_database_that_is_read_only_for_a_while(fleet: &Fleet) -> Result<()> {
    passes(fleet, read_only).await
}

pub(crate) async fn control_a_read_only_database_is_a_verdict(fleet: &Fleet) -> Result<()> {
    condemns(fleet, read_only).await
}

async fn read_only(fleet: &Fleet, scene: &Scene<'_>) -> Result<Vec<Uuid>> {
    // Until they are refused, so that events are on their way when the trouble begins.
    let until = try_join_all((0..CUSTOMERS).map(|_| scene.place_until_refused()));
    let on = set(fleet, "ALTER SYSTEM SET default_transaction_read_only = on");
    let (taken, ()) = try_join!(until, on)?;
    let during = scene.place(1);
    let off = async {
        sleep(READ_ONLY).await;
        set(fleet, "ALTER SYSTEM RESET default_transaction_read_only").await
    };
    let (more, ()) = try_join!(during, off)?;
    Ok([taken.concat(), more].concat())
}

pub(crate) async fn a_lock_that_somebody_else_holds(fleet: &Fleet) -> Result<()> {
    passes(fleet, behind_a_lock).await
}

pub(crate) async fn control_a_lock_is_a_verdict(fleet: &Fleet) -> Result<()> {
    condemns(fleet, behind_a_lock).await
}

/// Orders whose stock row is locked by somebody else for a while, until after a writer has met the lock.
async fn behind_a_lock(fleet: &Fleet, scene: &Scene<'_>) -> Result<Vec<Uuid>> {
    let held = fleet.ledger().hold_stock(scene.product).await?;
    let orders = scene.place(ORDERS).await?;
    held.is_waited_for(1).await?;
    sleep(LOCKED).await;
    held.release().await?;
    Ok(orders)
}

/// Every connection of one service after the other, again and again while orders are under way: batches of events fail
/// as well as those of requests.
pub(crate) async fn connections_that_are_killed(fleet: &Fleet) -> Result<()> {
    passes(fleet, killed_connections).await
}

pub(crate) async fn control_a_killed_connection_is_a_verdict(fleet: &Fleet) -> Result<()> {
    condemns(fleet, killed_connections).await
}

async fn killed_connections(fleet: &Fleet, scene: &Scene<'_>) -> Result<Vec<Uuid>> {
    let mut db = superuser(fleet).await?;
    let until = Instant::now() + BETWEEN_KILLS * (KILLS + 1);
    let placing = async {
        let mut orders = Vec::new();
        while Instant::now() < until {
            orders.extend(scene.place(CUSTOMERS).await?);
            sleep(BETWEEN_WAVES).await;
        }
        anyhow::Ok(orders)
    };
    let killing = async {
        let mut killed = 0;
        for service in ["order", "inventory", "payment"].iter().cycle().take(KILLS as usize) {
            sleep(BETWEEN_KILLS).await;
            killed += kill_connections(&mut db, service).await?;
        }
        anyhow::Ok(killed)
    };
    let (orders, killed) = try_join!(placing, killing)?;
    ensure!(killed > 0, "no connection was killed");
    Ok(orders)
}

async fn kill_connections(db: &mut PgConnection, service: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
         FROM pg_stat_activity
         WHERE usename = $1",
    )
    .bind(service)
    .fetch_one(db)
    .await?)
}

pub(crate) async fn a_database_that_is_restarted(fleet: &Fleet) -> Result<()> {
    passes(fleet, restarts).await
}

pub(crate) async fn control_a_restart_is_a_verdict(fleet: &Fleet) -> Result<()> {
    condemns(fleet, restarts).await
}

/// In good order, and after a crash.
async fn restarts(fleet: &Fleet, scene: &Scene<'_>) -> Result<Vec<Uuid>> {
    let mut orders = scene.place(ORDERS).await?;
    let restart = fleet.with_stack(|stack| stack.postgres.server.restart());
    let (more, ()) = try_join!(scene.place(ORDERS), restart)?;
    orders.extend(more);
    let crash = fleet.with_stack(|stack| stack.postgres.server.crash_and_restart());
    let (more, ()) = try_join!(scene.place(ORDERS), crash)?;
    orders.extend(more);
    Ok(orders)
}

pub(crate) async fn a_replica_frozen_on_a_hot_row(fleet: &Fleet) -> Result<()> {
    frozen_on_a_hot_row(fleet, "").await
}

pub(crate) async fn control_a_frozen_replica_keeps_its_lock(fleet: &Fleet) -> Result<()> {
    caught(frozen_on_a_hot_row(fleet, ",idle-in-transaction=off").await, "the hot row is not free")
}

/// The second replica of inventory is frozen inside its transaction, and holds the stock row that the first needs too.
async fn frozen_on_a_hot_row(fleet: &Fleet, off: &str) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let second = fleet.replica(Service::Inventory, 1);
    second.begin_anew(&[("RTOMS_FAILPOINTS", &format!("before-keyed-commit=freeze{off}"))]).await?;
    let admin_at_second = scene.admin_at_second();
    let through_second = scene.adjust(&admin_at_second, 3);
    let through_first = async {
        second.frozen().await?;
        ensure!(is_locked(fleet, scene.product).await?, "the replica is frozen and holds no row");
        let asked = Instant::now();
        let done = timeout(HOT_ROW_FREE, scene.adjust(&scene.shop.admin, 4)).await;
        second.thaw()?;
        let done = done.map_err(|_| anyhow::anyhow!("the hot row is not free after {HOT_ROW_FREE:?}"))?;
        eprintln!("the hot row was free after {:?}", asked.elapsed());
        done
    };
    // Both are applied once, whatever they heard meanwhile.
    let (first, second_done) = futures::join!(through_first, through_second);
    first?;
    second_done?;
    scene.has_pieces(7).await?;
    scene.no_dead_letters().await
}

/// Orders are under way while `trouble` happens. All end well, and the services are the same processes as before.
async fn passes(fleet: &Fleet, trouble: impl AsyncFnOnce(&Fleet, &Scene<'_>) -> Result<Vec<Uuid>>) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let before = pids(fleet);
    let orders = trouble(fleet, &scene).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    fleet.ready().await?;
    ensure!(pids(fleet) == before, "a service has ended");
    Ok(())
}

/// With the guard off in inventory, the trouble condemns the orders that met it. Redriven, they end well.
async fn condemns(fleet: &Fleet, trouble: impl AsyncFnOnce(&Fleet, &Scene<'_>) -> Result<Vec<Uuid>>) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let inventory = fleet.replica(Service::Inventory, 0);
    inventory.begin_anew(&[("RTOMS_FAILPOINTS", "infrastructure-waits=off")]).await?;
    let orders = trouble(fleet, &scene).await?;
    let seen = scene.no_dead_letters().await;
    inventory.begin_anew(&[]).await?;
    scene.redrive_all(Service::Inventory).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    caught(seen, "records went to the dead letters")
}

async fn is_locked(fleet: &Fleet, product: Uuid) -> Result<bool> {
    let free = sqlx::query("SELECT 1 FROM inventory.stock WHERE product_id = $1 FOR UPDATE SKIP LOCKED");
    Ok(free.bind(product).fetch_optional(&mut superuser(fleet).await?).await?.is_none())
}

fn pids(fleet: &Fleet) -> Vec<u32> {
    fleet.replicas().filter(|replica| replica.alive()).map(testkit::fleet::Replica::pid).collect()
}

/// A setting of the whole server, at once.
async fn set(fleet: &Fleet, sql: &'static str) -> Result<()> {
    let mut db = superuser(fleet).await?;
    sqlx::raw_sql(sql).execute(&mut db).await?;
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut db).await?;
    Ok(())
}
