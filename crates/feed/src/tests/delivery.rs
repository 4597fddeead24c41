//! Whatever the order of arrival, replicas agree.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::support::*;
use crate::*;

/// Writers that append and take parts of what the others have, each on a replica of its own.
pub(crate) fn history(dice: &mut Dice, writers: &[Writer], steps: usize) -> Vec<Replica> {
    let mut replicas: Vec<_> = writers.iter().map(|_| Replica::new(writers)).collect();
    for step in 0..steps {
        let at = dice.below(writers.len());
        if dice.below(3) > 0 {
            replicas[at].append(&writers[at], &step.to_le_bytes());
            continue;
        }
        let other = replicas[dice.below(writers.len())].clone();
        let feed = writers[dice.below(writers.len())].feed;
        let first = replicas[at].dag.next_needed(&feed);
        let length = other.dag.feed(&feed).unwrap().length;
        if first < length {
            let end = first + 1 + dice.below(usize::try_from(length - first).unwrap()) as u64;
            replicas[at].insert(other.run(feed, first, end)).unwrap();
        }
    }
    replicas
}

/// All blocks, cut into runs at random places, some of them twice, in random order.
fn deliveries(dice: &mut Dice, writers: &[Writer], replicas: &[Replica]) -> VecDeque<Run> {
    let mut runs = Vec::new();
    for (writer, replica) in writers.iter().zip(replicas) {
        let length = replica.length(writer);
        for copy in 0..2 {
            let mut first = 0;
            while first < length {
                let end = first + 1 + dice.below(usize::try_from(length - first).unwrap()) as u64;
                if copy == 0 || dice.below(2) == 0 {
                    runs.push(replica.run(writer.feed, first, end));
                }
                first = end;
            }
        }
    }
    dice.shuffle(&mut runs);
    runs.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_of_delivery_gives_the_same(seed in any::<u64>(), count in 2..=5_u8) {
        let dice = &mut Dice(seed);
        let all = writers(count);
        let replicas = history(dice, &all, 60);
        let total: u64 = all.iter().zip(&replicas).map(|(w, r)| r.length(w)).sum();
        let mut sets = Vec::new();
        for _ in 0..3 {
            let mut receiver = Replica::new(&all);
            let mut queue = deliveries(dice, &all, &replicas);
            let mut patience = queue.len() * queue.len() + 1;
            while let Some(run) = queue.pop_front() {
                match receiver.insert(run.clone()) {
                    Ok(_) => {}
                    Err(InsertError::Gap { .. }) => queue.push_back(run),
                    Err(error) => panic!("{error}"),
                }
                patience -= 1;
                prop_assert!(patience > 0);
            }
            prop_assert_eq!(receiver.dag.waiting_blocks(), 0);
            prop_assert_eq!(receiver.dag.missing(&receiver.index).unwrap(), []);
            // That causes come first, the replica checks by itself.
            prop_assert_eq!(receiver.log.len() as u64, total);
            sets.push((receiver.log.into_iter().collect::<BTreeSet<_>>(), receiver.dag.timeframe()));
        }
        prop_assert_eq!(&sets[0], &sets[1]);
        prop_assert_eq!(&sets[0], &sets[2]);
    }

    #[test]
    fn replicas_that_talk_agree(seed in any::<u64>(), count in 2..=5_u8) {
        let mut replicas = history(&mut Dice(seed), &writers(count), 60);
        settle(&mut replicas);
    }

    #[test]
    fn a_small_buffer_only_costs_time(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let all = writers(4);
        let mut replicas = history(dice, &all, 60);
        let limits = FeedLimits { waiting_blocks_max: 2, ..FeedLimits::default() };
        let mut receiver = Replica::with_limits(&all, limits);
        let mut queue = deliveries(dice, &all, &replicas);
        while let Some(run) = queue.pop_front() {
            let end = run.end();
            let result = receiver.insert(run.clone());
            prop_assert!(receiver.dag.waiting_blocks() <= 2);
            match result {
                Err(InsertError::Gap { .. } | InsertError::WaitingFull) => queue.push_back(run),
                Ok(_) if receiver.dag.next_needed(&run.feed) < end => queue.push_back(run),
                result => prop_assert!(result.is_ok()),
            }
        }
        settle(&mut replicas);
        prop_assert_eq!(receiver.dag.timeframe(), replicas[0].dag.timeframe());
    }
}
