//! Lists in pages: every row exactly once and in order, while new ones come.

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::api::{Service, User, id};
use testkit::eventually::becomes;
use uuid::Uuid;

/// How many orders are paged through where the environment does not say.
const ORDERS: usize = 2_000;
/// Says how many; with 10,000 the test takes minutes on a small machine.
const ORDERS_VARIABLE: &str = "RTOMS_TEST_ORDERS";
/// How many orders are on their way at once, and so how large a batch can be.
const AT_ONCE: usize = 64;

/// Page by page, each from the next replica; `path` has a query. Also what its order is by must be told: `key`.
async fn rows(user: &User, service: Service, path: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = user.get(service, &format!("{path}{cursor}")).await?.expect(200)?;
        all.extend(page["data"].as_array().cloned().context("a page has data")?);
        match &page["nextCursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            end => {
                ensure!(end.is_null(), "{end}");
                return Ok(all);
            }
        }
    }
}

fn ids(rows: &[Value]) -> Result<Vec<Uuid>> {
    rows.iter().map(id).collect()
}

/// Newest first, by the ids in the field `age`: they grow with time.
fn newest_first(rows: &[Value], age: &str) -> Result<HashSet<Uuid>> {
    let ids = rows.iter().map(|row| Ok(row[age].as_str().context("a row has an id")?.parse()?));
    let ids: Vec<Uuid> = ids.collect::<Result<_>>()?;
    ensure!(ids.is_sorted_by(|a, b| a > b), "out of order, or twice");
    Ok(ids.into_iter().collect())
}

/// Orders of what is not in stock, so that they end at once.
async fn place(customer: &User, product: Uuid, orders: usize) -> Result<Vec<Uuid>> {
    let lines = [(product, 1)];
    stream::iter(0..orders)
        .map(|_| customer.placed(&lines, "pm_card_visa"))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

pub(crate) async fn every_order_is_listed_once_while_new_ones_are_placed(shop: Shop) -> Result<()> {
    let wanted = std::env::var_os(ORDERS_VARIABLE);
    let orders = wanted.map_or(Ok(ORDERS), |n| n.to_string_lossy().parse()).context(ORDERS_VARIABLE)?;
    let product = shop.product(1000, 0).await?;
    let customer = shop.customer().await?;
    let placed = place(&customer, product, orders).await?;
    let done = AtomicBool::new(false);
    let meanwhile = async {
        let mut more = 0;
        while !done.load(Ordering::Relaxed) {
            more += place(&customer, product, 4).await?.len();
        }
        Ok::<_, anyhow::Error>(more)
    };
    let paged = async {
        let pages = async {
            let own = rows(&customer, Service::Order, "/v1/orders?limit=100").await?;
            let everybodys = rows(&shop.admin, Service::Order, "/v1/orders?limit=100").await?;
            Ok::<_, anyhow::Error>((own, everybodys))
        };
        let paged = pages.await;
        done.store(true, Ordering::Relaxed);
        paged
    };
    let (more, paged) = tokio::join!(meanwhile, paged);
    let (own, everybodys) = paged?;
    ensure!(more? > 0, "nothing was placed meanwhile");
    for (whose, rows) in [("own", own), ("everybody's", everybodys)] {
        let listed = newest_first(&rows, "id").context(whose)?;
        let missed = placed.iter().filter(|order| !listed.contains(order)).count();
        ensure!(missed == 0, "{missed} of {orders} orders are missing in {whose} of {}", rows.len());
    }
    Ok(())
}

/// Each way of sorting, over names and prices that many products share.
pub(crate) async fn every_product_is_listed_once_in_every_order(shop: Shop) -> Result<()> {
    let category = Uuid::new_v4().simple().to_string();
    let names = ["Äpfel", "apple", "Apple", "zebra", "Zürich", "a b", "a-b", "ab"];
    let mut made = BTreeSet::new();
    for n in 0..24_usize {
        let price = json!({ "amount": n % 5, "currency": "USD" });
        let sku = format!("PAGE-{n}-{category}");
        let new = json!({ "sku": sku, "name": names[n % names.len()], "category": category, "price": price });
        made.insert(id(&shop.admin.post(Service::Product, "/v1/products", &new).await?.expect(201)?)?);
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let price = |row: &Value| row["price"]["amount"].as_i64().unwrap_or_default();
    for sort in ["name", "price", "-price", "-createdAt"] {
        let query = |limit: usize| format!("/v1/products?category={category}&sort={sort}&limit={limit}");
        let whole = rows(&shop.admin, Service::Product, &query(100)).await?;
        ensure!(ids(&whole)?.into_iter().collect::<BTreeSet<_>>() == made && whole.len() == made.len(), "{sort}");
        let in_order = match sort {
            // Which name comes first is for the database's collation to say; the same ones stand together.
            "name" => whole.chunk_by(|a, b| text(a, "name") == text(b, "name")).count() == names.len(),
            "price" => whole.is_sorted_by_key(price),
            "-price" => whole.is_sorted_by_key(|row| -price(row)),
            _ => whole.is_sorted_by(|a, b| text(a, "createdAt") >= text(b, "createdAt")),
        };
        ensure!(in_order, "{sort}: {whole:?}");
        for limit in [1, 5, 8, 23] {
            let paged = rows(&shop.admin, Service::Product, &query(limit)).await?;
            ensure!(ids(&paged)? == ids(&whole)?, "{sort} by {limit}");
        }
    }
    let other =
        shop.admin.get(Service::Product, &format!("/v1/products?category={category}&limit=1")).await?.expect(200)?;
    let cursor = other["nextCursor"].as_str().context("a second page")?;
    let mixed = shop.admin.get(Service::Product, &format!("/v1/products?sort=price&cursor={cursor}")).await?;
    ensure!(mixed.status == 400 && mixed.code() == "invalid_cursor", "the cursor of another order: {mixed:?}");
    let foreign = shop.admin.get(Service::Order, &format!("/v1/orders?cursor={cursor}")).await?;
    ensure!(foreign.status == 400 && foreign.code() == "invalid_cursor", "the cursor of another list: {foreign:?}");
    Ok(())
}

/// The other lists: newest first, a few a page.
pub(crate) async fn the_other_lists_are_whole_too(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 0).await?;
    let path = format!("/v1/inventory/{product}/adjustments");
    let mut movements = HashSet::new();
    for delta in 1..=7 {
        let body = json!({ "delta": delta, "reason": "page by page" });
        movements.insert(id(&shop.admin.post(Service::Inventory, &path, &body).await?.expect(201)?)?);
    }
    let listed = rows(&shop.admin, Service::Inventory, &format!("/v1/inventory/{product}/movements?limit=2")).await?;
    ensure!(newest_first(&listed, "id")? == movements, "{listed:?}");

    let stock = rows(&shop.admin, Service::Inventory, "/v1/inventory?limit=7").await?;
    let products: Vec<&str> = stock.iter().filter_map(|row| row["productId"].as_str()).collect();
    ensure!(products.is_sorted_by(|a, b| a < b), "stock is out of order, or twice");
    ensure!(products.contains(&product.to_string().as_str()), "stock is not whole");

    let customer = shop.customer().await?;
    let mut orders = HashSet::new();
    for _ in 0..5 {
        orders.insert(customer.placed(&[(product, 1)], "pm_card_visa").await?.to_string());
    }
    // Payments are as old as their orders.
    let lists = [(Service::Payment, "/v1/payments", "orderId"), (Service::Notification, "/v1/notifications", "id")];
    for (service, path, age) in lists {
        // Others place orders too: theirs are in between.
        becomes(path, orders.clone(), || async {
            let listed = rows(&shop.admin, service, &format!("{path}?limit=50")).await?;
            newest_first(&listed, age)?;
            let own = listed.iter().filter_map(|row| row["orderId"].as_str().map(str::to_owned));
            Ok(own.filter(|order| orders.contains(order)).collect())
        })
        .await?;
    }
    Ok(())
}
