//! Which data blocks of this device are signed.
//!
//! A signature vouches for all blocks before it, and a block is the same whenever it is signed. So
//! while nobody hears of them, most blocks of this device go without a signature, and the last one
//! gets it when somebody is about to be shown the feed: before a session opens and before an
//! archive is written or taken in. While a session is open every block is signed.
//!
//! A block that names other feeds does not follow an unsigned one, see
//! [`dxos_feed::Run::leave_out_signatures`].

use std::collections::BTreeMap;

use dxos_feed::{Block, Dag, Designation};
use dxos_keys::{BlockHash, DeviceKey, FeedId, Signer};
use dxos_store::{Batch, Read, StoreError};

use super::layout;
use super::space::Space;

/// The last block of a feed.
#[derive(Debug)]
struct Head {
    seq: u64,
    hash: BlockHash,
    block: Block,
}

impl Head {
    fn sign(mut self, feed: &FeedId, signer: &dyn Signer, batch: &mut Batch) {
        self.block.sign(&self.hash, signer);
        let key = layout::block_key(feed, self.seq).to_vec();
        let value = layout::block_value(&self.hash, &self.block);
        batch.put(layout::BLOCKS, key, value);
    }
}

/// The data feeds of this device that end in an unsigned block.
#[derive(Debug, Default)]
pub(super) struct Vouching(BTreeMap<FeedId, Head>);

impl Vouching {
    /// Looks how the feeds of a device end. A row that is damaged or another block than the feed
    /// ends with is left to the doctor.
    pub(super) fn open(dag: &Dag, device: DeviceKey, store: &dyn Read) -> Result<Self, StoreError> {
        let mut open = BTreeMap::new();
        for (feed, state) in dag.feeds() {
            let Some(seq) = state.length.checked_sub(1) else {
                continue;
            };
            let descriptor = &state.descriptor;
            if descriptor.device != device || descriptor.designation != Designation::Data {
                continue;
            }
            let row = store.get(layout::BLOCKS, &layout::block_key(feed, seq))?;
            if let Some((hash, block)) = row.as_ref().and_then(layout::split_block)
                && hash == state.head
                && block.signature.is_none()
            {
                open.insert(*feed, Head { seq, hash, block });
            }
        }
        Ok(Self(open))
    }
}

impl Space {
    /// Signs the block that was appended to a data feed of this device just now, or the one before
    /// it, as far as that is needed.
    pub(super) fn vouch_for_appended(
        &mut self,
        feed: FeedId,
        hash: BlockHash,
        block: &mut Block,
        batch: &mut Batch,
    ) {
        let signer = &*self.authority.signer;
        let before = self.vouching.0.remove(&feed);
        if let Some(before) = before.filter(|_| !block.deps.is_empty()) {
            before.sign(&feed, signer, batch);
        }
        let length = self.dag.feed(&feed).map_or(0, |state| state.length);
        let seq = length.saturating_sub(1);
        if self.sync.sessions().next().is_some() || Block::is_anchor(seq, block.body.len()) {
            block.sign(&hash, signer);
        } else {
            let block = block.clone();
            self.vouching.0.insert(feed, Head { seq, hash, block });
        }
    }

    /// Signs what this device wrote last, before anybody is shown it. The batch is written before
    /// anything else is done; it needs no sync, as the same can be done again.
    pub(crate) fn vouch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for (feed, head) in std::mem::take(&mut self.vouching.0) {
            // What was cut meanwhile has another place.
            let state = self.dag.feed(&feed);
            if state.is_some_and(|state| state.head == head.hash) {
                head.sign(&feed, &*self.authority.signer, &mut batch);
            }
        }
        batch
    }
}
