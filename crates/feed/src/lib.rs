//! Feeds: signed, hash-linked, append-only logs, each with a single writer, whose blocks refer to
//! one another across feeds and so form a Merkle-DAG.
//!
//! A [`Dag`] holds what a replica of one space knows of its feeds: it verifies what others send
//! (one signature for a whole [`Run`] of blocks, because each block names the one before), holds
//! back what came before its causes, checks logical time, finds forks and cuts them. It is pure:
//! blocks are stored by the caller and looked up through [`BlockIndex`].
//!
//! It knows nothing of what a body means, who may write, or how blocks travel.
//!
//! ```
//! use dxos_feed::{Append, Dag, Designation, FeedDescriptor, FeedLimits, MemoryIndex, Run};
//! use dxos_keys::{DeviceSecret, SpaceKey};
//!
//! let device = DeviceSecret::from_seed(&[1; 32]);
//! let space = SpaceKey::from_bytes([2; 32]);
//! let feed = FeedDescriptor::new(device.device(), space, Designation::Data, 0);
//!
//! // Ann appends a block to her feed.
//! let (mut ann, mut ann_blocks) = (Dag::new(space, FeedLimits::default()), MemoryIndex::default());
//! ann.register(feed).unwrap();
//! let block = ann
//!     .append(Append { feed: feed.id(), time_ms: 0, signer: &device }, |_| b"hello".to_vec().into())
//!     .unwrap();
//! ann_blocks.insert(&feed.id(), 0, &block);
//!
//! // Ben receives it.
//! let mut ben = Dag::new(space, FeedLimits::default());
//! ben.register(feed).unwrap();
//! let run = Run { feed: feed.id(), first: 0, blocks: vec![block] };
//! let mut bodies = Vec::new();
//! ben.insert(run, &MemoryIndex::default(), &mut |accepted| bodies.push(accepted.block.body.clone()))
//!     .unwrap();
//! assert_eq!(bodies, [&b"hello"[..]]);
//! assert_eq!(ben.timeframe(), ann.timeframe());
//! ```

mod block;
mod check;
mod dag;
mod descriptor;
mod floor;
mod fork;
mod index;
mod insert;
mod limits;
mod outcome;
mod receipt;
mod run;
mod run_codec;
mod waiting;

pub use block::{Block, BlockDecodeError, Dep, Header, SealingContext};
pub use dag::{Append, AppendError, Dag, FeedState, Next, RegisterError};
pub use descriptor::{Designation, FeedDescriptor};
pub use floor::{Floor, SettleError, Settled};
pub use fork::{Cut, CutError, ForkProof, ForkProofError, SignedHeader};
pub use index::{BlockIndex, Entry, IndexError, MemoryIndex};
pub use limits::FeedLimits;
pub use outcome::{Accepted, InsertError, Inserted, MissingDep};
pub use receipt::Receipt;
pub use run::Run;

/// A vector clock over feeds: for each feed, how many of its blocks are covered. The block with
/// sequence number `s` is covered when the count is greater than `s`.
pub type Timeframe = crdts::VClock<dxos_keys::FeedId>;

#[cfg(test)]
mod tests;
