//! Readers that begin at the first record: who starts late misses nothing, who reads all again changes nothing.

use super::scene::Scene;
use super::{caught, superuser};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use std::time::Duration;
use testkit::api::Service;
use testkit::fleet::Fleet;
use testkit::metrics::sum;
use tokio::time::timeout;
use uuid::Uuid;

const ORDERS: usize = 10;
/// To join a group and read what all earlier trials have left, on a slow machine.
const READ_ALL: Duration = Duration::from_secs(45);
/// Who reads which topics, by the name of the group.
const READERS: [(&str, &[&str]); 5] = [
    ("product-service", &["inventory.updated"]),
    ("inventory-service", &["order.created", "product.updated"]),
    ("order-service", &["inventory.updated", "payment.completed", "product.updated"]),
    ("payment-service", &["order.created", "inventory.updated"]),
    ("notification-service", &["notification.send"]),
];

pub(crate) async fn who_starts_late_misses_nothing(fleet: &Fleet) -> Result<()> {
    late(fleet, "").await
}

pub(crate) async fn control_who_starts_late_begins_at_the_end(fleet: &Fleet) -> Result<()> {
    caught(late(fleet, "from-the-beginning=off").await, "have not been told of")
}

/// The notification service as if it had never run: nobody knows how far it has read.
async fn late(fleet: &Fleet, off: &str) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let notification = fleet.replica(Service::Notification, 0);
    notification.stop().await?;
    let orders = scene.place(ORDERS).await?;
    scene.confirmed(&orders).await?;
    scene.shop.records.forget("notification-service").await?;
    notification.start(&[("RTOMS_FAILPOINTS", off)])?;
    notification.ready().await?;
    let told = timeout(READ_ALL, scene.books(&orders)).await;
    told.unwrap_or_else(|_| anyhow::bail!("{ORDERS} orders have not been told of within {READ_ALL:?}"))
}

pub(crate) async fn who_reads_all_again_changes_nothing(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = scene.place(ORDERS).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    let before = scene.shop.ledger.entries(&orders).await?;
    all_passed(&scene).await?;
    try_join_all(fleet.replicas().map(|replica| replica.stop())).await?;
    for (group, _) in READERS {
        scene.shop.records.forget(group).await?;
    }
    for replica in fleet.replicas() {
        replica.start(&[])?;
    }
    fleet.ready().await?;
    all_passed(&scene).await?;
    for service in [Service::Inventory, Service::Payment] {
        let again = sum(fleet.api(), service, "rtoms_events_ignored_total", "why=\"order created again\"").await?;
        ensure!(again >= ORDERS as f64, "{} has read {again} orders again, not all", service.name());
    }
    let after = scene.shop.ledger.entries(&orders).await?;
    ensure!(after == before, "once more: {after:?}, and {before:?} before");
    scene.books(&orders).await
}

/// A row that stands twice is seen by the comparison above, and by inventory's audit.
pub(crate) async fn control_a_row_stands_twice(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = scene.place(1).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    let before = scene.shop.ledger.entries(&orders).await?;
    let planted = plant(fleet, orders[0]).await?;
    let after = scene.shop.ledger.entries(&orders).await;
    let audited = fleet.audit(3600).await;
    let mut db = superuser(fleet).await?;
    sqlx::query("DELETE FROM inventory.stock_movements WHERE id = $1").bind(planted).execute(&mut db).await?;
    ensure!(after? != before, "the comparison does not see a movement that stands twice");
    caught(audited, "by its movements")
}

/// The movement of an order, once more.
async fn plant(fleet: &Fleet, order_id: Uuid) -> Result<Uuid> {
    sqlx::query_scalar(
        "INSERT INTO inventory.stock_movements
         SELECT gen_random_uuid(), product_id, kind, delta_on_hand, delta_reserved, order_id, reason, actor, at
         FROM inventory.stock_movements
         WHERE order_id = $1
         RETURNING id",
    )
    .bind(order_id)
    .fetch_one(&mut superuser(fleet).await?)
    .await
    .context("a movement to be doubled")
}

/// Every group is past the last record of each of its topics.
async fn all_passed(scene: &Scene<'_>) -> Result<()> {
    for (group, topics) in READERS {
        for topic in topics {
            let ends = scene.shop.records.ends(topic).await?;
            scene.shop.records.passed(group, &ends).await?;
        }
    }
    Ok(())
}
