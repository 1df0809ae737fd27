//! What can't be is refused with a problem that says why.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::api::{Service, read};
use uuid::Uuid;

pub(crate) async fn bad_input_gets_a_problem(shop: Shop) -> Result<()> {
    let customer = shop.customer().await?;
    let bodies: [(&str, u16); 7] = [
        ("{", 400),
        ("[]", 422),
        (r#"{"lines":[],"paymentMethod":"pm_card_visa"}"#, 422),
        (r#"{"lines":[{"productId":"x","quantity":1}],"paymentMethod":"pm_card_visa"}"#, 422),
        (
            r#"{"lines":[{"productId":"00000000-0000-0000-0000-000000000000","quantity":0}],"paymentMethod":"pm_card_visa"}"#,
            422,
        ),
        (
            r#"{"lines":[{"productId":"00000000-0000-0000-0000-000000000000","quantity":1}],"paymentMethod":"4242 4242 4242 4242"}"#,
            422,
        ),
        (
            r#"{"lines":[{"productId":"00000000-0000-0000-0000-000000000000","quantity":1}],"paymentMethod":"pm_card_visa","price":1}"#,
            422,
        ),
    ];
    for (body, status) in bodies {
        let request = customer.request(Method::POST, Service::Order, "/v1/orders");
        let answer = read(request.header("content-type", "application/json").body(body)).await?;
        ensure!(answer.status == status, "{body}: {answer:?}");
        is_problem(&answer.headers, &answer.body)?;
    }
    for (method, path, status) in [
        (Method::GET, "/v1/nothing", 404),
        (Method::DELETE, "/v1/orders", 405),
        (Method::GET, "/v1/orders/not-an-id", 404),
        (Method::GET, "/v1/orders?limit=0", 422),
        (Method::GET, "/v1/orders?cursor=%21", 400),
    ] {
        let answer = read(customer.request(method, Service::Order, path)).await?;
        ensure!(answer.status == status, "{path}: {answer:?}");
        is_problem(&answer.headers, &answer.body)?;
    }
    Ok(())
}

/// RFC 9457.
fn is_problem(headers: &reqwest::header::HeaderMap, body: &Value) -> Result<()> {
    ensure!(headers.get("content-type").is_some_and(|value| value == "application/problem+json"), "{headers:?}");
    for member in ["type", "title", "status", "code", "detail", "requestId"] {
        ensure!(!body[member].is_null(), "no {member}: {body}");
    }
    Ok(())
}

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
