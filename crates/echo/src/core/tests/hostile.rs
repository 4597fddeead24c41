use dxos_credentials::Role;
use dxos_feed::Run;
use dxos_keys::{FeedId, Signature};
use dxos_protocol::replicate::{Message, SessionError};
use dxos_wire::limits::OFFENCES_MAX;

use super::{Net, task};

/// A net whose replica 0 was just sent `edits` edits by 1: those messages, not delivered.
fn intercepted(edits: u8) -> (Net, Vec<Run>) {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    net.settle();
    for number in 0..edits {
        net.edit(1, task(number, 1));
    }
    let mut runs = Vec::new();
    while net.step() {
        if let Some(queue) = net.links.get_mut(&(1, 0)) {
            queue.retain(|message| match message {
                Message::Run(run) => {
                    runs.push(run.clone());
                    false
                }
                _ => true,
            });
        }
    }
    assert!(!runs.is_empty());
    (net, runs)
}

fn assert_ends_session(mut net: Net, message: &Message) {
    let before = net.replicas[0].hash();
    for _ in 1..OFFENCES_MAX {
        net.deliver(1, 0, message.clone());
        assert_eq!(net.ended, []);
    }
    net.deliver(1, 0, message.clone());
    assert!(
        matches!(&net.ended[..], [(0, 1, SessionError::Offence { .. })]),
        "{:?}",
        net.ended
    );
    assert_eq!(net.replicas[0].hash(), before);
}

#[test]
fn a_forged_run_is_refused_and_the_session_ends() {
    let (net, mut runs) = intercepted(3);
    let run = &mut runs[0];
    run.blocks.last_mut().unwrap().signature = Signature::from_bytes([7; 64]);
    assert_ends_session(net, &Message::Run(run.clone()));
}

#[test]
fn a_run_with_a_truncated_body_is_refused_and_the_session_ends() {
    let (net, mut runs) = intercepted(3);
    let run = &mut runs[0];
    let block = run.blocks.last_mut().unwrap();
    block.body.truncate(block.body.len() - 1);
    assert_ends_session(net, &Message::Run(run.clone()));
}

#[test]
fn blocks_of_a_feed_that_nobody_named_are_refused_and_the_session_ends() {
    let (net, mut runs) = intercepted(1);
    runs[0].feed = FeedId::from_bytes([9; 32]);
    assert_ends_session(net, &Message::Run(runs[0].clone()));
}

#[test]
fn a_replayed_run_changes_nothing() {
    let (mut net, runs) = intercepted(3);
    for run in &runs {
        net.deliver(1, 0, Message::Run(run.clone()));
    }
    net.settle();
    let (hash, blocks) = (net.replicas[0].hash(), net.replicas[0].space.tally.blocks);
    for _ in 0..=OFFENCES_MAX {
        for run in &runs {
            net.deliver(1, 0, Message::Run(run.clone()));
        }
    }
    net.settle();
    assert_eq!(net.replicas[0].hash(), hash);
    assert_eq!(net.replicas[0].space.tally.blocks, blocks);
    net.assert_same(&[0, 1]);
}

#[test]
fn honest_blocks_get_through_after_forged_ones() {
    let (mut net, mut runs) = intercepted(3);
    let run = &mut runs[0];
    run.blocks.last_mut().unwrap().signature = Signature::from_bytes([7; 64]);
    net.deliver(1, 0, Message::Run(run.clone()));
    net.edit(1, task(9, 1));
    net.settle();
    net.assert_same(&[0, 1]);
    assert!(net.replicas[0].has(0) && net.replicas[0].has(9));
}

#[test]
fn a_peer_that_lies_about_our_own_feed_costs_one_incarnation_at_most() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.settle();
    for round in 0..10_u8 {
        let space = &net.replicas[0].space;
        let (feed, _) = space.dag.feeds().find(|(_, s)| s.length > 0).unwrap();
        let state = space.dag.feed(feed).unwrap();
        let head = dxos_protocol::replicate::FeedHead {
            device: space.device(),
            designation: state.descriptor.designation,
            incarnation: space.record.incarnation,
            length: 1000,
            head: state.head,
        };
        let heads = Message::Heads {
            feeds: vec![head],
            complete: false,
        };
        net.deliver(1, 0, heads);
        net.edit(0, task(10 + round, 1));
    }
    assert!(net.replicas[0].space.record.incarnation <= 1);
}
