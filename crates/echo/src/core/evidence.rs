//! What a device shows to be let into a space's swarm, and what it makes of the other's.

use dxos_credentials::DeviceChain;
use dxos_feed::Designation;
use dxos_keys::DeviceKey;
use dxos_protocol::auth::{Evidence, Judgement};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_store::Read;
use serde::{Deserialize, Serialize};

use super::space::{Outcome, Space};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Shown {
    chain: DeviceChain,
    /// The control blocks that admitted the device, for a peer that does not know them yet.
    admission: Option<AdmissionTicket>,
}

impl Space {
    /// What this device shows; `full` when the peer does not know it yet.
    pub(crate) fn evidence(&self, full: bool, store: &dyn Read) -> Result<Evidence, EchoError> {
        let admission = if full {
            Some(self.ticket(store, &Outcome::default())?)
        } else {
            None
        };
        let shown = Shown {
            chain: self.authority.chain.clone(),
            admission,
        };
        let bytes = dxos_wire::encode(VERSION, &shown).map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        Ok(Evidence {
            bytes: bytes.into(),
        })
    }

    /// Whether a device that TLS has authenticated belongs here.
    pub(crate) fn judge_evidence(
        &mut self,
        device: &DeviceKey,
        evidence: &Evidence,
        store: &dyn Read,
    ) -> (Judgement, Outcome) {
        let mut outcome = Outcome::default();
        let Ok(shown) = dxos_wire::decode::<Shown>(VERSION, &evidence.bytes) else {
            return (Judgement::Refused, outcome);
        };
        let claimed = shown.chain.device();
        if claimed.device != *device {
            return (Judgement::Refused, outcome);
        }
        let full = shown.admission.is_some();
        if let Some(ticket) = shown.admission
            && self.take_admission(ticket, store, &mut outcome).is_err()
        {
            return (Judgement::Refused, outcome);
        }
        let known = self.membership.authority_of(device).is_some();
        // A device of a member may be new here: its chain proves it, its feed brings it along.
        let of_member = self.membership.role_of(&claimed.identity).is_some()
            && !self.membership.is_revoked(device);
        let judgement = match known || of_member {
            true => Judgement::Admitted,
            false if full => Judgement::Refused,
            false => Judgement::NeedMore,
        };
        (judgement, outcome)
    }

    /// Takes in the control blocks by which a device says it was admitted. It has proven that it
    /// knows the space's key; the blocks are held to the same rules as any others.
    fn take_admission(
        &mut self,
        ticket: AdmissionTicket,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if ticket.space != self.key() {
            return Ok(());
        }
        let mut rest = ticket.control;
        loop {
            let before = rest.len();
            let mut later = Vec::new();
            for (descriptor, runs) in rest {
                let feed = descriptor.id();
                let control = descriptor.designation == Designation::Control;
                let known = self.dag.feed(&feed).is_some();
                let welcome = known
                    || runs
                        .first()
                        .is_some_and(|run| self.may_have_feed(&descriptor, run));
                if !control || runs.iter().any(|run| run.feed != feed) {
                    continue;
                }
                if !welcome || self.dag.register(descriptor).is_err() {
                    later.push((descriptor, runs));
                    continue;
                }
                for run in runs {
                    let (grown, result) = self.insert(run, store, outcome);
                    self.tell_of(&grown, outcome);
                    if let Err(error) = result {
                        tracing::debug!(%error, "a part of an admission was refused");
                        break;
                    }
                }
            }
            if later.is_empty() || later.len() == before {
                break;
            }
            rest = later;
        }
        self.settle_members(store, outcome)?;
        self.flush(&mut outcome.batch)
    }
}
