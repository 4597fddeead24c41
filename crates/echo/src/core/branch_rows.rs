//! Blocks of cut branches as they are stored.

use dxos_feed::{Block, FeedLimits, IndexError};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::Place;
use dxos_store::{Direction, KeyRange};

use super::layout::{
    BRANCHES, BranchRecord, StoredBlocks, TIPS, TipRecord, branch_key, index_error, tips_key,
};
use super::space::{decode_row, store_failed};

impl StoredBlocks<'_> {
    /// A block of a cut branch.
    pub(crate) fn branch_record(
        &self,
        feed: &FeedId,
        place: Place,
    ) -> Result<Option<BranchRecord>, IndexError> {
        let mut key = branch_key(self.number, feed, place.seq);
        key.extend_from_slice(place.hash.as_bytes());
        let value = self
            .store
            .get(BRANCHES, &key)
            .map_err(|error| index_error(&error))?;
        let Some(value) = value else { return Ok(None) };
        dxos_wire::decode(1, &value)
            .map(Some)
            .map_err(|error| IndexError(error.to_string()))
    }

    /// The blocks of cut branches at `seq` that follow `prev`, in the order of their hashes.
    pub(super) fn children(
        &self,
        feed: &FeedId,
        (seq, prev): (u64, &BlockHash),
    ) -> Result<Vec<(BlockHash, BranchRecord)>, IndexError> {
        let prefix = branch_key(self.number, feed, seq);
        let mut found = Vec::new();
        for row in self
            .store
            .scan(BRANCHES, KeyRange::prefix(&prefix), Direction::Forward)
        {
            let (key, value) = row.map_err(|error| index_error(&error))?;
            let Some(hash) = BlockHash::from_slice(key.get(prefix.len()..).unwrap_or_default())
            else {
                continue;
            };
            let record: BranchRecord =
                dxos_wire::decode(1, &value).map_err(|error| IndexError(error.to_string()))?;
            if record.prev == *prev {
                found.push((hash, record));
            }
        }
        Ok(found)
    }

    pub(super) fn has_children(
        &self,
        feed: &FeedId,
        seq: u64,
        prev: &BlockHash,
    ) -> Result<bool, EchoError> {
        let children = self.children(feed, (seq, prev));
        let children = children.map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        Ok(!children.is_empty())
    }

    /// The block of a branch that follows `prev` on the way to `until`, or one behind it.
    pub(super) fn child(
        &self,
        feed: &FeedId,
        (seq, prev): (u64, &BlockHash),
        until: Place,
    ) -> Result<Option<(BlockHash, Block)>, IndexError> {
        let children = self.children(feed, (seq, prev))?;
        let chosen = match &children[..] {
            [] => return Ok(None),
            [only] => only.0,
            // The branch was forked, too: the way back from its end shows which one it is.
            [first, ..] if seq > until.seq => first.0,
            _ => match self.ancestor(feed, until, seq)? {
                Some(hash) => hash,
                None => return Ok(None),
            },
        };
        let found = children.into_iter().find(|(hash, _)| *hash == chosen);
        let block = found.and_then(|(hash, record)| {
            let limits = FeedLimits::default();
            Some((hash, Block::decode(&record.block, &limits).ok()?))
        });
        Ok(block)
    }

    /// The block at `seq` on the way back from `until`.
    fn ancestor(
        &self,
        feed: &FeedId,
        mut until: Place,
        seq: u64,
    ) -> Result<Option<BlockHash>, IndexError> {
        while until.seq > seq {
            let Some(record) = self.branch_record(feed, until)? else {
                return Ok(None);
            };
            until = Place {
                seq: until.seq - 1,
                hash: record.prev,
            };
        }
        Ok((until.seq == seq).then_some(until.hash))
    }

    /// Where the cut branches of a feed end.
    pub(crate) fn tips(
        &self,
        feed: &FeedId,
    ) -> impl Iterator<Item = Result<(Place, TipRecord), EchoError>> {
        let prefix = tips_key(self.number, feed);
        let rows = self
            .store
            .scan(TIPS, KeyRange::prefix(&prefix), Direction::Forward);
        let length = prefix.len();
        rows.filter_map(move |row| match row {
            Err(error) => Some(Err(store_failed(&error))),
            Ok((key, value)) => {
                let hash = BlockHash::from_slice(key.get(length..)?)?;
                let record = decode_row::<TipRecord>("end of a branch", &value);
                Some(record.map(|record| {
                    let place = Place {
                        seq: record.seq,
                        hash,
                    };
                    (place, record)
                }))
            }
        })
    }

    pub(super) fn is_tip(&self, feed: &FeedId, hash: &BlockHash) -> Result<bool, EchoError> {
        let mut key = tips_key(self.number, feed);
        key.extend_from_slice(hash.as_bytes());
        self.store
            .contains(TIPS, &key)
            .map_err(|error| store_failed(&error))
    }
}
