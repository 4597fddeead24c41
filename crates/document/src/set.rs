//! Sets in which an addition wins over a concurrent removal.

use std::collections::{BTreeMap, BTreeSet};

use crdts::orswot::{Op, Orswot};
use crdts::{CmRDT as _, Dot, ResetRemove as _, VClock};
use dxos_keys::FeedId;

use crate::Value;
use crate::context::{OpId, Seen};

/// A `crdts::Orswot`, with the logical time of each feed's last addition beside it, so that it
/// can be ordered against what was assigned at the same path.
///
/// The set is there as long as its clock is not empty: with no members left it is an empty set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AddWinsSet {
    members: Orswot<Value, FeedId>,
    lamports: BTreeMap<FeedId, u64>,
}

/// A set in its canonical order: equal sets have equal parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SetParts {
    /// Feed, dot and logical time of each feed's last addition.
    pub(crate) clock: Vec<(FeedId, u64, u64)>,
    /// Each member with the dots of the additions that keep it.
    pub(crate) members: BTreeMap<Value, Vec<(FeedId, u64)>>,
}

impl AddWinsSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.lamports.is_empty()
    }

    pub(crate) fn add(&mut self, members: Vec<Value>, seen: &Seen<'_>) {
        let feed = seen.context.stamp.feed;
        self.members.apply(Op::Add {
            dot: Dot::new(feed, seen.dot()),
            members,
        });
        let lamport = self.lamports.entry(feed).or_default();
        *lamport = (*lamport).max(seen.context.stamp.lamport);
    }

    /// Takes out the additions of `members` that the writer had seen.
    pub(crate) fn remove(&mut self, members: Vec<Value>, seen: &Seen<'_>) {
        let clock = self.observed(seen);
        self.members.apply(Op::Rm { clock, members });
    }

    /// Takes out everything that the writer had seen, the set itself included.
    pub(crate) fn reset(&mut self, seen: &Seen<'_>) {
        let observed = self.observed(seen);
        self.members.reset_remove(&observed);
        let clock = self.members.clock();
        self.lamports.retain(|feed, _| clock.get(feed) > 0);
    }

    /// The part of this set's own clock that the writer had seen. Not more than that: `Orswot`
    /// keeps removals of what it has not seen for later, for ever.
    fn observed(&self, seen: &Seen<'_>) -> VClock<FeedId> {
        let clock = self.members.clock().into_iter().map(|dot| {
            let counter = dot.counter.min(seen.covered_dot(&dot.actor));
            Dot::new(dot.actor, counter)
        });
        clock.filter(|dot| dot.counter > 0).collect()
    }

    /// The feeds that it names.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = &FeedId> {
        self.lamports.keys()
    }

    pub(crate) fn values(&self) -> BTreeSet<Value> {
        self.members.read().val.into_iter().collect()
    }

    /// The latest addition.
    pub(crate) fn latest(&self) -> Option<OpId> {
        let clock = self.members.clock();
        let additions = self.lamports.iter();
        additions
            .map(|(feed, lamport)| OpId::from_dot(*feed, clock.get(feed), *lamport))
            .max()
    }

    pub(crate) fn parts(&self) -> SetParts {
        let clock = self.members.clock().into_iter().map(|dot| {
            let lamport = self.lamports.get(&dot.actor).copied().unwrap_or_default();
            (dot.actor, dot.counter, lamport)
        });
        let members = self.members.iter().map(|member| {
            let dots = member.rm_clock.into_iter();
            let dots = dots.map(|dot| (dot.actor, dot.counter)).collect();
            (member.val.clone(), dots)
        });
        SetParts {
            clock: clock.collect(),
            members: members.collect(),
        }
    }

    /// The set of these parts, `None` when they contradict one another.
    pub(crate) fn from_parts(parts: SetParts) -> Option<Self> {
        let mut set = Self::default();
        let mut additions: BTreeMap<(FeedId, u64), Vec<Value>> = BTreeMap::new();
        for (feed, dot, lamport) in &parts.clock {
            if *dot == 0 || set.lamports.insert(*feed, *lamport).is_some() {
                return None;
            }
            additions.insert((*feed, *dot), Vec::new());
        }
        let clock: BTreeMap<_, _> = parts.clock.iter().map(|part| (part.0, part.1)).collect();
        for (member, dots) in parts.members {
            if dots.is_empty() {
                return None;
            }
            for (feed, dot) in dots {
                if dot == 0 || clock.get(&feed).is_none_or(|last| *last < dot) {
                    return None;
                }
                additions
                    .entry((feed, dot))
                    .or_default()
                    .push(member.clone());
            }
        }
        for ((feed, dot), members) in additions {
            set.members.apply(Op::Add {
                dot: Dot::new(feed, dot),
                members,
            });
        }
        Some(set)
    }
}
