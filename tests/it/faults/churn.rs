//! Replicas that come and go every few seconds, under load: the groups share their partitions out anew each time, and
//! nothing is lost, nothing done twice.

use super::scene::Scene;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::try_join;
use std::time::Duration;
use testkit::api::Service;
use testkit::fleet::{Fleet, Replica};
use tokio::time::{Instant, sleep};

/// How long replicas come and go, and how long each time.
const CHURN: Duration = Duration::from_secs(30);
const THERE: Duration = Duration::from_secs(3);
const GONE: Duration = Duration::from_secs(1);
/// Between two orders.
const PACE: Duration = Duration::from_millis(200);

pub(crate) async fn replicas_that_end_in_good_order(fleet: &Fleet) -> Result<()> {
    churn(fleet, async |replica| replica.stop().await).await
}

pub(crate) async fn replicas_that_are_killed(fleet: &Fleet) -> Result<()> {
    churn(fleet, async |replica| {
        replica.kill();
        Ok(())
    })
    .await
}

/// The second replicas come and go; requests go to the first ones, and events to whoever has their partition.
async fn churn(fleet: &Fleet, end: impl AsyncFn(&Replica) -> Result<()>) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let until = Instant::now() + CHURN;
    let placing = async {
        let mut orders = Vec::new();
        while Instant::now() < until {
            orders.extend(scene.place(1).await?);
            sleep(PACE).await;
        }
        anyhow::Ok(orders)
    };
    let seconds = [Service::Inventory, Service::Payment].map(|service| fleet.replica(service, 1));
    let leaving = try_join_all(seconds.map(async |replica| {
        let mut left = 0;
        while Instant::now() < until {
            sleep(THERE).await;
            end(replica).await?;
            left += 1;
            sleep(GONE).await;
            replica.start(&[])?;
            replica.ready().await?;
        }
        anyhow::Ok(left)
    }));
    let (orders, left) = try_join!(placing, leaving)?;
    eprintln!("{} orders while the second replicas left {left:?} times", orders.len());
    ensure!(left.iter().all(|times| *times >= 2), "too few came and went: {left:?}");
    scene.confirmed(&orders).await?;
    scene.books(&orders).await
}
