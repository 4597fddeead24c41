//! Tickets of a space with a writer that puts rubbish where signatures of inner blocks belong.

use bytes::Bytes;
use dxos_credentials::Role;
use dxos_feed::{Block, Designation, FeedState, ForkProof, Run, SignedHeader};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::replicate::Message;
use dxos_wire::limits::RUN_BYTES_MAX;
use proptest::prelude::*;

use super::vouched::block_of;
use super::{Net, Outcome, authority, task};

/// The control feed of device 1 as replica 0 has it.
fn control_feed(net: &Net) -> (FeedId, FeedState) {
    let mut feeds = net.replicas[0].space.dag.feeds();
    let control = feeds.find(|(_, state)| {
        state.descriptor.device == authority(2).signer.device()
            && state.descriptor.designation == Designation::Control
    });
    let (feed, state) = control.unwrap();
    (*feed, state.clone())
}

/// A net of two, connected, of which 1 has shown itself.
fn begin(seed: u64) -> Net {
    let mut net = Net::of(seed, &[Role::Editor]);
    net.edit(0, task(1, 1));
    net.connect(0, 1);
    net.settle();
    net
}

/// Blocks that mean nothing behind `prev`, each with as large a body, and signed or not.
fn chain(
    feed: FeedId,
    (first, mut prev, lamport): (u64, BlockHash, u64),
    blocks: &[(usize, bool)],
) -> Vec<Block> {
    let mut made = Vec::new();
    for (more, (bytes, is_signed)) in (0..).zip(blocks) {
        let place = (first + more, prev, lamport + more);
        let body = Bytes::from(vec![0; *bytes]);
        let (hash, block) = block_of(&authority(2), feed, place, (1, body), *is_signed);
        made.push(block);
        prev = hash;
    }
    made
}

/// Has 1 write such blocks into its control feed, as one run.
fn write(net: &mut Net, blocks: &[(usize, bool)]) {
    let (feed, state) = control_feed(net);
    let first = state.length;
    let blocks = chain(feed, (first, state.head, state.lamport + 1), blocks);
    let run = Run {
        feed,
        first,
        blocks,
    };
    net.deliver(1, 0, Message::Run(run));
    assert_eq!(net.ended, []);
}

fn ticket(net: &Net) -> AdmissionTicket {
    let host = &net.replicas[0];
    host.space.ticket(&host.store, &Outcome::default()).unwrap()
}

#[test]
fn rubbish_in_place_of_inner_signatures_does_not_spoil_tickets() {
    let mut net = begin(1);
    let half = RUN_BYTES_MAX / 2 + 1;
    let (_, before) = control_feed(&net);
    write(&mut net, &[(half, false), (half, false), (0, true)]);
    // It is not even taken in.
    assert_eq!(control_feed(&net).1.length, before.length);
    net.disconnect(0, 1);
    let new = net.join(0, Role::Editor);
    // It had all it needs from the ticket.
    assert!(net.replicas[new].space.membership.has_genesis());
    net.connect(0, new);
    net.settle();
    net.assert_same(&[0, new]);
    assert!(net.replicas[new].has(1));
}

/// Has 1 fork its control feed behind a block with rubbish for a signature.
fn fork_behind_rubbish(net: &mut Net) {
    let (feed, state) = control_feed(net);
    let (first, lamport) = (state.length, state.lamport);
    let none = |time_ms| (time_ms, Bytes::new());
    let place = (first, state.head, lamport + 1);
    let (prev, rubbish) = block_of(&authority(2), feed, place, none(1), false);
    let last = first + 1;
    let [one, other] = [1, 2].map(|time_ms| {
        let behind = (last, prev, lamport + 2);
        let (_, block) = block_of(&authority(2), feed, behind, none(time_ms), true);
        SignedHeader::new(block.header(feed, last, prev), block.signature.unwrap())
    });
    let proof = ForkProof::new(state.descriptor, one, other).unwrap();
    net.deliver(1, 0, Message::ForkProof(Box::new(proof)));
    let blocks = vec![rubbish];
    let run = Run {
        feed,
        first,
        blocks,
    };
    net.deliver(1, 0, Message::Run(run));
    let (_, state) = control_feed(net);
    assert!(state.fork.is_some() && state.length == last);
}

#[test]
fn an_archive_has_what_only_a_proof_vouches_for_behind_the_proof() {
    let mut net = begin(4);
    fork_behind_rubbish(&mut net);
    net.disconnect(0, 1);
    let archive = net.archive(0);
    let restored = net.restore_anew(&authority(1), archive);
    net.assert_same(&[0, restored]);
}

#[test]
fn blocks_that_only_a_proof_vouches_for_are_left_to_those_who_have_the_proof() {
    let mut net = begin(2);
    // The rubbish is left without a signature.
    fork_behind_rubbish(&mut net);
    assert_eq!(ticket(&net).control, []);
    net.disconnect(0, 1);
    let new = net.join(0, Role::Editor);
    assert!(net.meet(0, new));
    net.settle();
    net.assert_same(&[0, new]);
    assert!(net.replicas[new].has(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_ticket_has_every_block_and_all_its_runs_end_with_a_signature(
        blocks in prop::collection::vec(0..RUN_BYTES_MAX / 3, 0..12),
    ) {
        let mut net = begin(3);
        for bytes in blocks {
            write(&mut net, &[(bytes, true)]);
        }
        let (feed, state) = control_feed(&net);
        let ticket = ticket(&net);
        let runs = ticket.control.iter().find(|(found, _)| found.id() == feed);
        let mut prev = BlockHash::from_bytes([0; 32]);
        let mut next = 0;
        for run in &runs.unwrap().1 {
            prop_assert_eq!(run.first, next);
            let mut signed = false;
            for block in &run.blocks {
                prev = block.header(feed, next, prev).hash();
                signed = block.is_signed_by(&state.descriptor.device, &prev);
                next += 1;
            }
            prop_assert!(signed);
        }
        prop_assert_eq!((next, prev), (state.length, state.head));
    }
}
