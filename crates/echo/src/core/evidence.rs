//! What a device shows to be let into a space's swarm, and what it makes of the other's.

use std::collections::BTreeMap;

use dxos_credentials::DeviceChain;
use dxos_feed::Designation;
use dxos_keys::{DeviceKey, FeedId, IdentityKey};
use dxos_protocol::auth::{Evidence, EvidenceRest, Judgement, Presented};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_protocol::replicate::Message;
use dxos_store::Read;
use serde::{Deserialize, Serialize};

use super::serve::serve;
use super::space::{Outcome, Space};
use super::sync::Serving;

const VERSION: u8 = 1;
/// Blocks of one part: with a last run as large as a credential may be, and with what many short
/// runs take besides, it fits into a frame.
const PART_BYTES: usize = 192 * 1024;
/// Devices that may be let in by their chain before they show it in the space.
const LET_IN_MAX: usize = 1_024;

#[derive(Serialize, Deserialize)]
struct Shown {
    chain: DeviceChain,
    /// The control blocks that admitted the device, for a peer that does not know them yet.
    admission: Option<AdmissionTicket>,
}

impl Space {
    /// What this device shows; `full` when the peer does not know it yet: then the control blocks,
    /// each after its causes, in parts that fit into a frame, from `rest` on.
    pub(crate) fn evidence(
        &self,
        full: bool,
        rest: Option<EvidenceRest>,
        store: &dyn Read,
    ) -> Result<Presented, EchoError> {
        if !full {
            let evidence = self.encode_evidence(None)?;
            return Ok(Presented {
                evidence,
                rest: None,
            });
        }
        let places = rest.map_or_else(|| self.all_control(), |EvidenceRest(places)| places);
        let mut serving = places
            .into_iter()
            .map(|(feed, (next, until))| (feed, Serving { next, until }))
            .collect();
        let (mut messages, blocks) = (Vec::new(), self.blocks(store));
        let more = serve(
            &mut serving,
            PART_BYTES,
            (&self.dag, &blocks),
            &mut messages,
        );
        let more = more.map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        let runs = messages.into_iter().filter_map(|message| match message {
            Message::Run(run) => {
                let descriptor = self.dag.feed(&run.feed)?.descriptor;
                Some((descriptor, vec![run]))
            }
            _ => None,
        });
        let ticket = AdmissionTicket {
            space: self.key(),
            control: runs.collect(),
        };
        let mut evidence = self.encode_evidence(Some(ticket))?;
        evidence.more = more;
        let places = serving.into_iter();
        let places = places.map(|(feed, serving)| (feed, (serving.next, serving.until)));
        Ok(Presented {
            evidence,
            rest: more.then(|| EvidenceRest(places.collect())),
        })
    }

    /// The blocks of all control feeds.
    fn all_control(&self) -> BTreeMap<FeedId, (u64, u64)> {
        let feeds = self.dag.feeds().filter(|(_, state)| {
            state.descriptor.designation == Designation::Control && state.length > 0
        });
        feeds
            .map(|(feed, state)| (*feed, (0, state.length)))
            .collect()
    }

    fn encode_evidence(&self, admission: Option<AdmissionTicket>) -> Result<Evidence, EchoError> {
        let shown = Shown {
            chain: self.authority.chain.clone(),
            admission,
        };
        let bytes = dxos_wire::encode(VERSION, &shown).map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        Ok(Evidence {
            bytes: bytes.into(),
            more: false,
        })
    }

    /// Whether a device that TLS has authenticated belongs here.
    pub(crate) fn judge_evidence(
        &mut self,
        device: &DeviceKey,
        evidence: &Evidence,
        now_ms: u64,
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
            && self
                .take_admission(ticket, now_ms, store, &mut outcome)
                .is_err()
        {
            return (Judgement::Refused, outcome);
        }
        let known = self.membership.authority_of(device).is_some();
        // A device of a member may be new here: its chain proves it, its feed brings it along.
        let of_member = !known
            && self.membership.accepts(&shown.chain)
            && !self.membership.is_revoked(device)
            && self.let_in(*device, shown.chain);
        let judgement = match known || of_member {
            true => Judgement::Admitted,
            false if evidence.more => Judgement::NeedMore,
            false if full => self
                .farewell(&claimed.identity, device, store)
                .map_or(Judgement::Refused, Judgement::Departed),
            false => Judgement::NeedMore,
        };
        (judgement, outcome)
    }

    /// Notes by which chain a device comes in, for it may never show it in the space; `false` when
    /// there is no room.
    fn let_in(&mut self, device: DeviceKey, chain: DeviceChain) -> bool {
        if self.let_in.len() >= LET_IN_MAX {
            let connected = self.sync.devices();
            self.let_in.retain(|device, _| connected.contains(device));
        }
        let room = self.let_in.len() < LET_IN_MAX || self.let_in.contains_key(&device);
        if room {
            self.let_in.insert(device, chain);
        }
        room
    }

    /// Whether a device that was let in does not belong here any more.
    pub(super) fn is_stranger(&self, device: &DeviceKey) -> bool {
        match (self.membership.author(device), self.let_in.get(device)) {
            (Some((identity, _)), _) => {
                self.membership.role_of(&identity).is_none() || self.membership.is_revoked(device)
            }
            (None, Some(chain)) => !self.membership.accepts(chain),
            (None, None) => false,
        }
    }

    /// What shows a device that it, or its identity, does not belong here any more: what took it
    /// away and its causes, and nothing that came after.
    fn farewell(
        &self,
        identity: &IdentityKey,
        device: &DeviceKey,
        store: &dyn Read,
    ) -> Option<Evidence> {
        let dismissal = self.membership.dismissal(identity, device)?;
        let mut past = dismissal.past.clone();
        past.dots.insert(dismissal.feed, dismissal.seq + 1);
        let blocks = self.control_blocks(store, &Outcome::default(), Some(&past));
        let admission = AdmissionTicket {
            space: self.key(),
            control: blocks.ok()?.signed,
        };
        self.encode_evidence(Some(admission)).ok()
    }

    /// Takes in the control blocks by which a device says it was admitted. It has proven that it
    /// knows the space's key; the blocks are held to the same rules as any others.
    fn take_admission(
        &mut self,
        ticket: AdmissionTicket,
        now_ms: u64,
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
        self.settle_members(now_ms, store, outcome)?;
        self.flush(&mut outcome.batch)
    }
}
