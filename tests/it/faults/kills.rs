//! Processes that are killed at each point of a batch's way, and started again: nothing is lost, no effect doubled.

use super::scene::{LEFT, Scene};
use super::{caught, forget_second_charges};
use anyhow::{Result, ensure};
use common::events::TURN_MS;
use futures::future::try_join_all;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::api::Service;
use testkit::eventually::becomes;
use testkit::fleet::Fleet;
use testkit::metrics::sum;
use testkit::topic::repeats;
use tokio::time::sleep;
use uuid::Uuid;

/// So that there are batches before and after the one that meets the kill.
const WAVES: usize = 3;
/// Orders go on until all victims are dead: a batch may have taken several waves, and the kill then waits for another.
const WAVES_MAX: usize = 100;
/// Longer than a batch takes, so that most waves are batches of their own.
const BETWEEN_WAVES: Duration = Duration::from_millis(150);
const ORDERS_IN_A_WAVE: usize = 4;
/// So many times that each partition has had its turn.
const LATER: u64 = 24;
/// Longer than until librdkafka tells the broker of the offsets that it was told to store.
const OFFSETS_COMMITTED: Duration = Duration::from_secs(3);
const SAGA: [Service; 3] = [Service::Order, Service::Inventory, Service::Payment];
/// Without a mail server notification calls nobody.
const CALLERS: [Service; 1] = [Service::Payment];

pub(crate) async fn before_commit(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, "before-commit", &SAGA).await
}

pub(crate) async fn after_commit_before_publish(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, "after-commit", &SAGA).await
}

pub(crate) async fn after_publish_before_the_cursor_moves(fleet: &Fleet) -> Result<()> {
    let brokers = fleet.brokers().await?;
    let before = doubled(&brokers).await?;
    all_is_well(fleet, "after-publish", &SAGA).await?;
    let twice = doubled(&brokers).await? - before;
    ensure!(twice > 0, "no record was published twice: the kill came at another point");
    Ok(())
}

/// How many records of the saga's topics are there once more.
async fn doubled(brokers: &str) -> Result<usize> {
    let topics = ["order.created", "inventory.updated", "payment.completed", "notification.send"];
    let each = try_join_all(topics.map(|topic| repeats(brokers, topic))).await?;
    Ok(each.into_iter().sum())
}

pub(crate) async fn after_commit_before_offsets_are_stored(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, "before-offsets", &SAGA).await?;
    // The processes that were started after the kills have counted from zero.
    let api = fleet.api().only(Service::Inventory, 0);
    let again = sum(&api, Service::Inventory, "rtoms_events_ignored_total", "why=\"order created again\"").await?;
    ensure!(again > 0.0, "no record was read again: the kill came at another point");
    Ok(())
}

pub(crate) async fn while_an_event_waits_for_the_next(fleet: &Fleet) -> Result<()> {
    held(fleet, "patience-ends=off").await
}

/// Payment dies while it keeps orders for whose stock nobody answers, and has finished later records of their
/// partitions.
async fn held(fleet: &Fleet, armed: &str) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let (inventory, payment) = (fleet.replica(Service::Inventory, 0), fleet.replica(Service::Payment, 0));
    payment.begin_anew(&[("RTOMS_FAILPOINTS", armed)]).await?;
    inventory.stop().await?;
    let orders = scene.place(ORDERS_IN_A_WAVE).await?;
    let mut cancelled = Vec::new();
    for n in 0..LATER {
        // Never in step with the turns.
        sleep(Duration::from_millis(TURN_MS * n / 3)).await;
        for order_id in scene.place(1).await? {
            scene.shop.admin.cancel(order_id).await?.expect(202)?;
            cancelled.push(order_id);
        }
    }
    for order_id in cancelled {
        let path = format!("/v1/payments/{order_id}");
        becomes("a payment that payment has finished with", Value::from("voided"), || async {
            Ok(scene.shop.admin.get(Service::Payment, &path).await?.body["status"].clone())
        })
        .await?;
    }
    sleep(OFFSETS_COMMITTED).await;
    ensure!(scene.shop.ledger.taken(orders[0]).await?.charges == 0, "charged before its stock is reserved");
    payment.kill();
    payment.ended().await?;
    payment.start(&[])?;
    inventory.start(&[])?;
    payment.ready().await?;
    inventory.ready().await?;
    scene.none_is_left_behind(&orders).await
}

pub(crate) async fn control_offsets_pass_what_waits(fleet: &Fleet) -> Result<()> {
    caught(held(fleet, "patience-ends=off,offsets-stop-before-held=off").await, LEFT)
}

pub(crate) async fn after_an_intent_before_its_call(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, "before-call", &CALLERS).await
}

pub(crate) async fn after_a_call_before_its_result(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, "after-call", &CALLERS).await
}

pub(crate) async fn control_offsets_do_not_wait_for_the_commit(fleet: &Fleet) -> Result<()> {
    let armed = "before-commit=kill@2,offsets-after-commit=off";
    caught(nothing_is_left_behind(fleet, Service::Inventory, armed, "").await, LEFT)
}

pub(crate) async fn control_nobody_publishes_for_the_dead(fleet: &Fleet) -> Result<()> {
    caught(nothing_is_left_behind(fleet, Service::Inventory, "after-commit=kill@2", "sweep=off").await, LEFT)
}

pub(crate) async fn control_nobody_looks_for_lost_calls(fleet: &Fleet) -> Result<()> {
    let armed = "before-call=kill@2,due-timers=off";
    caught(nothing_is_left_behind(fleet, Service::Payment, armed, "due-timers=off").await, LEFT)
}

pub(crate) async fn control_a_lost_call_is_made_under_another_key(fleet: &Fleet) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let orders = killed(fleet, &scene, &[Service::Payment], "after-call=kill@2", "one-key-a-call=off").await?;
    scene.confirmed(&orders).await?;
    caught(scene.books(&orders).await, "charges: 2")?;
    forget_second_charges(fleet).await
}

async fn all_is_well(fleet: &Fleet, point: &str, victims: &[Service]) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let orders = killed(fleet, &scene, victims, &format!("{point}=kill@2"), "").await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await
}

/// Places orders while each victim lives, and dies, with the failpoints `armed`, and is started again with `revived`.
async fn killed(
    fleet: &Fleet,
    scene: &Scene<'_>,
    victims: &[Service],
    armed: &str,
    revived: &str,
) -> Result<Vec<Uuid>> {
    let victims: Vec<_> = victims.iter().map(|service| fleet.replica(*service, 0)).collect();
    try_join_all(victims.iter().map(async |victim| victim.begin_anew(&[("RTOMS_FAILPOINTS", armed)]).await)).await?;
    let dead = AtomicUsize::new(0);
    let placing = async {
        let mut orders = Vec::new();
        for wave in 0..WAVES_MAX {
            if wave >= WAVES && dead.load(Ordering::Relaxed) == victims.len() {
                break;
            }
            orders.extend(scene.place(ORDERS_IN_A_WAVE).await?);
            sleep(BETWEEN_WAVES).await;
        }
        Ok(orders)
    };
    let reviving = try_join_all(victims.iter().map(async |victim| {
        let fate = victim.ended().await?;
        ensure!(fate.contains("SIGKILL"), "it {fate}");
        dead.fetch_add(1, Ordering::Relaxed);
        victim.start(&[("RTOMS_FAILPOINTS", revived)])
    }));
    Ok(futures::try_join!(placing, reviving)?.0)
}

async fn nothing_is_left_behind(fleet: &Fleet, victim: Service, armed: &str, revived: &str) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let orders = killed(fleet, &scene, &[victim], armed, revived).await?;
    fleet.replica(victim, 0).ready().await?;
    scene.none_is_left_behind(&orders).await
}
