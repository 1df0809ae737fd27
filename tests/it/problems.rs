//! What can't be is refused with a problem that says why; `input` has what can't be read.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use testkit::api::{Service, read};
use uuid::Uuid;

pub(crate) async fn orders_that_can_not_be(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let customer = shop.customer().await?;
    let unknown = customer.place(&[(product, 1), (Uuid::nil(), 1)], "pm_card_visa").await?;
    ensure!(unknown.code() == "product_not_orderable", "{unknown:?}");
    ensure!(unknown.body["errors"][0]["pointer"].as_str().is_some_and(|p| p.contains("/lines/1")), "{unknown:?}");
    let twice = customer.place(&[(product, 1), (product, 2)], "pm_card_visa").await?;
    ensure!(twice.status == 422 && twice.code() == "duplicate_line", "{twice:?}");
    let archived = shop.product(1000, 10).await?;
    let path = format!("/v1/products/{archived}");
    read(shop.admin.request(Method::DELETE, Service::Product, &path)).await?.expect(204)?;
    testkit::eventually::becomes("orders of an archived product", "product_not_orderable".to_owned(), || async {
        Ok(customer.place(&[(archived, 1)], "pm_card_visa").await?.code().to_owned())
    })
    .await?;
    let path = format!("/v1/inventory/{product}/adjustments");
    let counted = json!({ "delta": -11, "reason": "counted again" });
    let negative = shop.admin.post(Service::Inventory, &path, &counted).await?;
    ensure!(negative.status == 409 && negative.code() == "stock_would_go_negative", "{negative:?}");
    Ok(())
}
