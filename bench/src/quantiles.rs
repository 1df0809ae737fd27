//! Latencies, as the quantiles that are told and drawn.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest that is told apart from longer ones, in microseconds.
const LONGEST_US: u64 = 120_000_000;
const SHARES: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];

/// In microseconds, at [`SHARES`]; empty where nothing was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles(Vec<(f64, u64)>);

impl Quantiles {
    pub(crate) fn of(values_us: impl IntoIterator<Item = u64>) -> Self {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are fit for it");
        for value in values_us {
            histogram.saturating_record(value.max(1));
        }
        if histogram.is_empty() {
            return Self::default();
        }
        Self(SHARES.iter().map(|share| (*share, histogram.value_at_quantile(*share))).collect())
    }

    /// In milliseconds; not a number where nothing was counted.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        let found = self.0.iter().find(|(s, _)| (s - share).abs() < 1e-9);
        found.map_or(f64::NAN, |(_, us)| *us as f64 / 1000.0)
    }

    pub(crate) fn points(&self) -> &[(f64, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_thousand() {
        let quantiles = Quantiles::of((1..=1000).map(|ms| ms * 1000));
        assert!((quantiles.ms(0.5) - 500.0).abs() < 2.0 && (quantiles.ms(0.99) - 990.0).abs() < 2.0);
        assert!(Quantiles::of([]).ms(0.5).is_nan());
    }
}
