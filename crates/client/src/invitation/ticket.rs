//! Tickets that do not fit into one frame: sent in parts before the message that admits.

use dxos_feed::{FeedDescriptor, Run};
use dxos_protocol::echo::AdmissionTicket;
use dxos_wire::limits::TICKET_BYTES_MAX;

/// Blocks of one part: half a frame, and at most one run more of a quarter.
const PART_BYTES: usize = 512 * 1024;

/// Control feeds with blocks of theirs.
pub(super) type Part = Vec<(FeedDescriptor, Vec<Run>)>;

/// What a run takes besides its blocks, with the descriptor of its feed.
const RUN_OVERHEAD_BYTES: usize = 192;

fn bytes_of(run: &Run) -> usize {
    run.bytes() + RUN_OVERHEAD_BYTES
}

/// Adds a run to the feed that was added to last, or begins with the next one.
fn push(part: &mut Part, descriptor: FeedDescriptor, run: Run) {
    match part.last_mut() {
        Some((last, runs)) if *last == descriptor => runs.push(run),
        _ => part.push((descriptor, vec![run])),
    }
}

/// Leaves in the ticket what fits beside the rest of its message; returns the parts to be sent
/// before.
pub(super) fn split(ticket: &mut AdmissionTicket) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut part, mut bytes) = (Part::new(), 0);
    for (descriptor, runs) in std::mem::take(&mut ticket.control) {
        for run in runs {
            let size = bytes_of(&run);
            if bytes > 0 && bytes + size > PART_BYTES {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            bytes += size;
            push(&mut part, descriptor, run);
        }
    }
    ticket.control = part;
    parts
}

/// The parts that have come so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    control: Part,
    bytes: usize,
}

impl Parts {
    /// Takes a part in; whether it is one and not too much by now.
    pub(super) fn add(&mut self, part: Part) -> bool {
        // Every part has a block at least: they cannot go on for ever within the bound.
        let holds_blocks =
            |runs: &[Run]| !runs.is_empty() && runs.iter().all(|run| !run.blocks.is_empty());
        if part.is_empty() || !part.iter().all(|(_, runs)| holds_blocks(runs)) {
            return false;
        }
        for (descriptor, runs) in part {
            for run in runs {
                self.bytes = self.bytes.saturating_add(run.bytes());
                if self.bytes > TICKET_BYTES_MAX {
                    return false;
                }
                push(&mut self.control, descriptor, run);
            }
        }
        true
    }

    /// The whole ticket, whose end came with the message that admits.
    pub(super) fn complete(&mut self, ticket: AdmissionTicket) -> AdmissionTicket {
        let mut control = std::mem::take(&mut self.control);
        for (descriptor, runs) in ticket.control {
            for run in runs {
                push(&mut control, descriptor, run);
            }
        }
        let space = ticket.space;
        AdmissionTicket { space, control }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_feed::{Block, Designation};
    use dxos_keys::{DeviceKey, Signature, SpaceKey};
    use dxos_protocol::invitation::HostMessage;
    use dxos_wire::limits::FRAME_BYTES_MAX;
    use proptest::prelude::*;

    fn descriptor(device: u8) -> FeedDescriptor {
        FeedDescriptor {
            device: DeviceKey::from_bytes([device; 32]),
            space: SpaceKey::from_bytes([1; 32]),
            designation: Designation::Control,
            incarnation: 0,
        }
    }

    fn run(descriptor: &FeedDescriptor, first: u64, sizes: &[usize]) -> Run {
        let block = |size: &usize| Block {
            lamport: 1,
            time_ms: 2,
            deps: Vec::new(),
            signature: Some(Signature::from_bytes([3; 64])),
            body: vec![4; *size].into(),
        };
        Run {
            feed: descriptor.id(),
            first,
            blocks: sizes.iter().map(block).collect(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_fit_into_frames_and_make_the_same_ticket(
            sizes in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![prop::collection::vec(0..20_000_usize, 1..12), Just(vec![768 * 1024])],
                    1..4,
                ),
                0..20,
            ),
        ) {
            let feeds = (0_u8..).zip(&sizes).map(|(device, runs)| {
                let descriptor = descriptor(device);
                let runs = (0_u64..).zip(runs).map(|(n, sizes)| run(&descriptor, n, sizes));
                (descriptor, runs.collect())
            });
            let space = SpaceKey::from_bytes([1; 32]);
            let whole = AdmissionTicket { space, control: feeds.collect() };
            let mut rest = whole.clone();
            let mut parts = Parts::default();
            for control in split(&mut rest) {
                let message = HostMessage::TicketPart { control: control.clone() };
                prop_assert!(message.encode().unwrap().len() <= FRAME_BYTES_MAX);
                prop_assert!(parts.add(control));
            }
            let addresses = vec!["[2001:db8::1]:4433".to_owned(); 16];
            let message = HostMessage::Admitted { ticket: rest.clone(), addresses };
            prop_assert!(message.encode().unwrap().len() + 16 * 1024 <= FRAME_BYTES_MAX);
            prop_assert_eq!(parts.complete(rest), whole);
        }
    }

    #[test]
    fn parts_that_hold_nothing_or_go_on_for_ever_are_refused() {
        let descriptor = descriptor(1);
        let empty = [
            Vec::new(),
            vec![(descriptor, Vec::new())],
            vec![(descriptor, vec![run(&descriptor, 0, &[])])],
        ];
        for part in empty {
            assert!(!Parts::default().add(part));
        }
        let mut parts = Parts::default();
        let part = vec![(descriptor, vec![run(&descriptor, 0, &[512 * 1024])])];
        let taken = (0..1000).take_while(|_| parts.add(part.clone())).count();
        assert!((100..128).contains(&taken), "{taken}");
    }
}
