//! Proofs of forks about devices that are not known, from honest peers and from others.

use bytes::Bytes;
use dxos_credentials::Role;
use dxos_feed::{Block, Designation, FeedDescriptor, FeedState, ForkProof, Run, SignedHeader};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::halo::Authority;
use dxos_protocol::replicate::Message;
use dxos_wire::limits::OFFENCES_MAX;

use super::devices::another;
use super::vouched::block_of;
use super::{Net, authority, task};

/// Two first blocks of a feed, both signed.
fn fork_of(writer: &Authority, descriptor: FeedDescriptor) -> ForkProof {
    let feed = descriptor.id();
    let start = BlockHash::from_bytes([0; 32]);
    let [one, other] = [1, 2].map(|time_ms| {
        let (_, block) = block_of(writer, feed, (0, start, 1), (time_ms, Bytes::new()), true);
        SignedHeader::new(block.header(feed, 0, start), block.signature.unwrap())
    });
    ForkProof::new(descriptor, one, other).unwrap()
}

/// Has `from` show `to` valid proofs about feeds that a device which nobody knows made up.
fn crowd(net: &mut Net, from: usize, to: usize) {
    let invented = authority(200);
    for incarnation in 0..200 {
        let descriptor = FeedDescriptor {
            device: invented.signer.device(),
            space: net.key,
            designation: Designation::Data,
            incarnation,
        };
        let proof = fork_of(&invented, descriptor);
        net.deliver(from, to, Message::ForkProof(Box::new(proof)));
    }
}

fn feed_of(net: &Net, at: usize, writer: &Authority, which: Designation) -> (FeedId, FeedState) {
    let mut feeds = net.replicas[at].space.dag.feeds();
    let found = feeds.find(|(_, state)| {
        let FeedDescriptor {
            device,
            designation,
            ..
        } = state.descriptor;
        (device, designation) == (writer.signer.device(), which)
    });
    let (feed, state) = found.unwrap();
    (*feed, state.clone())
}

/// Has `from` send blocks of a feed of its own.
fn send(net: &mut Net, (from, to): (usize, usize), feed: FeedId, first: u64, blocks: Vec<Block>) {
    let run = Run {
        feed,
        first,
        blocks,
    };
    net.deliver(from, to, Message::Run(run));
}

/// A feed of `writer`, replica `from`, as `to` has it: gets the proof of a fork, and the
/// block before it, for which that proof alone vouches.
fn fork_behind_rubbish(
    net: &mut Net,
    (from, to): (usize, usize),
    writer: &Authority,
    which: Designation,
) -> FeedId {
    let (feed, state) = feed_of(net, to, writer, which);
    let (first, lamport) = (state.length, state.lamport);
    let none = |time_ms| (time_ms, Bytes::new());
    let place = (first, state.head, lamport + 1);
    let (prev, rubbish) = block_of(writer, feed, place, none(1), false);
    let behind = (first + 1, prev, lamport + 2);
    let [one, other] = [1, 2].map(|time_ms| {
        let (_, block) = block_of(writer, feed, behind, none(time_ms), true);
        SignedHeader::new(
            block.header(feed, first + 1, prev),
            block.signature.unwrap(),
        )
    });
    let proof = ForkProof::new(state.descriptor, one, other).unwrap();
    net.deliver(from, to, Message::ForkProof(Box::new(proof)));
    send(net, (from, to), feed, first, vec![rubbish]);
    let state = net.replicas[to].space.dag.feed(&feed).unwrap();
    assert!(state.fork.is_some() && (state.length, state.head) == (first + 1, prev));
    feed
}

#[test]
fn proofs_of_invented_devices_do_not_crowd_out_what_others_show() {
    let mut net = Net::of(1, &[Role::Admin, Role::Editor, Role::Editor]);
    let new = net.join(1, Role::Editor);
    net.edit(new, task(1, 1));
    let twin = net.twin(new);
    net.edit(new, task(2, 1));
    net.edit(twin, task(3, 1));
    net.connect(1, new);
    net.connect(1, twin);
    net.settle();
    assert_eq!(net.replicas[1].forks(), 1);
    // 3 fills whatever room 2 has before it hears of the fork.
    net.connect(2, 3);
    crowd(&mut net, 3, 2);
    net.connect(1, 2);
    let proof = net.replicas[1].space.report(&net.replicas[1].store).forks;
    let proof = proof.into_iter().next().unwrap().proof;
    net.deliver(1, 2, Message::ForkProof(Box::new(proof)));
    net.settle();
    net.connect(0, 2);
    net.settle();
    net.assert_same(&[0, 1, 2]);
    assert_eq!(net.replicas[2].forks(), 1);
}

#[test]
fn a_run_of_a_new_device_that_only_a_proof_vouches_for_is_no_offence() {
    for crowded in [false, true] {
        let mut net = Net::of(2, &[Role::Editor, Role::Editor, Role::Editor]);
        let tablet = another(&authority(2), 77);
        let device = net.adopt(&tablet);
        assert!(net.meet(1, device));
        net.settle_duties();
        let feed = fork_behind_rubbish(&mut net, (device, 1), &tablet, Designation::Control);
        net.disconnect(1, device);
        net.connect(0, 2);
        if crowded {
            net.connect(0, 3);
            crowd(&mut net, 3, 0);
        }
        net.connect(0, 1);
        net.settle();
        net.assert_same(&[0, 1, 2]);
        for number in [0, 2] {
            let state = net.replicas[number].space.dag.feed(&feed).unwrap();
            assert!(
                state.fork.is_some(),
                "replica {number} took the fork for none"
            );
        }
    }
}

#[test]
fn a_run_that_was_on_its_way_when_another_peer_showed_an_earlier_fork_is_no_offence() {
    let mut net = Net::of(3, &[Role::Editor, Role::Editor, Role::Editor]);
    let writer = authority(2);
    net.connect(0, 1);
    net.edit(1, task(1, 1));
    net.settle();
    let (_, start) = feed_of(&net, 0, &writer, Designation::Data);
    let feed = fork_behind_rubbish(&mut net, (1, 0), &writer, Designation::Data);
    net.disconnect(0, 1);
    // 2 asks 0 for the blocks, whose answer is on its way.
    net.connect(0, 2);
    let mut runs = Vec::new();
    while net.step() {
        let queue = net.links.get_mut(&(0, 2)).unwrap();
        queue.retain(|message| match message {
            Message::Run(run) if run.feed == feed => {
                runs.push(run.clone());
                false
            }
            _ => true,
        });
    }
    assert!(
        net.replicas[2]
            .space
            .dag
            .feed(&feed)
            .unwrap()
            .fork
            .is_some()
    );
    // Meanwhile 3 shows it that the device forked before the rubbish, too.
    net.connect(2, 3);
    let place = (start.length, start.head, start.lamport + 1);
    let [one, other] = [3, 4].map(|time_ms| {
        let (_, block) = block_of(&writer, feed, place, (time_ms, Bytes::new()), true);
        SignedHeader::new(
            block.header(feed, start.length, start.head),
            block.signature.unwrap(),
        )
    });
    let proof = ForkProof::new(start.descriptor, one, other).unwrap();
    net.deliver(3, 2, Message::ForkProof(Box::new(proof)));
    assert!(!runs.is_empty());
    for _ in 0..=OFFENCES_MAX {
        for run in &runs {
            net.deliver(0, 2, Message::Run(run.clone()));
        }
    }
    net.settle();
    net.assert_same(&[0, 2]);
    assert!(net.replicas[2].has(1));
}
