//! What happens at the same time, in every order that chance brings.

use crate::shop::{Shop, outcomes, statuses};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::time::Duration;
use testkit::api::{Service, User, patiently};
use testkit::eventually::becomes;
use testkit::ledger::Taken;
use testkit::metrics;
use uuid::Uuid;

const PRICE_MINOR: i64 = 1000;

/// A crowd by a chance that can be repeated: a failure names its seed.
async fn by_chance<F: Future<Output = Result<()>>>(test: impl FnOnce(StdRng) -> F) -> Result<()> {
    let _turn = Shop::crowd().await;
    let seed = Uuid::new_v4().as_u64_pair().0;
    test(StdRng::seed_from_u64(seed)).await.with_context(|| format!("with the seed {seed}"))
}

/// Two hundred orders are cancelled, shipped, both or neither at some moment of their payment.
pub(crate) async fn cancel_races_with_payment(shop: Shop) -> Result<()> {
    by_chance(|mut chance| async move {
        let product = shop.product(PRICE_MINOR, 1000).await?;
        let customer = shop.customer().await?;
        let plans: Vec<Plan> = (0..200).map(|_| Plan::by(&mut chance)).collect();
        let orders = try_join_all(plans.iter().map(|plan| plan.carry_out(&shop, &customer, product))).await?;
        becomes("orders under way", 0, || async {
            let counts = statuses(&customer).await?;
            Ok(counts.into_iter().filter(|(status, _)| !ENDS.contains(&status.as_str())).map(|(_, count)| count).sum())
        })
        .await?;
        let (mut reserved, mut gone) = (0, 0);
        for (order_id, plan) in orders.into_iter().zip(plans) {
            let order = shop.admin.order(order_id).await?;
            let status = order["status"].as_str().unwrap_or_default();
            // A machine that is too busy to pay in time lets the deadline race, too.
            let possible: &[&str] = match plan {
                Plan { cancel: None, ship: None } => &["confirmed", "expired"],
                Plan { cancel: None, ship: Some(_) } => &["confirmed", "shipped", "expired"],
                Plan { cancel: Some(_), ship: None } => &["cancelled", "expired"],
                Plan { cancel: Some(_), ship: Some(_) } => &["cancelled", "shipped", "expired"],
            };
            ensure!(possible.contains(&status), "{plan:?}: {order}");
            let taken = shop.ledger.taken(order_id).await?;
            if ["cancelled", "expired"].contains(&status) {
                ensure!(taken.captured == taken.refunded && taken.charges <= 1, "{order_id}: {taken:?}");
            } else {
                ensure!(taken == Taken { charges: 1, captured: PRICE_MINOR, refunded: 0 }, "{order_id}: {taken:?}");
            }
            reserved += i64::from(status == "confirmed");
            gone += i64::from(status == "shipped");
        }
        shop.stock_is(product, 1000 - gone, reserved).await
    })
    .await
}

/// Where nothing more happens by itself.
const ENDS: [&str; 4] = ["confirmed", "shipped", "cancelled", "expired"];

/// When people do what to an order, in milliseconds from its placing.
#[derive(Debug, Clone, Copy)]
struct Plan {
    cancel: Option<u64>,
    ship: Option<u64>,
}

impl Plan {
    fn by(chance: &mut StdRng) -> Self {
        Self {
            cancel: chance.random_bool(0.75).then(|| chance.random_range(0..1500)),
            ship: chance.random_bool(0.25).then(|| chance.random_range(0..1500)),
        }
    }

    async fn carry_out(&self, shop: &Shop, customer: &User, product: Uuid) -> Result<Uuid> {
        let order_id = customer.placed(&[(product, 1)], "pm_card_visa").await?;
        // The moments are the point of this test; it asserts nothing by them.
        let after = |ms: Option<u64>| tokio::time::sleep(Duration::from_millis(ms.unwrap_or_default()));
        let cancel = async {
            let Some(_) = self.cancel else { return Ok(()) };
            after(self.cancel).await;
            let answer = patiently(|| customer.cancel(order_id)).await?;
            // It is shipped, or expired.
            let too_late = answer.status == 409 && answer.code() == "order_not_cancellable";
            ensure!(answer.status == 202 || too_late, "{answer:?}");
            Ok(())
        };
        let ship = async {
            let Some(_) = self.ship else { return Ok(()) };
            after(self.ship).await;
            let by = json!({ "carrier": "Test Parcel", "trackingNumber": "TP-1" });
            let path = format!("/v1/orders/{order_id}/ship");
            let answer = patiently(|| shop.admin.post(Service::Order, &path, &by)).await?;
            let wrong_time = answer.status == 409 && answer.code() == "order_not_shippable";
            ensure!(answer.status == 200 || wrong_time, "{answer:?}");
            Ok(())
        };
        futures::try_join!(cancel, ship)?;
        Ok(order_id)
    }
}

/// Three hundred orders of five products each, named in any order, out of twenty; two replicas of every service lock
/// their rows. Whoever stands in another's way is tried again, and nobody hears of it.
pub(crate) async fn orders_that_cross_each_other_do_not_lock_up(shop: Shop) -> Result<()> {
    by_chance(|mut chance| async move {
        let products = try_join_all((0..20).map(|_| shop.product(100, 10_000))).await?;
        let customer = shop.customer().await?;
        let (deadlocks, tried_again) = (shop.ledger.deadlocks().await?, conflicts(&shop).await?);
        let baskets: Vec<Vec<(Uuid, u32)>> = (0..300).map(|_| basket(&products, &mut chance)).collect();
        try_join_all(baskets.iter().map(|lines| customer.placed(lines, "pm_card_visa"))).await?;
        outcomes(&customer, [("confirmed", baskets.len())]).await?;
        for product in products {
            let all = baskets.iter().flatten().filter(|(id, _)| *id == product);
            shop.stock_is(product, 10_000, all.map(|(_, pieces)| i64::from(*pieces)).sum()).await?;
        }
        let deadlocks = shop.ledger.deadlocks().await? - deadlocks;
        let tried_again = conflicts(&shop).await? - tried_again;
        ensure!(tried_again >= deadlocks, "of {deadlocks} deadlocks, {tried_again} were tried again");
        Ok(())
    })
    .await
}

/// Batches that were applied again, in the whole fleet.
async fn conflicts(shop: &Shop) -> Result<f64> {
    let sums = Service::ALL.map(|service| metrics::sum(&shop.api, service, "rtoms_conflicts_total", ""));
    Ok(try_join_all(sums).await?.into_iter().sum())
}

fn basket(products: &[Uuid], chance: &mut StdRng) -> Vec<(Uuid, u32)> {
    let chosen: Vec<Uuid> = products.choose_multiple(chance, 5).copied().collect();
    chosen.into_iter().map(|product| (product, chance.random_range(1..4))).collect()
}
