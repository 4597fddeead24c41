//! How two devices prove to each other that they belong to a swarm.
//!
//! TLS has proven their device keys. Then, on an [`dxos_wire::StreamKind::Auth`] stream:
//!
//! 1. The initiator proves that it knows the swarm's secret ([`Hello`]), the responder checks it
//!    and proves the same ([`HelloReply`]). The proofs are bound to the TLS session and the
//!    direction, so none can be replayed or reflected. Who knows only the topic gets a refusal
//!    and learns nothing.
//! 2. Each shows [`Evidence`] that its device belongs to a member; each answers with a
//!    [`Judgement`]. A device that was admitted while the other was away shows the control
//!    blocks that admitted it when asked for more, in as many parts as it takes.

use std::collections::BTreeMap;

use bytes::Bytes;
use dxos_keys::{DeviceKey, FeedId, HashDomain, Hasher, Topic};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{request, wire_message};

/// What members of a swarm know and others do not; for a space it is derived from the space key.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SwarmSecret([u8; 32]);

impl std::fmt::Debug for SwarmSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SwarmSecret(..)")
    }
}

/// Which side of a handshake makes a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that opened the stream.
    Initiator,
    /// The other one.
    Responder,
}

impl SwarmSecret {
    /// Takes 32 secret bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret of a space's swarm.
    pub fn of_space(space: &dxos_keys::SpaceKey) -> Self {
        Self(*space.as_bytes())
    }

    /// What `device` on `side` shows to prove that it knows the secret, on the connection with
    /// this TLS `binding` alone.
    pub fn proof(
        &self,
        topic: &Topic,
        side: Side,
        device: &DeviceKey,
        binding: &[u8; 32],
    ) -> [u8; 32] {
        let side = match side {
            Side::Initiator => 0,
            Side::Responder => 1,
        };
        let mut hasher = Hasher::new(HashDomain::SwarmProof);
        hasher
            .part(&self.0)
            .part(topic.as_bytes())
            .part(&[side])
            .part(device.as_bytes())
            .part(binding);
        hasher.finish()
    }
}

/// The first message on an auth stream, by its initiator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The swarm.
    pub topic: Topic,
    /// The initiator's [`SwarmSecret::proof`].
    pub proof: [u8; 32],
}

/// The responder's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HelloReply {
    /// The proof holds; here is the responder's.
    Accepted {
        /// The responder's [`SwarmSecret::proof`].
        proof: [u8; 32],
    },
    /// No such swarm here, or the proof does not hold: one answer for both.
    Refused,
}

/// What shows that a device belongs to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Opaque to MESH.
    pub bytes: Bytes,
    /// Whether the next message is evidence, too: what does not fit into a frame is shown in parts.
    pub more: bool,
}

/// What a device makes of the other's evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Judgement {
    /// It belongs.
    Admitted,
    /// Not known here: show the control blocks that admitted you.
    NeedMore,
    /// It does not belong.
    Refused,
    /// It does not belong any more: this shows what took it away.
    Departed(Evidence),
}

wire_message!(Hello, 1);
wire_message!(HelloReply, 1);
wire_message!(Evidence, 1);
wire_message!(Judgement, 1);

/// MESH asks what to show in a swarm.
#[derive(Clone, Debug)]
pub struct PresentEvidence {
    /// The swarm.
    pub topic: Topic,
    /// Whether the peer asked for more.
    pub full: bool,
    /// Where to go on: [`Presented::rest`] of the part before.
    pub rest: Option<EvidenceRest>,
}

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The next part.
    pub evidence: Evidence,
    /// How to ask for the one after it, if there is one.
    pub rest: Option<EvidenceRest>,
}

impl Presented {
    /// Evidence in one part.
    pub const fn whole(bytes: Bytes) -> Self {
        Self {
            evidence: Evidence { bytes, more: false },
            rest: None,
        }
    }
}

/// What was not shown yet of evidence in parts: of each feed the place to go on at, and the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceRest(pub BTreeMap<FeedId, (u64, u64)>);

/// MESH asks what to make of a peer's evidence.
#[derive(Clone, Debug)]
pub struct JudgeEvidence {
    /// The swarm.
    pub topic: Topic,
    /// The peer, proven by TLS.
    pub device: DeviceKey,
    /// What it shows.
    pub evidence: Evidence,
}

/// There is nothing to show: the swarm is not ours any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no evidence for the swarm: the space is closed or unknown")]
pub struct NoEvidence;

request! {
    PresentEvidence => Result<Presented, NoEvidence>,
    JudgeEvidence => Judgement,
}
