//! What a replica does first with blocks of others: hashes, signatures, causes, time. Applying
//! them is part of `replicate`.

use std::time::{Duration, Instant};

use anyhow::Result;
use dxos_feed::{Append, Block, Dag, Designation, FeedDescriptor, FeedLimits, MemoryIndex, Run};
use dxos_keys::{DeviceSecret, SpaceKey};

use crate::Figure;

pub(crate) fn run(size: usize) -> Result<Vec<Figure>> {
    let device = DeviceSecret::from_seed(&[1; 32]);
    let space = SpaceKey::from_bytes([2; 32]);
    let feed = FeedDescriptor::new(device.device(), space, Designation::Data, 0);
    let mut dag = Dag::new(space, FeedLimits::default());
    dag.register(feed)?;
    let mut index = MemoryIndex::default();
    let mut blocks = Vec::with_capacity(size);
    let begin = Instant::now();
    for seq in 0..size {
        let append = Append {
            feed: feed.id(),
            time_ms: 0,
            signer: &device,
        };
        let block = dag.append(append, |_| vec![7; 100].into())?;
        index.insert(&feed.id(), seq as u64, &block);
        blocks.push(block);
    }
    let signed = begin.elapsed();
    let bulk = insert(space, feed, &blocks, 1000)?;
    let few = blocks.get(..size / 10).unwrap_or(&blocks);
    let single = insert(space, feed, few, 1)?;
    Ok(vec![
        Figure::rate("blocks signed, 100 B", size, signed),
        Figure::rate("blocks verified, runs of 1,000", size, bulk),
        Figure::rate("blocks verified, one at a time", few.len(), single),
    ])
}

/// Hands the blocks to a new replica, in runs of `length`.
fn insert(
    space: SpaceKey,
    feed: FeedDescriptor,
    blocks: &[Block],
    length: usize,
) -> Result<Duration> {
    let mut dag = Dag::new(space, FeedLimits::default());
    dag.register(feed)?;
    let index = MemoryIndex::default();
    let mut first = 0;
    let runs: Vec<Run> = blocks
        .chunks(length)
        .map(|blocks| {
            let run = Run {
                feed: feed.id(),
                first,
                blocks: blocks.to_vec(),
            };
            first = run.end();
            run
        })
        .collect();
    let mut accepted = 0;
    let begin = Instant::now();
    for run in runs {
        dag.insert(run, &index, &mut |_| accepted += 1)?;
    }
    let took = begin.elapsed();
    anyhow::ensure!(accepted == blocks.len(), "not every block was accepted");
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_verified() {
        let figures = run(100).unwrap();
        assert_eq!(figures.len(), 3);
        assert!(figures.iter().all(|figure| figure.value > 0.0));
    }
}
