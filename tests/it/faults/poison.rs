//! Records that nobody can read, and dead letters whose redrive is cut short by a kill.

use super::caught;
use super::scene::Scene;
use crate::dead_letters::letters::{discard, find, list, redrive};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::api::Service;
use testkit::eventually::eventually;
use testkit::fleet::Fleet;
use testkit::records::Place;
use tokio::time::timeout;
use uuid::Uuid;

/// Longer than a record and its offset take.
const PASSED: Duration = Duration::from_secs(20);
const GROUP: &str = "inventory-service";

pub(crate) async fn stops_nobody(fleet: &Fleet) -> Result<()> {
    unreadable(fleet, "").await
}

pub(crate) async fn control_nothing_is_buried(fleet: &Fleet) -> Result<()> {
    caught(unreadable(fleet, "bury=off").await, "its partition stands still")
}

async fn unreadable(fleet: &Fleet, off: &str) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let inventory = fleet.replica(Service::Inventory, 0);
    inventory.begin_anew(&[("RTOMS_FAILPOINTS", off)]).await?;
    let records = &scene.shop.records;
    let place = records.write("order.created", &Uuid::new_v4().to_string(), Some(b"{")).await?;
    let passed = timeout(PASSED, records.passed(GROUP, std::slice::from_ref(&place))).await;
    if passed.is_err() {
        // The next trial is to find nothing of it.
        inventory.restart(&[]).await?;
        records.passed(GROUP, std::slice::from_ref(&place)).await?;
    }
    see_to_it(&scene, &place).await?;
    if passed.is_err() {
        bail!("nothing behind a bad record is read within {PASSED:?}: its partition stands still");
    }
    Ok(())
}

/// All that read the topic have buried the record.
async fn see_to_it(scene: &Scene<'_>, place: &Place) -> Result<()> {
    let admin = &scene.shop.admin;
    for service in [Service::Inventory, Service::Payment] {
        let letter = eventually("the dead letter", || async { Ok(find(&list(admin, service, "dead").await?, place)) });
        let letter = letter.await?;
        discard(admin, service, id_of(&letter)?, "a test wrote it").await?.expect(202)?;
    }
    Ok(())
}

pub(crate) async fn a_redrive_killed_before_its_commit(fleet: &Fleet) -> Result<()> {
    killed_redrive(fleet, "before-commit=kill", 202).await
}

pub(crate) async fn a_redrive_killed_after_its_commit(fleet: &Fleet) -> Result<()> {
    killed_redrive(fleet, "after-commit=kill", 409).await
}

pub(crate) async fn control_a_letter_is_settled_apart_from_its_effect(fleet: &Fleet) -> Result<()> {
    let seen = killed_redrive(fleet, "after-commit=kill,settle-with-effect=off", 409).await;
    caught(seen, "dead, though its effect is there")
}

/// A record that a rule was too strict for is redriven by a process that dies of it, and then again, with `answer`.
async fn killed_redrive(fleet: &Fleet, armed: &str, answer: u16) -> Result<()> {
    let scene = Scene::alone(fleet).await?;
    let (admin, ledger) = (&scene.shop.admin, &scene.shop.ledger);
    let rule = format!("too_strict_{}", scene.product.simple());
    let strict = format!("CHECK (NOT lines::jsonb ? '{}') NOT VALID", scene.product);
    ledger.execute(&format!("ALTER TABLE inventory.reservations ADD CONSTRAINT {rule} {strict}")).await?;
    let orders = scene.place(1).await?;
    let letter = eventually("a dead letter of inventory", || async {
        let letters = list(admin, Service::Inventory, "dead").await?;
        Ok(letters.into_iter().find(|letter| letter["key"] == json!(orders[0])))
    });
    let letter = letter.await?;
    let id = id_of(&letter)?;
    ledger.execute(&format!("ALTER TABLE inventory.reservations DROP CONSTRAINT {rule}")).await?;
    let inventory = fleet.replica(Service::Inventory, 0);
    inventory.begin_anew(&[("RTOMS_FAILPOINTS", armed)]).await?;
    let cut_short = redrive(admin, Service::Inventory, id).await;
    ensure!(cut_short.is_err(), "nobody died of it: {cut_short:?}");
    let fate = inventory.ended().await?;
    ensure!(fate.contains("SIGKILL"), "it {fate}");
    inventory.start(&[])?;
    inventory.ready().await?;
    let path = format!("/v1/admin/dead-letters/{id}");
    let status = admin.get(Service::Inventory, &path).await?.expect(200)?["status"].clone();
    let moved = ledger.entries(&orders).await?.movements;
    let again = redrive(admin, Service::Inventory, id).await?;
    scene.confirmed(&orders).await?;
    scene.books(&orders).await?;
    ensure!(status != "dead" || moved == 0, "the letter is dead, though its effect is there");
    ensure!(status == "dead" || moved == 1, "the letter is {status}, and nothing was reserved");
    ensure!(again.status == answer, "{again:?} instead of {answer}");
    Ok(())
}

fn id_of(letter: &Value) -> Result<&str> {
    letter["id"].as_str().context("a letter has an id")
}
