//! The built-in payment provider. It plays the outside: a ledger of its own, in its own schema, which serves every
//! replica of the payment service and survives them all. What it does with a charge, its payment method tells.

mod charges;
mod grouped;
mod ledger;
mod methods;
mod refunds;
mod statement;

pub use statement::{Entry, entries_after, entries_of};

use crate::domain::{ChargeIntent, ChargeOutcome, RefundIntent, RefundOutcome};
use crate::gateway::PaymentGateway;
use charges::Recorded;
use grouped::Grouped;
use methods::Behaviour;
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::sleep;

/// How long `pm_rtoms_slow` takes.
const SLOW: Duration = Duration::from_secs(5);
/// How often `pm_rtoms_flaky` fails before it succeeds.
const FLAKY_FAILURES: i32 = 2;

#[derive(Debug, Clone)]
pub struct BuiltInProvider {
    pool: PgPool,
    charges: Grouped<ChargeIntent, Recorded>,
    refunds: Grouped<RefundIntent, RefundOutcome>,
}

impl BuiltInProvider {
    /// Starts the two tasks that write the ledger; they end when the provider is dropped. `pool` is the provider's own.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (for_charges, for_refunds) = (pool.clone(), pool.clone());
        Self {
            charges: Grouped::start("charges", move |group| charges::record(for_charges.clone(), group)),
            refunds: Grouped::start("refunds", move |group| refunds::record(for_refunds.clone(), group)),
            pool,
        }
    }

    async fn record(&self, intent: &ChargeIntent) -> Option<Recorded> {
        self.charges.ask(intent.clone()).await
    }
}

impl PaymentGateway for BuiltInProvider {
    async fn charge(&self, intent: &ChargeIntent) -> ChargeOutcome {
        let how = methods::behaviour(&intent.payment_method);
        let recorded = match how {
            Behaviour::Prompt | Behaviour::SilentOnce => self.record(intent).await,
            Behaviour::Slow => {
                // A task of its own: a caller that gives up stops nothing.
                let (provider, intent) = (self.clone(), intent.clone());
                let charged = tokio::spawn(async move {
                    sleep(SLOW).await;
                    provider.record(&intent).await
                });
                charged.await.ok().flatten()
            }
            Behaviour::Flaky => match charges::fail(&self.pool, &intent.key, FLAKY_FAILURES).await {
                Ok(false) => self.record(intent).await,
                Ok(true) | Err(_) => None,
            },
        };
        match recorded {
            Some(Recorded { is_new: true, .. }) if how == Behaviour::SilentOnce => std::future::pending().await,
            Some(recorded) => recorded.outcome,
            None => ChargeOutcome::Unknown,
        }
    }

    async fn look_up_charge(&self, intent: &ChargeIntent) -> Option<ChargeOutcome> {
        charges::look_up(&self.pool, &intent.key).await.unwrap_or(Some(ChargeOutcome::Unknown))
    }

    async fn refund(&self, intent: &RefundIntent) -> RefundOutcome {
        self.refunds.ask(intent.clone()).await.unwrap_or(RefundOutcome::Unknown)
    }

    async fn look_up_refund(&self, intent: &RefundIntent) -> Option<RefundOutcome> {
        refunds::look_up(&self.pool, &intent.key).await.unwrap_or(Some(RefundOutcome::Unknown))
    }
}

#[cfg(test)]
mod tests;
