//! What the tests of the whole fleet start with: a product, a customer who does not give up, and the state of the books.

use crate::dead_letters::letters::{list, redrive};
use crate::shop::Shop;
use anyhow::{Result, ensure};
use common::events::TURN_MS;
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::api::{Answer, Service, User, id};
use testkit::eventually::{PATIENCE, eventually};
use testkit::fleet::Fleet;
use testkit::ledger::Taken;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const PRICE_MINOR: i64 = 1000;
const PIECES: i64 = 10_000;
/// So many times that each partition has had its turn.
const LATER: usize = 10;
/// Longer than a writer is silent before it is swept, and than a lease.
const SWEPT_BY: Duration = Duration::from_secs(8);
pub(crate) const LEFT: &str = "are left behind";

pub(crate) struct Scene<'f> {
    fleet: &'f Fleet,
    pub(crate) shop: Shop,
    pub(crate) product: Uuid,
    customer: User,
    dead_letters: usize,
}

impl<'f> Scene<'f> {
    /// With the first replica of every service alone: whoever is hurt then has all partitions.
    pub(crate) async fn alone(fleet: &'f Fleet) -> Result<Self> {
        let second = [fleet.replica(Service::Inventory, 1), fleet.replica(Service::Payment, 1)];
        try_join_all(second.map(|replica| replica.stop())).await?;
        Self::open(fleet).await
    }

    /// All requests go to the first replicas.
    pub(crate) async fn open(fleet: &'f Fleet) -> Result<Self> {
        let api = fleet.api().only(Service::Inventory, 0).only(Service::Payment, 0);
        let shop = Shop::at(fleet, api).await?;
        let (product, customer) = (shop.product(PRICE_MINOR, PIECES).await?, shop.customer().await?);
        let dead_letters = dead_letters(&shop.admin).await?;
        Ok(Self { fleet, shop, product, customer, dead_letters })
    }

    /// Places `n` orders of one piece at once.
    pub(crate) async fn place(&self, n: usize) -> Result<Vec<Uuid>> {
        let body = order_of(self.product);
        let place = async |_| id(&stubborn(&self.customer, Service::Order, "/v1/orders", &body).await?.expect(201)?);
        try_join_all((0..n).map(place)).await
    }

    /// Places one order after the other until one is refused; those that were taken.
    pub(crate) async fn place_until_refused(&self) -> Result<Vec<Uuid>> {
        let mut taken = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_to_place().await?;
            if answer.status == 503 {
                return Ok(taken);
            }
            taken.push(id(&answer.expect(201)?)?);
            ensure!(Instant::now() < until, "no order was refused within {PATIENCE:?}");
        }
    }

    /// Asks for one order, once.
    pub(crate) async fn try_to_place(&self) -> Result<Answer> {
        self.customer.post(Service::Order, "/v1/orders", &order_of(self.product)).await
    }

    pub(crate) async fn confirmed(&self, orders: &[Uuid]) -> Result<()> {
        for order_id in orders {
            self.shop.ends(*order_id, "confirmed").await?;
        }
        Ok(())
    }

    /// That these orders have ended, once so many later ones have that all partitions are known to be read beyond them.
    pub(crate) async fn none_is_left_behind(&self, orders: &[Uuid]) -> Result<()> {
        for _ in 0..LATER {
            let later = self.place(LATER).await?;
            sleep(Duration::from_millis(TURN_MS)).await;
            self.confirmed(&later).await?;
        }
        sleep(SWEPT_BY).await;
        let mut left = 0;
        for order_id in orders {
            left += usize::from(self.shop.admin.order(*order_id).await?["status"] != "confirmed");
        }
        ensure!(left == 0, "{left} of {} orders {LEFT}", orders.len());
        Ok(())
    }

    /// That these orders, and no others, took their pieces and their money, each once, that each was told of once, and
    /// that no record was given up.
    pub(crate) async fn books(&self, orders: &[Uuid]) -> Result<()> {
        for order_id in orders {
            let taken = self.shop.ledger.taken(*order_id).await?;
            ensure!(taken == Taken { charges: 1, captured: PRICE_MINOR, refunded: 0 }, "{order_id}: {taken:?}");
            let payment = self.shop.admin.payment(*order_id).await?;
            let attempts = payment["attempts"].as_array().map(Vec::len);
            ensure!(attempts == Some(1), "{order_id} was paid in {attempts:?} attempts");
        }
        self.shop.stock_is(self.product, PIECES, i64::try_from(orders.len())?).await?;
        for order_id in orders {
            self.shop.told(*order_id, &["order_placed", "order_confirmed"]).await?;
        }
        self.no_dead_letters().await
    }

    pub(crate) async fn no_dead_letters(&self) -> Result<()> {
        let new = dead_letters(&self.shop.admin).await?.saturating_sub(self.dead_letters);
        ensure!(new == 0, "{new} records went to the dead letters");
        Ok(())
    }

    /// Has every dead letter of a service applied again, which has to go well.
    pub(crate) async fn redrive_all(&self, service: Service) -> Result<()> {
        for letter in list(&self.shop.admin, service, "dead").await? {
            let letter = letter["id"].as_str().unwrap_or_default();
            let answer = redrive(&self.shop.admin, service, letter).await?.expect(202)?;
            ensure!(answer["status"] == "redriven", "{answer}");
        }
        Ok(())
    }

    /// Changes the product's stock, through the replica that `admin` speaks to.
    pub(crate) async fn adjust(&self, admin: &User, delta: i64) -> Result<()> {
        let path = format!("/v1/inventory/{}/adjustments", self.product);
        let body = json!({ "delta": delta, "reason": "counted again" });
        stubborn(admin, Service::Inventory, &path, &body).await?.expect(201).map(|_| ())
    }

    /// That there are so many pieces more than at the start.
    pub(crate) async fn has_pieces(&self, more: i64) -> Result<()> {
        self.shop.stock_is(self.product, PIECES + more, 0).await
    }

    /// The admin, at the second replica of inventory.
    pub(crate) fn admin_at_second(&self) -> User {
        let api = self.fleet.api().only(Service::Inventory, 1);
        api.anonymous().with_token(self.shop.admin.token().unwrap_or_default())
    }
}

/// One piece, paid at once.
pub(crate) fn order_of(product: Uuid) -> Value {
    json!({ "lines": [{ "productId": product, "quantity": 1 }], "paymentMethod": "pm_card_visa" })
}

/// Of all services, those that nobody has seen to.
async fn dead_letters(admin: &User) -> Result<usize> {
    let of = async |service| {
        // A service whose database was just restarted answers 503 for a moment.
        eventually("dead letters", || async { Ok(Some(list(admin, service, "dead").await?.len())) }).await
    };
    Ok(try_join_all(Service::ALL.map(of)).await?.into_iter().sum())
}

/// Sends a request again, under one key, until it has an answer that says what became of it.
pub(crate) async fn stubborn(user: &User, service: Service, path: &str, body: &Value) -> Result<Answer> {
    let key = Uuid::new_v4().to_string();
    eventually(path, || async {
        let answer = user.post_keyed(service, path, &key, body).await?;
        Ok((!matches!(answer.status.as_u16(), 503 | 504)).then_some(answer))
    })
    .await
}
