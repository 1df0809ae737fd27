//! What trials run on: a fleet that they share, started by the first of them, whose books are audited after the last.

use crate::alone;
use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::fleet::{Fleet, Plan};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;

/// After the trials, nothing may wait that is due for longer.
const AUDIT_GRACE_S: u32 = 60;

pub(crate) struct Ground {
    runtime: Runtime,
    plan: Plan,
    fleet: OnceCell<Fleet>,
    /// Of trials that hurt the fleet, and so run one after another.
    turn: Mutex<()>,
}

impl Ground {
    pub(crate) fn new(plan: Plan) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, plan, fleet: OnceCell::new(), turn: Mutex::new(()) }
    }

    /// For a trial that has no part in the fleet.
    pub(crate) fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// Runs one trial on the fleet.
    pub(crate) fn trial(&self, trial: impl AsyncFnOnce(&Fleet) -> Result<()>) -> Result<(), Failed> {
        let run = async {
            let fleet = self.fleet.get_or_try_init(|| self.plan.start()).await.context("starting the fleet")?;
            trial(fleet).await
        };
        self.runtime.block_on(run).map_err(|error| Failed::from(format!("{error:#}")))
    }

    /// The same, while no other trial of this ground runs.
    pub(crate) fn trial_alone(&self, trial: impl AsyncFnOnce(&Fleet) -> Result<()>) -> Result<(), Failed> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.trial(trial)
    }

    /// Runs all trials that the arguments choose, and ends the fleet; whether they and the books are well.
    pub(crate) fn run(self: Arc<Self>, arguments: &Arguments, trials: Vec<Trial>) -> bool {
        let failed = libtest_mimic::run(arguments, trials).has_failed();
        let Some(Self { runtime, fleet, .. }) = Arc::into_inner(self) else {
            unreachable!("all trials have ended");
        };
        let Some(fleet) = fleet.into_inner() else { return !failed };
        let audited = runtime.block_on(audit(&fleet));
        fleet.stop(failed || audited.is_err());
        if let Err(error) = &audited {
            eprintln!("the books are wrong: {error:#}");
        }
        !failed && audited.is_ok()
    }
}

/// What must hold of the books when all trials are over.
async fn audit(fleet: &Fleet) -> Result<()> {
    fleet.audit(AUDIT_GRACE_S).await?;
    for (from, to) in fleet.ledger().transitions().await? {
        ensure!(alone::is_allowed(from.as_deref(), &to), "an order went from {from:?} to {to}");
    }
    Ok(())
}
