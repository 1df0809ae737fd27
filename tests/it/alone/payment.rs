//! The payment service alone, with the built-in provider: its states (awaiting, processing, captured, declined, voided,
//! and what refunds make of captured), what each transition tells, and what the provider's ledger then says.

mod cases;

use super::{all, usd};
use anyhow::{Context, Result, ensure};
use cases::{CASES, Case, Ends, Step, TOTAL_MINOR};
use common::clock;
use common::events::{
    CancelReason, Contact, InventoryEvent, OrderCancelled, OrderCreated, OrderEvent, OrderRef, StockRejected,
    TopicEvent,
};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::annex::api_of;
use testkit::api::{Service, User};
use testkit::eventually::becomes;
use testkit::kafka::Topics;
use testkit::ledger::{Ledger, Taken};
use testkit::records::Place;
use testkit::stage::Stage;
use uuid::Uuid;

/// The time to pay, where it is no matter.
const TIME_TO_PAY: Duration = Duration::from_secs(600);

pub(super) async fn every_transition(stage: &Stage) -> Result<()> {
    let issuer = stage.issuer().await?;
    let payment = stage.enter(Service::Payment, Some(&issuer), &[]).await?;
    let api = api_of(&[&issuer, &payment])?;
    let customer = api.new_customer().await?;
    let user = customer.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    let cast = Cast {
        topics: Topics::connect(&stage.brokers())?,
        ledger: stage.ledger().clone(),
        admin: api.login("adminuser", "admin123").await?,
        customer_id: user["sub"].as_str().context("a user has a sub")?.to_owned(),
        customer,
    };
    let orders = all(CASES.iter().map(|case| (case.name, cast.play(case)))).await?;
    // Once more, when everything has had its time: what was to be told once was told once.
    for (case, order_id) in CASES.iter().zip(orders) {
        ensure!(cast.told(order_id) == case.told, "{}: {:?}", case.name, cast.told(order_id));
        cast.ends(order_id, &case.ends).await.context(case.name)?;
    }
    Ok(())
}

struct Cast {
    topics: Topics,
    ledger: Ledger,
    admin: User,
    customer: User,
    customer_id: String,
}

impl Cast {
    async fn play(&self, case: &Case) -> Result<Uuid> {
        let order_id = common::ids::new();
        for (at, step) in case.steps.iter().enumerate() {
            let taken = self.take(order_id, case.method, step).await;
            taken
                .with_context(|| format!("step {at}, {step:?}, of {order_id}, which told {:?}", self.told(order_id)))?;
        }
        let wanted: Vec<String> = case.told.iter().map(|told| (*told).to_owned()).collect();
        becomes("what payment tells", wanted, || async { Ok(self.told(order_id)) }).await?;
        Ok(order_id)
    }

    async fn take(&self, order_id: Uuid, method: &str, step: &Step) -> Result<()> {
        match step {
            Step::Created => self.twice(&self.created(order_id, method, TIME_TO_PAY)).await,
            Step::CreatedTooLate => self.twice(&self.created(order_id, method, Duration::ZERO)).await,
            Step::Reserved => self.twice(&InventoryEvent::Reserved(OrderRef { order_id })).await,
            Step::Rejected => {
                let reason = "out_of_stock".to_owned();
                self.twice(&InventoryEvent::Rejected(StockRejected { order_id, reason, shortages: Vec::new() })).await
            }
            // Each is answered, so that each is told once.
            Step::Cancelled => {
                let cancelled = OrderEvent::Cancelled(OrderCancelled { order_id, reason: CancelReason::Cancelled });
                self.dealt_with(self.topics.tell(&cancelled).await?).await
            }
            Step::Until(status) => {
                becomes("the payment", (*status).to_owned(), || async {
                    let payment = self.admin.payment(order_id).await?;
                    Ok(payment["status"].as_str().unwrap_or_default().to_owned())
                })
                .await
            }
            Step::Pay(method) => self.customer.pay_again(order_id, method).await?.expect(202).map(|_| ()),
            Step::PayRefused => {
                let answer = self.customer.pay_again(order_id, "pm_card_visa").await?;
                ensure!(answer.status == 409 && answer.code() == "payment_not_retryable", "{answer:?}");
                Ok(())
            }
            Step::Refund(amount_minor) => self.refund(order_id, *amount_minor).await?.expect(202).map(|_| ()),
            Step::RefundRefused(code) => {
                let answer = self.refund(order_id, Some(1)).await?;
                ensure!(answer.status == 409 && answer.code() == *code, "{answer:?}");
                Ok(())
            }
            Step::Told(count) => becomes("events", *count, || async { Ok(self.told(order_id).len()) }).await,
        }
    }

    /// At least once is what Kafka promises.
    async fn twice<E: TopicEvent>(&self, event: &E) -> Result<()> {
        self.topics.tell(event).await?;
        self.dealt_with(self.topics.tell(event).await?).await
    }

    async fn dealt_with(&self, place: Place) -> Result<()> {
        self.topics.records().passed("payment-service", &[place]).await
    }

    fn created(&self, order_id: Uuid, method: &str, time_to_pay: Duration) -> OrderEvent {
        OrderEvent::Created(OrderCreated {
            order_id,
            order_number: common::ids::order_number(order_id),
            customer_id: self.customer_id.clone(),
            lines: Vec::new(),
            total: usd(TOTAL_MINOR),
            payment_method: method.to_owned(),
            contact: Contact::default(),
            expires_at: clock::now() + time_to_pay,
        })
    }

    async fn refund(&self, order_id: Uuid, amount_minor: Option<i64>) -> Result<testkit::api::Answer> {
        let amount = amount_minor.map(|amount| json!({ "amount": amount, "currency": "USD" }));
        let body = amount.map_or_else(|| json!({}), |amount| json!({ "amount": amount, "reason": "scratched" }));
        self.admin.post(Service::Payment, &format!("/v1/payments/{order_id}/refunds"), &body).await
    }

    /// What the order service would hear: the type, the totals, and why.
    fn told(&self, order_id: Uuid) -> Vec<String> {
        let told = |event: &Value| {
            let name = event["type"].as_str().unwrap_or_default();
            let name = name.trim_start_matches("payment.").trim_end_matches(".v1");
            let data = &event["data"];
            let why = [&data["declineCode"], &data["reason"]].into_iter().find_map(Value::as_str).unwrap_or_default();
            format!("{name} {}/{} {why}", data["captured"], data["refunded"]).trim_end().to_owned()
        };
        self.topics.heard(order_id, "payment.").iter().map(told).collect()
    }

    async fn ends(&self, order_id: Uuid, ends: &Ends) -> Result<()> {
        let payment = self.admin.payment(order_id).await?;
        let statuses = |list: &Value| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.map(|item| item["status"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let (attempts, refunds) = (statuses(&payment["attempts"]), statuses(&payment["refunds"]));
        ensure!(payment["status"] == ends.status && attempts == ends.attempts && refunds == ends.refunds, "{payment}");
        let taken = self.ledger.taken(order_id).await?;
        let captured = if ends.attempts.contains(&"captured") { TOTAL_MINOR } else { 0 };
        let books = Taken { charges: i64::from(captured > 0), captured, refunded: ends.refunded_minor };
        ensure!(taken == books, "the provider's ledger: {taken:?}");
        ensure!(payment["refundedAmount"]["amount"] == ends.refunded_minor, "{payment}");
        Ok(())
    }
}
