//! Events of a writer that can't publish them itself: another process does, within seconds and in order.

use super::scene::Scene;
use super::{caught, superuser};
use anyhow::{Result, ensure};
use common::events::ORDER_CREATED;
use std::time::Duration;
use testkit::api::{Service, User};
use testkit::eventually::becomes;
use testkit::fleet::Fleet;
use testkit::topic::{repeats, values_of};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Each a batch of its own, with one event.
const CHANGES: i64 = 8;
/// Longer than a writer is silent before it is swept, and a look after it.
const SWEPT: Duration = Duration::from_secs(10);

pub(crate) async fn of_a_dead_writer(fleet: &Fleet) -> Result<()> {
    let unpublished = Unpublished::leave(fleet, "", "").await?;
    unpublished.scene.no_dead_letters().await?;
    becomes("the versions that Kafka holds", unpublished.wanted(CHANGES), || unpublished.published()).await?;
    eprintln!("all were published {:?} after Kafka was back", unpublished.since.elapsed());
    Ok(())
}

pub(crate) async fn control_nobody_publishes_for_a_dead_writer(fleet: &Fleet) -> Result<()> {
    let unpublished = Unpublished::leave(fleet, "", "sweep=off").await?;
    caught(unpublished.once_swept().await, "published: []")
}

pub(crate) async fn control_the_order_of_the_rows_is_not_kept(fleet: &Fleet) -> Result<()> {
    let unpublished = Unpublished::leave(fleet, "", "sweep-in-order=off").await?;
    let backwards: Vec<i64> = unpublished.wanted(CHANGES).into_iter().rev().collect();
    caught(unpublished.once_swept().await, &format!("published: {backwards:?}"))
}

pub(crate) async fn control_the_cursor_does_not_wait_for_reports(fleet: &Fleet) -> Result<()> {
    let unpublished = Unpublished::leave(fleet, "cursor-after-report=off", "").await?;
    caught(unpublished.once_swept().await, "published: []")
}

/// It is published for while it sleeps; awake, it publishes what it had in hand once more, and goes on.
pub(crate) async fn of_a_writer_that_slept(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let second = fleet.replica(Service::Inventory, 1);
    let admin = scene.admin_at_second();
    let unpublished = Unpublished::of(scene, fleet).await?;
    fleet
        .with_stack(|stack| {
            stack.kafka.server.stop();
            Ok(())
        })
        .await?;
    unpublished.change(&admin).await?;
    second.freeze()?;
    fleet.with_stack(|stack| stack.kafka.server.restart()).await?;
    becomes("what was published while it slept", unpublished.wanted(CHANGES), || unpublished.published()).await?;
    second.thaw()?;
    second.ready().await?;
    unpublished.change(&admin).await?;
    becomes("what is published in the end", unpublished.wanted(2 * CHANGES), || unpublished.published()).await?;
    unpublished.scene.no_dead_letters().await
}

/// What replicas of the version before have left, a row an event, is published as well.
pub(crate) async fn of_the_version_before(fleet: &Fleet) -> Result<()> {
    let scene = Scene::open(fleet).await?;
    let orders = scene.place(1).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    let brokers = fleet.brokers().await?;
    let before = repeats(&brokers, ORDER_CREATED.name).await?;
    let mut db = superuser(fleet).await?;
    let writer: Uuid = sqlx::query_scalar(
        r#"INSERT INTO "order".writers (id, beat_at) VALUES (gen_random_uuid(), now() - interval '1 hour') RETURNING id"#,
    )
    .fetch_one(&mut db)
    .await?;
    // Which of an order's events it is does not matter: all were read before.
    let left = sqlx::query(
        r#"INSERT INTO "order".outbox (writer, seq, day, topic, key, value, traceparent)
           SELECT $1, n, day, old.topic, old.key, old.value, old.traceparent
           FROM "order".outbox,
                UNNEST(topics, keys, "values", traceparents) WITH ORDINALITY AS old (topic, key, value, traceparent, n)
           WHERE $2 = ANY (keys) AND old.key = $2 AND old.topic = $3"#,
    );
    let left = left.bind(writer).bind(orders[0]).bind(ORDER_CREATED.name).execute(&mut db).await?.rows_affected();
    ensure!(left == 1, "{left} times the event that was to be left");
    becomes("the records that are there once more", before + 1, || repeats(&brokers, ORDER_CREATED.name)).await?;
    let published = "SELECT published_seq = (SELECT max(seq) FROM \"order\".outbox WHERE writer = id)
                     FROM \"order\".writers
                     WHERE id = $1";
    becomes("the cursor at the end", true, async || {
        Ok(sqlx::query_scalar(published).bind(writer).fetch_one(&mut superuser(fleet).await?).await?)
    })
    .await?;
    scene.books(&orders).await
}

/// Changes of one product by the second replica of inventory, and their events.
struct Unpublished<'f> {
    scene: Scene<'f>,
    brokers: String,
    /// The version of the product's stock before.
    before: i64,
    /// When Kafka was back.
    since: Instant,
}

impl<'f> Unpublished<'f> {
    /// Kafka is stopped; the second replica changes the stock, and is killed. `second` and `first`: the failpoints of the
    /// replica that dies and of the one that lives.
    async fn leave(fleet: &'f Fleet, second: &str, first: &str) -> Result<Self> {
        let [survivor, dies] = [0, 1].map(|n| fleet.replica(Service::Inventory, n));
        for (replica, armed) in [(survivor, first), (dies, second)] {
            if !armed.is_empty() {
                replica.begin_anew(&[("RTOMS_FAILPOINTS", armed)]).await?;
            }
        }
        let scene = Scene::open(fleet).await?;
        let admin = scene.admin_at_second();
        let mut unpublished = Self::of(scene, fleet).await?;
        fleet
            .with_stack(|stack| {
                stack.kafka.server.stop();
                Ok(())
            })
            .await?;
        unpublished.change(&admin).await?;
        // Longer than a heartbeat, which tells Postgres of the cursor.
        sleep(Duration::from_secs(2)).await;
        dies.kill();
        fleet.with_stack(|stack| stack.kafka.server.restart()).await?;
        unpublished.since = Instant::now();
        Ok(unpublished)
    }

    /// Whose earlier events are published.
    async fn of(scene: Scene<'f>, fleet: &Fleet) -> Result<Self> {
        let path = format!("/v1/inventory/{}", scene.product);
        let stock = scene.shop.admin.get(Service::Inventory, &path).await?.expect(200)?;
        let before = stock["version"].as_i64().unwrap_or_default();
        let unpublished = Self { scene, brokers: fleet.brokers().await?, before, since: Instant::now() };
        becomes("the first version is published", true, || async {
            Ok(unpublished.versions().await?.last() == Some(&before))
        })
        .await?;
        Ok(unpublished)
    }

    async fn change(&self, admin: &User) -> Result<()> {
        for _ in 0..CHANGES {
            self.scene.adjust(admin, 1).await?;
        }
        Ok(())
    }

    fn wanted(&self, changes: i64) -> Vec<i64> {
        (self.before + 1..=self.before + changes).collect()
    }

    /// All versions of the product's stock that Kafka tells of.
    async fn versions(&self) -> Result<Vec<i64>> {
        let records = values_of(&self.brokers, "inventory.updated", &self.scene.product.to_string()).await?;
        Ok(records.iter().filter_map(|record| record["data"]["version"].as_i64()).collect())
    }

    /// The new ones, in the order of their first appearance.
    async fn published(&self) -> Result<Vec<i64>> {
        let mut first = Vec::new();
        for version in self.versions().await? {
            if version > self.before && !first.contains(&version) {
                first.push(version);
            }
        }
        Ok(first)
    }

    /// What stands in Kafka once a sweep has had its time.
    async fn once_swept(&self) -> Result<()> {
        sleep(SWEPT).await;
        let published = self.published().await?;
        ensure!(published == self.wanted(CHANGES), "published: {published:?}");
        Ok(())
    }
}
