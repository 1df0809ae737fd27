//! What a test starts with: a fleet, an admin, and products of its own.

use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::annex::{Annex, Servers};
use testkit::api::{Api, Service, User, id};
use testkit::eventually::{becomes, eventually};
use testkit::fleet::Fleet;
use testkit::ledger::Ledger;
use testkit::records::Records;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

/// One test's view of the shared fleet.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) api: Api,
    pub(crate) admin: User,
    pub(crate) ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) servers: Servers,
}

static SKUS: AtomicU32 = AtomicU32::new(1);
/// Crowds come one after the other, so that a small machine serves each of them in time.
static CROWD: Mutex<()> = Mutex::const_new(());

impl Shop {
    pub(crate) async fn open(fleet: &Fleet) -> Result<Self> {
        Self::at(fleet, fleet.api().clone()).await
    }

    /// Where `api` leads.
    pub(crate) async fn at(fleet: &Fleet, api: Api) -> Result<Self> {
        let admin = api.login("adminuser", "admin123").await?;
        let (ledger, records) = (fleet.ledger().clone(), fleet.records().clone());
        Ok(Self { api, admin, ledger, records, servers: fleet.servers() })
    }

    /// A place for services of this test alone.
    pub(crate) async fn annex(&self) -> Result<Annex> {
        Annex::open(&self.servers).await
    }

    /// A customer of this test alone.
    pub(crate) async fn customer(&self) -> Result<User> {
        self.api.new_customer().await
    }

    /// The turn of a test with hundreds of orders at once.
    pub(crate) async fn crowd() -> MutexGuard<'static, ()> {
        CROWD.lock().await
    }

    /// A product that can be ordered, with `pieces` in stock.
    pub(crate) async fn product(&self, price_minor: i64, pieces: i64) -> Result<Uuid> {
        self.product_in("USD", price_minor, pieces).await
    }

    /// The same, priced in another currency.
    pub(crate) async fn product_in(&self, currency: &str, price_minor: i64, pieces: i64) -> Result<Uuid> {
        let number = SKUS.fetch_add(1, Ordering::Relaxed);
        let sku = format!("TEST-{number}-{}", Uuid::new_v4().simple());
        let price = json!({ "amount": price_minor, "currency": currency });
        let body = json!({ "sku": sku, "name": format!("Test product {number}"), "category": "tests", "price": price });
        let product = self.admin.post(Service::Product, "/v1/products", &body).await?.expect(201)?;
        let product_id = id(&product)?;
        self.restock(product_id, pieces).await?;
        self.known_to_orders(product_id).await?;
        Ok(product_id)
    }

    /// Waits for the product's stock row and puts `pieces` into it.
    pub(crate) async fn restock(&self, product_id: Uuid, pieces: i64) -> Result<()> {
        let row = format!("/v1/inventory/{product_id}");
        eventually("a stock row", || async {
            let answer = self.admin.get(Service::Inventory, &row).await?;
            Ok((answer.status == 200).then_some(()))
        })
        .await?;
        if pieces > 0 {
            let body = json!({ "delta": pieces, "reason": "first delivery" });
            self.admin.post(Service::Inventory, &format!("{row}/adjustments"), &body).await?.expect(201)?;
        }
        Ok(())
    }

    /// Waits until the order service's copy of the catalogue holds the product: an order of it that asks for more than
    /// any stock has is refused for no other reason.
    pub(crate) async fn known_to_orders(&self, product_id: Uuid) -> Result<()> {
        let probe = json!({
            "lines": [
                { "productId": product_id, "quantity": 1 },
                { "productId": Uuid::nil(), "quantity": 1 },
            ],
            "paymentMethod": "pm_card_visa",
        });
        eventually("a product that can be ordered", || async {
            let answer = self.admin.post(Service::Order, "/v1/orders", &probe).await?;
            let pointers = answer.body["errors"].to_string();
            Ok((answer.code() == "product_not_orderable" && !pointers.contains("/lines/0")).then_some(()))
        })
        .await
    }

    /// Waits until the order has `status`; the order.
    pub(crate) async fn ends(&self, order_id: Uuid, status: &str) -> Result<Value> {
        becomes(&format!("order {order_id}"), status.to_owned(), || async {
            let order = self.admin.order(order_id).await?;
            Ok(order["status"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
        self.admin.order(order_id).await
    }

    /// Waits until the payment has `status`; the payment.
    pub(crate) async fn payment_ends(&self, order_id: Uuid, status: &str) -> Result<Value> {
        becomes(&format!("payment of {order_id}"), status.to_owned(), || async {
            let payment = self.admin.payment(order_id).await?;
            Ok(payment["status"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
        self.admin.payment(order_id).await
    }

    /// Waits until the product's stock is as it should be.
    pub(crate) async fn stock_is(&self, product_id: Uuid, on_hand: i64, reserved: i64) -> Result<()> {
        becomes(&format!("stock of {product_id}"), (on_hand, reserved), || async {
            let stock = self.ledger.stock(product_id).await?;
            Ok((stock.on_hand, stock.reserved))
        })
        .await
    }

    /// Waits until just these messages were sent, in any order.
    pub(crate) async fn told(&self, order_id: Uuid, templates: &[&str]) -> Result<()> {
        let mut wanted: Vec<String> = templates.iter().map(|t| format!("{t} sent")).collect();
        wanted.sort();
        becomes(&format!("notifications of {order_id}"), wanted, || async {
            let body =
                self.admin.get(Service::Notification, &format!("/v1/notifications/{order_id}")).await?.expect(200)?;
            let rows = body["data"].as_array().cloned().unwrap_or_default();
            let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let mut told: Vec<String> =
                rows.iter().map(|row| format!("{} {}", text(row, "template"), text(row, "status"))).collect();
            told.sort();
            Ok(told)
        })
        .await
    }
}

/// The states that a timeline went through.
pub(crate) fn states(timeline: &[Value]) -> Vec<&str> {
    timeline.iter().map(|row| row["to"].as_str().unwrap_or_default()).collect()
}

/// How many orders of `customer` have each status.
pub(crate) async fn statuses(customer: &User) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    let mut cursor = None;
    loop {
        let after = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let page = customer.get(Service::Order, &format!("/v1/orders?limit=100{after}")).await?.expect(200)?;
        for order in page["data"].as_array().into_iter().flatten() {
            *counts.entry(order["status"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(counts),
        }
    }
}

/// Waits until all orders of `customer` have these statuses.
pub(crate) async fn outcomes<const N: usize>(customer: &User, wanted: [(&str, usize); N]) -> Result<()> {
    let wanted: BTreeMap<String, usize> = wanted.map(|(status, count)| (status.to_owned(), count)).into();
    becomes("all orders", wanted, || statuses(customer)).await
}
