//! Requests that are sent again.

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::{try_join, try_join_all};
use serde_json::{Value, json};
use std::collections::HashSet;
use testkit::api::{Answer, Service, User, id};
use testkit::eventually::eventually;
use uuid::Uuid;

fn order_of(product: Uuid, quantity: u32) -> Value {
    json!({ "lines": [{ "productId": product, "quantity": quantity }], "paymentMethod": "pm_card_visa" })
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

fn new_key() -> String {
    Uuid::new_v4().to_string()
}

/// A call that keeps its answers, and the same call with other words.
struct Kept {
    service: Service,
    path: String,
    body: Value,
    other: Value,
    status: u16,
}

fn kept(service: Service, path: impl Into<String>, status: u16, body: Value, other: Value) -> Kept {
    Kept { service, path: path.into(), body, other, status }
}

impl Kept {
    async fn send(&self, by: &User, key: &str) -> Result<Answer> {
        by.post_keyed(self.service, &self.path, key, &self.body).await
    }

    /// The first answer; then the same again, by both replicas; and 422 for anything else under that key.
    async fn is_done_once(&self, by: &User) -> Result<Value> {
        let key = new_key();
        let first = self.send(by, &key).await?;
        ensure!(first.status == self.status && !replayed(&first), "{}: {first:?}", self.path);
        for n in 0..2 {
            let again = self.send(&by.at_replica(n), &key).await?;
            ensure!(
                again.status == first.status && replayed(&again) && without_request(&again) == without_request(&first),
                "{} by replica {n}: {again:?} after {first:?}",
                self.path
            );
            for header in ["location", "etag", "content-type"] {
                ensure!(again.headers.get(header) == first.headers.get(header), "{} {header}: {again:?}", self.path);
            }
        }
        let changed = by.post_keyed(self.service, &self.path, &key, &self.other).await?;
        ensure!(
            changed.status == 422 && changed.code() == "idempotency_key_reused" && !replayed(&changed),
            "{}: {changed:?}",
            self.path
        );
        Ok(first.body)
    }
}

/// A refusal names the request that it answers now.
fn without_request(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("requestId");
    }
    body
}

/// All calls that make something or move money; how often it was done is counted in what they made.
pub(crate) async fn a_repeat_gets_the_first_answer(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let paid = customer.placed(&[(product, 3)], "pm_card_visa").await?;
    let declined = customer.placed(&[(product, 1)], "pm_card_chargeDeclined").await?;
    shop.ends(paid, "confirmed").await?;
    shop.ends(declined, "payment_failed").await?;
    shop.told(paid, &["order_placed", "order_confirmed"]).await?;

    let order = kept(Service::Order, "/v1/orders", 201, order_of(product, 1), order_of(product, 2));
    let placed = order.is_done_once(&customer).await?;
    let listed = customer.get(Service::Order, "/v1/orders").await?.expect(200)?;
    ensure!(listed["data"].as_array().map(Vec::len) == Some(3) && listed["data"][0]["id"] == placed["id"], "{listed}");

    let price = json!({ "amount": 1, "currency": "USD" });
    let new = json!({ "sku": new_key(), "name": "Once", "category": new_key(), "price": price });
    let other = json!({ "sku": new_key(), "name": "Once", "category": "tests", "price": price });
    let made = kept(Service::Product, "/v1/products", 201, new, other).is_done_once(&shop.admin).await?;
    let category = made["category"].as_str().context("a category")?;
    let listed = shop.admin.get(Service::Product, &format!("/v1/products?category={category}")).await?.expect(200)?;
    ensure!(listed["data"].as_array().map(Vec::len) == Some(1), "{listed}");

    let by = |delta: i64| json!({ "delta": delta, "reason": "counted once" });
    let adjustments = format!("/v1/inventory/{product}/adjustments");
    kept(Service::Inventory, &adjustments, 201, by(7), by(8)).is_done_once(&shop.admin).await?;
    ensure!(shop.ledger.stock(product).await?.on_hand == 17);

    let process = format!("/v1/payments/process/{declined}");
    let method = |method: &str| json!({ "paymentMethod": method });
    let again = kept(Service::Payment, process, 202, method("pm_card_visa"), method("pm_card_mastercard"));
    again.is_done_once(&customer).await?;
    let payment = shop.payment_ends(declined, "captured").await?;
    ensure!(payment["attempts"].as_array().map(Vec::len) == Some(2), "{payment}");
    ensure!(shop.ledger.taken(declined).await?.charges == 1);

    let part = |amount: i64| json!({ "amount": { "amount": amount, "currency": "USD" } });
    let refunds = format!("/v1/payments/{paid}/refunds");
    kept(Service::Payment, refunds, 202, part(500), part(600)).is_done_once(&shop.admin).await?;
    let refunded = eventually("the refund", || async {
        let taken = shop.ledger.taken(paid).await?;
        Ok((taken.refunded > 0).then_some(taken.refunded))
    });
    ensure!(refunded.await? == 500);
    let payment = shop.admin.payment(paid).await?;
    ensure!(payment["refunds"].as_array().map(Vec::len) == Some(1), "{payment}");

    let told = customer.get(Service::Notification, &format!("/v1/notifications/{paid}")).await?.expect(200)?;
    let resend = format!("/v1/notifications/{}/resend", id(&told["data"][0])?);
    // It has no body that could be another: another message under the same key is another request.
    let key = new_key();
    let first = shop.admin.post_keyed(Service::Notification, &resend, &key, &json!({})).await?;
    let again = shop.admin.post_keyed(Service::Notification, &resend, &key, &json!({})).await?;
    ensure!(first.status == 202 && !replayed(&first), "{first:?}");
    ensure!(again.status == 202 && replayed(&again) && again.body == first.body, "{again:?}");
    let elsewhere = format!("/v1/notifications/{}/resend", id(&told["data"][1])?);
    let other = shop.admin.post_keyed(Service::Notification, &elsewhere, &key, &json!({})).await?;
    ensure!(other.status == 422 && other.code() == "idempotency_key_reused", "{other:?}");
    Ok(())
}

/// What was refused for what it asks stays refused under its key, also when it would be granted now.
pub(crate) async fn a_refusal_is_an_answer_too(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 1).await?;
    let adjustments = format!("/v1/inventory/{product}/adjustments");
    let by = |delta: i64| json!({ "delta": delta, "reason": "counted" });
    let key = new_key();
    let refused = kept(Service::Inventory, &adjustments, 409, by(-5), by(-4));
    let first = refused.send(&shop.admin, &key).await?;
    ensure!(first.status == 409 && first.code() == "stock_would_go_negative", "{first:?}");
    shop.restock(product, 10).await?;
    let again = refused.send(&shop.admin, &key).await?;
    ensure!(again.status == 409 && replayed(&again) && without_request(&again) == without_request(&first), "{again:?}");
    ensure!(again.body["requestId"] != first.body["requestId"], "a refusal names the request that it answers now");
    refused.send(&shop.admin, &new_key()).await?.expect(201).context("under a new key it is granted")?;
    // What never came to the writer, because it can't be read, leaves the key free.
    let key = new_key();
    let unreadable = shop.admin.post_keyed(Service::Inventory, &adjustments, &key, &json!({ "delta": "x" })).await?;
    ensure!(unreadable.status == 422, "{unreadable:?}");
    let right = shop.admin.post_keyed(Service::Inventory, &adjustments, &key, &by(1)).await?;
    ensure!(right.status == 201 && !replayed(&right), "{right:?}");
    Ok(())
}

pub(crate) async fn a_key_is_its_callers_own(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let (one, other) = (shop.customer().await?, shop.customer().await?);
    let key = new_key();
    let first = one.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 1)).await?;
    let others = other.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 2)).await?;
    ensure!(first.status == 201 && others.status == 201 && !replayed(&others), "{others:?}");
    ensure!(
        others.body["id"] != first.body["id"] && others.body["customerId"] != first.body["customerId"],
        "{others:?}"
    );
    Ok(())
}

/// Over both replicas of the order service.
pub(crate) async fn repeats_at_once_make_one_order(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let key = new_key();
    let body = order_of(product, 1);
    let answers = try_join_all((0..20).map(|_| customer.post_keyed(Service::Order, "/v1/orders", &key, &body))).await?;
    let ids: HashSet<String> = answers.iter().map(|answer| answer.body["id"].to_string()).collect();
    ensure!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    ensure!(ids.len() == 1, "{ids:?}");
    ensure!(answers.iter().filter(|answer| !replayed(answer)).count() == 1);
    Ok(())
}

/// A repeat that comes while the first still runs waits for its answer, at the same replica and at the other one.
pub(crate) async fn a_repeat_waits_for_the_first(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 0).await?;
    let adjustments = format!("/v1/inventory/{product}/adjustments");
    let (key, body) = (new_key(), json!({ "delta": 3, "reason": "delivered once" }));
    let send =
        async |n: usize| shop.admin.at_replica(n).post_keyed(Service::Inventory, &adjustments, &key, &body).await;
    // Whoever holds the row makes all of them wait: the first in its transaction, the others behind it.
    let held = shop.ledger.hold_stock(product).await?;
    let first = send(0);
    let others = async {
        held.is_waited_for(1).await?;
        let others = try_join(send(0), try_join(send(1), send(1)));
        let release = async {
            held.is_waited_for(2).await?;
            held.release().await
        };
        try_join(others, release).await
    };
    let (first, ((second, (third, fourth)), ())) = try_join(first, others).await?;
    let all = [first, second, third, fourth];
    ensure!(all.iter().all(|answer| answer.status == 201 && answer.body == all[0].body), "{all:?}");
    ensure!(all.iter().filter(|answer| !replayed(answer)).count() == 1, "not one was first: {all:?}");
    shop.stock_is(product, 3, 0).await
}
