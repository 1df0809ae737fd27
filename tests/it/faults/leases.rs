//! A payment replica that sleeps through the lease of its call, and another that takes the intent up: one charge.

use super::scene::Scene;
use super::{caught, forget_second_charges};
use anyhow::Result;
use testkit::api::Service;
use testkit::fleet::Fleet;

/// The call was made, and its result waits in the sleeper.
pub(crate) async fn asleep_after_its_call(fleet: &Fleet) -> Result<()> {
    asleep(fleet, "after-call", "").await
}

/// The call is made twice, by the one who took it up and by the sleeper once it is awake.
pub(crate) async fn asleep_before_its_call(fleet: &Fleet) -> Result<()> {
    asleep(fleet, "before-call", "").await
}

pub(crate) async fn control_the_other_calls_under_another_key(fleet: &Fleet) -> Result<()> {
    caught(asleep(fleet, "after-call", "one-key-a-call=off").await, "charges: 2")?;
    forget_second_charges(fleet).await
}

async fn asleep(fleet: &Fleet, point: &str, off: &str) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let (sleeper, other) = (fleet.replica(Service::Payment, 0), fleet.replica(Service::Payment, 1));
    sleeper.begin_anew(&[("RTOMS_FAILPOINTS", &format!("{point}=freeze"))]).await?;
    let orders = scene.place(1).await?;
    sleeper.frozen().await?;
    other.start(&[("RTOMS_FAILPOINTS", off)])?;
    // The lease runs out, and the other is told what became of the call, or makes it.
    scene.confirmed(&orders).await?;
    sleeper.thaw()?;
    sleeper.ready().await?;
    // Its result has been brought back before the next one's.
    let next = scene.place(1).await?;
    scene.confirmed(&next).await?;
    scene.books(&[orders, next].concat()).await
}
