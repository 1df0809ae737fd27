//! What is to be sent, and what came of it: told between the run and the process that sends.

use crate::quantiles::Quantiles;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A load at a fixed rate: the k-th request is due at the start + k / rate, whatever became of those before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    /// Connections to each address; kept alive.
    pub(crate) connections: usize,
    /// Whether what still waits for a connection after `seconds` is dropped: it was never sent.
    pub(crate) is_cut: bool,
    pub(crate) requests: Vec<Request>,
    /// Which of them are sent, in turn, again and again.
    pub(crate) turns: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// How many were due, and sent.
    pub(crate) requests: u64,
    /// How many the generator itself handed to a connection, or into the queue before them, more than a millisecond late.
    pub(crate) late: u64,
    pub(crate) latest_us: u64,
    /// Answers by status; 0 is a connection that broke.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// From when a request was due to the end of its answer, of those that succeeded.
    pub(crate) accept: Quantiles,
    pub(crate) orders: Vec<Placed>,
    /// Processor time of the generator.
    pub(crate) cpu_us: u64,
}

/// An order that was accepted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) order_id: Uuid,
    /// In microseconds since 1970.
    pub(crate) due_us: i64,
    pub(crate) accepted_us: i64,
}

impl Sent {
    pub(crate) fn succeeded(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| (200..400).contains(*status)).map(|(_, count)| count).sum()
    }

    pub(crate) fn of_status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Neither a success nor told to come again.
    pub(crate) fn errors(&self) -> u64 {
        self.requests - self.succeeded() - self.of_status(503)
    }

    /// Why nothing of this counts: the generator could not keep up with its own clock.
    pub(crate) fn void(&self) -> Option<String> {
        let share = self.late as f64 / self.requests.max(1) as f64;
        is_late(self.late, self.requests)
            .then(|| format!("the generator sent {:.2} % more than 1 ms late", share * 100.0))
    }
}

/// Whether so many late sends of so many void them.
pub(crate) fn is_late(late: u64, requests: u64) -> bool {
    late * 1000 > requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_is_late_voids_its_run() {
        let sent =
            |late| Sent { requests: 10_000, late, statuses: [(201, 9000), (503, 900)].into(), ..Sent::default() };
        assert_eq!(sent(10).void(), None);
        assert!(sent(11).void().is_some());
        assert_eq!((sent(0).succeeded(), sent(0).errors()), (9000, 100));
    }
}
