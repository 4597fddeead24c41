//! Invitations for one guest, used more than once.

use super::world::World;
use crate::Role::{Admin, Editor, Reader};
use crate::{Assertion, Departure, Refused};

/// Two admins, the creator and the one it admitted, who both host the same invitation, and two
/// guests.
fn race() -> World {
    let mut world = World::new(&[1, 1, 1, 1]);
    world.populate(&[Admin]);
    world
}

#[test]
fn two_hosts_that_race_admit_one_guest() {
    for first in [0, 1] {
        let mut world = race();
        // Whoever writes first has the lesser logical time; the senior host wins all the same.
        let guests = [2, 3];
        world.write(first, world.invited(guests[first], Editor, 7));
        world.write(1 - first, world.profile("wait"));
        world.write(1 - first, world.invited(guests[1 - first], Editor, 7));
        assert_eq!(world.role(2), Some(Editor), "the guest of the creator");
        assert_eq!(world.role(3), None);
        let membership = world.evaluate();
        let lost = membership.departure(&world.identities[3]);
        assert!(matches!(lost, Some(Departure::InvitationLost { .. })));
        assert_eq!(membership.departure(&world.identities[2]), None);
        let (inserted, changes) = world.insert_all();
        assert_eq!(inserted, membership);
        // The winner was admitted last in one of the two orders.
        assert_eq!(changes.last().unwrap().retroactive, first == 1);
    }
}

#[test]
fn what_the_other_guest_wrote_stops_counting_and_nothing_else_does() {
    let mut world = race();
    world.write(1, world.invited(3, Editor, 7));
    world.meet(&[1, 3]);
    world.write(3, world.presented(3));
    let (of_guest, of_host) = (world.edit(3), world.edit(1));
    assert!(world.judge(&of_guest).is_ok());
    world.write(0, world.invited(2, Editor, 7));
    assert_eq!(world.judge(&of_guest), Err(Refused::NotMember));
    assert!(world.judge(&of_host).is_ok());
    // A new invitation lets it in again, with what it writes from then on.
    world.meet_all();
    world.write(0, world.invited(3, Reader, 8));
    world.meet_all();
    assert_eq!(world.role(3), Some(Reader));
}

#[test]
fn an_invitation_that_is_known_to_be_used_admits_nobody_else() {
    let mut world = race();
    world.write(1, world.invited(3, Editor, 7));
    world.meet(&[0, 1]);
    // The senior admin cannot take back by this what it knew of.
    let second = world.write(0, world.invited(2, Admin, 7));
    assert!(!world.counts(second));
    assert_eq!((world.role(2), world.role(3)), (None, Some(Editor)));
    // The same guest may be admitted twice, as when its ticket was lost.
    world.meet_all();
    let again = world.write(0, world.invited(3, Editor, 7));
    assert!(world.counts(again));
}

#[test]
fn an_admission_by_a_removed_host_uses_up_nothing() {
    let mut world = race();
    world.write(1, world.invited(3, Editor, 7));
    world.write(0, world.removed(1));
    world.write(0, world.invited(2, Editor, 7));
    assert_eq!((world.role(2), world.role(3)), (Some(Editor), None));
    assert_eq!(world.insert_all().0, world.evaluate());
}

#[test]
fn acts_of_the_other_guest_are_undone() {
    let mut world = race();
    world.write(1, world.invited(3, Admin, 7));
    world.meet(&[1, 3]);
    world.write(3, world.presented(3));
    let removal = world.write(3, world.removed(1));
    assert!(world.counts(removal));
    world.write(0, world.invited(2, Editor, 7));
    assert!(!world.counts(removal));
    assert_eq!(world.role(1), Some(Admin));
    assert_eq!(world.insert_all().0, world.evaluate());
}

#[test]
fn delegated_invitations_are_open_until_used_or_cancelled() {
    let mut world = race();
    let delegated = |world: &World, invitation: u8, single_use| {
        let space = world.space;
        Assertion::DelegatedInvitation {
            space,
            invitation: dxos_keys::InvitationId::from_bytes([invitation; 16]),
            role: Editor,
            single_use,
            history: true,
            expires_ms: 5,
            proof: crate::GuestProof::None,
        }
    };
    for (invitation, single_use) in [(7, true), (8, false), (9, true)] {
        world.write(0, delegated(&world, invitation, single_use));
    }
    // Nobody without the right makes one.
    world.write(2, delegated(&world, 10, false));
    world.meet_all();
    assert_eq!(world.evaluate().delegated().len(), 3);
    world.write(1, world.invited(2, Editor, 7));
    let space = world.space;
    let invitation = dxos_keys::InvitationId::from_bytes([9; 16]);
    world.write(1, Assertion::InvitationCancelled { space, invitation });
    let open = world.evaluate().delegated();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].by, world.identities[0]);
    assert!(!open[0].single_use);
}

#[test]
fn when_the_host_that_won_is_removed_the_other_guest_is_admitted_after_all() {
    let mut world = race();
    world.write(0, world.invited(2, Editor, 7));
    world.write(1, world.invited(3, Editor, 7));
    assert_eq!((world.role(2), world.role(3)), (Some(Editor), None));
    // The junior host had removed the other, which does not object: its admission falls.
    let past = world.just(&[0, 1, 2]);
    world.lie(1, 1, &past, world.removed(0));
    assert_eq!((world.role(2), world.role(3)), (None, Some(Editor)));
    let membership = world.evaluate();
    assert_eq!(membership.departure(&world.identities[3]), None);
    let (inserted, changes) = world.insert_all();
    assert!(changes.last().unwrap().retroactive);
    assert_eq!(inserted, membership);
}

#[test]
fn an_admission_that_does_not_count_takes_no_role_away() {
    let mut world = race();
    world.write(0, world.invited(2, Editor, 7));
    world.write(1, world.member(3, Editor));
    // Its writer knows that the invitation is used, and nothing of the other admission.
    let lesser = world.write(0, world.invited(3, Reader, 7));
    assert!(!world.counts(lesser));
    assert_eq!(world.role(3), Some(Editor));
    world.meet_all();
    world.write(3, world.presented(3));
    let edit = world.edit(3);
    assert!(world.judge(&edit).is_ok());
    assert_eq!(world.insert_all().0, world.evaluate());
}

#[test]
fn who_may_not_admit_makes_nobody_lose_an_invitation() {
    let mut world = race();
    world.write(0, world.invited(2, Editor, 7));
    world.meet_all();
    world.write(2, world.presented(2));
    world.write(2, world.invited(3, Editor, 7));
    assert_eq!(world.evaluate().departure(&world.identities[3]), None);
}
