//! What is measured, one after the other on one fleet, each ended by the audits.

use crate::RunArgs;
use crate::fleet::Fleet;
use crate::machine::Machine;
use crate::report::{Burst, Idle, Measured, OnOff, Report, Scale};
use crate::shop::Shop;
use crate::stairs::Stairs;
use crate::step::{Mix, Step};
use anyhow::{Context, Result, ensure};

/// Connections of the generator: more than can be under way while accepting is sustained.
const CONNECTIONS: usize = 400;
/// A reader waits less, and needs fewer.
const READERS: usize = 64;
/// Rate and seconds, before anything is measured: the broker compiles its code while it works, and costs three times as
/// much until it has.
const WARM_UP: (f64, f64) = (1000.0, 60.0);
const QUICK_WARM_UP: (f64, f64) = (600.0, 12.0);
/// Where the staircases of orders begin.
const FIRST_RATE: f64 = 1000.0;
/// Fewer steps: where it is too high, they go down from it.
const QUICK_FIRST_RATE: f64 = 2000.0;
/// More than any fleet takes on two cores, and few enough that their generator leaves it the cores.
const BURST_RATE: f64 = 8_000.0;
const BURST_CONNECTIONS: usize = 1000;
const READ_PRODUCTS: usize = 10_000;
const MANY_PRODUCTS: usize = 100_000;
const MANY_ORDERS: u64 = 1_000_000;
/// The rate at which two states of the fleet are compared.
const SCALE_RATE: f64 = 1500.0;
const SCALE_SECONDS: f64 = 30.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// One order at a time on an idle fleet
    Idle,
    /// Orders of all products alike
    Orders,
    /// Orders of one product
    Hot,
    /// As many orders as come, for 20 seconds
    Burst,
    /// Reads of products
    Reads,
    /// Reads of products, with one order in ten requests
    Mixed,
    /// The same orders with transactions of one command
    Single,
    /// What an order costs with many orders stored, and many products
    Scale,
}

impl Scenario {
    const ALL: [Self; 8] =
        [Self::Idle, Self::Orders, Self::Hot, Self::Burst, Self::Reads, Self::Mixed, Self::Single, Self::Scale];
    const QUICK: [Self; 3] = [Self::Idle, Self::Orders, Self::Single];
}

/// Runs what `args` ask for.
///
/// # Errors
/// The fleet does not come up, or the books are wrong at the end.
pub(crate) async fn run(args: &RunArgs) -> Result<Report> {
    let wanted: &[Scenario] = match (args.scenarios.as_slice(), args.quick) {
        ([], true) => &Scenario::QUICK,
        ([], false) => &Scenario::ALL,
        (chosen, _) => chosen,
    };
    let fleet = Fleet::start(&args.programs).await?;
    let resident_idle_mb = fleet.resident_mb();
    let mut report = Report::new(
        Machine::look(&fleet, args.quick || args.rate.is_some()).await?,
        fleet.started_in_ms(),
        resident_idle_mb,
    );
    eprintln!("processes: {:?}", fleet.pids());
    let shop = Shop::open(&fleet, args.products).await?;
    let mut run = Run { args: args.clone(), fleet, shop, few: None };
    let (rate, seconds) = if args.quick { QUICK_WARM_UP } else { WARM_UP };
    run.orders(rate, seconds).await?;
    if wanted.contains(&Scenario::Scale) {
        run.few = Some((run.orders(SCALE_RATE, SCALE_SECONDS).await?, run.orders_stored().await?));
    }
    for scenario in wanted {
        eprintln!("{scenario:?}");
        run.scenario(*scenario, &mut report).await?;
        run.fleet.audit().await?;
        // What stands so far is of books that were right.
        report.write(&args.out)?;
    }
    Ok(report)
}

struct Run {
    args: RunArgs,
    fleet: Fleet,
    shop: Shop,
    /// What orders cost before any scenario, and how many were stored then.
    few: Option<(Step, u64)>,
}

impl Run {
    async fn scenario(&mut self, scenario: Scenario, report: &mut Report) -> Result<()> {
        match scenario {
            Scenario::Idle => report.idle = Some(self.idle().await?),
            Scenario::Orders => {
                let mix = self.order_mix(self.args.products);
                report.orders = Some(self.measure(&mix, self.first_rate()).await?);
            }
            Scenario::Hot => {
                let mix = self.order_mix(1);
                report.hot = Some(self.measure(&mix, self.first_rate()).await?);
            }
            Scenario::Burst => report.burst = Some(self.burst().await?),
            Scenario::Reads => self.reads(report).await?,
            Scenario::Mixed => {
                self.shop.stock_up(&self.fleet, READ_PRODUCTS).await?;
                let orders = self.order_mix(self.args.products);
                let mix = Mix::zipf(self.shop.reads(&self.fleet, &self.shop.products), CONNECTIONS).with(9, orders);
                report.mixed = Some(self.measure(&mix, 5000.0).await?);
            }
            Scenario::Single => report.batching = Some(self.single(report).await?),
            Scenario::Scale => report.scale = Some(self.scale().await?),
        }
        Ok(())
    }

    fn order_mix(&self, products: usize) -> Mix {
        Mix::uniform(self.shop.orders(&self.fleet, &self.shop.products[..products]), CONNECTIONS)
    }

    /// On more connections than can be served, and nothing sent after the time is up.
    fn burst_mix(&self) -> Mix {
        Mix { connections: BURST_CONNECTIONS, is_cut: true, ..self.order_mix(self.args.products) }
    }

    async fn orders(&self, rate: f64, seconds: f64) -> Result<Step> {
        Step::run(&self.fleet, &self.order_mix(self.args.products), rate, seconds).await
    }

    fn first_rate(&self) -> f64 {
        if self.args.quick { QUICK_FIRST_RATE } else { FIRST_RATE }
    }

    fn stairs(&self, first_rate: f64) -> Stairs {
        if self.args.quick {
            Stairs { first_rate, seconds: 4.0, halvings: 1 }
        } else {
            Stairs { first_rate, seconds: 12.0, halvings: 2 }
        }
    }

    /// The staircase, then half and four fifths of what it found; or the one step that was asked for.
    async fn measure(&self, mix: &Mix, first_rate: f64) -> Result<Measured> {
        if let Some(rate) = self.args.rate {
            let step = Step::run(&self.fleet, mix, rate, self.args.seconds).await?;
            return Ok(Measured { climb: None, at_half: step.clone(), at_most: step });
        }
        let stairs = self.stairs(first_rate);
        let climb = stairs.climb(&self.fleet, mix).await?;
        let base = climb.sustained.max(10.0);
        let at_half = Step::run(&self.fleet, mix, base * 0.5, stairs.seconds).await?;
        let at_most = Step::run(&self.fleet, mix, base * 0.8, stairs.seconds).await?;
        Ok(Measured { climb: Some(climb), at_half, at_most })
    }

    async fn idle(&self) -> Result<Idle> {
        let step = self.orders(5.0, if self.args.quick { 6.0 } else { 20.0 }).await?;
        Ok(Idle { confirmed: step.confirmed, accept: step.accept, void: step.void })
    }

    async fn burst(&self) -> Result<Burst> {
        let step = Step::run(&self.fleet, &self.burst_mix(), BURST_RATE, 20.0).await?;
        Ok(Burst { accepted_per_s: step.orders as f64 / step.seconds, step })
    }

    async fn reads(&mut self, report: &mut Report) -> Result<()> {
        self.shop.stock_up(&self.fleet, READ_PRODUCTS).await?;
        let all = self.shop.reads(&self.fleet, &self.shop.products);
        let hot = Mix::uniform(all[..1].to_vec(), READERS);
        let zipf = Mix::zipf(all, READERS);
        report.read_hot = Some(self.measure(&hot, 10_000.0).await?);
        let on = self.measure(&zipf, 10_000.0).await?;
        self.fleet.restart_services(&[("REDIS_URL", "")])?;
        let off = self.measure(&zipf, 10_000.0).await?;
        self.fleet.restart_services(&[])?;
        report.cache = on.climb.as_ref().zip(off.climb).map(|(on, off)| OnOff { on: on.sustained, off: off.sustained });
        report.read_zipf = Some(on);
        Ok(())
    }

    /// `BATCH_MAX=1` against the default, in this run.
    async fn single(&mut self, report: &Report) -> Result<OnOff> {
        let on = match report.orders.as_ref().and_then(|orders| orders.climb.as_ref()) {
            Some(climb) => climb.sustained,
            None => {
                self.stairs(self.first_rate()).climb(&self.fleet, &self.order_mix(self.args.products)).await?.sustained
            }
        };
        self.fleet.restart_services(&[("BATCH_MAX", "1")])?;
        let mix = self.order_mix(self.args.products);
        let off = self.stairs(150.0).climb(&self.fleet, &mix).await?;
        self.fleet.restart_services(&[])?;
        Ok(OnOff { on, off: off.sustained })
    }

    /// At one rate: with few orders stored, with many products, with many orders.
    async fn scale(&mut self) -> Result<Scale> {
        let (few, orders_at_few) = self.few.clone().context("it is measured before the first scenario")?;
        self.shop.stock_up(&self.fleet, MANY_PRODUCTS).await?;
        let mix = self.order_mix(MANY_PRODUCTS);
        let many_products = Step::run(&self.fleet, &mix, SCALE_RATE, SCALE_SECONDS).await?;
        let hundred = self.order_mix(100);
        let few_products = Step::run(&self.fleet, &hundred, SCALE_RATE, SCALE_SECONDS).await?;
        let burst = self.burst_mix();
        while self.orders_stored().await? < MANY_ORDERS {
            let step = Step::run(&self.fleet, &burst, 5000.0, 30.0).await?;
            ensure!(step.orders > 0, "no order was taken");
        }
        let many = self.orders(SCALE_RATE, SCALE_SECONDS).await?;
        Ok(Scale { orders: (orders_at_few, self.orders_stored().await?), few, many, few_products, many_products })
    }

    async fn orders_stored(&self) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(r#"SELECT count(*) FROM "order".orders"#).fetch_one(&self.fleet.db).await?;
        Ok(u64::try_from(count)?)
    }
}
