//! Invitations that other admins' devices have made: found when a guest asks for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dxos_credentials::{Delegated, GuestProof, Right};
use dxos_keys::{ContentKey, InvitationId, SpaceKey};
use dxos_protocol::echo::{ListDelegated, ListSpaces};
use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType, Refusal};
use tokio::sync::MutexGuard;

use super::hosted::Hosted;
use super::record::{HostProof, Record};
use super::registry::Invitations;

/// How often all spaces are looked through at most: whoever asks for invitations that do not
/// exist waits, and costs no more than that.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a guest of a delegated invitation may take.
const PATIENCE_MS: u64 = 180_000;

/// What was found when the spaces were looked through last.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// When that began.
    began_ms: Option<u64>,
    open: BTreeMap<InvitationId, Found>,
    /// The spaces that answered.
    spaces: BTreeSet<SpaceKey>,
}

/// An invitation of a space, with the secret of its code where this device has it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) space: SpaceKey,
    pub(super) delegated: Delegated,
    pub(super) secret: Option<ContentKey>,
}

impl Found {
    /// How its guests prove that they were meant.
    pub(super) const fn authentication(&self) -> Authentication {
        match &self.delegated.proof {
            GuestProof::None => Authentication::None,
            GuestProof::Code(_) => Authentication::SharedSecret,
            _ => Authentication::KnownPublicKey,
        }
    }

    /// What a guest has to prove; `None` when this device cannot tell.
    fn proof(&self) -> Option<HostProof> {
        Some(match &self.delegated.proof {
            GuestProof::None => HostProof::None,
            GuestProof::Code(_) => HostProof::Code(self.secret.clone()?),
            GuestProof::Key(public) => HostProof::Key {
                public: *public,
                secret: None,
            },
            GuestProof::Identity(identity) => HostProof::Identity(*identity),
            _ => return None,
        })
    }
}

impl Invitations {
    /// The invitation that a guest asks for, made here or by another admin's device.
    pub(super) async fn find(&self, id: InvitationId) -> Option<Arc<Hosted>> {
        let Some(hosted) = self.get(&id) else {
            let found = self.look_up().await.open.get(&id).cloned();
            return self.take_up(&found?).await;
        };
        if hosted.invitation_type == InvitationType::Delegated && hosted.is_open() {
            let lookup = self.look_up().await;
            if lookup.spaces.contains(&hosted.space) && !lookup.open.contains_key(&id) {
                // It was cancelled, or used at another host.
                self.end(&hosted, Refusal::Unknown);
            }
        }
        Some(hosted)
    }

    /// Hosts a delegated invitation, as far as this device may and can.
    pub(super) async fn take_up(&self, found: &Found) -> Option<Arc<Hosted>> {
        let id = found.delegated.invitation;
        if let Some(hosted) = self.get(&id) {
            return Some(hosted);
        }
        let proof = found.proof()?;
        let usage = match self.records.usage(&id) {
            Ok(usage) => usage.unwrap_or_default(),
            Err(error) => {
                // Without knowing how many tries are left there are none.
                tracing::warn!(%error, "an invitation could not be read");
                return None;
            }
        };
        let Delegated {
            role,
            history,
            single_use,
            expires_ms,
            ..
        } = found.delegated;
        let record = Record {
            kind: InvitationKind::Space,
            invitation_type: InvitationType::Delegated,
            space: found.space,
            role,
            history,
            single_use,
            expires_ms,
            patience_ms: PATIENCE_MS,
            target: None,
            proof: self.seal(&id, &proof).await.ok()?,
            usage,
        };
        match self.host(id, record, proof) {
            Ok(hosted) => Some(hosted),
            Err(error) => {
                tracing::warn!(%error, "a delegated invitation is not hosted");
                None
            }
        }
    }

    /// Whether a delegated invitation is open in its space now.
    pub(super) async fn is_delegated(&self, space: SpaceKey, id: &InvitationId) -> bool {
        let open = self.delegated_of(space).await.unwrap_or_default();
        open.iter().any(|found| found.delegated.invitation == *id)
    }

    /// The delegated invitations of a space that are open; `None` when it does not say.
    pub(super) async fn delegated_of(&self, space: SpaceKey) -> Option<Vec<Found>> {
        let now_ms = self.clock.wall_ms();
        let listed = self.echo.delegated.ask(ListDelegated { space }).await;
        let listed = listed.ok()?.ok()?.into_iter();
        let in_time = listed.filter(|(delegated, _)| delegated.expires_ms > now_ms);
        let found = in_time.map(|(delegated, secret)| Found {
            space,
            delegated,
            secret,
        });
        Some(found.collect())
    }

    /// Looks through the spaces in which this device may admit members.
    async fn look_up(&self) -> MutexGuard<'_, Lookup> {
        let asked_ms = self.clock.now_ms();
        let mut lookup = self.lookup.lock().await;
        if lookup.began_ms.is_some_and(|began| began > asked_ms) {
            return lookup;
        }
        if let Some(began_ms) = lookup.began_ms {
            let age = Duration::from_millis(self.clock.now_ms().saturating_sub(began_ms));
            if let Some(rest) = INTERVAL.checked_sub(age) {
                self.clock.sleep(rest).await;
            }
        }
        lookup.began_ms = Some(self.clock.now_ms());
        let spaces = self.echo.spaces.ask(ListSpaces).await.unwrap_or_default();
        lookup.open.clear();
        lookup.spaces.clear();
        for report in spaces {
            let may_admit = report.role.is_some_and(|role| role.allows(Right::Admit));
            if may_admit && let Some(found) = self.delegated_of(report.space).await {
                let by_id = found.into_iter().map(|f| (f.delegated.invitation, f));
                lookup.open.extend(by_id);
                lookup.spaces.insert(report.space);
            }
        }
        lookup
    }
}
