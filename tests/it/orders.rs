//! The life of an order, in each of its kinds.

use crate::shop::{Shop, states};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::api::Service;
use testkit::eventually::becomes;
use testkit::ledger::Taken;

pub(crate) async fn a_paid_order_is_confirmed_and_told_of(shop: Shop) -> Result<()> {
    let product = shop.product(1999, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 2)], "pm_card_visa").await?;
    let order = shop.ends(order_id, "confirmed").await?;
    ensure!(order["total"] == json!({ "amount": 3998, "currency": "USD" }), "{order}");
    let timeline = customer.timeline(order_id).await?;
    let to = states(&timeline);
    ensure!(to.first() == Some(&"pending") && to.last() == Some(&"confirmed"), "{to:?}");
    let traces: Vec<&Value> = timeline.iter().map(|row| &row["traceId"]).collect();
    ensure!(traces.iter().all(|trace| *trace == traces[0] && trace.is_string()), "one trace runs through: {traces:?}");
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 3998, refunded: 0 });
    shop.stock_is(product, 5, 2).await?;
    shop.told(order_id, &["order_placed", "order_confirmed"]).await
}

pub(crate) async fn an_order_short_of_stock_is_rejected(shop: Shop) -> Result<()> {
    let (plenty, scarce) = (shop.product(500, 100).await?, shop.product(700, 1).await?);
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(plenty, 3), (scarce, 2)], "pm_card_visa").await?;
    shop.ends(order_id, "rejected").await?;
    shop.payment_ends(order_id, "voided").await?;
    ensure!(shop.ledger.taken(order_id).await?.charges == 0);
    shop.stock_is(plenty, 100, 0).await?;
    shop.stock_is(scarce, 1, 0).await?;
    shop.told(order_id, &["order_placed", "order_rejected"]).await
}

pub(crate) async fn a_declined_order_can_be_paid_again(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 1)], "pm_card_chargeDeclinedInsufficientFunds").await?;
    shop.ends(order_id, "payment_failed").await?;
    shop.stock_is(product, 5, 1).await?;
    customer.pay_again(order_id, "pm_card_mastercard").await?.expect(202)?;
    shop.ends(order_id, "confirmed").await?;
    let payment = customer.payment(order_id).await?;
    let attempts = payment["attempts"].as_array().cloned().unwrap_or_default();
    ensure!(attempts.len() == 2 && attempts[0]["declineCode"] == "insufficient_funds", "{payment}");
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 1000, refunded: 0 });
    let again = customer.pay_again(order_id, "pm_card_visa").await?;
    ensure!(again.status == 409 && again.code() == "payment_not_retryable", "{again:?}");
    shop.told(order_id, &["order_placed", "payment_failed", "order_confirmed"]).await
}

pub(crate) async fn a_declined_order_expires(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 4)], "pm_card_chargeDeclined").await?;
    shop.ends(order_id, "payment_failed").await?;
    shop.ends(order_id, "expired").await?;
    shop.payment_ends(order_id, "voided").await?;
    shop.stock_is(product, 5, 0).await?;
    shop.told(order_id, &["order_placed", "payment_failed", "order_expired"]).await
}

pub(crate) async fn an_order_cancelled_while_declined_is_voided(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 4)], "pm_card_chargeDeclinedExpiredCard").await?;
    shop.ends(order_id, "payment_failed").await?;
    let cancelling = customer.cancel(order_id).await?.expect(202)?;
    ensure!(cancelling["status"] == "cancelling", "{cancelling}");
    shop.ends(order_id, "cancelled").await?;
    shop.payment_ends(order_id, "voided").await?;
    shop.stock_is(product, 5, 0).await?;
    customer.cancel(order_id).await?.expect(200)?;
    shop.told(order_id, &["order_placed", "payment_failed", "order_cancelled"]).await
}

pub(crate) async fn an_order_cancelled_after_payment_is_refunded(shop: Shop) -> Result<()> {
    let product = shop.product(1250, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 2)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    customer.cancel(order_id).await?.expect(202)?;
    shop.ends(order_id, "cancelled").await?;
    shop.payment_ends(order_id, "refunded").await?;
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 2500, refunded: 2500 });
    shop.stock_is(product, 5, 0).await?;
    shop.told(order_id, &["order_placed", "order_confirmed", "order_cancelled"]).await
}

pub(crate) async fn an_order_is_shipped_and_delivered(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 2)], "pm_card_visa").await?;
    let step = |name: &'static str| format!("/v1/orders/{order_id}/{name}");
    let shipment = json!({ "carrier": "Test Post", "trackingNumber": "TP-1" });
    let early = shop.admin.post(Service::Order, &step("deliver"), &json!({})).await?;
    ensure!(early.status == 409, "delivered before it was shipped: {early:?}");
    shop.ends(order_id, "confirmed").await?;
    let shipped = shop.admin.post(Service::Order, &step("ship"), &shipment).await?.expect(200)?;
    ensure!(shipped["shipment"] == shipment, "{shipped}");
    shop.stock_is(product, 3, 0).await?;
    let late = customer.cancel(order_id).await?;
    ensure!(late.status == 409 && late.code() == "order_not_cancellable", "{late:?}");
    shop.admin.post(Service::Order, &step("deliver"), &json!({})).await?.expect(200)?;
    shop.ends(order_id, "delivered").await?;
    shop.told(order_id, &["order_placed", "order_confirmed", "order_shipped", "order_delivered"]).await
}

pub(crate) async fn a_provider_that_does_not_answer_charges_once(shop: Shop) -> Result<()> {
    charged_once(&shop, "pm_rtoms_timeout").await
}

pub(crate) async fn a_provider_that_fails_twice_charges_once(shop: Shop) -> Result<()> {
    charged_once(&shop, "pm_rtoms_flaky").await
}

async fn charged_once(shop: &Shop, payment_method: &str) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 1)], payment_method).await?;
    shop.ends(order_id, "confirmed").await?;
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 1000, refunded: 0 });
    let payment = customer.payment(order_id).await?;
    ensure!(payment["attempts"].as_array().map(Vec::len) == Some(1), "{payment}");
    Ok(())
}

pub(crate) async fn prices_come_from_the_catalogue(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 50).await?;
    let customer = shop.customer().await?;
    let path = format!("/v1/products/{product}");
    let seen = shop.admin.get(Service::Product, &path).await?;
    let etag = seen.headers.get("etag").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let price = json!({ "price": { "amount": 1500, "currency": "USD" } });
    let change = shop.admin.request(reqwest::Method::PATCH, Service::Product, &path).header("if-match", etag);
    testkit::api::read(change.json(&price)).await?.expect(200)?;
    becomes("the new price in orders", Some(1500), || async {
        let order = customer.place(&[(product, 1)], "pm_card_visa").await?.expect(201)?;
        Ok(order["total"]["amount"].as_i64())
    })
    .await
}
