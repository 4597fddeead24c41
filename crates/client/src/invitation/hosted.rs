//! One invitation that a client hosts: its state machine, its guests' streams and what shows of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use dxos_keys::{DeviceKey, InvitationId, SpaceKey};
use dxos_protocol::invitation::{HostMessage, InvitationKind, InvitationType, Refusal};
use dxos_store::StoreError;
use tokio::sync::{mpsc, watch};

use super::host::{ExchangeId, HostInvitation, Progress};
use super::record::{HostProof, Record, Records};
use super::registry::lock;
use super::terms::GuestKey;
use super::{InvitationError, InvitationState, InvitationStatus};

/// An invitation that this client hosts.
pub(super) struct Hosted {
    pub(super) id: InvitationId,
    pub(super) kind: InvitationKind,
    pub(super) invitation_type: InvitationType,
    /// The space, or the one in which the identity keeps its devices.
    pub(super) space: SpaceKey,
    pub(super) target: Option<String>,
    pub(super) proof: HostProof,
    pub(super) status: watch::Sender<InvitationStatus>,
    state: Mutex<HostedState>,
}

pub(super) struct HostedState {
    pub(super) machine: HostInvitation,
    /// What is sent to each guest. Not bounded by itself: the state machine answers a message
    /// with at most two, and with a ticket once.
    pub(super) outlets: BTreeMap<ExchangeId, mpsc::UnboundedSender<HostMessage>>,
    pub(super) next_exchange: u64,
    pub(super) record: Record,
    /// Whether it is to outlive a restart.
    pub(super) persistent: bool,
}

impl Hosted {
    pub(super) fn new(
        id: InvitationId,
        (record, persistent): (Record, bool),
        proof: HostProof,
        device: DeviceKey,
    ) -> Self {
        let terms = record.terms(id, proof.challenge());
        let mut status = InvitationStatus::new(InvitationState::Init, Some(record.space));
        if let Some(refusal) = record.usage.ended {
            let error = own_error(refusal);
            status.state = error.state();
            status.error = Some(error);
        }
        let machine = HostInvitation::new(terms, record.usage.clone(), device);
        if machine.is_used_up() {
            status.state = InvitationState::Success;
        }
        Self {
            id,
            kind: record.kind,
            invitation_type: record.invitation_type,
            space: record.space,
            target: record.target.clone(),
            proof,
            status: watch::Sender::new(status),
            state: Mutex::new(HostedState {
                machine,
                outlets: BTreeMap::new(),
                next_exchange: 0,
                record,
                persistent,
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, HostedState> {
        lock(&self.state)
    }

    /// Whether a guest may still come.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state();
        state.machine.ended().is_none() && !state.machine.is_used_up()
    }

    pub(super) fn report(&self, progress: Progress, single_use: bool) {
        self.status.send_modify(|status| {
            // What later guests of a used invitation do does not show.
            if status.state.is_final() {
                return;
            }
            match progress {
                Progress::Connected => status.state = InvitationState::Connected,
                Progress::ReadyForAuthentication => {
                    status.state = InvitationState::ReadyForAuthentication;
                }
                Progress::Authenticating => status.state = InvitationState::Authenticating,
                Progress::WrongCode { attempts_left } => {
                    status.state = InvitationState::ReadyForAuthentication;
                    status.attempts_left = Some(attempts_left);
                }
                Progress::Admitted(guest) => {
                    match guest {
                        GuestKey::Identity(identity) => status.identity = Some(identity),
                        GuestKey::Device(device) => status.device = Some(device),
                    }
                    status.state = if single_use {
                        InvitationState::Success
                    } else {
                        InvitationState::Init
                    };
                }
                Progress::GuestLeft => status.state = InvitationState::Init,
                Progress::Ended(refusal) => {
                    let error = own_error(refusal);
                    status.state = error.state();
                    status.error = Some(error);
                }
            }
        });
    }
}

/// To the guest it is a refusal; this side did it itself.
fn own_error(refusal: Refusal) -> InvitationError {
    match refusal {
        Refusal::Cancelled => InvitationError::Cancelled,
        Refusal::Expired => InvitationError::Expired,
        refusal => InvitationError::Refused(refusal),
    }
}

impl HostedState {
    /// Puts onto the disk what became of the invitation. What is over is not kept.
    pub(super) fn save(&mut self, id: &InvitationId, records: &Records) -> Result<(), StoreError> {
        self.record.usage = self.machine.usage().clone();
        if !self.persistent {
            return Ok(());
        }
        if self.machine.ended() == Some(Refusal::Expired) {
            return records.remove(&[*id]);
        }
        records.put(id, &self.record)
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_over(&self) -> bool {
        let over = self.machine.ended().is_some() || self.machine.is_used_up();
        over && self.outlets.is_empty()
    }
}
