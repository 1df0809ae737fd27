//! The highest rate that is sustained: up in steps until one is not, then by halves between the last two.

use crate::fleet::Fleet;
use crate::step::{Mix, Step};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// By how much the rate grows.
const RISE: f64 = 1.3;
/// A single step may be spoilt by something else on the machine.
const TRIES: usize = 2;
const STEPS_MAX: usize = 20;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stairs {
    pub(crate) first_rate: f64,
    pub(crate) seconds: f64,
    /// How often the gap is halved.
    pub(crate) halvings: usize,
}

/// All steps that were tried, and the highest rate that was sustained.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Climb {
    pub(crate) sustained: f64,
    pub(crate) steps: Vec<Step>,
}

impl Stairs {
    pub(crate) async fn climb(self, fleet: &Fleet, mix: &Mix) -> Result<Climb> {
        let mut climb = Climb { sustained: 0.0, steps: Vec::new() };
        let mut rate = self.first_rate;
        let mut failed = None;
        while climb.steps.len() < STEPS_MAX {
            if self.holds(fleet, mix, rate, &mut climb).await? {
                rate *= RISE;
            } else if climb.sustained == 0.0 && rate > 20.0 {
                failed = Some(rate);
                rate /= RISE * RISE;
            } else {
                failed = Some(rate);
                break;
            }
            if failed.is_some_and(|failed| rate >= failed) {
                break;
            }
        }
        let Some(mut high) = failed.filter(|_| climb.sustained > 0.0) else { return Ok(climb) };
        for _ in 0..self.halvings {
            let middle = f64::midpoint(climb.sustained, high);
            if !self.holds(fleet, mix, middle, &mut climb).await? {
                high = middle;
            }
        }
        Ok(climb)
    }

    async fn holds(self, fleet: &Fleet, mix: &Mix, rate: f64, climb: &mut Climb) -> Result<bool> {
        for _ in 0..TRIES {
            let step = Step::run(fleet, mix, rate, self.seconds).await?;
            let sustained = step.is_sustained();
            eprintln!(
                "{rate:>8.0}/s: {}, accepted p99 {:.0} ms, under way {} then {}{}",
                if sustained { "sustained" } else { "not sustained" },
                step.accept.ms(0.99),
                step.backlog.0,
                step.backlog.1,
                step.void.as_deref().map(|why| format!(", void: {why}")).unwrap_or_default(),
            );
            climb.steps.push(step);
            if sustained {
                climb.sustained = climb.sustained.max(rate);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
