//! Entity tags: what a client has already, what it may change, and waiting for what comes next.

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::api::{Answer, Service, User, id, read};
use testkit::eventually::{becomes, eventually};
use uuid::Uuid;

/// How long a change may take to reach a request that waits for it, on a machine that does other things too; half a
/// second of it is the promise.
const NOTICED_WITHIN: Duration = Duration::from_millis(1_500);

fn tag(answer: &Answer) -> Result<String> {
    let tag = answer.headers.get("etag").with_context(|| format!("no ETag: {answer:?}"))?;
    Ok(tag.to_str()?.to_owned())
}

async fn get_unless(user: &User, service: Service, path: &str, tag: &str) -> Result<Answer> {
    read(user.request(Method::GET, service, path).header("if-none-match", tag)).await
}

async fn change(user: &User, path: &str, tag: &str, body: &Value) -> Result<Answer> {
    read(user.request(Method::PATCH, Service::Product, path).header("if-match", tag).json(body)).await
}

/// Waits until every replica tells of a new product's stock, which is a part of its tag. A replica that has told of it
/// once goes not back behind it.
async fn stock_is_told(shop: &Shop, product: Uuid) -> Result<()> {
    for n in 0..shop.api.replicas(Service::Product).len() {
        let (replica, path) = (shop.admin.at_replica(n), format!("/v1/products/{product}"));
        becomes("inStock", json!(true), || async {
            Ok(replica.get(Service::Product, &path).await?.expect(200)?["inStock"].clone())
        })
        .await?;
    }
    Ok(())
}

/// Orders, stock rows and products: a tag is of one version, 304 tells that there is no other.
pub(crate) async fn a_client_that_is_up_to_date_is_told_so(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order = customer.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order, "confirmed").await?;
    shop.stock_is(product, 5, 1).await?;
    stock_is_told(&shop, product).await?;
    for (service, path) in [
        (Service::Order, format!("/v1/orders/{order}")),
        (Service::Inventory, format!("/v1/inventory/{product}")),
        (Service::Product, format!("/v1/products/{product}")),
    ] {
        let known = shop.admin.get(service, &path).await?;
        let known = (tag(&known)?, known.expect(200)?);
        for same in [known.0.clone(), format!("W/{}", known.0), format!("\"0\", {}", known.0), "*".to_owned()] {
            let answer = get_unless(&shop.admin, service, &path, &same).await?;
            ensure!(answer.status == 304 && answer.body.is_null() && tag(&answer)? == known.0, "{path}: {answer:?}");
        }
        let other = get_unless(&shop.admin, service, &path, "\"0\"").await?;
        ensure!(other.status == 200 && other.body == known.1, "{path}: {other:?}");
        let wrong = get_unless(&shop.admin, service, &path, "7").await?;
        ensure!(wrong.status == 400 && wrong.code() == "precondition_invalid", "{path}: {wrong:?}");
    }
    let before = tag(&shop.admin.get(Service::Inventory, &format!("/v1/inventory/{product}")).await?)?;
    shop.restock(product, 1).await?;
    let after = get_unless(&shop.admin, Service::Inventory, &format!("/v1/inventory/{product}"), &before).await?;
    ensure!(after.status == 200 && after.body["onHand"] == 6, "{after:?}");
    Ok(())
}

/// Only one of those who have read the same version may change it, whichever replica they ask.
pub(crate) async fn a_change_is_of_the_version_that_was_read(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    stock_is_told(&shop, product).await?;
    let path = format!("/v1/products/{product}");
    let first = tag(&shop.admin.get(Service::Product, &path).await?)?;
    let names: Vec<Value> = (0..8).map(|n| json!({ "name": format!("Name {n}") })).collect();
    let answers = try_join_all(names.iter().map(|name| change(&shop.admin, &path, &first, name))).await?;
    let changed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    let [changed] = changed.as_slice() else { anyhow::bail!("not one was first: {answers:?}") };
    ensure!(
        answers.iter().filter(|answer| answer.status == 412 && answer.code() == "precondition_failed").count() == 7,
        "{answers:?}"
    );
    let second = tag(changed)?;
    ensure!(second != first);
    let same = json!({ "name": changed.body["name"] });
    let unchanged = change(&shop.admin, &path, &second, &same).await?;
    ensure!(unchanged.status == 200 && tag(&unchanged)? == second, "nothing is another: {unchanged:?}");
    let weak = change(&shop.admin, &path, &format!("W/{second}"), &same).await?;
    ensure!(weak.status == 412, "a weak tag never matches: {weak:?}");
    let several = change(&shop.admin, &path, &format!("\"99-0\", {second}"), &json!({ "name": "Last" })).await?;
    ensure!(several.status == 200, "{several:?}");

    // Of the two parts of a product's tag only its own version is compared: stock is not what an admin edits.
    let known = tag(&several)?;
    shop.restock(product, 5).await?;
    eventually("a tag with another stock version", || async {
        let now = tag(&shop.admin.get(Service::Product, &path).await?)?;
        Ok((now != known && now.split('-').next() == known.split('-').next()).then_some(()))
    })
    .await?;
    change(&shop.admin, &path, &known, &json!({ "name": "After a delivery" })).await?.expect(200)?;
    Ok(())
}

/// One replica holds the answer until another one has changed the order.
pub(crate) async fn who_waits_hears_of_a_change_by_another_replica(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order = customer.placed(&[(product, 1)], "pm_card_chargeDeclined").await?;
    shop.ends(order, "payment_failed").await?;
    let (one, other) = (customer.at_replica(0), customer.at_replica(1));
    let path = format!("/v1/orders/{order}");
    let known = tag(&one.get(Service::Order, &path).await?)?;

    let waiting = format!("{path}?wait=20");
    let with_tag = async { Ok((get_unless(&one, Service::Order, &waiting, &known).await?, Instant::now())) };
    let without = async { Ok((one.get(Service::Order, &waiting).await?, Instant::now())) };
    let cancelled = async {
        // Time for the two to arrive: one that came too late would see the change as well, only not wait for it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        other.cancel(order).await?.expect(202)?;
        Ok::<_, anyhow::Error>(Instant::now())
    };
    let ((tagged, heard), (untagged, heard_too), at) = tokio::try_join!(with_tag, without, cancelled)?;
    for (answer, heard) in [(&tagged, heard), (&untagged, heard_too)] {
        ensure!(answer.status == 200 && tag(answer)? != known, "{answer:?}");
        let late = heard.saturating_duration_since(at);
        ensure!(late < NOTICED_WITHIN, "noticed after {late:?}");
    }
    Ok(())
}

pub(crate) async fn a_wait_has_an_end(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order = customer.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order, "confirmed").await?;
    let path = format!("/v1/orders/{order}");
    let known = tag(&customer.get(Service::Order, &path).await?)?;
    let waiting = format!("{path}?wait=1");
    let started = Instant::now();
    let (tagged, untagged) = tokio::try_join!(
        get_unless(&customer, Service::Order, &waiting, &known),
        customer.get(Service::Order, &waiting),
    )?;
    ensure!(started.elapsed() >= Duration::from_secs(1), "after {:?}", started.elapsed());
    for answer in [tagged, untagged] {
        ensure!(answer.status == 304 && answer.body.is_null() && tag(&answer)? == known, "{answer:?}");
    }
    // A version that is not the client's is no reason to wait.
    let started = Instant::now();
    let newer = get_unless(&customer, Service::Order, &format!("{path}?wait=30"), "\"1\"").await?;
    ensure!(newer.status == 200 && id(&newer.body)? == order, "{newer:?}");
    ensure!(started.elapsed() < Duration::from_secs(20), "waited for what was there");
    let nothing = get_unless(&customer, Service::Order, &format!("{path}?wait=0"), &known).await?;
    ensure!(nothing.status == 304, "{nothing:?}");
    for wait in ["31", "-1", "1.5", "x", "", "99999999999999999999"] {
        let answer = customer.get(Service::Order, &format!("{path}?wait={wait}")).await?;
        ensure!(answer.status == 422 && answer.body["errors"][0]["pointer"] == "/wait", "{wait}: {answer:?}");
    }
    let nobodys = customer.get(Service::Order, &format!("/v1/orders/{}?wait=30", Uuid::nil())).await?;
    ensure!(nobodys.status == 404, "nobody waits for what is not there: {nobodys:?}");
    Ok(())
}
