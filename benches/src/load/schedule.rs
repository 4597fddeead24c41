//! When each object is due.

use std::time::Duration;

/// Latencies taken a second, about: a live query of all objects would itself become the load.
const SAMPLES_PER_SECOND: u32 = 100;

/// A fixed rate for a fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    rate: u32,
    seconds: u32,
}

impl Schedule {
    pub(crate) const fn new(rate: u32, seconds: u32) -> Self {
        Self { rate, seconds }
    }

    /// How many objects in all.
    pub(crate) fn total(self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds)
    }

    /// When the object with this number is due, after the start.
    pub(crate) fn due(self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whether the latency of this object is taken.
    pub(crate) fn is_sample(self, number: u64) -> bool {
        let stride = (self.rate / SAMPLES_PER_SECOND).max(1);
        number.is_multiple_of(u64::from(stride))
    }

    /// How many latencies are taken, of one reader.
    pub(crate) fn samples(self) -> u64 {
        let stride = u64::from((self.rate / SAMPLES_PER_SECOND).max(1));
        self.total().div_ceil(stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_due_at_the_rate_and_not_when_the_last_was_done() {
        let schedule = Schedule::new(200, 30);
        assert_eq!(schedule.total(), 6000);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(200), Duration::from_secs(1));
        assert_eq!(schedule.due(5999), Duration::from_millis(29_995));
    }

    #[test]
    fn samples_are_spread_over_all_objects() {
        for (rate, seconds) in [(1, 1), (99, 3), (200, 30), (12_345, 2)] {
            let schedule = Schedule::new(rate, seconds);
            let taken = (0..schedule.total()).filter(|n| schedule.is_sample(*n));
            assert_eq!(taken.count() as u64, schedule.samples());
            assert!(schedule.samples() <= 200 * u64::from(seconds));
        }
    }
}
