//! Removal, leaving, other roles.

use dxos_credentials::{Departure, Role};
use dxos_protocol::auth::Judgement;
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::SessionError;

use super::{Net, authority, task};

/// A creator, an editor and an admin, all connected, with one object of each.
fn space(seed: u64) -> Net {
    let mut net = Net::of(seed, &[Role::Editor, Role::Admin]);
    for (one, two) in [(0, 1), (0, 2), (1, 2)] {
        net.connect(one, two);
    }
    for number in 0..3_u8 {
        net.edit(usize::from(number), task(number, 1));
    }
    net.settle_duties();
    net
}

fn remove(net: &mut Net, by: usize, who: usize) -> Result<(), EchoError> {
    let identity = net.replicas[who].space.identity();
    net.control(by, |space, now_ms, parts| {
        space.remove_member(identity, now_ms, parts)
    })
}

#[test]
fn a_removed_member_keeps_what_was_known_and_gets_nothing_new() {
    for seed in 0..10 {
        let mut net = space(seed);
        remove(&mut net, 0, 1).unwrap();
        net.edit(0, task(10, 1));
        net.settle_duties();
        // It heard of its removal, and its sessions have ended.
        let removed = &net.replicas[1];
        let report = removed.space.report(&removed.store);
        let by = net.replicas[0].space.identity();
        assert_eq!(report.departure, Some(Departure::Removed { by }));
        assert_eq!(report.role, None);
        assert!(!removed.has(10), "seed {seed}");
        let ended: Vec<_> = net.ended.drain(..).collect();
        assert_eq!(ended.len(), 2);
        assert!(
            ended
                .iter()
                .all(|end| (end.1, &end.2) == (1, &SessionError::NotMember))
        );
        // What it wrote before counts; it writes nothing any more.
        net.assert_same(&[0, 2]);
        assert!(net.replicas[2].has(1) && net.replicas[2].has(10));
        let removed = &mut net.replicas[1];
        let refused = removed
            .space
            .commit(task(11, 1), 9, (&removed.store, &mut super::rng(1)));
        assert!(matches!(refused, Err(EchoError::NotPermitted { .. })));
    }
}

#[test]
fn what_a_removal_did_not_know_is_taken_back() {
    let mut net = space(3);
    net.disconnect(0, 1);
    net.disconnect(2, 1);
    net.edit(1, task(20, 1));
    remove(&mut net, 0, 1).unwrap();
    // The other admin met the removed one in the meantime.
    net.disconnect(0, 2);
    net.connect(1, 2);
    net.settle();
    assert!(net.replicas[2].has(20));
    net.connect(0, 2);
    net.settle_duties();
    net.ended.clear();
    net.disconnect(1, 2);
    assert!(!net.replicas[2].has(20) && net.replicas[2].has(1));
    net.assert_same(&[0, 2]);
}

#[test]
fn after_a_removal_there_is_another_key_and_the_removed_does_not_get_it() {
    let mut net = space(4);
    let before = net.replicas[0].space.membership.content_key().unwrap();
    remove(&mut net, 0, 1).unwrap();
    net.settle_duties();
    let after = net.replicas[2].space.membership.content_key().unwrap();
    assert_ne!(before, after);
    assert!(net.replicas[2].space.keys.contains_key(&after));
    assert!(!net.replicas[1].space.keys.contains_key(&after));
    // What is written now opens with the new key alone.
    net.edit(2, task(30, 1));
    net.settle();
    assert!(net.replicas[0].has(30));
}

#[test]
fn who_was_removed_while_away_learns_of_it_and_of_nothing_else() {
    let mut net = space(5);
    net.disconnect(0, 1);
    net.disconnect(2, 1);
    remove(&mut net, 0, 1).unwrap();
    let stranger = net.join(0, Role::Editor);
    net.settle_duties();
    assert!(!net.meet(0, 1));
    assert!(matches!(net.judge(0, 1, true), Judgement::Departed(_)));
    let removed = &net.replicas[1];
    let report = removed.space.report(&removed.store);
    assert!(matches!(report.departure, Some(Departure::Removed { .. })));
    // Who was admitted afterwards is none of its business.
    let known = removed.space.membership.members();
    assert!(!known.contains_key(&net.replicas[stranger].space.identity()));
}

#[test]
fn a_space_that_removed_somebody_admits_new_members() {
    let mut net = space(6);
    net.edit(1, task(40, 1));
    net.settle();
    remove(&mut net, 0, 1).unwrap();
    net.settle_duties();
    net.ended.clear();
    let new = net.join(0, Role::Editor);
    assert!(net.meet(2, new));
    net.edit(new, task(41, 1));
    net.settle_duties();
    net.assert_same(&[0, 2, new]);
    assert!(net.replicas[new].has(40) && net.replicas[0].has(41));
}

#[test]
fn admins_who_remove_each_other_agree_on_the_senior() {
    for seed in 0..10 {
        let mut net = space(seed);
        net.disconnect(0, 2);
        net.disconnect(1, 2);
        remove(&mut net, 2, 0).unwrap();
        remove(&mut net, 0, 2).unwrap();
        net.settle();
        net.connect(0, 2);
        net.connect(1, 2);
        net.settle_duties();
        let roles = |at: usize| {
            let member = |who: usize| {
                let identity = net.replicas[who].space.identity();
                net.replicas[at].space.membership.role_of(&identity)
            };
            [member(0), member(1), member(2)]
        };
        let expected = [Some(Role::Admin), Some(Role::Editor), None];
        for at in 0..3 {
            assert_eq!(roles(at), expected, "seed {seed}, at {at}");
        }
    }
}

#[test]
fn only_admins_remove_and_only_members_are_removed() {
    let mut net = space(7);
    let refused = remove(&mut net, 1, 0);
    assert!(matches!(refused, Err(EchoError::NotPermitted { .. })));
    remove(&mut net, 0, 1).unwrap();
    let again = remove(&mut net, 0, 1);
    assert!(matches!(again, Err(EchoError::NotMember { .. })));
}

fn set_role(net: &mut Net, by: usize, who: usize, role: Role) -> Result<(), EchoError> {
    let identity = net.replicas[who].space.identity();
    net.control(by, |space, now_ms, parts| {
        space.set_role(identity, role, now_ms, parts)
    })
}

#[test]
fn a_lesser_role_takes_away_and_a_greater_one_gives() {
    let mut net = space(8);
    set_role(&mut net, 0, 1, Role::Reader).unwrap();
    net.settle_duties();
    let reader = &mut net.replicas[1];
    let refused = reader
        .space
        .commit(task(50, 1), 9, (&reader.store, &mut super::rng(1)));
    assert!(matches!(refused, Err(EchoError::NotPermitted { .. })));
    assert!(reader.has(1));
    net.edit(0, task(51, 1));
    net.settle_duties();
    assert!(net.replicas[1].has(51));
    set_role(&mut net, 2, 1, Role::Admin).unwrap();
    net.settle_duties();
    net.edit(1, task(52, 1));
    let guest = net.join(1, Role::Editor);
    net.connect(1, guest);
    net.settle_duties();
    net.assert_same(&[0, 1, 2, guest]);
    assert!(net.replicas[0].has(1) && net.replicas[guest].has(52));
}

#[test]
fn a_replicator_reads_nothing_new_and_everything_once_it_may() {
    let mut net = space(9);
    set_role(&mut net, 0, 1, Role::Replicator).unwrap();
    net.edit(0, task(60, 1));
    net.settle_duties();
    assert!(!net.replicas[1].has(60));
    assert_eq!(net.ended, []);
    set_role(&mut net, 0, 1, Role::Reader).unwrap();
    net.settle_duties();
    assert!(net.replicas[1].has(60));
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn the_last_admin_names_another_before_it_leaves() {
    let mut net = Net::of(10, &[Role::Editor, Role::Reader]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.settle_duties();
    let identity = net.replicas[1].space.identity();
    let refused = net.control(0, |space, now_ms, (store, _)| {
        space.leave(None, now_ms, store)
    });
    assert!(matches!(refused, Err(EchoError::LastAdmin { .. })));
    let own = net.replicas[0].space.identity();
    let refused = net.control(0, |space, now_ms, (store, _)| {
        space.leave(Some(own), now_ms, store)
    });
    assert!(matches!(refused, Err(EchoError::LastAdmin { .. })));
    net.control(0, |space, now_ms, (store, _)| {
        space.leave(Some(identity), now_ms, store)
    })
    .unwrap();
    net.connect(1, 2);
    net.settle_duties();
    let left = &net.replicas[0];
    assert_eq!(
        left.space.report(&left.store).departure,
        Some(Departure::Left)
    );
    let next = &net.replicas[1].space;
    assert_eq!(next.role(), Some(Role::Admin));
    // It made a key that the one who left does not have.
    let key = next.membership.content_key().unwrap();
    assert!(next.keys.contains_key(&key) && !left.space.keys.contains_key(&key));
    net.ended.clear();
    net.edit(1, task(70, 1));
    net.settle_duties();
    assert!(net.replicas[2].has(70) && !net.replicas[0].has(70));
}

#[test]
fn whoever_is_alone_in_a_space_stays_its_admin_and_may_leave() {
    let mut net = Net::of(12, &[]);
    for role in [Role::Editor, Role::Reader, Role::Replicator] {
        let refused = set_role(&mut net, 0, 0, role);
        assert!(matches!(refused, Err(EchoError::LastAdmin { .. })));
    }
    set_role(&mut net, 0, 0, Role::Admin).unwrap();
    assert_eq!(net.replicas[0].space.role(), Some(Role::Admin));
    remove(&mut net, 0, 0).unwrap();
    assert_eq!(net.replicas[0].space.role(), None);
}

#[test]
fn a_profile_is_shown_to_others() {
    let mut net = space(11);
    let profile = dxos_credentials::Profile::named("Жанна 🌱");
    net.control(1, |space, now_ms, (store, _)| {
        space.set_profile(profile.clone(), now_ms, store)
    })
    .unwrap();
    net.settle_duties();
    let identity = net.replicas[1].space.identity();
    let shown = net.replicas[0].space.membership.profile(&identity).cloned();
    assert_eq!(shown, Some(profile));
}

#[test]
fn a_key_made_beside_an_admission_and_replaced_reaches_the_guest() {
    for history in [true, false] {
        let mut net = Net::of(13, &[Role::Editor, Role::Admin, Role::Editor]);
        for other in 1..4 {
            net.connect(0, other);
        }
        net.edit(0, task(1, 1));
        net.settle_duties();
        for other in 1..4 {
            net.disconnect(0, other);
        }
        let guest = authority(6);
        let ticket = net.admit_to((0, history), &guest, Role::Editor);
        let guest = net.take_up(&guest, ticket);
        // Nobody here knows of the guest: one key is made beside its admission, and another one.
        remove(&mut net, 2, 1).unwrap();
        net.edit(2, task(2, 1));
        remove(&mut net, 2, 3).unwrap();
        net.edit(2, task(3, 1));
        net.settle_duties();
        net.connect(0, guest);
        net.connect(0, 2);
        net.settle_duties();
        net.edit(2, task(4, 1));
        net.settle_duties();
        let reader = &net.replicas[guest];
        assert!(reader.has(4), "{history}");
        assert_eq!(reader.space.missing_keys().is_empty(), history);
        for before in [1, 2, 3] {
            assert_eq!(reader.has(before), history || before == 3, "{before}");
        }
    }
}
