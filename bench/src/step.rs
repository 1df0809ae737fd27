//! One load at one rate, with what it cost and what became of it.

use crate::fleet::Fleet;
use crate::load::{Load, Request, Sent, is_late};
use crate::outcome::Outcome;
use crate::quantiles::Quantiles;
use crate::usage::{Snapshot, Usage};
use anyhow::{Context, Result, ensure};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long the orders of one step may take to end.
const DRAIN_BOUND: Duration = Duration::from_secs(180);
/// More than a load takes, with its answers.
const GENERATOR_MARGIN: Duration = Duration::from_secs(60);
/// After so many turns a load begins again.
const TURNS: usize = 65_536;
const SEED: u64 = 42;
/// How often a step is made until the generator was on time.
const TRIES: usize = 3;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    pub(crate) requests: Vec<Request>,
    pub(crate) turns: Vec<u32>,
    pub(crate) connections: usize,
    /// As [`Load::is_cut`].
    pub(crate) is_cut: bool,
}

impl Mix {
    /// Each as often as the others, in an order that repeats only after many.
    pub(crate) fn uniform(requests: Vec<Request>, connections: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(SEED);
        let mut turns = Vec::with_capacity(TURNS);
        let mut round: Vec<u32> = (0..u32::try_from(requests.len()).unwrap_or(u32::MAX)).collect();
        while turns.len() < TURNS && !round.is_empty() {
            round.shuffle(&mut rng);
            turns.extend(&round);
        }
        Self { requests, turns, connections, is_cut: false }
    }

    /// The n-th in proportion to 1/n (Zipf, exponent 1).
    pub(crate) fn zipf(requests: Vec<Request>, connections: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(SEED);
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=requests.len())
            .map(|n| {
                sum += 1.0 / n as f64;
                sum
            })
            .collect();
        let turn = |rng: &mut SmallRng| {
            let drawn = rng.random_range(0.0..sum);
            u32::try_from(sums.partition_point(|s| *s <= drawn)).unwrap_or(0)
        };
        let turns = (0..TURNS).map(|_| turn(&mut rng)).collect();
        Self { requests, turns, connections, is_cut: false }
    }

    /// Of every ten turns, `tenths` are this mix's, the others that one's.
    pub(crate) fn with(self, tenths: usize, other: Self) -> Self {
        let offset = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        let (mut ours, mut theirs) = (self.turns.into_iter().cycle(), other.turns.into_iter().cycle());
        let turn = |n: usize| if n % 10 < tenths { ours.next() } else { theirs.next().map(|turn| turn + offset) };
        let turns = (0..TURNS).filter_map(turn).collect();
        let requests = self.requests.into_iter().chain(other.requests).collect();
        Self { requests, turns, connections: self.connections, is_cut: false }
    }
}

/// One step of a scenario. Latencies count from when a request was due.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) succeeded: u64,
    /// Told to come again, with 503.
    pub(crate) refused: u64,
    pub(crate) errors: u64,
    pub(crate) late: u64,
    pub(crate) latest_us: u64,
    pub(crate) orders: u64,
    pub(crate) accept: Quantiles,
    pub(crate) confirmed: Quantiles,
    pub(crate) notified: Quantiles,
    /// Orders under way at the middle and at the end of the step.
    pub(crate) backlog: (i64, i64),
    pub(crate) drain_s: f64,
    /// An order; where none was placed, a request.
    pub(crate) usage: Usage,
    pub(crate) resident_mb: BTreeMap<String, f64>,
    pub(crate) void: Option<String>,
}

impl Step {
    /// Where the generator was late a step tells of it alone, and not of the fleet: it is made again, some times.
    pub(crate) async fn run(fleet: &Fleet, mix: &Mix, rate: f64, seconds: f64) -> Result<Self> {
        for _ in 1..TRIES {
            let step = Self::once(fleet, mix, rate, seconds).await?;
            if mix.is_cut || !is_late(step.late, step.requests) {
                return Ok(step);
            }
            eprintln!("{rate:>8.0}/s: void, and made again: {}", step.void.as_deref().unwrap_or_default());
        }
        Self::once(fleet, mix, rate, seconds).await
    }

    async fn once(fleet: &Fleet, mix: &Mix, rate: f64, seconds: f64) -> Result<Self> {
        let before = Snapshot::take(fleet).await?;
        let sent = generate(fleet, mix, rate, seconds).await?;
        let resident_mb = fleet.resident_mb();
        let first = sent.orders.iter().map(|order| order.order_id).min();
        fleet.drained(first, DRAIN_BOUND).await?;
        let orders = sent.orders.len() as u64;
        let count = if orders > 0 { orders } else { sent.succeeded() };
        // Before anything is asked about these orders: that work is none of theirs.
        let mut usage = Snapshot::take(fleet).await?.since(&before, count);
        let outcome = Outcome::of(fleet, &sent.orders).await?;
        usage.cpu_us.insert("generator".to_owned(), sent.cpu_us as f64 / count.max(1) as f64);
        let unfinished = orders - outcome.ended;
        let void =
            sent.void().or((unfinished > 0).then(|| format!("{unfinished} orders were not confirmed and told of")));
        Ok(Self {
            rate,
            seconds,
            requests: sent.requests,
            succeeded: sent.succeeded(),
            refused: sent.of_status(503),
            errors: sent.errors(),
            late: sent.late,
            latest_us: sent.latest_us,
            orders,
            accept: sent.accept,
            confirmed: outcome.confirmed,
            notified: outcome.notified,
            backlog: outcome.backlog,
            drain_s: outcome.drain_s,
            usage,
            resident_mb,
            void,
        })
    }

    /// Whether the fleet keeps this up: accepting takes at most 100 ms for 99 of 100, nothing fails, and what is under way
    /// does not become more, as far as that can be told from chance: it would be done within half a second.
    pub(crate) fn is_sustained(&self) -> bool {
        let (half, end) = (self.backlog.0 as f64, self.backlog.1 as f64);
        let steady = end <= (1.5 * half).max(0.25 * self.rate) && end <= 0.5 * self.rate;
        self.void.is_none() && self.errors == 0 && self.refused == 0 && self.accept.ms(0.99) <= 100.0 && steady
    }
}

/// Runs the generator as a process of its own, whose processor time is told apart.
async fn generate(fleet: &Fleet, mix: &Mix, rate: f64, seconds: f64) -> Result<Sent> {
    let Mix { requests, turns, connections, is_cut } = mix.clone();
    let load = fleet.logs().join("load.json");
    std::fs::write(&load, serde_json::to_vec(&Load { rate, seconds, connections, is_cut, requests, turns })?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("generate").arg(&load).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let bound = Duration::from_secs_f64(seconds) + GENERATOR_MARGIN;
    let output = tokio::time::timeout(bound, command.output()).await.context("the generator did not end")??;
    ensure!(output.status.success(), "the generator failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("what the generator tells")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(n: usize) -> Vec<Request> {
        let request = |n: usize| Request {
            address: String::new(),
            method: "GET".to_owned(),
            path: n.to_string(),
            token: None,
            body: String::new(),
        };
        (0..n).map(request).collect()
    }

    #[test]
    fn mixes_hold_what_they_say() {
        let count = |mix: &Mix, turn: u32| mix.turns.iter().filter(|t| **t == turn).count();
        let uniform = Mix::uniform(requests(100), 1);
        assert!((0..100).all(|turn| count(&uniform, turn) == uniform.turns.len() / 100));
        let zipf = Mix::zipf(requests(100), 1);
        assert!(count(&zipf, 0) > 15 * count(&zipf, 99) && zipf.turns.iter().all(|turn| *turn < 100));
        let mixed = zipf.with(9, Mix::uniform(requests(1), 1));
        assert_eq!((mixed.requests.len(), count(&mixed, 100)), (101, mixed.turns.len() / 10));
    }
}
