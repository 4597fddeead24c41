//! Blocks on their way from replica to replica, which go exactly as far as they are meant to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use dxos_feed::{Block, Designation, FeedDescriptor, Run};
use dxos_keys::{BlockHash, DeviceKey, FeedId, SpaceKey};
use dxos_protocol::replicate::{FeedHead, Message};
use dxos_wire::limits::RUN_BYTES_MAX;

/// Blocks of one run, at most.
const RUN_BLOCKS_MAX: usize = 1024;
const NOTHING: BlockHash = BlockHash::from_bytes([0; 32]);

/// How many blocks of each feed somebody has.
pub(crate) type Lengths = BTreeMap<FeedId, usize>;

/// All blocks of a space.
#[derive(Debug)]
pub(crate) struct Relay {
    space: SpaceKey,
    feeds: BTreeMap<FeedId, Log>,
    data: BTreeMap<DeviceKey, FeedId>,
}

#[derive(Debug)]
struct Log {
    descriptor: FeedDescriptor,
    blocks: Vec<Block>,
    head: BlockHash,
}

impl Relay {
    pub(crate) const fn new(space: SpaceKey) -> Self {
        Self {
            space,
            feeds: BTreeMap::new(),
            data: BTreeMap::new(),
        }
    }

    /// Notes that there is a feed.
    pub(crate) fn note(&mut self, head: &FeedHead) -> FeedId {
        let feed = self.feed_of(head);
        if head.designation == Designation::Data {
            self.data.insert(head.device, feed);
        }
        self.feeds.entry(feed).or_insert(Log {
            descriptor: head.descriptor(self.space),
            blocks: Vec::new(),
            head: NOTHING,
        });
        feed
    }

    /// The feed of a head.
    pub(crate) fn feed_of(&self, head: &FeedHead) -> FeedId {
        head.descriptor(self.space).id()
    }

    /// Keeps the blocks of a run that were not here.
    pub(crate) fn keep(&mut self, run: Run) -> Result<()> {
        let Some(log) = self.feeds.get_mut(&run.feed) else {
            bail!("a replica gave blocks of a feed that it did not name");
        };
        for (seq, block) in (run.first..).zip(run.blocks) {
            let next = log.blocks.len() as u64;
            if seq > next {
                bail!("a replica left out block {next} of its feed");
            }
            if seq == next {
                log.head = block.hash(&run.feed, seq, &log.head);
                log.blocks.push(block);
            }
        }
        Ok(())
    }

    /// How many blocks of a feed are here.
    pub(crate) fn length(&self, feed: &FeedId) -> usize {
        self.feeds.get(feed).map_or(0, |log| log.blocks.len())
    }

    /// The feed of a device's edits.
    pub(crate) fn data_feed(&self, device: &DeviceKey) -> Option<FeedId> {
        self.data.get(device).copied()
    }

    /// How many blocks of each feed are here.
    pub(crate) fn lengths(&self) -> Lengths {
        let feeds = self.feeds.iter();
        feeds.map(|(feed, log)| (*feed, log.blocks.len())).collect()
    }

    /// A feed as it is here.
    pub(crate) fn head(&self, feed: &FeedId) -> Option<FeedHead> {
        let log = self.feeds.get(feed)?;
        Some(FeedHead {
            length: log.blocks.len() as u64,
            head: log.head,
            ..self.announcement(feed)?
        })
    }

    /// What a feed is, without a block of it.
    fn announcement(&self, feed: &FeedId) -> Option<FeedHead> {
        let FeedDescriptor {
            device,
            designation,
            incarnation,
            ..
        } = self.feeds.get(feed)?.descriptor;
        Some(FeedHead {
            device,
            designation,
            incarnation,
            length: 0,
            head: NOTHING,
        })
    }

    /// The next blocks of a feed that somebody can use who has `has`: up to number `until`, all
    /// of whose causes it has by then.
    fn next_run(&self, feed: FeedId, has: &Lengths, until: usize, count_max: usize) -> Option<Run> {
        let log = self.feeds.get(&feed)?;
        let length = |feed: &FeedId| has.get(feed).copied().unwrap_or_default();
        let first = length(&feed);
        let mut bytes = 0;
        let blocks = log.blocks.get(first..until)?.iter();
        let blocks: Vec<Block> = blocks
            .take(count_max.min(RUN_BLOCKS_MAX))
            .take_while(|block| {
                let fits = bytes == 0 || bytes + block.encoded_bytes() <= RUN_BYTES_MAX;
                bytes += block.encoded_bytes();
                let mut deps = block.deps.iter();
                fits && deps.all(|dep| (length(&dep.feed) as u64) > dep.seq)
            })
            .cloned()
            .collect();
        (!blocks.is_empty()).then_some(Run {
            feed,
            first: first as u64,
            blocks,
        })
    }

    /// Whether all causes of the next block of a feed are had.
    fn is_usable(&self, feed: &FeedId, has: &Lengths) -> bool {
        let length = |feed: &FeedId| has.get(feed).copied().unwrap_or_default();
        let log = self.feeds.get(feed);
        let next = log.and_then(|log| log.blocks.get(length(feed)));
        next.is_some_and(|block| {
            let mut deps = block.deps.iter();
            deps.all(|dep| (length(&dep.feed) as u64) > dep.seq)
        })
    }

    /// What to send, in which order, to somebody who has `has`: up to `until` of each feed. Of
    /// the feeds of which something can be used next, `choose` says how many blocks of which; it
    /// is given them in order.
    pub(crate) fn messages(
        &self,
        has: &mut Lengths,
        until: &Lengths,
        mut choose: impl FnMut(&[FeedId]) -> (usize, usize),
    ) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut left: BTreeSet<FeedId> = until.keys().copied().collect();
        let mut named = BTreeSet::new();
        loop {
            let length = |has: &Lengths, feed: &FeedId| has.get(feed).copied().unwrap_or_default();
            let end = |feed: &FeedId| until.get(feed).copied().unwrap_or_default();
            left.retain(|feed| length(has, feed) < end(feed));
            if left.is_empty() {
                return Ok(messages);
            }
            let usable = left.iter().copied();
            let usable: Vec<FeedId> = usable.filter(|feed| self.is_usable(feed, has)).collect();
            let (place, count) = choose(&usable);
            let run = usable
                .get(place)
                .and_then(|feed| self.next_run(*feed, has, end(feed), count));
            let Some(run) = run else {
                bail!("blocks cannot be delivered in a causal order");
            };
            if length(has, &run.feed) == 0 && named.insert(run.feed) {
                let feeds = self.announcement(&run.feed).into_iter().collect();
                messages.push(Message::Heads {
                    feeds,
                    complete: false,
                });
            }
            has.insert(run.feed, length(has, &run.feed) + run.blocks.len());
            messages.push(Message::Run(run));
        }
    }
}
