//! Taking over an identity that exists, so that a kill in the middle loses nothing of it.
//!
//! What is to be taken up is written down before the identity is. From then on every start goes on
//! where the one before was stopped: each step does nothing when it was done already.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_credentials::{DeviceChain, Profile};
use dxos_keys::{DeviceKey, IdentityKey, SealingSecret, SpaceKey};
use dxos_protocol::echo::{AdoptSpace, EchoError, JoinSpace};
use dxos_protocol::halo::{AdoptIdentity, Identity};
use dxos_store::{Batch, Durability};
use serde::{Deserialize, Serialize};

use super::{ECHO, FORMER, HALO, HALO_SPACE, KEY, Keeper, RECOVERED};
use crate::invitation::DeviceAdmission;
use crate::{ClientError, NodeError};

/// What is to be taken up yet.
const OUTSTANDING: &[u8] = b"outstanding";
const VERSION: u8 = 1;
/// Answers of peers that are kept until everything is taken up.
const FOUND_MAX: usize = 64;

/// What an identity is taken over with.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) chain: DeviceChain,
    pub(super) profile: Profile,
    pub(super) recovery: Option<(DeviceKey, SealingSecret)>,
    pub(super) found: Vec<Found>,
    pub(super) halo: Option<SpaceKey>,
    pub(super) former: Option<SpaceKey>,
}

/// Spaces of the identity that a peer has named, and where it was reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) peer: DeviceKey,
    pub(super) addresses: Vec<String>,
    pub(super) spaces: Vec<SpaceKey>,
}

/// What is written down before the identity.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outstanding {
    /// As whom; of another identity it says nothing.
    identity: IdentityKey,
    found: Vec<Found>,
    /// The HALO space, of a device that was invited.
    halo: Option<SpaceKey>,
    /// The HALO space that the identity had before it was recovered.
    former: Option<SpaceKey>,
    /// When a phrase was used, in milliseconds since 1970.
    recovered_ms: Option<u64>,
}

impl Keeper {
    /// Takes over an identity that exists, and notes what is to be taken up with it. What follows
    /// is done by [`Keeper::begin`], now or when this program is started again.
    pub(super) async fn take_over(
        self: &Arc<Self>,
        adoption: Adoption,
    ) -> Result<Identity, ClientError> {
        let Adoption {
            chain,
            profile,
            recovery,
            found,
            halo,
            former,
        } = adoption;
        self.note_outstanding(&Outstanding {
            identity: chain.device().identity,
            found,
            halo,
            former,
            recovered_ms: recovery.as_ref().map(|_| self.clock.wall_ms()),
        })?;
        let adopt = AdoptIdentity {
            chain,
            profile,
            recovery,
        };
        let adopted = self.halo.adopt_identity().ask(adopt).await;
        Ok(adopted.map_err(ClientError::unanswered(HALO))??)
    }

    /// Goes on with a recovery by the phrase that brought this device to its identity: what peers
    /// name now is taken up as well.
    pub(super) async fn take_up_more(
        self: &Arc<Self>,
        identity: IdentityKey,
        found: Vec<Found>,
        former: Option<SpaceKey>,
    ) -> Result<(), ClientError> {
        // What was not taken up the last time is not forgotten over it.
        let before = self.outstanding(identity)?;
        let (earlier, halo, known) =
            before.map_or_else(Default::default, |b| (b.found, b.halo, b.former));
        let found = found.into_iter().chain(earlier).take(FOUND_MAX);
        self.note_outstanding(&Outstanding {
            identity,
            found: found.collect(),
            halo,
            former: former.or(known),
            recovered_ms: Some(self.clock.wall_ms()),
        })?;
        self.begin().await
    }

    /// Makes this device one of the identity of `host`, which has admitted it.
    pub(super) async fn join_identity(
        self: &Arc<Self>,
        admission: DeviceAdmission,
        (host, addresses): (DeviceKey, Vec<String>),
    ) -> Result<Identity, ClientError> {
        let DeviceAdmission {
            chain,
            ticket,
            profile,
        } = admission;
        let space = ticket.space;
        let adoption = Adoption {
            chain,
            profile,
            recovery: None,
            found: vec![Found {
                peer: host,
                addresses,
                spaces: vec![space],
            }],
            halo: Some(space),
            former: None,
        };
        let identity = self.take_over(adoption).await?;
        self.use_authority().await?;
        let joined = self.echo.join_space().ask(JoinSpace { ticket }).await;
        if let Err(error) = joined.map_err(ClientError::unanswered(ECHO))? {
            // By its key alone it is taken up all the same.
            tracing::warn!(%error, "the ticket of the identity's space is of no use");
        }
        self.begin().await?;
        Ok(identity)
    }

    fn note_outstanding(&self, outstanding: &Outstanding) -> Result<(), ClientError> {
        let bytes = dxos_wire::encode(VERSION, outstanding).map_err(|error| {
            dxos_protocol::halo::HaloError::Store {
                reason: error.to_string(),
            }
        })?;
        let mut batch = Batch::new();
        batch.put(HALO_SPACE, OUTSTANDING, bytes);
        let stored = self.store.commit(batch, Durability::Synced);
        Ok(stored.map_err(NodeError::from)?)
    }

    /// What is to be taken up yet. What was noted of an identity that was not taken over then is
    /// over.
    fn outstanding(&self, identity: IdentityKey) -> Result<Option<Outstanding>, ClientError> {
        let stored = self.store.get(HALO_SPACE, OUTSTANDING);
        let stored = stored.map_err(NodeError::from)?;
        let noted = stored.and_then(|bytes| dxos_wire::decode(VERSION, &bytes).ok());
        Ok(noted.filter(|noted: &Outstanding| noted.identity == identity))
    }

    /// Takes up what was noted when the identity was taken over, if anything is left.
    pub(super) async fn take_up_outstanding(&self, identity: &Identity) -> Result<(), ClientError> {
        let stored = self.store.contains(HALO_SPACE, OUTSTANDING);
        if !stored.map_err(NodeError::from)? {
            return Ok(());
        }
        let mut batch = Batch::new();
        let outstanding = self.outstanding(identity.identity)?;
        let mut done = true;
        if let Some(outstanding) = outstanding {
            done = self.take_up(&outstanding).await?;
            let Outstanding {
                halo,
                former,
                recovered_ms,
                ..
            } = outstanding;
            for (key, space) in [(KEY, halo), (FORMER, former)] {
                if let Some(space) = space {
                    batch.put(HALO_SPACE, key, space.as_bytes().to_vec());
                }
            }
            if let Some(at_ms) = recovered_ms {
                batch.put(HALO_SPACE, RECOVERED, at_ms.to_be_bytes().to_vec());
            }
        }
        if done {
            batch.delete(HALO_SPACE, OUTSTANDING);
        }
        let stored = self.store.commit(batch, Durability::Synced);
        Ok(stored.map_err(NodeError::from)?)
    }

    /// Takes up every space that was noted; whether all of them could be.
    async fn take_up(&self, outstanding: &Outstanding) -> Result<bool, ClientError> {
        let mut spaces: BTreeMap<SpaceKey, Vec<&Found>> = BTreeMap::new();
        for found in &outstanding.found {
            for space in &found.spaces {
                spaces.entry(*space).or_default().push(found);
            }
        }
        for space in outstanding.halo.iter().chain(&outstanding.former) {
            spaces.entry(*space).or_default();
        }
        let mut all = true;
        for (space, peers) in spaces {
            // What the user deleted here is not missing.
            all &= matches!(
                self.try_adopt(space).await?,
                Ok(()) | Err(EchoError::SpaceDeleted { .. })
            );
            for found in peers {
                self.tell_address(space, found.peer, found.addresses.clone())
                    .await;
            }
        }
        Ok(all)
    }

    /// Takes a space up by its key; whether it could be. One that cannot be does not keep others
    /// from it.
    pub(super) async fn adopt_space(&self, space: SpaceKey) -> Result<bool, ClientError> {
        Ok(self.try_adopt(space).await?.is_ok())
    }

    async fn try_adopt(&self, space: SpaceKey) -> Result<Result<(), EchoError>, ClientError> {
        let adopted = self.echo.adopt_space().ask(AdoptSpace { space }).await;
        let adopted = adopted.map_err(ClientError::unanswered(ECHO))?;
        match &adopted {
            Ok(_) | Err(EchoError::SpaceDeleted { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, space = %space.short(), "a space could not be taken up");
            }
        }
        Ok(adopted.map(drop))
    }
}
