//! What is needed before anybody can order: products with stock, and customers with tokens. Made through the API.

use crate::fleet::Fleet;
use crate::load::Request;
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use testkit::api::{Service, User, id, patiently};
use testkit::eventually::becomes;
use uuid::Uuid;

const CUSTOMERS: usize = 50;
/// Requests at once while the shop is made.
const AT_ONCE: usize = 64;
/// More than any run sells.
const STOCK: i64 = 1_000_000_000;

pub(crate) struct Shop {
    pub(crate) products: Vec<Uuid>,
    tokens: Vec<String>,
    admin: User,
}

impl Shop {
    pub(crate) async fn open(fleet: &Fleet, products: usize) -> Result<Self> {
        let admin = fleet.api.login("adminuser", "admin123").await?;
        let customers = stream::iter(0..CUSTOMERS).map(|_| fleet.api.new_customer()).buffered(4);
        let customers: Vec<User> = customers.try_collect().await?;
        let tokens = customers.iter().filter_map(|customer| customer.token().map(ToOwned::to_owned)).collect();
        let mut shop = Self { products: Vec::new(), tokens, admin };
        shop.stock_up(fleet, products).await?;
        Ok(shop)
    }

    /// Makes products until there are `products`, and waits until they can be ordered.
    pub(crate) async fn stock_up(&mut self, fleet: &Fleet, products: usize) -> Result<()> {
        let admin = &self.admin;
        let new = stream::iter(self.products.len()..products).map(|n| make_product(admin, n)).buffered(AT_ONCE);
        let new: Vec<Uuid> = new.try_collect().await?;
        let wanted = i64::try_from(self.products.len() + new.len())?;
        for (schema, table) in [("inventory", "stock"), ("order", "catalogue")] {
            becomes(&format!("products in {schema}"), wanted, || async {
                let count = format!(r#"SELECT count(*) FROM "{schema}".{table}"#);
                Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&fleet.db).await?)
            })
            .await?;
        }
        stream::iter(&new).map(|product| add_stock(admin, *product)).buffered(AT_ONCE).try_collect::<Vec<_>>().await?;
        self.products.extend(new);
        Ok(())
    }

    /// Orders of one piece, each of one of `products`, by all customers in turn.
    pub(crate) fn orders(&self, fleet: &Fleet, products: &[Uuid]) -> Vec<Request> {
        let order = |(product, token): (&Uuid, &String)| Request {
            address: fleet.address(Service::Order),
            method: "POST".to_owned(),
            path: "/v1/orders".to_owned(),
            token: Some(token.clone()),
            body: json!({ "lines": [{ "productId": product, "quantity": 1 }], "paymentMethod": "pm_card_visa" })
                .to_string(),
        };
        // As many as it takes for every product to be there, and every customer.
        let count = products.len().max(self.tokens.len());
        products.iter().cycle().zip(self.tokens.iter().cycle()).take(count).map(order).collect()
    }

    pub(crate) fn reads(&self, fleet: &Fleet, products: &[Uuid]) -> Vec<Request> {
        let read = |product: &Uuid| Request {
            address: fleet.address(Service::Product),
            method: "GET".to_owned(),
            path: format!("/v1/products/{product}"),
            token: None,
            body: String::new(),
        };
        products.iter().map(read).collect()
    }
}

async fn make_product(admin: &User, n: usize) -> Result<Uuid> {
    let (key, price) = (Uuid::new_v4().to_string(), 100 + n % 10_000);
    let product = json!({
        "sku": format!("BENCH-{n}"), "name": format!("Piece {n}"), "category": "bench",
        "price": { "amount": price, "currency": "USD" },
    });
    let made = patiently(|| admin.post_keyed(Service::Product, "/v1/products", &key, &product)).await?;
    id(&made.expect(201).context("making a product")?)
}

async fn add_stock(admin: &User, product: Uuid) -> Result<()> {
    let (key, path) = (Uuid::new_v4().to_string(), format!("/v1/inventory/{product}/adjustments"));
    let adjustment = json!({ "delta": STOCK, "reason": "for the benchmark" });
    let added = patiently(|| admin.post_keyed(Service::Inventory, &path, &key, &adjustment)).await?;
    added.expect(201).context("adding stock")?;
    Ok(())
}
