//! Kafka away: orders are taken until the outbox is full, and refused from then on; once it is back, all of them end.

use super::caught;
use super::scene::Scene;
use anyhow::{Result, bail, ensure};
use testkit::api::{Service, id};
use testkit::eventually::becomes;
use testkit::fleet::Fleet;

const OUTBOX_MAX_ROWS: &str = "60";
/// Each order leaves two rows in the outbox: these are more than it holds.
const ENOUGH: usize = 60;
const NEVER: &str = "no order was refused";

pub(crate) async fn orders_are_taken_until_the_outbox_is_full(fleet: &Fleet) -> Result<()> {
    without_kafka(fleet, "").await
}

pub(crate) async fn control_the_outbox_has_no_bound(fleet: &Fleet) -> Result<()> {
    caught(without_kafka(fleet, "outbox-bound=off").await, NEVER)
}

async fn without_kafka(fleet: &Fleet, off: &str) -> Result<()> {
    let order = fleet.replica(Service::Order, 0);
    order.begin_anew(&[("OUTBOX_MAX_ROWS", OUTBOX_MAX_ROWS), ("RTOMS_FAILPOINTS", off)]).await?;
    fleet.ready().await?;
    let scene = Scene::open(fleet).await?;
    let stop = fleet.with_stack(|stack| {
        stack.kafka.server.stop();
        Ok(())
    });
    stop.await?;
    let mut taken = Vec::new();
    let mut refused = None;
    while refused.is_none() && taken.len() < ENOUGH {
        let answer = scene.try_to_place().await?;
        match answer.status.as_u16() {
            201 => taken.push(id(&answer.body)?),
            _ => refused = Some(answer),
        }
    }
    // Also where it goes wrong: the next trial needs Kafka, and these orders out of its way.
    let at_the_bound = readiness(&scene, order.url()).await;
    fleet.with_stack(|stack| stack.kafka.server.restart()).await?;
    scene.confirmed(&taken).await?;
    scene.books(&taken).await?;
    let Some(refused) = refused else { bail!("{NEVER}: {} were taken", taken.len()) };
    ensure!(refused.status == 503 && refused.headers.contains_key("retry-after"), "{refused:?}");
    ensure!(!taken.is_empty(), "not one order was taken without Kafka");
    ensure!(at_the_bound? == 503, "it takes no orders, and says that it is ready");
    becomes("readiness", 200, || readiness(&scene, order.url())).await?;
    eprintln!("{} orders were taken without Kafka", taken.len());
    let after = scene.place(1).await?;
    scene.confirmed(&after).await
}

async fn readiness(scene: &Scene<'_>, url: &str) -> Result<u16> {
    Ok(scene.shop.api.http().get(format!("{url}/readyz")).send().await?.status().as_u16())
}
