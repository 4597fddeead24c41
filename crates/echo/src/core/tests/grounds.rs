//! New members while the current epoch may be contested, where older blocks are gone.

use dxos_credentials::Role;
use dxos_protocol::echo::EpochState;

use super::{Net, task};

/// A space of two admins who have dropped what the first epoch stands for, and do not hear of each
/// other any more. The first has created another epoch since.
fn contestable() -> Net {
    let mut net = Net::of(1, &[Role::Admin, Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.settle_duties();
    net.try_epoch(0).unwrap();
    net.settle_duties();
    for number in 0..2 {
        net.try_trim(number, false).unwrap();
    }
    net.disconnect(0, 1);
    net.edit(0, task(2, 2));
    net.try_epoch(0).unwrap();
    net
}

/// The same, and an editor has come and met the first alone.
fn joined() -> Net {
    let mut net = contestable();
    net.meet(0, 2);
    net.settle_duties();
    assert_eq!(net.epoch_state(2), Some((2, EpochState::Current)));
    assert!(net.replicas[2].has(1) && net.replicas[2].has(2));
    net.edit(2, task(3, 3));
    net.settle();
    net
}

#[test]
fn who_came_while_the_current_epoch_may_be_contested_goes_over_to_another() {
    let mut net = joined();
    // The other admin knows of none of it, and its epoch is the one that counts.
    net.edit(1, task(4, 4));
    net.try_epoch(1).unwrap();
    net.try_epoch(1).unwrap();
    for (one, two) in [(0, 1), (1, 2)] {
        net.meet(one, two);
    }
    net.settle_duties();
    for number in 0..3 {
        let state = net.epoch_state(number);
        assert_eq!(state, Some((3, EpochState::Current)), "{number}");
        assert!((1..=4).all(|object| net.replicas[number].has(object)));
    }
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn who_came_while_the_current_epoch_may_be_contested_does_without_it() {
    let mut net = joined();
    // The other admin removes the one who created it, as of before.
    let first = net.replicas[0].space.identity();
    let removed = net.control(1, |space, now_ms, parts| {
        space.remove_member(first, now_ms, parts)
    });
    removed.unwrap();
    net.disconnect(0, 2);
    net.meet(1, 2);
    net.settle_duties();
    for number in [1, 2] {
        let replica = &net.replicas[number];
        assert!(replica.has(1) && !replica.has(2) && replica.has(3));
        let state = net.epoch_state(number);
        assert_eq!(state, Some((1, EpochState::Current)), "{number}");
    }
    net.assert_same(&[1, 2]);
}

#[test]
fn the_snapshot_of_the_ground_is_kept_no_longer_than_it_is_needed() {
    let mut net = contestable();
    let parts = |net: &Net, number| net.rows(number, crate::core::layout::SNAPSHOTS);
    let tidy = |net: &mut Net, number: usize| {
        let replica = &mut net.replicas[number];
        while replica.space.tidy(&replica.store).unwrap() {}
    };
    tidy(&mut net, 0);
    let both = parts(&net, 0);
    net.reopen(0, |_| {});
    tidy(&mut net, 0);
    assert_eq!(parts(&net, 0), both, "also after a restart");
    net.connect(0, 1);
    net.settle_duties();
    tidy(&mut net, 0);
    assert!(parts(&net, 0) < both, "{} of {both}", parts(&net, 0));
    assert_eq!(net.try_trim(0, false).ok(), Some(2));
}
