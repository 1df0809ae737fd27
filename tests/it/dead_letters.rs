//! Records that nobody can read, or that fail for good: they stop nobody, and an admin sees to them.

pub(crate) mod letters;
mod poison;

use crate::shop::{Shop, states};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use letters::{discard, find, list, redrive};
use poison::{Poison, golden, poisons};
use serde_json::{Value, json};
use testkit::api::Service;
use testkit::eventually::eventually;
use testkit::metrics::sum;
use testkit::records::Place;
use uuid::Uuid;

/// Every kind of poison in every topic, and an order after it as if nothing had been.
pub(crate) async fn poison_stops_nobody(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let unpaid = customer.placed(&[(product, 1)], "pm_card_chargeDeclined").await?;
    shop.ends(unpaid, "payment_failed").await?;

    let mut written: Vec<(Poison, Place)> = Vec::new();
    for poison in poisons(unpaid) {
        let key = Uuid::new_v4().to_string();
        let place = shop.records.write(poison.topic, &key, poison.value.as_deref()).await?;
        written.push((poison, place));
    }
    for service in Service::ALL {
        let theirs: Vec<&(Poison, Place)> =
            written.iter().filter(|(poison, _)| poison.readers().contains(&service)).collect();
        let letters = eventually(&format!("the dead letters of {}", service.name()), || async {
            let letters = list(&shop.admin, service, "dead").await?;
            Ok(theirs.iter().map(|(_, place)| find(&letters, place)).collect::<Option<Vec<Value>>>())
        })
        .await?;
        for ((poison, place), letter) in theirs.iter().zip(&letters) {
            let cause = letter["cause"].as_str().unwrap_or_default();
            ensure!(cause.contains(poison.cause), "{} {}: {cause}", poison.topic, poison.name);
            poison.check_payload(letter)?;
            ensure!(place.topic == poison.topic && letter["failedRedrives"] == json!([]), "{letter}");
            see_to(&shop, service, poison, letter).await?;
        }
        let places: Vec<Place> = theirs.iter().map(|(_, place)| place.clone()).collect();
        shop.records.passed(&format!("{}-service", service.name()), &places).await?;
    }

    let order_id = customer.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    shop.told(order_id, &["order_placed", "order_confirmed"]).await?;
    let steps = customer.timeline(unpaid).await?;
    ensure!(!states(&steps).contains(&"confirmed"), "a capture of another amount has done something: {steps:?}");
    Ok(())
}

/// What was poison is poison again; what is not whole is not even tried.
async fn see_to(shop: &Shop, service: Service, poison: &Poison, letter: &Value) -> Result<()> {
    let id = letter["id"].as_str().context("a letter has an id")?;
    let again = redrive(&shop.admin, service, id).await?;
    if letter["truncated"] == true {
        ensure!(again.status == 409 && again.code() == "dead_letter_truncated", "{again:?}");
    } else {
        let again = again.expect(202)?;
        ensure!(again["status"] == "dead" && again["cause"] == letter["cause"], "{}: {again}", poison.name);
    }
    discard(&shop.admin, service, id, "a test wrote it").await?.expect(202)?;
    let settled = shop.admin.get(service, &format!("/v1/admin/dead-letters/{id}")).await?.expect(200)?;
    let tries = settled["failedRedrives"].as_array().map(Vec::len);
    ensure!(tries == Some(usize::from(letter["truncated"] == false)), "{settled}");
    ensure!(settled["status"] == "discarded" && settled["reason"] == "a test wrote it", "{settled}");
    let me = shop.admin.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    ensure!(settled["settledBy"] == me["sub"] && settled["settledAt"].is_string(), "{settled}");
    for refused in [redrive(&shop.admin, service, id).await?, discard(&shop.admin, service, id, "again").await?] {
        let wanted = if letter["truncated"] == true { "dead_letter_truncated" } else { "dead_letter_settled" };
        ensure!(refused.status == 409 && [wanted, "dead_letter_settled"].contains(&refused.code()), "{refused:?}");
    }
    Ok(())
}

/// A rule of the schema that is too strict kills a record; once it is gone, the record takes its effect: once, however
/// many ask for it at the same time, and the order goes on from there.
pub(crate) async fn a_record_is_redriven_once(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let rule = format!("too_strict_{}", product.simple());
    let strict = format!(
        "ALTER TABLE inventory.reservations ADD CONSTRAINT {rule} CHECK (NOT lines::jsonb ? '{product}') NOT VALID"
    );
    shop.ledger.execute(&strict).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 2)], "pm_card_visa").await?;
    let letter = eventually("a dead letter of inventory", || async {
        let letters = list(&shop.admin, Service::Inventory, "dead").await?;
        Ok(letters.into_iter().find(|letter| letter["key"] == json!(order_id)))
    })
    .await?;
    let cause = letter["cause"].as_str().unwrap_or_default();
    ensure!(cause.starts_with("23514") && cause.contains(&rule), "{cause}");
    let id = letter["id"].as_str().context("a letter has an id")?;

    let again = redrive(&shop.admin, Service::Inventory, id).await?.expect(202)?;
    ensure!(again["status"] == "dead", "nothing was mended: {again}");
    ensure!(shop.admin.order(order_id).await?["status"] == "pending");
    shop.ledger.execute(&format!("ALTER TABLE inventory.reservations DROP CONSTRAINT {rule}")).await?;

    let tries = try_join_all((0..10).map(|_| redrive(&shop.admin, Service::Inventory, id))).await?;
    let redriven = tries.iter().filter(|answer| answer.status == 202).count();
    let settled = tries.iter().filter(|answer| answer.code() == "dead_letter_settled").count();
    ensure!((redriven, settled) == (1, 9), "{tries:?}");
    shop.ends(order_id, "confirmed").await?;
    let movements = format!("/v1/inventory/{product}/movements");
    let movements = shop.admin.get(Service::Inventory, &movements).await?.expect(200)?;
    let held = movements["data"].as_array().into_iter().flatten().filter(|row| row["kind"] == "reserve").count();
    ensure!(held == 1, "{movements}");
    let steps = customer.timeline(order_id).await?;
    let reserved = steps.iter().find(|step| step["to"] == "reserved" || step["to"] == "confirmed");
    ensure!(reserved.is_some_and(|step| step["eventId"].is_string()), "{steps:?}");
    let letter = shop.admin.get(Service::Inventory, &format!("/v1/admin/dead-letters/{id}")).await?.expect(200)?;
    ensure!(letter["status"] == "redriven" && letter["failedRedrives"].as_array().map(Vec::len) == Some(1), "{letter}");
    Ok(())
}

/// What a later version says, and what was said before, is passed by and counted.
pub(crate) async fn what_is_unknown_or_known_is_skipped_and_counted(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    let ignored = async |service, why: &str| {
        sum(&shop.api, service, "rtoms_events_ignored_total", &format!("why=\"{why}\"")).await
    };
    let before = [
        ignored(Service::Order, "unknown type").await?,
        ignored(Service::Inventory, "order created again").await?,
        ignored(Service::Payment, "order created again").await?,
    ];
    let later = json!({ "type": "payment.weighed.v7", "data": { "weight": "heavy" } });
    let later = golden("payment.captured.v1", order_id, &later);
    let place = shop.records.write("payment.completed", &order_id.to_string(), Some(&later)).await?;
    // Another amount, other lines: it is the order's id that decides.
    let second = golden("order.created.v1", order_id, &json!({ "data": { "orderId": order_id } }));
    let second = shop.records.write("order.created", &order_id.to_string(), Some(&second)).await?;
    shop.records.passed("order-service", &[place]).await?;
    shop.records.passed("inventory-service", std::slice::from_ref(&second)).await?;
    shop.records.passed("payment-service", &[second]).await?;
    let after = [
        ignored(Service::Order, "unknown type").await?,
        ignored(Service::Inventory, "order created again").await?,
        ignored(Service::Payment, "order created again").await?,
    ];
    ensure!(before.iter().zip(&after).all(|(before, after)| *after >= before + 1.0), "{before:?} {after:?}");
    let payment = shop.admin.payment(order_id).await?;
    ensure!(payment["amount"]["amount"] == 1000 && shop.ledger.taken(order_id).await?.charges == 1, "{payment}");
    shop.stock_is(product, 10, 1).await
}

pub(crate) async fn admins_alone_see_them(shop: Shop) -> Result<()> {
    let (customer, nobody) = (shop.customer().await?, shop.api.anonymous());
    let missing = Uuid::new_v4();
    let one = format!("/v1/admin/dead-letters/{missing}");
    let (again, away) = (format!("{one}/redrive"), format!("{one}/discard"));
    let reason = json!({ "reason": "no" });
    for service in Service::ALL {
        for path in ["/v1/admin/dead-letters", &one] {
            ensure!(nobody.get(service, path).await?.status == 401, "{path}");
            ensure!(customer.get(service, path).await?.status == 403, "{path}");
        }
        for path in [&again, &away] {
            ensure!(nobody.post(service, path, &reason).await?.status == 401, "{path}");
            ensure!(customer.post(service, path, &reason).await?.status == 403, "{path}");
            let unknown = shop.admin.post(service, path, &reason).await?;
            ensure!(unknown.status == 404 && unknown.code() == "dead_letter_not_found", "{path}: {unknown:?}");
        }
        ensure!(shop.admin.get(service, &one).await?.code() == "dead_letter_not_found");
        ensure!(shop.admin.get(service, "/v1/admin/dead-letters/7").await?.status == 404);
        ensure!(shop.admin.get(service, "/v1/admin/dead-letters?status=alive").await?.status == 422);
        let without = shop.admin.post(service, &away, &json!({})).await?;
        ensure!(without.status == 422 && without.body["errors"][0]["pointer"] == "/reason", "{without:?}");
    }
    Ok(())
}
