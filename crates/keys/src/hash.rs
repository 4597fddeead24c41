//! Domain-separated BLAKE3.

use zeroize::{Zeroize, Zeroizing};

/// What is being hashed. Each domain is a key derivation context of BLAKE3 (the `derive_key`
/// mode of its paper), so that a hash of one kind can never be passed off as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashDomain {
    /// The checksum of an archive of a space.
    Archive,
    /// A block: its header. What its device signs.
    Block,
    /// A block's body.
    Body,
    /// The id of a content key.
    ContentKeyId,
    /// A credential, to refer to it.
    Credential,
    /// A feed's descriptor.
    Feed,
    /// The id of an object that is imported under a key of another system.
    ForeignKey,
    /// An ephemeral message, to sign it.
    Gossip,
    /// What of a block's header is known before its body: what the body is sealed for.
    Header,
    /// The nonce of a sealed body.
    Nonce,
    /// The id of an item of a queue.
    QueueItem,
    /// The name of a queue, where it stands in the store.
    QueueName,
    /// The id of the object that holds the schema of a type.
    Schema,
    /// A presentation, to sign it.
    Presentation,
    /// The checksum of a device chain or a presentation as text.
    ProofText,
    /// A space in which an identity keeps its devices, for a recovery key to agree to it.
    HaloSpace,
    /// What a recovery key agrees to.
    RecoveryConsent,
    /// A record of a file, to know it again.
    Record,
    /// The device secret of a recovery phrase.
    RecoveryDevice,
    /// The sealing secret of a recovery phrase.
    RecoverySealing,
    /// A part of the snapshot of an epoch.
    Snapshot,
    /// A replica's state.
    State,
    /// Proof that one knows the space key of a topic.
    SwarmProof,
    /// The topic of a space.
    Topic,
    /// The key that confirms a password-authenticated key exchange.
    PakeConfirmation,
    /// The checksum of an invitation's text.
    Invitation,
    /// The code that follows from the secret of an invitation.
    InvitationCode,
    /// The trace of a simulation.
    Trace,
    /// The seed of a child in a tree of seeds.
    Seed,
}

impl HashDomain {
    const fn context(self) -> &'static str {
        match self {
            Self::Archive => "dxos-rs 2026 v1 archive",
            Self::Block => "dxos-rs 2026 v1 block",
            Self::Body => "dxos-rs 2026 v1 body",
            Self::ContentKeyId => "dxos-rs 2026 v1 content key id",
            Self::Credential => "dxos-rs 2026 v1 credential",
            Self::Feed => "dxos-rs 2026 v1 feed",
            Self::ForeignKey => "dxos-rs 2026 v1 foreign key",
            Self::Gossip => "dxos-rs 2026 v1 gossip",
            Self::Header => "dxos-rs 2026 v1 header",
            Self::Nonce => "dxos-rs 2026 v1 nonce",
            Self::QueueItem => "dxos-rs 2026 v1 queue item",
            Self::QueueName => "dxos-rs 2026 v1 queue name",
            Self::Schema => "dxos-rs 2026 v1 schema",
            Self::Presentation => "dxos-rs 2026 v1 presentation",
            Self::ProofText => "dxos-rs 2026 v1 proof text",
            Self::HaloSpace => "dxos-rs 2026 v1 halo space",
            Self::Record => "dxos-rs 2026 v1 record",
            Self::RecoveryConsent => "dxos-rs 2026 v1 recovery consent",
            Self::RecoveryDevice => "dxos-rs 2026 v1 recovery device",
            Self::RecoverySealing => "dxos-rs 2026 v1 recovery sealing",
            Self::Snapshot => "dxos-rs 2026 v1 snapshot",
            Self::State => "dxos-rs 2026 v1 state",
            Self::SwarmProof => "dxos-rs 2026 v1 swarm proof",
            Self::Topic => "dxos-rs 2026 v1 topic",
            Self::PakeConfirmation => "dxos-rs 2026 v1 pake confirmation",
            Self::Invitation => "dxos-rs 2026 v1 invitation",
            Self::InvitationCode => "dxos-rs 2026 v1 invitation code",
            Self::Trace => "dxos-rs 2026 v1 trace",
            Self::Seed => "dxos-rs 2026 v1 seed",
        }
    }
}

/// An incremental BLAKE3 hash within one [`HashDomain`].
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a hash. The derivation of the domain costs one extra compression: keep a
    /// `Hasher` and clone it where many short inputs are hashed.
    pub fn new(domain: HashDomain) -> Self {
        Self(blake3::Hasher::new_derive_key(domain.context()))
    }

    /// Appends bytes. No length is added: prefix variable parts with [`Hasher::part`].
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Appends bytes with their length before them, so that two parts never run together.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The hash of all that was appended.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }

    /// The same, when a secret was appended: nothing of it stays behind in memory.
    pub(crate) fn finish_secret(mut self) -> Zeroizing<[u8; 32]> {
        let mut hash = self.0.finalize();
        let bytes = Zeroizing::new(*hash.as_bytes());
        hash.zeroize();
        self.0.zeroize();
        bytes
    }
}

/// Derives one secret from another. Nothing of either stays behind in memory.
pub(crate) fn derive_secret(domain: HashDomain, secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut hasher = Hasher::new(domain);
    hasher.update(secret);
    hasher.finish_secret()
}

impl crate::Topic {
    /// The topic under which the devices of `space` announce themselves.
    pub fn of_space(space: &crate::SpaceKey) -> Self {
        Self::from_bytes(
            Hasher::new(HashDomain::Topic)
                .part(space.as_bytes())
                .finish(),
        )
    }

    /// The topic under which devices announce themselves that know the key of a recovery phrase.
    pub fn of_recovery_key(key: &crate::DeviceKey) -> Self {
        Self::from_bytes(
            Hasher::new(HashDomain::Topic)
                .part(b"recovery")
                .part(key.as_bytes())
                .finish(),
        )
    }
}
