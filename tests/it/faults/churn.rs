//! Replicas that come and go every few seconds, under load: the groups share their partitions out anew each time, and
//! nothing is lost, nothing done twice.

use super::caught;
use super::scene::{LEFT, Scene};
use anyhow::Result;
use futures::future::try_join_all;
use futures::try_join;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::api::Service;
use testkit::eventually::eventually;
use testkit::fleet::{Fleet, Replica};
use testkit::metrics::sum;
use tokio::time::sleep;
use uuid::Uuid;

/// How often each of them leaves. One that was killed is missed only after ten seconds, and until then nobody has its
/// partitions.
const TIMES: usize = 5;
const TIMES_KILLED: usize = 3;
const TIMES_OF_CONTROL: usize = 2;
/// How long one stays after it has taken its first events. Less than what a control waits between offsets and commit, more than it takes
/// librdkafka to tell the broker.
const THERE: Duration = Duration::from_millis(1500);
const GONE: Duration = Duration::from_millis(500);
/// Between two orders.
const PACE: Duration = Duration::from_millis(200);

pub(crate) async fn replicas_that_end_in_good_order(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, TIMES, async |replica| replica.stop().await).await
}

pub(crate) async fn replicas_that_are_killed(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, TIMES_KILLED, kill).await
}

/// What a second replica has taken and not committed when it is killed, nobody reads again.
pub(crate) async fn control_offsets_do_not_wait_for_the_commit(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = churn(fleet, &scene, TIMES_OF_CONTROL, "offsets-after-commit=off", kill).await?;
    caught(scene.none_is_left_behind(&orders).await, LEFT)
}

async fn kill(replica: &Replica) -> Result<()> {
    replica.kill();
    Ok(())
}

async fn all_is_well(fleet: &Fleet, times: usize, end: impl AsyncFn(&Replica) -> Result<()>) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = churn(fleet, &scene, times, "", end).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await
}

/// The second replicas come, take part, and go, again and again with these failpoints; requests go to the first ones,
/// and events to whoever has their partition. The orders.
async fn churn(
    fleet: &Fleet,
    scene: &Scene<'_>,
    times: usize,
    failpoints: &str,
    end: impl AsyncFn(&Replica) -> Result<()>,
) -> Result<Vec<Uuid>> {
    let over = AtomicBool::new(false);
    let placing = async {
        let mut orders = Vec::new();
        while !over.load(Ordering::Relaxed) {
            orders.extend(scene.place(1).await?);
            sleep(PACE).await;
        }
        anyhow::Ok(orders)
    };
    let leaving = async {
        try_join_all([Service::Inventory, Service::Payment].map(async |service| {
            let replica = fleet.replica(service, 1);
            replica.begin_anew(&[("RTOMS_FAILPOINTS", failpoints)]).await?;
            for _ in 0..times {
                takes_part(fleet, service).await?;
                sleep(THERE).await;
                end(replica).await?;
                sleep(GONE).await;
                replica.start(&[("RTOMS_FAILPOINTS", failpoints)])?;
                replica.ready().await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        over.store(true, Ordering::Relaxed);
        Ok(())
    };
    let (orders, ()) = try_join!(placing, leaving)?;
    eprintln!("{} orders while each second replica left {times} times", orders.len());
    Ok(orders)
}

/// The second replica has got partitions, and events.
async fn takes_part(fleet: &Fleet, service: Service) -> Result<()> {
    let api = fleet.api().only(service, 1);
    eventually(&format!("events at the second {}", service.name()), || async {
        let taken = sum(&api, service, "rtoms_commands_total", "lane=\"events\"").await?;
        Ok((taken > 0.0).then_some(()))
    })
    .await
}
