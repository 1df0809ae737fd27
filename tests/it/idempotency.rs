//! Requests that are sent again.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::collections::HashSet;
use testkit::api::{Answer, Service};
use uuid::Uuid;

fn order_of(product: Uuid, quantity: u32) -> Value {
    json!({ "lines": [{ "productId": product, "quantity": quantity }], "paymentMethod": "pm_card_visa" })
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

pub(crate) async fn a_repeat_gets_the_first_answer(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let (customer, other) = (shop.customer().await?, shop.customer().await?);
    let key = Uuid::new_v4().to_string();
    let first = customer.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 1)).await?;
    let again = customer.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 1)).await?;
    ensure!(first.status == 201 && !replayed(&first), "{first:?}");
    ensure!(again.status == 201 && replayed(&again) && again.body == first.body, "{again:?}");
    let changed = customer.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 2)).await?;
    ensure!(changed.status == 422 && changed.code() == "idempotency_key_reused", "{changed:?}");
    let others = other.post_keyed(Service::Order, "/v1/orders", &key, &order_of(product, 1)).await?;
    ensure!(others.status == 201 && others.body["id"] != first.body["id"], "a key is its caller's own: {others:?}");
    Ok(())
}

/// Over both replicas of the order service.
pub(crate) async fn repeats_at_once_make_one_order(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let key = Uuid::new_v4().to_string();
    let body = order_of(product, 1);
    let answers = try_join_all((0..20).map(|_| customer.post_keyed(Service::Order, "/v1/orders", &key, &body))).await?;
    let ids: HashSet<String> = answers.iter().map(|answer| answer.body["id"].to_string()).collect();
    ensure!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    ensure!(ids.len() == 1, "{ids:?}");
    ensure!(answers.iter().filter(|answer| !replayed(answer)).count() == 1);
    Ok(())
}
