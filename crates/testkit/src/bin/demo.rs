//! `cargo xtask demo`: one order of each kind against the running fleet, its timeline as it happens, a table at the end.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::api::{Api, Service, User};
use uuid::Uuid;

/// How long one order may take to end; a provider that does not answer costs its time-out and a look-up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A product of the demo catalogue.
fn demo_product(number: u8) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

struct People {
    customer: User,
    admin: User,
}

/// What one scenario should end as, and did.
struct Row {
    scenario: &'static str,
    order: String,
    wanted: (&'static str, &'static str),
    got: (String, String),
    ms: u128,
}

impl Row {
    fn right(&self) -> bool {
        self.wanted.0 == self.got.0 && self.wanted.1 == self.got.1
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let api = Api::local()?;
    let people = People {
        customer: api.login("customeruser", "customer123").await.context("is the fleet up? `cargo xtask up`")?,
        admin: api.login("adminuser", "admin123").await?,
    };
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        rows.push(run(scenario, &people).await.with_context(|| scenario.name.to_owned())?);
    }
    print_table(&rows);
    let wrong = rows.iter().filter(|row| !row.right()).count();
    if wrong > 0 {
        bail!("{wrong} of {} orders ended wrong", rows.len());
    }
    println!("\nAll {} orders ended as they should.", rows.len());
    Ok(())
}

/// One kind of order: what is bought, with what, what people then do, and how order and payment end.
struct Scenario {
    name: &'static str,
    product: u8,
    payment_method: &'static str,
    /// Each step waits for the status before it acts.
    steps: &'static [(&'static str, Step)],
    ends: (&'static str, &'static str),
}

#[derive(Clone, Copy)]
enum Step {
    PayAgain(&'static str),
    Cancel,
    Ship,
    Deliver,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "paid", product: 1, payment_method: "pm_card_visa", steps: &[], ends: ("confirmed", "captured") },
    Scenario {
        name: "short of stock",
        product: 23,
        payment_method: "pm_card_visa",
        steps: &[],
        ends: ("rejected", "voided"),
    },
    Scenario {
        name: "declined",
        product: 2,
        payment_method: "pm_card_chargeDeclinedInsufficientFunds",
        steps: &[],
        ends: ("payment_failed", "declined"),
    },
    Scenario {
        name: "declined, then paid with another card",
        product: 3,
        payment_method: "pm_card_chargeDeclined",
        steps: &[("payment_failed", Step::PayAgain("pm_card_mastercard"))],
        ends: ("confirmed", "captured"),
    },
    Scenario {
        name: "cancelled while declined: voided",
        product: 4,
        payment_method: "pm_card_chargeDeclinedExpiredCard",
        steps: &[("payment_failed", Step::Cancel)],
        ends: ("cancelled", "voided"),
    },
    Scenario {
        name: "cancelled after payment: refunded",
        product: 5,
        payment_method: "pm_card_visa",
        steps: &[("confirmed", Step::Cancel)],
        ends: ("cancelled", "refunded"),
    },
    Scenario {
        name: "shipped and delivered",
        product: 6,
        payment_method: "pm_card_mastercard",
        steps: &[("confirmed", Step::Ship), ("shipped", Step::Deliver)],
        ends: ("delivered", "captured"),
    },
    Scenario {
        name: "provider that does not answer",
        product: 7,
        payment_method: "pm_rtoms_timeout",
        steps: &[],
        ends: ("confirmed", "captured"),
    },
];

async fn run(scenario: &Scenario, people: &People) -> Result<Row> {
    println!("\n{}", scenario.name);
    let started = Instant::now();
    let lines = [(demo_product(scenario.product), 2)];
    let placed = people.customer.place(&lines, scenario.payment_method).await?.expect(201)?;
    let order_id = testkit::api::id(&placed)?;
    let mut watch = Watch { user: &people.customer, order_id, started, printed: 0 };
    for (status, step) in scenario.steps {
        watch.until(status).await?;
        act(*step, order_id, people).await?;
    }
    watch.until(scenario.ends.0).await?;
    let ms = started.elapsed().as_millis();
    let payment = watch.payment(scenario.ends.1).await?;
    Ok(Row {
        scenario: scenario.name,
        order: placed["number"].as_str().unwrap_or_default().to_owned(),
        wanted: scenario.ends,
        got: (status(&people.customer.order(order_id).await?), payment),
        ms,
    })
}

async fn act(step: Step, order_id: Uuid, people: &People) -> Result<()> {
    let order = |call: &str| format!("/v1/orders/{order_id}/{call}");
    match step {
        Step::PayAgain(method) => people.customer.pay_again(order_id, method).await?.expect(202)?,
        Step::Cancel => people.customer.cancel(order_id).await?.expect(202)?,
        Step::Ship => {
            let body = json!({ "carrier": "Demo Post", "trackingNumber": "DP-0001" });
            people.admin.post(Service::Order, &order("ship"), &body).await?.expect(200)?
        }
        Step::Deliver => people.admin.post(Service::Order, &order("deliver"), &json!({})).await?.expect(200)?,
    };
    Ok(())
}

/// Prints an order's timeline as it grows.
struct Watch<'a> {
    user: &'a User,
    order_id: Uuid,
    started: Instant,
    printed: usize,
}

impl Watch<'_> {
    /// Until the order has `wanted`, or nothing more is to be expected in time; the table then tells what it was.
    async fn until(&mut self, wanted: &str) -> Result<()> {
        while self.started.elapsed() < PATIENCE {
            let timeline = self.user.timeline(self.order_id).await?;
            for row in &timeline[self.printed..] {
                let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
                let (from, to) = (text("from"), text("to"));
                println!("  {:>6} ms  {from:>14} -> {to:<14} {}", self.started.elapsed().as_millis(), text("cause"));
            }
            self.printed = timeline.len();
            if timeline.last().is_some_and(|row| row["to"] == wanted) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The payment's status, once it is `wanted`; it follows the order within moments, or precedes it.
    async fn payment(&self, wanted: &str) -> Result<String> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let answer = self.user.get(Service::Payment, &format!("/v1/payments/{}", self.order_id)).await?;
            let got = status(&answer.body);
            if got == wanted || Instant::now() > until {
                return Ok(got);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn status(resource: &Value) -> String {
    resource["status"].as_str().unwrap_or("-").to_owned()
}

fn print_table(rows: &[Row]) {
    println!("\n{:<40} {:<16} {:<16} {:<12} {:>8}", "scenario", "order", "status", "payment", "ms");
    for row in rows {
        let verdict = if row.right() { "" } else { "  WRONG" };
        println!("{:<40} {:<16} {:<16} {:<12} {:>8}{verdict}", row.scenario, row.order, row.got.0, row.got.1, row.ms);
    }
}
