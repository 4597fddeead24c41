use dxos_credentials::{Assertion, Role};
use dxos_feed::Run;
use dxos_keys::{ContentKey, DeviceSecret, FeedId, SealingSecret, Signature};
use dxos_protocol::auth::Judgement;
use dxos_protocol::echo::OwnDevices;
use dxos_protocol::replicate::{Message, SessionError};
use dxos_wire::limits::OFFENCES_MAX;

use super::devices::another;
use super::{Net, authority, rng, task};

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
    run.blocks.last_mut().unwrap().signature = Some(Signature::from_bytes([7; 64]));
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
    run.blocks.last_mut().unwrap().signature = Some(Signature::from_bytes([7; 64]));
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

/// Lets so much time pass that a peer that was told to go is gone, and nothing else be done.
fn end_sessions(net: &mut Net, at: usize) -> Vec<(usize, SessionError)> {
    net.settle();
    net.now_ms += 5_000;
    let replica = &mut net.replicas[at];
    let effects = replica.space.tick(net.now_ms, &replica.store).unwrap();
    let outcome = super::Outcome {
        effects,
        ..super::Outcome::default()
    };
    net.carry_out(at, outcome);
    let ended = net.ended.drain(..).filter(|end| end.0 == at);
    ended.map(|end| (end.1, end.2)).collect()
}

fn remove(net: &mut Net, by: usize, who: usize) {
    let identity = net.replicas[who].space.identity();
    let removed = net.control(by, |space, now_ms, parts| {
        space.remove_member(identity, now_ms, parts)
    });
    removed.unwrap();
}

#[test]
fn a_device_that_never_showed_itself_in_the_space_goes_with_its_identity() {
    let mut net = Net::of(30, &[Role::Editor]);
    let silent = net.adopt(&another(&authority(2), 77));
    assert!(net.meet(0, silent));
    // It listens and writes nothing, not even who it is.
    net.settle();
    assert_eq!(end_sessions(&mut net, 0), []);
    remove(&mut net, 0, 1);
    let gone = [(silent, SessionError::NotMember)];
    assert_eq!(end_sessions(&mut net, 0), gone);
}

#[test]
fn who_was_let_in_before_its_removal_and_comes_after_it_is_let_go() {
    let mut net = Net::of(31, &[Role::Editor]);
    let silent = net.adopt(&another(&authority(2), 77));
    assert_eq!(net.judge(0, silent, true), Judgement::Admitted);
    remove(&mut net, 0, 1);
    net.connect(0, 1);
    net.connect(0, silent);
    let mut ended = end_sessions(&mut net, 0);
    ended.sort_by_key(|end| end.0);
    let gone = [1, silent].map(|number| (number, SessionError::NotMember));
    assert_eq!(ended, gone);
}

#[test]
fn a_stolen_device_does_not_keep_keys_from_the_others_with_rubbish() {
    let mut net = Net::of(32, &[Role::Editor]);
    net.edit(0, task(1, 1));
    let laptop = authority(2);
    let (phone, tablet) = (another(&laptop, 77), another(&laptop, 79));
    let stolen = net.adopt(&phone);
    net.connect(0, 1);
    assert!(net.meet(1, stolen));
    net.settle_duties();
    let target = tablet.chain.device();
    net.control(stolen, |space, now_ms, (store, rng)| {
        let mut outcome = space.begin_control(now_ms, store)?;
        let info = *space.key().as_bytes();
        let rubbish = ContentKey::generate(rng);
        let sealed = target.sealing.seal(&info, &rubbish, rng).unwrap();
        let given = Assertion::ContentKey {
            space: space.key(),
            key: space.membership.content_key().unwrap(),
            recipients: vec![(target.device, sealed)],
        };
        space.issue(given, now_ms, store, &mut outcome)?;
        Ok(((), space.end_control(now_ms, store, outcome)?))
    })
    .unwrap();
    net.settle_duties();
    let devices = OwnDevices {
        chains: vec![laptop.chain, tablet.chain.clone()],
        revoked: [(phone.chain.device().device, target.device)].into(),
        ..OwnDevices::default()
    };
    net.replicas[1].space.use_devices(devices, false);
    net.settle_duties();
    let tablet = net.adopt(&tablet);
    assert!(net.meet(1, tablet));
    net.settle_duties();
    assert!(net.replicas[tablet].has(1));
}

#[test]
fn one_member_does_not_crowd_out_the_recovery_keys_of_others() {
    let mut net = Net::of(33, &[Role::Reader]);
    let mut chains = Vec::new();
    let mallory = authority(2);
    for seed in 100..120 {
        let paper = DeviceSecret::generate(&mut rng(seed));
        let sealing = SealingSecret::generate(&mut rng(seed)).sealing_key();
        let chain = mallory
            .chain
            .authorize_recovery_key(&*mallory.signer, &paper, sealing, None);
        chains.push(chain.unwrap());
    }
    let devices = OwnDevices {
        chains,
        ..OwnDevices::default()
    };
    net.replicas[1].space.use_devices(devices, true);
    net.connect(0, 1);
    net.settle_duties();
    assert_eq!(net.replicas[0].space.recovery_keys().len(), 8);
}
