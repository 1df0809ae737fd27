//! Calls to the outside, started after their intent is committed. What is lost here is taken up by a timer, once the
//! intent's lease has run out.

use crate::Machine;
use crate::context::Cause;
use crate::failpoints::{Point, hit};
use crate::lanes::{Item, Origin, Work};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// How many effects may be under way, their results not yet applied.
pub(crate) const EFFECTS_MAX: usize = 4096;

/// Performs one effect. The result comes back as a command; `None` where nothing is known, and the lease decides.
pub type Perform<M> =
    Arc<dyn Fn(<M as Machine>::Effect) -> BoxFuture<'static, Option<<M as Machine>::Command>> + Send + Sync>;

pub(crate) struct Effects<M: Machine> {
    perform: Option<Perform<M>>,
    lane: mpsc::Sender<Item<M::Command>>,
    under_way: Arc<Semaphore>,
}

impl<M: Machine> Effects<M> {
    pub(crate) fn new(perform: Option<Perform<M>>, lane: mpsc::Sender<Item<M::Command>>) -> Self {
        Self { perform, lane, under_way: Arc::new(Semaphore::new(EFFECTS_MAX)) }
    }

    /// Whether a batch of events may start its effects; else events stay in Kafka until results came back.
    pub(crate) fn room(&self, batch_max: usize) -> bool {
        self.under_way.available_permits() >= batch_max.min(EFFECTS_MAX / 2)
    }

    pub(crate) fn start(&self, effects: Vec<(Cause, M::Effect)>) {
        let Some(perform) = &self.perform else { return };
        for (cause, effect) in effects {
            let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
                metrics::counter!("rtoms_effects_put_off_total").increment(1);
                continue;
            };
            let call = perform(effect);
            // Weak, so that a call that hangs does not keep the lane open at the end.
            let lane = self.lane.downgrade();
            tokio::spawn(async move {
                hit(Point::BeforeCall);
                let Some(command) = call.await else { return };
                hit(Point::AfterCall);
                let Some(lane) = lane.upgrade() else { return };
                let cause = Cause { at: common::clock::now(), ..cause };
                let item = Item::new(Origin::Effect { _permit: permit }, Work::Command(command), cause);
                // The writer is gone: the lease will run out.
                let _ = lane.send(item).await;
            });
        }
    }
}
