//! Who may see and do what.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use serde_json::json;
use testkit::api::Service;
use uuid::Uuid;

/// Resources of one order, in three services.
fn of_order(order_id: Uuid) -> [(Service, String); 4] {
    [
        (Service::Order, format!("/v1/orders/{order_id}")),
        (Service::Order, format!("/v1/orders/{order_id}/timeline")),
        (Service::Payment, format!("/v1/payments/{order_id}")),
        (Service::Notification, format!("/v1/notifications/{order_id}")),
    ]
}

pub(crate) async fn a_customer_sees_only_what_is_theirs(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let (owner, stranger) = (shop.customer().await?, shop.customer().await?);
    let order_id = owner.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    shop.told(order_id, &["order_placed", "order_confirmed"]).await?;
    for ((service, theirs), (_, nobodys)) in of_order(order_id).into_iter().zip(of_order(Uuid::nil())) {
        owner.get(service, &theirs).await?.expect(200)?;
        let hidden = stranger.get(service, &theirs).await?;
        let missing = stranger.get(service, &nobodys).await?;
        ensure!(hidden.status == 404, "{theirs}: {hidden:?}");
        ensure!(
            hidden.code() == missing.code() && hidden.body["detail"] == missing.body["detail"],
            "{theirs} tells more than {nobodys}"
        );
    }
    ensure!(stranger.cancel(order_id).await?.status == 404);
    ensure!(stranger.pay_again(order_id, "pm_card_visa").await?.status == 404);
    let list = stranger.get(Service::Order, "/v1/orders").await?.expect(200)?;
    ensure!(list["data"] == json!([]), "{list}");
    ensure!(shop.ends(order_id, "confirmed").await?["version"].is_i64());
    Ok(())
}

pub(crate) async fn an_admin_sees_everybodys(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 10).await?;
    let owner = shop.customer().await?;
    let order_id = owner.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    shop.told(order_id, &["order_placed", "order_confirmed"]).await?;
    for (service, path) in of_order(order_id) {
        shop.admin.get(service, &path).await?.expect(200)?;
    }
    Ok(())
}

pub(crate) async fn tokens_are_needed_and_roles_are_kept(shop: Shop) -> Result<()> {
    let customer = shop.customer().await?;
    let id = Uuid::nil();
    for (service, path) in of_order(id) {
        let answer = shop.api.anonymous().get(service, &path).await?;
        ensure!(answer.status == 401 && answer.headers.contains_key("www-authenticate"), "{path}: {answer:?}");
        let forged = shop.admin.with_token("no.token.atall").get(service, &path).await?;
        ensure!(forged.status == 401, "{path}: {forged:?}");
    }
    let for_admins = [
        (Service::Product, "/v1/products".to_owned(), json!({})),
        (Service::Inventory, format!("/v1/inventory/{id}/adjustments"), json!({ "delta": 1, "reason": "x" })),
        (Service::Order, format!("/v1/orders/{id}/ship"), json!({ "carrier": "x", "trackingNumber": "x" })),
        (Service::Payment, format!("/v1/payments/{id}/refunds"), json!({})),
        (Service::Notification, format!("/v1/notifications/{id}/resend"), json!({})),
    ];
    for (service, path, body) in for_admins {
        let answer = customer.post(service, &path, &body).await?;
        ensure!(answer.status == 403, "{path}: {answer:?}");
    }
    Ok(())
}
