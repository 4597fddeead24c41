//! Invitations at rest: what outlives a restart of their host.

use std::sync::Arc;

use dxos_credentials::Role;
use dxos_keys::{
    ContentKey, DeviceKey, IdentityKey, InvitationId, SealedKey, SealingKey, SealingSecret,
    SpaceKey,
};
use dxos_protocol::invitation::{InvitationKind, InvitationType};
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Store, StoreError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::terms::{Challenge, Terms, Usage};
use super::{InvitationCode, InvitationKey};

/// Invitation → record.
const INVITATIONS: Keyspace = Keyspace::new("invitations");
const VERSION: u8 = 1;
/// What binds a sealed secret to its place.
const SEALED_FOR: &[u8] = b"dxos invitation at rest";

/// An invitation that a device hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) kind: InvitationKind,
    pub(super) invitation_type: InvitationType,
    pub(super) space: SpaceKey,
    pub(super) role: Role,
    pub(super) history: bool,
    pub(super) single_use: bool,
    pub(super) expires_ms: u64,
    pub(super) patience_ms: u64,
    pub(super) target: Option<String>,
    pub(super) proof: StoredProof,
    pub(super) usage: Usage,
}

/// What its guests have to prove. A code follows from its secret, and that can be opened by this
/// device only: the digits themselves are never on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredProof {
    None,
    Code(SealedKey),
    Key {
        public: DeviceKey,
        /// What stands in the text, where this device made it.
        secret: Option<SealedKey>,
    },
    Identity(IdentityKey),
}

/// What a host knows of the proof.
#[derive(Clone, Debug)]
pub(super) enum HostProof {
    None,
    Code(ContentKey),
    Key {
        public: DeviceKey,
        secret: Option<InvitationKey>,
    },
    Identity(IdentityKey),
}

impl HostProof {
    pub(super) fn challenge(&self) -> Challenge {
        match self {
            Self::None => Challenge::None,
            Self::Code(secret) => Challenge::Code(InvitationCode::of_secret(secret)),
            Self::Key { public, .. } => Challenge::Key(*public),
            Self::Identity(identity) => Challenge::Identity(*identity),
        }
    }

    /// Seals it for this device; `None` when its key cannot be sealed for.
    pub(super) fn seal(
        &self,
        id: &InvitationId,
        sealing: &SealingKey,
        rng: &mut dyn CryptoRng,
    ) -> Option<StoredProof> {
        let info = info(id);
        Some(match self {
            Self::None => StoredProof::None,
            Self::Code(secret) => StoredProof::Code(sealing.seal(&info, secret, rng).ok()?),
            Self::Key { public, secret } => {
                let sealed = secret.as_ref().map(|secret| {
                    let secret = secret.to_secret();
                    sealing.seal(&info, &secret, rng)
                });
                StoredProof::Key {
                    public: *public,
                    secret: sealed.transpose().ok()?,
                }
            }
            Self::Identity(identity) => StoredProof::Identity(*identity),
        })
    }
}

impl StoredProof {
    fn open(&self, id: &InvitationId, sealing: &SealingSecret) -> Option<HostProof> {
        let info = info(id);
        Some(match self {
            Self::None => HostProof::None,
            Self::Code(sealed) => HostProof::Code(sealing.open(&info, sealed).ok()?),
            Self::Key { public, secret } => HostProof::Key {
                public: *public,
                secret: secret
                    .as_ref()
                    .map(|sealed| sealing.open(&info, sealed))
                    .transpose()
                    .ok()?
                    .map(|secret| InvitationKey::from_secret(&secret)),
            },
            Self::Identity(identity) => HostProof::Identity(*identity),
        })
    }
}

fn info(id: &InvitationId) -> Vec<u8> {
    [SEALED_FOR, id.as_bytes()].concat()
}

impl Record {
    /// What the state machine is given, and the proof; `None` when this device cannot open it.
    pub(super) fn open(
        &self,
        id: InvitationId,
        sealing: &SealingSecret,
    ) -> Option<(Terms, HostProof)> {
        let proof = self.proof.open(&id, sealing)?;
        Some((self.terms(id, proof.challenge()), proof))
    }

    pub(super) fn terms(&self, id: InvitationId, challenge: Challenge) -> Terms {
        Terms {
            id,
            kind: self.kind,
            role: self.role,
            history: self.history,
            single_use: self.single_use,
            expires_ms: self.expires_ms,
            patience_ms: self.patience_ms,
            challenge,
        }
    }
}

/// Where the records are.
#[derive(Clone, Debug)]
pub(super) struct Records {
    store: Arc<dyn Store>,
}

impl Records {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Stores a record: it is on the disk when this returns.
    pub(super) fn put(&self, id: &InvitationId, record: &Record) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        // A record that cannot be encoded has no part that anybody could have chosen so.
        if let Ok(value) = dxos_wire::encode(VERSION, record) {
            batch.put(INVITATIONS, id.as_bytes().to_vec(), value);
        }
        self.store.commit(batch, Durability::Synced)
    }

    /// Forgets invitations; that may be lost.
    pub(super) fn remove(&self, ids: &[InvitationId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for id in ids {
            batch.delete(INVITATIONS, id.as_bytes().to_vec());
        }
        self.store.commit(batch, Durability::Buffered)
    }

    /// What became of one that is stored.
    pub(super) fn usage(&self, id: &InvitationId) -> Result<Option<Usage>, StoreError> {
        let value = self.store.get(INVITATIONS, id.as_bytes())?;
        let record = value.and_then(|value| dxos_wire::decode::<Record>(VERSION, &value).ok());
        Ok(record.map(|record| record.usage))
    }

    /// All of them; rows that cannot be read are left out.
    pub(super) fn all(&self) -> Result<Vec<(InvitationId, Record)>, StoreError> {
        let mut found = Vec::new();
        let rows = self
            .store
            .scan(INVITATIONS, KeyRange::all(), Direction::Forward);
        for row in rows {
            let (key, value) = row?;
            let id = InvitationId::from_slice(&key);
            let record = dxos_wire::decode(VERSION, &value);
            match (id, record) {
                (Some(id), Ok(record)) => found.push((id, record)),
                _ => tracing::warn!("a stored invitation cannot be read and is left out"),
            }
        }
        Ok(found)
    }
}
