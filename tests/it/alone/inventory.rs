//! The inventory service alone: a reservation's states (held, rejected, released, shipped), what each transition tells,
//! and what the stock then says.

use super::{all, usd};
use anyhow::{Context, Result, ensure};
use common::clock;
use common::events::{
    CancelReason, Contact, OrderCancelled, OrderCreated, OrderEvent, OrderLine, OrderShipped, ProductStatus,
    ProductUpdated, TopicEvent,
};
use common::quantity::Quantity;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::annex::api_of;
use testkit::api::{Service, User};
use testkit::eventually::eventually;
use testkit::kafka::Topics;
use testkit::ledger::{Ledger, Stock};
use testkit::stage::Stage;
use uuid::Uuid;

/// What of each product is there.
const PIECES: i64 = 5;

#[derive(Debug, Clone, Copy)]
enum Step {
    Created,
    Cancelled,
    Shipped,
}

struct Case {
    name: &'static str,
    /// The pieces of two products that the order asks for.
    wanted: [i64; 2],
    /// Each told twice, but for `Cancelled`, which is answered each time.
    steps: &'static [Step],
    told: &'static [&'static str],
    /// Where there is a reservation that anybody sees.
    reservation: Option<&'static str>,
    /// On hand and reserved.
    stock: [(i64, i64); 2],
    /// Of the first product, newest first.
    movements: &'static [&'static str],
}

use Step::{Cancelled, Created, Shipped};

const UNTOUCHED: [(i64, i64); 2] = [(PIECES, 0), (PIECES, 0)];

const CASES: &[Case] = &[
    Case {
        name: "held",
        wanted: [2, 1],
        steps: &[Created],
        told: &["reserved"],
        reservation: Some("held"),
        stock: [(5, 2), (5, 1)],
        movements: &["reserve", "adjust"],
    },
    Case {
        name: "rejected as a whole, and answers a cancel",
        wanted: [2, 6],
        steps: &[Created, Cancelled, Cancelled],
        told: &["rejected", "released", "released"],
        reservation: Some("rejected"),
        stock: UNTOUCHED,
        movements: &["adjust"],
    },
    Case {
        name: "released, and answers each cancel",
        wanted: [5, 5],
        steps: &[Created, Cancelled, Cancelled, Created],
        told: &["reserved", "released", "released"],
        reservation: Some("released"),
        stock: UNTOUCHED,
        movements: &["release", "reserve", "adjust"],
    },
    Case {
        name: "cancelled before it is created",
        wanted: [1, 1],
        steps: &[Cancelled, Created, Cancelled],
        told: &["released", "released"],
        reservation: None,
        stock: UNTOUCHED,
        movements: &["adjust"],
    },
    Case {
        name: "shipped for good",
        wanted: [2, 1],
        steps: &[Created, Shipped, Cancelled],
        told: &["reserved"],
        reservation: Some("shipped"),
        stock: [(3, 0), (4, 0)],
        movements: &["ship", "reserve", "adjust"],
    },
    Case {
        name: "what is released is not shipped",
        wanted: [2, 1],
        steps: &[Created, Cancelled, Shipped],
        told: &["reserved", "released"],
        reservation: Some("released"),
        stock: UNTOUCHED,
        movements: &["release", "reserve", "adjust"],
    },
];

pub(super) async fn every_transition(stage: &Stage) -> Result<()> {
    let issuer = stage.issuer().await?;
    let inventory = stage.enter(Service::Inventory, Some(&issuer), &[]).await?;
    let cast = Cast {
        topics: Topics::connect(&stage.brokers())?,
        ledger: stage.ledger().clone(),
        admin: api_of(&[&issuer, &inventory])?.login("adminuser", "admin123").await?,
    };
    all(CASES.iter().map(|case| (case.name, cast.play(case)))).await.map(|_| ())
}

struct Cast {
    topics: Topics,
    ledger: Ledger,
    admin: User,
}

impl Cast {
    async fn play(&self, case: &Case) -> Result<()> {
        let (order_id, products) = (common::ids::new(), [common::ids::new(), common::ids::new()]);
        for product_id in products {
            self.stocked(product_id).await?;
        }
        for step in case.steps {
            let (times, event) = match step {
                Created => (2, created(order_id, products, case.wanted)?),
                Cancelled => (1, OrderEvent::Cancelled(OrderCancelled { order_id, reason: CancelReason::Cancelled })),
                Shipped => {
                    let (carrier, tracking_number) = ("Test Parcel".to_owned(), "TP-1".to_owned());
                    (2, OrderEvent::Shipped(OrderShipped { order_id, carrier, tracking_number }))
                }
            };
            for _ in 0..times {
                self.tell(&event).await?;
            }
        }
        self.review(case, order_id, products).await
    }

    /// Until it is dealt with.
    async fn tell<E: TopicEvent>(&self, event: &E) -> Result<()> {
        self.topics.records().passed("inventory-service", &[self.topics.tell(event).await?]).await
    }

    /// Of a product that is told of, all pieces are there.
    async fn stocked(&self, product_id: Uuid) -> Result<()> {
        self.tell(&product(product_id)).await?;
        let adjustment = json!({ "delta": PIECES, "reason": "first delivery" });
        let path = format!("/v1/inventory/{product_id}/adjustments");
        self.admin.post(Service::Inventory, &path, &adjustment).await?.expect(201).map(|_| ())
    }

    async fn review(&self, case: &Case, order_id: Uuid, products: [Uuid; 2]) -> Result<()> {
        // All is dealt with, and so committed; what that has told is on its way.
        let told = || -> Vec<String> {
            let name = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
            let name = |event: &Value| name(event).trim_start_matches("inventory.").trim_end_matches(".v1").to_owned();
            self.topics.heard(order_id, "inventory.").iter().map(name).collect()
        };
        eventually("what inventory tells", || async { Ok((told().len() >= case.told.len()).then_some(())) }).await?;
        ensure!(told() == case.told, "it told {:?}", told());
        let answer = self.admin.get(Service::Inventory, &format!("/v1/reservations/{order_id}")).await?;
        let reservation = (answer.status == 200).then(|| answer.body["status"].as_str().unwrap_or_default());
        ensure!(reservation == case.reservation, "{answer:?}");
        for (product_id, (on_hand, reserved)) in products.into_iter().zip(case.stock) {
            let stock = self.ledger.stock(product_id).await?;
            ensure!(stock == Stock { on_hand, reserved }, "{product_id}: {stock:?}");
        }
        let path = format!("/v1/inventory/{}/movements", products[0]);
        let page = self.admin.get(Service::Inventory, &path).await?.expect(200)?;
        let rows = page["data"].as_array().context("a page has data")?;
        let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
        ensure!(kinds == case.movements, "{page}");
        Ok(())
    }
}

fn created(order_id: Uuid, products: [Uuid; 2], wanted: [i64; 2]) -> Result<OrderEvent> {
    let line = |(product_id, pieces): (Uuid, i64)| {
        let (sku, name, quantity) = ("STAGE-1".to_owned(), "Product of the stage".to_owned(), Quantity::new(pieces)?);
        anyhow::Ok(OrderLine { product_id, sku, name, quantity, unit_price: usd(100), line_total: usd(100 * pieces) })
    };
    Ok(OrderEvent::Created(OrderCreated {
        order_id,
        order_number: common::ids::order_number(order_id),
        customer_id: "somebody".to_owned(),
        lines: products.into_iter().zip(wanted).map(line).collect::<Result<_>>()?,
        total: usd(100 * wanted.iter().sum::<i64>()),
        payment_method: "pm_card_visa".to_owned(),
        contact: Contact::default(),
        expires_at: clock::now() + Duration::from_secs(600),
    }))
}

fn product(product_id: Uuid) -> ProductUpdated {
    ProductUpdated {
        product_id,
        version: 1,
        sku: format!("STAGE-{}", product_id.simple()),
        name: "Product of the stage".to_owned(),
        description: String::new(),
        category: "tests".to_owned(),
        price: usd(100),
        status: ProductStatus::Active,
        created_at: clock::now(),
        updated_at: clock::now(),
    }
}
