//! Money that an admin gives back.

use crate::shop::Shop;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::api::{Answer, Service};
use testkit::eventually::becomes;
use testkit::ledger::Taken;
use uuid::Uuid;

fn usd(amount_minor: i64) -> Value {
    json!({ "amount": amount_minor, "currency": "USD" })
}

async fn refund(shop: &Shop, order_id: Uuid, body: Value) -> Result<Answer> {
    let path = format!("/v1/payments/{order_id}/refunds");
    shop.admin.post_keyed(Service::Payment, &path, &Uuid::new_v4().to_string(), &body).await
}

pub(crate) async fn an_admin_pays_back_a_part(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 3)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    let part = json!({ "amount": usd(1000), "reason": "one was damaged" });
    refund(&shop, order_id, part).await?.expect(202)?;
    shop.told(order_id, &["order_placed", "order_confirmed", "order_refunded"]).await?;
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 3000, refunded: 1000 });
    ensure!(shop.ends(order_id, "confirmed").await?["status"] == "confirmed", "a refund does not change the order");
    let payment = customer.payment(order_id).await?;
    ensure!(payment["status"] == "captured" && payment["refundedAmount"]["amount"] == 1000, "{payment}");
    // The rest goes back with a cancel.
    customer.cancel(order_id).await?.expect(202)?;
    shop.ends(order_id, "cancelled").await?;
    shop.payment_ends(order_id, "refunded").await?;
    ensure!(shop.ledger.taken(order_id).await? == Taken { charges: 1, captured: 3000, refunded: 3000 });
    shop.told(order_id, &["order_placed", "order_confirmed", "order_refunded", "order_cancelled"]).await
}

pub(crate) async fn more_than_was_captured_is_refused(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let order_id = customer.placed(&[(product, 1)], "pm_card_visa").await?;
    shop.ends(order_id, "confirmed").await?;
    let much = refund(&shop, order_id, json!({ "amount": usd(1001) })).await?;
    ensure!(much.status == 409 && much.code() == "refund_exceeds_capture", "{much:?}");
    refund(&shop, order_id, json!({})).await?.expect(202)?;
    becomes("the refund", 1000, || async { Ok(shop.ledger.taken(order_id).await?.refunded) }).await?;
    shop.payment_ends(order_id, "refunded").await?;
    let again = refund(&shop, order_id, json!({ "amount": usd(1) })).await?;
    ensure!(again.status == 409, "{again:?}");
    Ok(())
}
