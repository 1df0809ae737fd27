//! Whether orders go on ending.

use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::ledger::Ledger;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The longest that no order may end while none of the servers is away.
const STANDSTILL: Duration = Duration::from_secs(60);
pub(super) const STANDS_STILL: &str = "no order has ended";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many of the orders that hang are told.
const SHOWN: usize = 10;

pub(crate) struct Progress<'l> {
    ledger: &'l Ledger,
    product: Uuid,
    outages: AtomicUsize,
    standstill: Duration,
}

/// A server is away until this is dropped.
pub(super) struct Outage<'p>(&'p AtomicUsize);

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'l> Progress<'l> {
    /// Of the orders of one product.
    pub(crate) fn of(ledger: &'l Ledger, product: Uuid) -> Self {
        Self { ledger, product, outages: AtomicUsize::new(0), standstill: STANDSTILL }
    }

    pub(super) fn outage(&self) -> Outage<'_> {
        self.outages.fetch_add(1, Ordering::Relaxed);
        Outage(&self.outages)
    }

    /// The same, which is patient for so long.
    pub(crate) fn patient(self, standstill: Duration) -> Self {
        Self { standstill, ..self }
    }

    /// Fails where no order ends for too long, with what hangs.
    pub(super) async fn watch(&self, until: Instant) -> Result<()> {
        self.watch_while(|_| Instant::now() < until).await
    }

    /// Waits until every order has ended, under the same bound.
    pub(crate) async fn until_all_have_ended(&self) -> Result<()> {
        self.watch_while(|states| states.keys().any(|state| state != "confirmed")).await
    }

    async fn watch_while(&self, go_on: impl Fn(&BTreeMap<String, i64>) -> bool) -> Result<()> {
        let (mut ended, mut since) = (0, Instant::now());
        loop {
            // While Postgres is away nothing is known, and that is an outage.
            let states = self.ledger.states_of(self.product).await;
            if let Ok(states) = &states {
                if !go_on(states) {
                    return Ok(());
                }
                let now = states.get("confirmed").copied().unwrap_or(0);
                if now > ended {
                    (ended, since) = (now, Instant::now());
                }
            }
            if self.outages.load(Ordering::Relaxed) > 0 {
                since = Instant::now();
            }
            if since.elapsed() > self.standstill {
                let hanging = self.ledger.unfinished(self.product).await?;
                let shown: Vec<_> = hanging.iter().take(SHOWN).collect();
                bail!("{STANDS_STILL} for {:?}: {states:?}; {} hang: {shown:?}", self.standstill, hanging.len());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
