//! Exponential back-off with jitter.

use std::time::Duration;

use rand_core::Rng;

/// How far apart attempts are: doubling from `base` to `max`, each drawn from the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) base: Duration,
    pub(crate) max: Duration,
}

/// The attempts that failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and says how long to wait. Jitter keeps peers that lost each other at one
    /// moment from all coming back at another.
    pub(crate) fn fail(&mut self, schedule: Schedule, rng: &mut (impl Rng + ?Sized)) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let delay = schedule.base.saturating_mul(doubled).min(schedule.max);
        let half = delay / 2;
        let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(rng.next_u64().checked_rem(span + 1).unwrap_or(0))
    }

    /// Starts again from the shortest delay.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A leaky bucket: what is added drains away at a steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    level_ms: u64,
    at: Duration,
}

impl Bucket {
    pub(crate) const fn new(now: Duration) -> Self {
        Self {
            level_ms: 0,
            at: now,
        }
    }

    /// Adds `cost`, measured in the time that it takes to drain, unless the level would then
    /// exceed `capacity`.
    pub(crate) fn add(&mut self, now: Duration, cost: Duration, capacity: Duration) -> bool {
        self.drain(now);
        let level = self.level_ms.saturating_add(millis(cost));
        let fits = level <= millis(capacity);
        if fits {
            self.level_ms = level;
        }
        fits
    }

    /// When `cost` would fit again.
    pub(crate) fn fits_at(mut self, now: Duration, cost: Duration, capacity: Duration) -> Duration {
        self.drain(now);
        let excess = self
            .level_ms
            .saturating_add(millis(cost))
            .saturating_sub(millis(capacity));
        now + Duration::from_millis(excess)
    }

    fn drain(&mut self, now: Duration) {
        self.level_ms = self
            .level_ms
            .saturating_sub(millis(now.saturating_sub(self.at)));
        self.at = now;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::tests::rng;

    const SCHEDULE: Schedule = Schedule {
        base: Duration::from_millis(250),
        max: Duration::from_secs(30),
    };

    #[test]
    fn delays_double_up_to_the_limit_and_start_again() {
        let mut backoff = Backoff::default();
        let mut rng = rng(1);
        for attempt in 0..40 {
            let full = SCHEDULE
                .base
                .saturating_mul(1 << attempt.min(20))
                .min(SCHEDULE.max);
            let delay = backoff.fail(SCHEDULE, &mut rng);
            assert!(
                delay >= full / 2 && delay <= full,
                "{attempt}: {delay:?} of {full:?}"
            );
        }
        backoff.reset();
        assert!(backoff.fail(SCHEDULE, &mut rng) <= SCHEDULE.base);
    }

    proptest! {
        #[test]
        fn a_bucket_never_lets_more_through_than_it_drains(
            gaps in proptest::collection::vec(0_u64..3_000, 1..200),
        ) {
            let cost = Duration::from_secs(1);
            let capacity = Duration::from_secs(5);
            let mut bucket = Bucket::new(Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut passed = 0_u64;
            for gap in gaps {
                now += Duration::from_millis(gap);
                let expected = bucket.fits_at(now, cost, capacity) <= now;
                let fits = bucket.add(now, cost, capacity);
                prop_assert_eq!(fits, expected);
                passed += u64::from(fits);
                prop_assert!(u128::from(passed) * 1_000 <= 5_000 + now.as_millis());
            }
        }
    }
}
