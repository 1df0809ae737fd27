//! Many buyers, few units: nobody gets what is not there, and nobody is turned away while something is.

use crate::shop::{Shop, outcomes};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use uuid::Uuid;

pub(crate) async fn ten_units_and_two_hundred_buyers(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let before = shop.ledger.batches("inventory").await?;
    buy(&shop, product, 200, 10).await?;
    shop.stock_is(product, 10, 10).await?;
    let batches = shop.ledger.batches("inventory").await? - before;
    ensure!(batches < 200, "{batches} commits for 200 orders");
    Ok(())
}

pub(crate) async fn one_unit_and_five_hundred_buyers(shop: Shop) -> Result<()> {
    rounds(&shop, 2).await
}

/// The same for longer, where somebody asks for it.
pub(crate) async fn one_unit_and_five_hundred_buyers_fifty_times(shop: Shop) -> Result<()> {
    rounds(&shop, 50).await
}

async fn rounds(shop: &Shop, rounds: usize) -> Result<()> {
    for round in 1..=rounds {
        let product = shop.product(1000, 1).await?;
        buy(shop, product, 500, 1).await.with_context(|| format!("round {round}"))?;
        shop.stock_is(product, 1, 1).await?;
    }
    Ok(())
}

/// `buyers` orders of one piece each, all at once: `winners` of them are confirmed, and all others rejected.
async fn buy(shop: &Shop, product: Uuid, buyers: usize, winners: usize) -> Result<()> {
    let _turn = Shop::crowd().await;
    let customer = shop.customer().await?;
    let lines = [(product, 1)];
    let placed = try_join_all((0..buyers).map(|_| customer.placed(&lines, "pm_card_visa"))).await?;
    ensure!(placed.len() == buyers);
    outcomes(&customer, [("confirmed", winners), ("rejected", buyers - winners)]).await
}
