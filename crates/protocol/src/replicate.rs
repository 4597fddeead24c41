//! What two replicas of a space say to each other once each knows the other for a member.
//!
//! Each first sends the heads of all its feeds; from both it follows exactly what is missing,
//! in one exchange and at a cost of the number of feeds. A replica asks for what it lacks
//! ([`Message::Want`]), so that what it takes in is paced by itself; what a device writes from
//! then on it sends to its peers unasked.

use dxos_feed::{Designation, FeedDescriptor, ForkProof, Receipt, Run};
use dxos_keys::{BlockHash, DeviceKey, FeedId, SpaceKey, StateHash, Topic};
use serde::{Deserialize, Serialize};

use crate::{request, wire_message};

/// The head of one feed, as a replica has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedHead {
    /// The feed's device.
    pub device: DeviceKey,
    /// What the feed carries.
    pub designation: Designation,
    /// The feed's incarnation.
    pub incarnation: u32,
    /// How many blocks the replica has.
    pub length: u64,
    /// The hash of the last one, zeros when there is none.
    pub head: BlockHash,
}

impl FeedHead {
    /// The descriptor of the feed in `space`.
    pub const fn descriptor(&self, space: SpaceKey) -> FeedDescriptor {
        FeedDescriptor::new(self.device, space, self.designation, self.incarnation)
    }
}

/// Blocks `from..until` of a feed that follow a given block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The feed.
    pub feed: FeedId,
    /// The first block that is wanted.
    pub from: u64,
    /// The one after the last.
    pub until: u64,
    /// The hash of the block before `from`, zeros when there is none. A replica that has another
    /// one there does not answer: the feed was forked, and it begins to look where.
    pub prev: BlockHash,
}

/// A block of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub hash: BlockHash,
}

/// A message between two replicas of a space. Order matters: it is the order in which variants
/// are numbered on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Message {
    /// Heads of feeds: all of them when the session begins (`complete` in the last part), later
    /// those that changed.
    Heads {
        /// At most [`dxos_wire::limits::FEEDS_PER_MESSAGE_MAX`].
        feeds: Vec<FeedHead>,
        /// Whether the sender has now named all its feeds once.
        complete: bool,
    },
    /// Asks for blocks.
    Want {
        /// At most [`dxos_wire::limits::FEEDS_PER_MESSAGE_MAX`].
        ranges: Vec<Range>,
    },
    /// Blocks, asked for or just written.
    Run(Run),
    /// Proof that a device forked its feed.
    ForkProof(Box<ForkProof>),
    /// Asks for the block before a place where the heads of a feed differ, to find a fork.
    Probe {
        /// The feed.
        feed: FeedId,
        /// The block whose hash is wanted.
        seq: u64,
    },
    /// Answers a probe.
    ProbeReply {
        /// The feed.
        feed: FeedId,
        /// The block.
        seq: u64,
        /// Its hash, `None` when the sender has no such block.
        hash: Option<BlockHash>,
    },
    /// Asks for blocks of a cut branch of a forked feed.
    WantBranch {
        /// The feed.
        feed: FeedId,
        /// The last block that is wanted.
        until: Place,
        /// The block of the branch behind which to begin; at the cut when there is none.
        after: Option<Place>,
    },
    /// Blocks of a cut branch: as many as fit.
    Branch {
        /// The hash of the block before them.
        prev: BlockHash,
        /// The blocks.
        run: Run,
    },
    /// Tells a device where the branches of a feed of its own end that was cut: it may have lost
    /// them with its disk.
    Tips {
        /// The feed.
        feed: FeedId,
        /// At most [`dxos_wire::limits::TIPS_PER_MESSAGE_MAX`].
        tips: Vec<Place>,
    },
    /// The sender has all of the snapshot of an epoch.
    HasSnapshot {
        /// The hash that names it.
        snapshot: StateHash,
    },
    /// Asks for a part of it.
    WantPart {
        /// The hash that names it.
        snapshot: StateHash,
        /// 0 for the list of its chunks, `n` for the chunk `n - 1`.
        part: u32,
    },
    /// A part of a snapshot.
    Part {
        /// The hash that names it.
        snapshot: StateHash,
        /// Which part.
        part: u32,
        /// `None` when the sender does not have it any more.
        bytes: Option<bytes::Bytes>,
    },
    /// Blocks that were asked for are not here any more: an epoch stands for them.
    Trimmed {
        /// The feed.
        feed: FeedId,
        /// The first block that is here.
        from: u64,
    },
    /// What a device has stored durably, its own or another one's word.
    Receipt(Box<Receipt>),
}

wire_message!(Message, 1);

/// The name of a session between two replicas, unique within one client while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// MESH tells ECHO that a peer was authenticated for a space.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The session.
    pub session: SessionId,
    /// The swarm's topic.
    pub topic: Topic,
    /// The peer.
    pub device: DeviceKey,
}

/// MESH hands a message of the peer to ECHO and reads no more before the reply.
#[derive(Clone, Debug)]
pub struct Receive {
    /// The session.
    pub session: SessionId,
    /// The message.
    pub message: Message,
}

/// MESH asks ECHO what to send next; it does so when [`crate::mesh::Wake`] told it that there is
/// something and the stream has room.
#[derive(Clone, Debug)]
pub struct Produce {
    /// The session.
    pub session: SessionId,
    /// About how many bytes to produce at most; a single larger block may exceed it.
    pub bytes_max: usize,
}

/// What to send next.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// Whether there is more to ask for at once.
    pub more: bool,
}

/// MESH tells ECHO that the connection or stream of a session ended.
#[derive(Clone, Debug)]
pub struct CloseSession {
    /// The session.
    pub session: SessionId,
}

/// Why ECHO wants a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer is no member any more.
    #[error("the peer is not a member of the space")]
    NotMember,
    /// The peer sent what no honest peer sends, too often. Do not connect again for a while.
    #[error("the peer broke the protocol: {reason}")]
    Offence {
        /// What it did.
        reason: String,
    },
    /// The space is closed, or failed.
    #[error("the space is not open here: {reason}")]
    SpaceClosed {
        /// Why.
        reason: String,
    },
    /// There is no such session.
    #[error("no such session")]
    Unknown,
}

request! {
    OpenSession => Result<(), SessionError>,
    Receive => Result<(), SessionError>,
    Produce => Result<Produced, SessionError>,
    CloseSession => (),
}
