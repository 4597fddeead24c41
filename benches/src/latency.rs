//! Distributions of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{Figure, Unit};

/// Three significant digits of every latency; it grows only with the logarithm of the longest.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Option<Histogram<u64>>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        Self {
            // 3 is a precision that the histogram supports; without one nothing is recorded.
            histogram: Histogram::new(3).ok(),
        }
    }

    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(histogram) = &mut self.histogram {
            // It grows as needed: every number of 64 bits finds a place.
            let _ = histogram.record(nanos);
        }
    }

    /// Counts all of another.
    pub fn add(&mut self, other: &Self) {
        if let (Some(mine), Some(theirs)) = (&mut self.histogram, &other.histogram) {
            // Both resize themselves, so this cannot be refused.
            let _ = mine.add(theirs);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that `fraction` of all do not exceed.
    pub fn quantile(&self, fraction: f64) -> Duration {
        let nanos = self
            .histogram
            .as_ref()
            .map(|h| h.value_at_quantile(fraction));
        Duration::from_nanos(nanos.unwrap_or(0))
    }

    /// Median, 90%, 99% and the longest, each less `base`.
    pub fn figures(&self, name: &str, base: Duration) -> Vec<Figure> {
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)]
            .map(|(quantile, fraction)| {
                let latency = self.quantile(fraction).saturating_sub(base);
                let micros = (latency.as_secs_f64() * 1e6).round();
                Figure::new(format!("{name}, {quantile}"), micros, Unit::Microseconds)
            })
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_the_precision() {
        let mut one = Latencies::new();
        let mut two = Latencies::new();
        for ms in 1..=500 {
            one.record(Duration::from_millis(ms));
            two.record(Duration::from_millis(500 + ms));
        }
        one.add(&two);
        assert_eq!(one.count(), 1000);
        let near = |fraction: f64, ms: f64| {
            let found = one.quantile(fraction).as_secs_f64() * 1e3;
            assert!((found - ms).abs() / ms < 0.002, "{found} {ms}");
        };
        near(0.5, 500.0);
        near(0.99, 990.0);
        near(1.0, 1000.0);
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert_eq!(Latencies::new().quantile(0.99), Duration::ZERO);
    }
}
