//! Domain-separated BLAKE3.

/// What is being hashed. Each domain is a key derivation context of BLAKE3 (the `derive_key`
/// mode of its paper), so that a hash of one kind can never be passed off as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashDomain {
    /// A block: header and signature.
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
    /// A block's header, to sign it.
    Header,
    /// The nonce of a sealed body.
    Nonce,
    /// The id of the object that holds the schema of a type.
    Schema,
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
    /// The trace of a simulation.
    Trace,
    /// The seed of a child in a tree of seeds.
    Seed,
}

impl HashDomain {
    const fn context(self) -> &'static str {
        match self {
            Self::Block => "dxos-rs 2026 v1 block",
            Self::Body => "dxos-rs 2026 v1 body",
            Self::ContentKeyId => "dxos-rs 2026 v1 content key id",
            Self::Credential => "dxos-rs 2026 v1 credential",
            Self::Feed => "dxos-rs 2026 v1 feed",
            Self::ForeignKey => "dxos-rs 2026 v1 foreign key",
            Self::Header => "dxos-rs 2026 v1 header",
            Self::Nonce => "dxos-rs 2026 v1 nonce",
            Self::Schema => "dxos-rs 2026 v1 schema",
            Self::State => "dxos-rs 2026 v1 state",
            Self::SwarmProof => "dxos-rs 2026 v1 swarm proof",
            Self::Topic => "dxos-rs 2026 v1 topic",
            Self::PakeConfirmation => "dxos-rs 2026 v1 pake confirmation",
            Self::Invitation => "dxos-rs 2026 v1 invitation",
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
}
