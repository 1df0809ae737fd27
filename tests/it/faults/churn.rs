//! Replicas that come and go every few seconds, under load: the groups share their partitions out anew each time, and
//! nothing is lost, nothing done twice.

use super::caught;
use super::scene::{LEFT, Scene};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::try_join;
use std::time::Duration;
use testkit::api::Service;
use testkit::eventually::eventually;
use testkit::fleet::{Fleet, Replica};
use testkit::metrics::sum;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long replicas come and go; how long each time.
const CHURN: Duration = Duration::from_secs(30);
const CHURN_OF_CONTROL: Duration = Duration::from_secs(15);
/// After it has taken its first events. Less than what a control waits between offsets and commit, more than it takes
/// librdkafka to tell the broker.
const THERE: Duration = Duration::from_millis(1500);
const GONE: Duration = Duration::from_millis(500);
/// Between two orders.
const PACE: Duration = Duration::from_millis(200);

pub(crate) async fn replicas_that_end_in_good_order(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, async |replica| replica.stop().await).await
}

pub(crate) async fn replicas_that_are_killed(fleet: &Fleet) -> Result<()> {
    all_is_well(fleet, kill).await
}

/// What a second replica has taken and not committed when it is killed, nobody reads again.
pub(crate) async fn control_offsets_do_not_wait_for_the_commit(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = churn(fleet, &scene, CHURN_OF_CONTROL, "offsets-after-commit=off", kill).await?;
    caught(scene.none_is_left_behind(&orders).await, LEFT)
}

async fn kill(replica: &Replica) -> Result<()> {
    replica.kill();
    Ok(())
}

async fn all_is_well(fleet: &Fleet, end: impl AsyncFn(&Replica) -> Result<()>) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = churn(fleet, &scene, CHURN, "", end).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await
}

/// The second replicas come, take part, and go, again and again with these failpoints; requests go to the first ones,
/// and events to whoever has their partition. The orders.
async fn churn(
    fleet: &Fleet,
    scene: &Scene<'_>,
    time: Duration,
    failpoints: &str,
    end: impl AsyncFn(&Replica) -> Result<()>,
) -> Result<Vec<Uuid>> {
    let until = Instant::now() + time;
    let placing = async {
        let mut orders = Vec::new();
        while Instant::now() < until {
            orders.extend(scene.place(1).await?);
            sleep(PACE).await;
        }
        anyhow::Ok(orders)
    };
    let leaving = try_join_all([Service::Inventory, Service::Payment].map(async |service| {
        let replica = fleet.replica(service, 1);
        let mut left = 0;
        replica.begin_anew(&[("RTOMS_FAILPOINTS", failpoints)]).await?;
        while Instant::now() < until {
            takes_part(fleet, service).await?;
            sleep(THERE).await;
            end(replica).await?;
            left += 1;
            sleep(GONE).await;
            replica.start(&[("RTOMS_FAILPOINTS", failpoints)])?;
            replica.ready().await?;
        }
        anyhow::Ok(left)
    }));
    let (orders, left) = try_join!(placing, leaving)?;
    eprintln!("{} orders while the second replicas left {left:?} times", orders.len());
    ensure!(left.iter().all(|times| *times >= 2), "too few came and went: {left:?}");
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
