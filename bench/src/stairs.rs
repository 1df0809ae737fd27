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
/// What does not hold this is not searched further down.
const LOWEST_RATE: f64 = 20.0;

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

/// Where on the stairs one stands.
#[derive(Debug, Clone, Copy)]
struct Ascent {
    rate: f64,
    sustained: f64,
    failed: Option<f64>,
    halvings: usize,
}

impl Ascent {
    /// The rate to be tried next, now that this one held or did not; nothing at the end.
    fn next(&mut self, held: bool) -> Option<f64> {
        if held {
            self.sustained = self.sustained.max(self.rate);
        } else {
            self.failed = Some(self.failed.map_or(self.rate, |failed| failed.min(self.rate)));
        }
        let up = self.sustained * RISE;
        let next = match self.failed {
            None => up,
            Some(failed) if self.sustained == 0.0 && failed > LOWEST_RATE => failed / (RISE * RISE),
            Some(_) if self.sustained == 0.0 => return None,
            // Reached again by another way, it would differ by a rounding.
            Some(failed) if up < 0.999 * failed => up,
            Some(failed) => {
                self.halvings = self.halvings.checked_sub(1)?;
                f64::midpoint(self.sustained, failed)
            }
        };
        self.rate = next;
        Some(next)
    }
}

impl Stairs {
    fn foot(self) -> Ascent {
        Ascent { rate: self.first_rate, sustained: 0.0, failed: None, halvings: self.halvings }
    }

    pub(crate) async fn climb(self, fleet: &Fleet, mix: &Mix) -> Result<Climb> {
        let mut climb = Climb { sustained: 0.0, steps: Vec::new() };
        let mut ascent = self.foot();
        let mut next = Some(self.first_rate);
        while let Some(rate) = next.filter(|_| climb.steps.len() < STEPS_MAX) {
            next = ascent.next(self.holds(fleet, mix, rate, &mut climb).await?);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a fleet that sustains `most`, and in how many steps.
    fn found(most: f64) -> (f64, usize) {
        let mut ascent = Stairs { first_rate: 1000.0, seconds: 1.0, halvings: 2 }.foot();
        let mut steps = 1;
        while ascent.next(ascent.rate <= most).is_some() {
            steps += 1;
        }
        (ascent.sustained, steps)
    }

    #[test]
    fn the_highest_rate_is_found_from_above_and_from_below() {
        for most in [31.0, 140.0, 999.0, 1000.0, 1001.0, 1690.0, 4321.0] {
            let (sustained, steps) = found(most);
            assert!(sustained <= most && sustained > 0.92 * most, "{sustained} of {most}");
            assert!(steps < STEPS_MAX, "{steps} steps to {most}");
        }
        assert_eq!(found(1.0).0, 0.0);
    }
}
