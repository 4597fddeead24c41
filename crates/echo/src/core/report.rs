//! What a caller is told of a space.

use std::collections::BTreeSet;

use dxos_credentials::Role;
use dxos_keys::DeviceKey;
use dxos_protocol::echo::{
    ForkReport, MemberReport, SpaceCredential, SpaceReason, SpaceReport, SpaceState, Transferred,
};
use dxos_protocol::history::FeedReport;
use dxos_store::Read;

use super::cache;
use super::layout::{SpaceRecord, TALLIES, Tally, in_space};
use super::past::author;
use super::restoring::Unfinished;
use super::space::{Space, decode_row};

/// What a caller is told of a space that is not open: what the store says of it.
pub(crate) fn closed_report(record: &SpaceRecord, store: &dyn Read) -> SpaceReport {
    let (state, reason) = (SpaceState::Closed, SpaceReason::ClosedByUser);
    let mut report = SpaceReport::of_state(record.space, state, Some(reason));
    let tally = store.get(TALLIES, &in_space(record.number, b""));
    let tally = tally.ok().flatten();
    if let Some(tally) = tally.and_then(|row| decode_row::<Tally>("tally", &row).ok()) {
        report.objects = tally.objects;
        report.blocks = tally.blocks;
    }
    let object = dxos_protocol::echo::properties_object(&record.space);
    if let Ok(Some(state)) = cache::read(store, record.number, &object)
        && let Some(object) = state.object(object)
    {
        let properties = object.properties().iter();
        report.properties = properties
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect();
    }
    report
}

impl Space {
    /// What a caller is told of the space.
    pub(crate) fn report(&self, store: &dyn Read) -> SpaceReport {
        let forks = self.dag.feeds().filter_map(|(feed, state)| {
            let proof = state.fork.clone()?;
            let device = state.descriptor.device;
            Some(ForkReport {
                device,
                feed: *feed,
                seq: proof.seq(),
                proof,
            })
        });
        let (state, reason) = self.state();
        SpaceReport {
            space: self.key(),
            topic: self.topic(),
            state,
            reason,
            error: None,
            transferred: Transferred::default(),
            properties: self.properties(store),
            role: self.role(),
            objects: self.tally.objects,
            blocks: self.tally.blocks,
            receipts: self.receipts.version(),
            missing_blocks: self.sync.missing(&self.dag),
            peers: self.sync.devices().into_iter().collect(),
            forks: forks.collect(),
            departure: self.membership.departure(&self.identity()),
            revoked: self.membership.is_revoked(&self.device()),
            sole_creator: self.membership.sole_creator(&self.identity()),
        }
    }

    /// What the space is good for now, and why not for everything.
    fn state(&self) -> (SpaceState, Option<SpaceReason>) {
        if self.membership.is_revoked(&self.device()) {
            return (SpaceState::Inactive, Some(SpaceReason::Revoked));
        }
        if let Some(departure) = self.membership.departure(&self.identity()) {
            return (SpaceState::Inactive, Some((&departure).into()));
        }
        match self.role() {
            None => (SpaceState::ControlOnly, Some(SpaceReason::AwaitsAdmission)),
            Some(role) if role != Role::Replicator && self.keys.is_empty() => {
                (SpaceState::ControlOnly, Some(SpaceReason::AwaitsContentKey))
            }
            Some(_) => match self.unfinished {
                Some(Unfinished::UnderWay) => {
                    (SpaceState::Initializing, Some(SpaceReason::Restoring))
                }
                Some(Unfinished::CutOff) => (SpaceState::Error, Some(SpaceReason::Restoring)),
                None => (SpaceState::Ready, None),
            },
        }
    }

    /// The members of the space.
    pub(crate) fn members(&self) -> Vec<MemberReport> {
        let mut online: BTreeSet<DeviceKey> = self.sync.devices();
        online.insert(self.device());
        let members = self.membership.members().into_iter();
        let reports = members.map(|(identity, member)| MemberReport {
            identity,
            role: member.role,
            profile: member.profile,
            online: member.devices.keys().any(|device| online.contains(device)),
            devices: member.devices.into_keys().collect(),
        });
        reports.collect()
    }

    /// The feeds of the space that hold something, in the order of their ids.
    pub(crate) fn feed_reports(&self) -> Vec<FeedReport> {
        let feeds = self.dag.feeds().filter(|(_, state)| state.length > 0);
        let reports = feeds.map(|(feed, state)| FeedReport {
            feed: *feed,
            descriptor: state.descriptor,
            author: author(&self.membership, &state.descriptor),
            applied: state.length,
        });
        reports.collect()
    }

    /// All credentials of the space, in causal order.
    pub(crate) fn credentials(&self) -> Vec<SpaceCredential> {
        let blocks = self.membership.blocks();
        let all = blocks.map(|block| SpaceCredential {
            credential: block.credential.clone(),
            counts: self.membership.takes_effect(block),
            lamport: block.lamport,
        });
        all.collect()
    }
}
