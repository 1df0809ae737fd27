//! Plays a path, and looks at what it has left behind.

use super::paths::{Path, Step, To};
use crate::alone::usd;
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use common::clock;
use common::events::{
    InventoryEvent, OrderRef, PaymentEvent, PaymentFact, ProductStatus, ProductUpdated, StockRejected, TopicEvent,
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::annex::{Lodger, api_of};
use testkit::api::{Answer, Api, Service, User, id, read};
use testkit::eventually::{becomes, eventually};
use testkit::kafka::Topics;
use testkit::stage::Stage;
use uuid::Uuid;

/// What every order here costs.
pub(super) const PRICE_MINOR: i64 = 1250;
/// What an admin gives back of it.
const PART_MINOR: i64 = 250;

/// Everybody on the stage.
pub(super) struct Cast {
    pub(super) topics: Topics,
    pub(super) shop: Shop,
    customer: User,
    product_id: Uuid,
    /// The APIs of the two order services: the one that waits, and the one that does not wait long.
    patient: Api,
    hasty: Api,
    ids: Ids,
}

/// Who acts: the `sub` of their tokens.
struct Ids {
    customer: String,
    admin: String,
}

/// One order, and what should have become of it.
pub(super) struct Played {
    pub(super) order_id: Uuid,
    refund_id: Uuid,
    rows: Vec<String>,
    told: Vec<&'static str>,
}

impl Cast {
    pub(super) async fn meet(stage: &Stage, [patient, hasty, notification]: [&Lodger; 3]) -> Result<Self> {
        let api = api_of(&[patient, notification])?;
        let (admin, customer) = (api.login("adminuser", "admin123").await?, api.new_customer().await?);
        let ids = Ids { customer: subject(&customer).await?, admin: subject(&admin).await? };
        let topics = Topics::connect(&stage.brokers())?;
        let product_id = common::ids::new();
        topics.tell(&product(product_id)?).await?;
        let (ledger, records) = (stage.ledger().clone(), topics.records().clone());
        let shop = Shop { api, admin, ledger, records, servers: stage.servers() };
        shop.known_to_orders(product_id).await?;
        Ok(Self { topics, shop, customer, product_id, patient: api_of(&[patient])?, hasty: api_of(&[hasty])?, ids })
    }

    /// An order that nobody has told anything of, which does not wait long.
    pub(super) async fn place(&self) -> Result<Played> {
        self.place_over(&self.hasty).await
    }

    async fn place_over(&self, api: &Api) -> Result<Played> {
        let lines = json!([{ "productId": self.product_id, "quantity": 1 }]);
        let body = json!({ "lines": lines, "paymentMethod": "pm_card_visa" });
        let token = self.customer.token().context("a customer has a token")?;
        let customer = api.anonymous().with_token(token);
        let order =
            read(customer.request(Method::POST, Service::Order, "/v1/orders").json(&body)).await?.expect(201)?;
        let rows = vec![format!("-> pending: placed by {}", self.ids.customer)];
        Ok(Played { order_id: id(&order)?, refund_id: common::ids::new(), rows, told: vec!["order_placed"] })
    }

    pub(super) async fn play(&self, path: &Path) -> Result<Played> {
        let waits = path.steps.iter().any(|(step, _)| *step == Step::Deadline);
        let mut played = self.place_over(if waits { &self.hasty } else { &self.patient }).await?;
        let mut status = "pending";
        for (step, to) in path.steps {
            let order_id = played.order_id;
            self.take(*step, *to, &played).await.with_context(|| format!("{step:?} of {order_id} while {status}"))?;
            let (cause, actor) = self.cause(*step, &played);
            match to {
                To::Status(next) => {
                    played.rows.push(format!("{status} -> {next}: {cause} by {actor}"));
                    played.told.extend(template(next));
                    status = next;
                }
                To::Entered => {
                    played.rows.push(format!("{status} -> {status}: {cause} by {actor}"));
                    played.told.push("order_refunded");
                }
                To::Refused(_) | To::Nothing => {}
            }
            self.rows_become(&played).await?;
        }
        Ok(played)
    }

    /// Makes the step happen, and waits until the order service has dealt with it.
    async fn take(&self, step: Step, to: To, played: &Played) -> Result<()> {
        let Played { order_id, refund_id, .. } = *played;
        let order = OrderRef { order_id };
        match step {
            Step::Reserved => self.twice(&InventoryEvent::Reserved(order)).await,
            Step::Rejected => {
                let reason = "out_of_stock".to_owned();
                self.twice(&InventoryEvent::Rejected(StockRejected { order_id, reason, shortages: Vec::new() })).await
            }
            Step::Released => self.twice(&InventoryEvent::Released(order)).await,
            Step::Captured(attempt) => self.twice(&captured(order_id, attempt, PRICE_MINOR)).await,
            Step::Declined(attempt) => {
                let decline_code = Some("card_declined".to_owned());
                self.twice(&PaymentEvent::Declined(PaymentFact { decline_code, ..fact(order_id, attempt, 0, 0) })).await
            }
            Step::Voided => self.twice(&PaymentEvent::Voided(fact(order_id, 0, 0, 0))).await,
            Step::PaidBack => {
                let reason = Some("order_cancelled".to_owned());
                let all = PaymentFact { reason, ..fact(order_id, 1, PRICE_MINOR, PRICE_MINOR) };
                self.twice(&PaymentEvent::Refunded(all)).await
            }
            Step::Refund => {
                let (refund_id, amount) = (Some(refund_id), Some(usd(PART_MINOR)));
                let part = PaymentFact { refund_id, amount, ..fact(order_id, 1, PRICE_MINOR, PART_MINOR) };
                self.twice(&PaymentEvent::Refunded(part)).await
            }
            Step::Cancel => answered(to, &self.customer.cancel(order_id).await?),
            Step::CancelByAdmin => answered(to, &self.shop.admin.cancel(order_id).await?),
            Step::Ship => {
                let by = json!({ "carrier": "Test Parcel", "trackingNumber": "TP-1" });
                answered(to, &self.admin_does(order_id, "ship", &by).await?)
            }
            Step::Deliver => answered(to, &self.admin_does(order_id, "deliver", &json!({})).await?),
            // Until its row is there.
            Step::Deadline => Ok(()),
            Step::SentAgain => {
                let cancels = || async { Ok((self.topics.heard(order_id, "order.cancelled").len() > 1).then_some(())) };
                eventually("order.cancelled once more", cancels).await
            }
        }
    }

    async fn admin_does(&self, order_id: Uuid, what: &str, body: &Value) -> Result<Answer> {
        self.shop.admin.post(Service::Order, &format!("/v1/orders/{order_id}/{what}"), body).await
    }

    /// At least once is what Kafka promises.
    async fn twice<E: TopicEvent>(&self, event: &E) -> Result<()> {
        self.topics.tell(event).await?;
        self.topics.records().passed("order-service", &[self.topics.tell(event).await?]).await
    }

    /// What the timeline says of the step, and who took it.
    fn cause(&self, step: Step, played: &Played) -> (String, &str) {
        let (cause, actor) = match step {
            Step::Captured(attempt) => return (format!("captured {attempt}"), "payment"),
            Step::Declined(attempt) => return (format!("declined {attempt}"), "payment"),
            Step::Refund => return (format!("refund {}", played.refund_id), "payment"),
            Step::Reserved => ("reserved", "inventory"),
            Step::Rejected => ("rejected", "inventory"),
            Step::Released => ("returned", "inventory"),
            Step::Voided | Step::PaidBack => ("returned", "payment"),
            Step::Cancel => ("cancel", self.ids.customer.as_str()),
            Step::CancelByAdmin => ("cancel", self.ids.admin.as_str()),
            Step::Ship => ("ship", self.ids.admin.as_str()),
            Step::Deliver => ("deliver", self.ids.admin.as_str()),
            Step::Deadline => ("expire", "deadline"),
            Step::SentAgain => ("", ""),
        };
        (cause.to_owned(), actor)
    }

    /// The timeline, as the customer reads it.
    async fn rows_become(&self, played: &Played) -> Result<()> {
        becomes("the timeline", played.rows.clone(), || async {
            let rows = self.customer.timeline(played.order_id).await?;
            let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let row = |row: &Value| {
                let from = if row["from"].is_null() { String::new() } else { format!("{} ", text(row, "from")) };
                format!("{from}-> {}: {} by {}", text(row, "to"), text(row, "cause"), text(row, "actor"))
            };
            Ok(rows.iter().map(row).collect())
        })
        .await
    }

    /// After everything: the timeline has these rows and no more, the customer got these messages and no more, and the
    /// others heard what they have to.
    pub(super) async fn review(&self, path: &Path, played: &Played) -> Result<()> {
        let order_id = played.order_id;
        self.rows_become(played).await?;
        self.shop.told(order_id, &played.told).await?;
        let count = |name: &str| self.topics.heard(order_id, name).len();
        let went = |status: &str| played.rows.iter().any(|row| row.contains(&format!("-> {status}:")));
        ensure!(count("order.created") == 1, "order.created {} times", count("order.created"));
        ensure!(count("order.shipped") == usize::from(went("shipped")), "shipped {} times", count("order.shipped"));
        let cancelled = self.topics.heard(order_id, "order.cancelled");
        ensure!(cancelled.is_empty() != went("cancelling"), "{cancelled:?}");
        let why = if path.steps.iter().any(|(step, _)| *step == Step::Deadline) { "expired" } else { "cancelled" };
        ensure!(cancelled.iter().all(|event| event["data"]["reason"] == why), "{cancelled:?}");
        Ok(())
    }
}

async fn subject(user: &User) -> Result<String> {
    let user = user.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    user["sub"].as_str().map(ToOwned::to_owned).context("a user has a sub")
}

/// The message that goes with a status.
fn template(status: &str) -> Option<&'static str> {
    match status {
        "confirmed" => Some("order_confirmed"),
        "payment_failed" => Some("payment_failed"),
        "rejected" => Some("order_rejected"),
        "cancelled" => Some("order_cancelled"),
        "expired" => Some("order_expired"),
        "shipped" => Some("order_shipped"),
        "delivered" => Some("order_delivered"),
        _ => None,
    }
}

fn answered(to: To, answer: &Answer) -> Result<()> {
    let right = match to {
        To::Refused(code) => answer.status == 409 && answer.code() == code,
        _ => answer.status.is_success(),
    };
    ensure!(right, "{answer:?}");
    Ok(())
}

pub(super) fn captured(order_id: Uuid, attempt: u32, amount_minor: i64) -> PaymentEvent {
    let amount = Some(usd(amount_minor));
    PaymentEvent::Captured(PaymentFact { amount, ..fact(order_id, attempt, amount_minor, 0) })
}

fn fact(order_id: Uuid, attempt: u32, captured: i64, refunded: i64) -> PaymentFact {
    let total = |minor: i64| minor.try_into().expect("no total here is negative");
    PaymentFact {
        order_id,
        payment_id: Some(Uuid::nil()),
        attempt,
        amount: None,
        captured: total(captured),
        refunded: total(refunded),
        decline_code: None,
        refund_id: None,
        reason: None,
    }
}

fn product(product_id: Uuid) -> Result<ProductUpdated> {
    Ok(ProductUpdated {
        product_id,
        version: 1,
        sku: "STAGE-1".to_owned(),
        name: "Product of the stage".to_owned(),
        description: String::new(),
        category: "tests".to_owned(),
        price: usd(PRICE_MINOR),
        status: ProductStatus::Active,
        created_at: clock::now(),
        updated_at: clock::now(),
    })
}
