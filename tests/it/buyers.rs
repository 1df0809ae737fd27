//! Many buyers, few units: nobody gets what is not there, and nobody is turned away while something is.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use testkit::eventually::becomes;
use uuid::Uuid;

pub(crate) async fn ten_units_and_two_hundred_buyers(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let before = shop.ledger.batches("inventory").await?;
    let orders = buy(&shop, product, 200).await?;
    outcomes(&shop, &orders, 10).await?;
    shop.stock_is(product, 10, 10).await?;
    let batches = shop.ledger.batches("inventory").await? - before;
    ensure!(batches < 200, "{batches} commits for 200 orders");
    Ok(())
}

pub(crate) async fn one_unit_and_many_buyers_again_and_again(shop: Shop) -> Result<()> {
    for _ in 0..5 {
        let product = shop.product(1000, 1).await?;
        let orders = buy(&shop, product, 40).await?;
        outcomes(&shop, &orders, 1).await?;
        shop.stock_is(product, 1, 1).await?;
    }
    Ok(())
}

/// `buyers` orders of one piece each, all at once.
async fn buy(shop: &Shop, product: Uuid, buyers: usize) -> Result<Vec<Uuid>> {
    let customer = shop.customer().await?;
    let lines = [(product, 1)];
    try_join_all((0..buyers).map(|_| customer.placed(&lines, "pm_card_visa"))).await
}

/// Waits until `winners` of the orders are confirmed and all others rejected.
async fn outcomes(shop: &Shop, orders: &[Uuid], winners: usize) -> Result<()> {
    let wanted = BTreeMap::from([("confirmed".to_owned(), winners), ("rejected".to_owned(), orders.len() - winners)]);
    becomes("all orders", wanted, || async {
        let mut counts = BTreeMap::new();
        for order_id in orders {
            let order = shop.admin.order(*order_id).await?;
            *counts.entry(order["status"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
        Ok(counts)
    })
    .await
}
