//! What was counted on top of a number that was assigned.
//!
//! `crdts::PNCounter` is two clocks, one of what each actor added and one of what it took away.
//! So is this one; but it belongs to one assignment, so that assigning anew starts a new count,
//! and it saturates instead of needing big integers.

use std::collections::BTreeMap;

use crdts::{CmRDT as _, Dot, VClock};
use dxos_keys::FeedId;

use crate::context::Seen;

/// The increments by writers that had seen one assignment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// The dots of the first and the last increment of each feed. A writer that has seen the
    /// assignment keeps seeing it, so all its increments between the two are in here.
    pub(crate) spans: BTreeMap<FeedId, (u64, u64)>,
    /// What each feed added, in all.
    pub(crate) plus: VClock<FeedId>,
    /// What each feed took away, in all.
    pub(crate) minus: VClock<FeedId>,
}

impl Tally {
    /// Counts `by` once: an increment that was counted before changes nothing.
    pub(crate) fn add(&mut self, by: i64, seen: &Seen<'_>) {
        let (feed, dot) = (seen.context.stamp.feed, seen.dot());
        let span = self.spans.entry(feed).or_insert((dot, 0));
        if span.1 >= dot {
            return;
        }
        span.1 = dot;
        let clock = if by < 0 {
            &mut self.minus
        } else {
            &mut self.plus
        };
        // Sums of amounts that are not negative saturate to the same total in any order.
        let total = clock.get(&feed).saturating_add(by.unsigned_abs());
        if total > 0 {
            clock.apply(Dot::new(feed, total));
        }
    }
}

/// The number that assignments stand for together with all that was counted on any of them,
/// each increment once. It stops at the ends of `i64`.
pub(crate) fn total<'a>(counts: impl Iterator<Item = (i64, Option<&'a Tally>)>) -> i64 {
    let mut sum = 0_i128;
    // One feed's increments on two assignments are the same ones from the later first on:
    // the longer span holds both.
    let mut longest: BTreeMap<FeedId, (u64, i128)> = BTreeMap::new();
    for (base, tally) in counts {
        sum = sum.saturating_add(base.into());
        let Some(tally) = tally else { continue };
        for (feed, (first, _)) in &tally.spans {
            let amount = i128::from(tally.plus.get(feed)) - i128::from(tally.minus.get(feed));
            let entry = longest.entry(*feed).or_insert((*first, amount));
            if *first < entry.0 {
                *entry = (*first, amount);
            }
        }
    }
    for (_, amount) in longest.into_values() {
        sum = sum.saturating_add(amount);
    }
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}
