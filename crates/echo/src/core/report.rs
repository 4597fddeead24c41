//! What a caller is told of a space.

use std::collections::BTreeSet;

use dxos_keys::DeviceKey;
use dxos_protocol::echo::{ForkReport, MemberReport, SpaceCredential, SpaceReport, SpaceState};
use dxos_protocol::history::FeedReport;
use dxos_store::Read;

use super::past::author;
use super::space::Space;

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
        SpaceReport {
            space: self.key(),
            topic: self.topic(),
            state: SpaceState::Ready,
            error: None,
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
