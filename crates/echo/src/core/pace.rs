//! How often a device does something on behalf of others: the first times at once, then with
//! pauses that grow, and shrink again when it is quiet.
//!
//! What others do decides how often something is due. Without pauses, whoever adds and revokes
//! devices without end would have everybody else seal keys without end. What comes up within a
//! pause is served together when it is over.

/// Growing pauses between things of one kind. Time is passed in, in milliseconds; when it goes
/// back, as a clock that is set does, nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    limits: Limits,
    /// How far the pauses have grown.
    level: u32,
    last_ms: Option<u64>,
}

/// What a [`Pace`] allows: `free` times, one for each doubling of the pause from the first to the
/// longest, and then one for each longest pause or `recovery_ms`, whichever is shorter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How often something may be done before the pauses grow, at least 1.
    pub(super) free: u32,
    /// The first pause.
    pub(super) first_ms: u64,
    /// The longest.
    pub(super) longest_ms: u64,
    /// How long it has to be quiet for the pauses to shrink by one step.
    pub(super) recovery_ms: u64,
}

impl Pace {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            level: 0,
            last_ms: None,
        }
    }

    /// Whether the pause is over.
    pub(super) fn is_open(&self, now_ms: u64) -> bool {
        self.opens_ms(now_ms) <= now_ms
    }

    /// When the pause is over: now, or later.
    pub(super) fn opens_ms(&self, now_ms: u64) -> u64 {
        let last_ms = self.last_ms.filter(|last_ms| *last_ms <= now_ms);
        let opens_ms = last_ms.map(|last_ms| last_ms.saturating_add(self.pause_ms()));
        opens_ms.map_or(now_ms, |opens_ms| opens_ms.max(now_ms))
    }

    /// The pause that follows what was done last.
    fn pause_ms(&self) -> u64 {
        let Limits {
            free,
            first_ms,
            longest_ms,
            ..
        } = self.limits;
        let times = 2_u64.saturating_pow(self.level.saturating_sub(free.max(1)));
        first_ms.saturating_mul(times).min(longest_ms)
    }

    /// Notes that it was done.
    pub(super) fn note(&mut self, now_ms: u64) {
        self.recover(now_ms);
        if self.pause_ms() < self.limits.longest_ms {
            self.level += 1;
        }
    }

    /// Notes that a part of it was done and the rest is left for later: no reason to do that more
    /// rarely.
    pub(super) fn note_part(&mut self, now_ms: u64) {
        self.recover(now_ms);
        self.level = self.level.max(1);
    }

    fn recover(&mut self, now_ms: u64) {
        let quiet_ms = self
            .last_ms
            .map_or(0, |last_ms| now_ms.saturating_sub(last_ms));
        let steps = quiet_ms / self.limits.recovery_ms.max(1);
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.level = self.level.saturating_sub(steps);
        self.last_ms = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Limits, Pace};

    const LIMITS: Limits = Limits {
        free: 1,
        first_ms: 1_000,
        longest_ms: 60_000,
        recovery_ms: 60_000,
    };

    /// When it is done, if it is due again at once each time, until `until_ms`.
    fn always_due(limits: Limits, until_ms: u64) -> Vec<u64> {
        let mut pace = Pace::new(limits);
        let mut done = Vec::new();
        for now_ms in (0..until_ms).step_by(50) {
            if pace.is_open(now_ms) {
                pace.note(now_ms);
                done.push(now_ms);
            }
        }
        done
    }

    #[test]
    fn the_first_is_at_once_and_pauses_double() {
        let done = always_due(LIMITS, 300_000);
        let expected = [
            0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000,
        ];
        assert_eq!(done, expected);
    }

    #[test]
    fn some_are_free_before_the_pauses_grow() {
        let done = always_due(Limits { free: 3, ..LIMITS }, 10_000);
        assert_eq!(done, [0, 1_000, 2_000, 3_000, 5_000, 9_000]);
    }

    #[test]
    fn after_long_quiet_it_begins_anew_and_a_little_quiet_gives_back_little() {
        let mut pace = Pace::new(LIMITS);
        for now_ms in [0, 1_000, 3_000, 7_000] {
            pace.note(now_ms);
        }
        assert!(!pace.is_open(14_999) && pace.is_open(15_000));
        let mut soon = pace;
        soon.note(67_000);
        assert!(!soon.is_open(74_999) && soon.is_open(75_000));
        pace.note(10_000_000);
        assert!(!pace.is_open(10_000_999) && pace.is_open(10_001_000));
    }

    #[test]
    fn what_is_done_in_parts_goes_on_evenly() {
        let mut pace = Pace::new(LIMITS);
        for now_ms in [0, 1_000, 2_000, 3_000] {
            assert!(pace.is_open(now_ms));
            pace.note_part(now_ms);
            assert!(!pace.is_open(now_ms + 999));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut pace = Pace::new(LIMITS);
        pace.note(1_000_000);
        assert!(pace.is_open(5));
        pace.note(5);
        assert!(!pace.is_open(6) && pace.is_open(60_005));
    }

    proptest! {
        #[test]
        fn however_it_comes_up_it_is_done_so_often_and_no_more(
            gaps in proptest::collection::vec(0..90_000_u64, 1..400),
            free in 1..8_u32,
        ) {
            let limits = Limits { free, ..LIMITS };
            let (mut pace, mut now_ms, mut done) = (Pace::new(limits), 0, 0);
            let mut waited_ms = 0;
            for gap in gaps {
                now_ms += gap;
                if pace.is_open(now_ms) {
                    pace.note(now_ms);
                    done += 1;
                    waited_ms = 0;
                } else {
                    waited_ms += gap;
                    prop_assert!(waited_ms < limits.longest_ms + 90_000);
                }
            }
            prop_assert!(done <= u64::from(free) + 8 + now_ms / limits.recovery_ms);
        }
    }
}
