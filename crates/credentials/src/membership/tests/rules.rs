//! The rules, one by one, as honest members meet them.

use dxos_feed::Timeframe;

use super::world::{World, content_key};
use crate::Refused::{NotMember, Removed, Role as NotAllowed, UnknownDevice};
use crate::Role::{Admin, Editor, Reader, Replicator};
use crate::{Assertion, Profile, Right};

fn space(roles: &[crate::Role]) -> World {
    let mut world = World::new(&vec![1; roles.len() + 1]);
    world.populate(roles);
    world
}

#[test]
fn rule_1_the_creator_and_those_it_admits_are_members() {
    let mut world = space(&[Admin, Editor, Reader, Replicator]);
    let members = world.evaluate().members();
    let role_and_rank = |who: usize| {
        let member = &members[&world.identities[who]];
        assert_eq!(member.devices.len(), 1);
        (member.role, member.rank)
    };
    assert_eq!(role_and_rank(0), (Admin, 0));
    assert_eq!(role_and_rank(1), (Admin, 1));
    assert_eq!(role_and_rank(2), (Editor, 1));
    assert_eq!(role_and_rank(3), (Reader, 1));
    assert_eq!(role_and_rank(4), (Replicator, 1));
    let edits: Vec<_> = (0..5).map(|device| world.edit(device)).collect();
    let judged: Vec<_> = edits.iter().map(|edit| world.judge(edit).err()).collect();
    assert_eq!(
        judged,
        [None, None, None, Some(NotAllowed), Some(NotAllowed)]
    );
    assert_eq!(world.evaluate().readers().len(), 4);
}

#[test]
fn rule_1_an_admission_does_not_reach_back() {
    let mut world = World::new(&[1, 1]);
    world.populate(&[]);
    let early = world.edit(1);
    let admission = world.write(0, world.member(1, Editor));
    let unaware = world.edit(1);
    world.meet_all();
    let late = world.edit(1);
    assert!(world.counts(admission));
    assert_eq!(world.judge(&early), Err(NotMember));
    assert_eq!(world.judge(&unaware), Err(NotMember));
    assert!(world.judge(&late).is_ok());
}

#[test]
fn rule_1_a_chain_shown_later_does_not_reach_back() {
    let mut world = World::new(&[1, 2]);
    let genesis = world.genesis(0);
    world.put(0, 0, &Timeframe::new(), &genesis);
    world.write(0, world.presented(0));
    world.write(0, world.member_with(1, Editor, None));
    world.meet_all();
    let before = world.edit(1);
    world.write(1, world.presented(1));
    let after = world.edit(1);
    assert_eq!(world.judge(&before), Err(UnknownDevice));
    assert!(world.judge(&after).is_ok());
}

#[test]
fn rule_1_only_admins_admit_remove_and_rotate() {
    let mut world = space(&[Admin, Editor, Reader, Replicator]);
    for device in 2..5 {
        for assertion in [
            world.member(device, Admin),
            world.removed(0),
            world.content_key(9),
        ] {
            let block = world.write(device, assertion);
            assert!(!world.counts(block));
        }
    }
    let key = world.write(1, world.content_key(8));
    assert!(world.counts(key));
    assert_eq!(world.evaluate().content_key(), Some(content_key(8)));
    assert_eq!(world.evaluate().members().len(), 5);
}

#[test]
fn rule_2_what_the_remover_knew_stays_and_what_it_did_not_goes() {
    let mut world = space(&[Editor]);
    let known = world.edit(1);
    world.meet_all();
    let unknown = world.edit(1);
    world.write(0, world.removed(1));
    world.meet_all();
    let after = world.edit(1);
    assert!(world.judge(&known).is_ok());
    assert_eq!(world.judge(&unknown), Err(Removed));
    assert!(world.judge(&after).is_err());
    assert_eq!(world.role(1), None);
}

#[test]
fn rule_2_every_removal_has_to_know_it() {
    let mut world = space(&[Admin, Editor]);
    let edit = world.edit(2);
    world.meet(&[0, 2]);
    world.write(0, world.removed(2));
    assert!(world.judge(&edit).is_ok());
    // Another admin removes it too, without having seen the edit.
    world.write(1, world.removed(2));
    assert_eq!(world.judge(&edit), Err(Removed));
}

#[test]
fn rule_2_a_lesser_role_takes_back_what_it_does_not_allow() {
    let mut world = space(&[Admin]);
    let known = world.write(1, world.content_key(1));
    world.meet_all();
    let unknown = world.write(1, world.content_key(2));
    let edit = world.edit(1);
    world.write(0, world.member(1, Editor));
    world.meet_all();
    assert_eq!(world.role(1), Some(Editor));
    assert!(world.counts(known));
    assert!(!world.counts(unknown));
    // An editor may still write, whatever it knew.
    assert!(world.judge(&edit).is_ok());
    world.write(0, world.member(1, Reader));
    assert!(world.judge(&edit).is_ok(), "the admin knew that edit");
    world.write(0, world.member(1, Admin));
    world.meet_all();
    let again = world.write(1, world.content_key(3));
    assert!(world.counts(again));
    assert!(!world.counts(unknown), "promotion does not reach back");
}

#[test]
fn rule_2_the_removal_of_an_admin_undoes_the_admissions_it_did_not_know() {
    let mut world = World::new(&[1, 1, 1, 1]);
    world.populate(&[Admin]);
    world.write(1, world.member(2, Editor));
    world.meet(&[0, 1, 2]);
    world.write(1, world.member(3, Editor));
    world.meet(&[1, 3]);
    let edit = world.edit(3);
    world.write(0, world.removed(1));
    assert_eq!(world.role(2), Some(Editor));
    assert_eq!(world.role(3), None);
    assert_eq!(world.judge(&edit), Err(NotMember));
}

#[test]
fn rule_3_a_readmission_starts_anew() {
    let mut world = space(&[Editor]);
    let lost = world.edit(1);
    world.write(0, world.removed(1));
    world.meet_all();
    let between = world.edit(1);
    world.meet_all();
    world.write(0, world.member(1, Reader));
    world.write(0, world.member(1, Editor));
    world.meet_all();
    let after = world.edit(1);
    assert_eq!(world.judge(&lost), Err(Removed));
    assert!(world.judge(&between).is_err());
    assert!(world.judge(&after).is_ok());
    assert_eq!(world.role(1), Some(Editor));
    // And a second removal is as good as the first.
    let unknown = world.edit(1);
    world.write(0, world.removed(1));
    assert_eq!(world.judge(&unknown), Err(Removed));
    assert_eq!(world.judge(&after), Err(Removed));
}

#[test]
fn rule_3_a_readmission_that_did_not_know_the_removal_gives_nothing_back() {
    let mut world = space(&[Admin, Editor]);
    world.write(0, world.removed(2));
    world.write(1, world.member(2, Editor));
    world.meet_all();
    let edit = world.edit(2);
    assert_eq!(world.role(2), None);
    assert!(world.judge(&edit).is_err());
}

#[test]
fn rule_3_a_readmitted_admin_has_a_new_place_in_the_tree() {
    let mut world = space(&[Admin, Admin]);
    world.write(0, world.removed(1));
    world.meet_all();
    world.write(2, world.member(1, Admin));
    assert_eq!(world.evaluate().members()[&world.identities[1]].rank, 2);
}

#[test]
fn rule_4_mutual_removal_the_senior_stays() {
    let mut world = space(&[Admin]);
    let removal = world.write(0, world.removed(1));
    let counter = world.write(1, world.removed(0));
    assert_eq!((world.role(0), world.role(1)), (Some(Admin), None));
    assert!(world.counts(removal));
    assert!(!world.counts(counter));
}

#[test]
fn rule_4_ties_go_by_key_not_by_time() {
    let mut world = space(&[Admin, Admin]);
    // The one with the greater key is first and has the lesser logical time.
    world.write(2, world.removed(1));
    world.write(1, world.profile("wait"));
    world.write(1, world.removed(2));
    assert_eq!((world.role(1), world.role(2)), (Some(Admin), None));
}

#[test]
fn rule_4_a_cycle_of_three() {
    let mut world = space(&[Admin, Admin, Admin]);
    world.write(1, world.removed(2));
    world.write(2, world.removed(3));
    world.write(3, world.removed(1));
    let roles = [1, 2, 3].map(|who| world.role(who));
    // 1 removes 2, whose removal of 3 falls; so 3 may remove 1.
    assert_eq!(roles, [None, None, Some(Admin)]);
}

#[test]
fn rule_4_a_junior_may_remove_a_senior_that_does_not_object() {
    let mut world = space(&[Admin]);
    let key = world.write(0, world.content_key(1));
    world.write(1, world.removed(0));
    assert_eq!((world.role(0), world.role(1)), (None, Some(Admin)));
    assert!(!world.counts(key));
}

#[test]
fn rule_4_a_reduction_by_a_senior_stands_like_a_removal() {
    let mut world = space(&[Admin]);
    let reduction = world.write(0, world.member(1, Reader));
    world.write(1, world.removed(0));
    assert!(world.counts(reduction));
    assert_eq!((world.role(0), world.role(1)), (Some(Admin), Some(Reader)));
}

#[test]
fn rule_5_concurrent_acts_about_one_member() {
    let mut world = space(&[Admin, Reader]);
    world.write(0, world.member(2, Editor));
    world.meet(&[0, 2]);
    let edit = world.edit(2);
    assert!(world.judge(&edit).is_ok());
    world.write(1, world.member(2, Replicator));
    assert_eq!(world.role(2), Some(Replicator));
    // What was taken away counts also for who pretends not to have heard of it.
    assert_eq!(world.judge(&edit), Err(Removed));
    world.write(0, world.removed(2));
    assert_eq!(world.role(2), None);
}

#[test]
fn rule_5_admitted_twice_at_once_the_lesser_role_holds() {
    let mut world = World::new(&[1, 1, 1]);
    world.populate(&[Admin]);
    world.write(0, world.member(2, Reader));
    world.write(1, world.member(2, Editor));
    world.meet(&[1, 2]);
    let edit = world.edit(2);
    assert_eq!(world.role(2), Some(Reader));
    assert_eq!(world.judge(&edit), Err(Removed));
    world.meet_all();
    world.write(0, world.member(2, Editor));
    world.meet_all();
    let edit = world.edit(2);
    assert!(world.judge(&edit).is_ok());
}

#[test]
fn a_content_key_issued_in_ignorance_of_a_removal_is_not_the_current_one() {
    let mut world = space(&[Admin, Editor]);
    world.write(0, world.removed(2));
    world.write(0, world.content_key(1));
    for n in 2..9 {
        // Sealed for the removed too, and later by its logical time.
        world.write(1, world.content_key(n));
    }
    assert_eq!(world.evaluate().content_key(), Some(content_key(1)));
    world.meet_all();
    world.write(1, world.content_key(10));
    assert_eq!(world.evaluate().content_key(), Some(content_key(10)));
}

#[test]
fn names_and_invitations() {
    let mut world = World::new(&[1, 1]);
    world.populate(&[]);
    let invitation = dxos_keys::InvitationId::from_slice(&[5; dxos_keys::InvitationId::LENGTH]);
    let mut admission = world.member(1, Editor);
    if let Assertion::SpaceMember {
        profile,
        invitation: used,
        ..
    } = &mut admission
    {
        *profile = Profile::named("Ben");
        *used = invitation;
    }
    world.write(0, admission);
    world.meet_all();
    let name = |world: &World| {
        world
            .evaluate()
            .member(&world.identities[1])
            .unwrap()
            .profile
            .display_name
    };
    assert_eq!(name(&world).as_deref(), Some("Ben"));
    assert!(world.evaluate().invitation_used(&invitation.unwrap()));
    world.write(1, world.profile("Бен 🐝"));
    assert_eq!(name(&world).as_deref(), Some("Бен 🐝"));
    let space = world.space;
    world.write(
        1,
        Assertion::MemberProfile {
            space,
            profile: Profile::default(),
        },
    );
    assert_eq!(name(&world), None);
}

#[test]
fn a_cut_forgets() {
    let mut world = space(&[Editor]);
    let removal = world.write(0, world.removed(1));
    let (mut membership, _) = world.insert_all();
    assert_eq!(membership.role_of(&world.identities[1]), None);
    let block = world.blocks.remove(removal);
    membership.cut(&block.feed, block.seq);
    assert_eq!(membership, world.evaluate());
    assert_eq!(membership.role_of(&world.identities[1]), Some(Editor));
}

#[test]
fn what_changes_is_told() {
    let mut world = space(&[Admin, Editor]);
    let before = world.blocks.len();
    world.write(0, world.profile("Ann"));
    world.write(0, world.removed(2));
    world.write(2, world.profile("Cy"));
    world.write(1, world.removed(0));
    let (membership, changes) = world.insert_all();
    assert!(
        changes[..before]
            .iter()
            .all(|change| change.counts && !change.retroactive)
    );
    let told: Vec<_> = changes[before..]
        .iter()
        .map(|c| (c.counts, c.retroactive))
        .collect();
    // The last is by a junior and reaches the removal, which stands, and the profile.
    assert_eq!(
        told,
        [(true, false), (true, true), (false, false), (true, true)]
    );
    assert_eq!(membership, world.evaluate());
    assert!(
        membership
            .judge(
                &world.key(0),
                (&world.blocks[0].feed, 99),
                &world.everything(),
                Right::Read
            )
            .is_err()
    );
}

#[test]
fn rule_2_a_removal_says_what_it_knew_of_the_data() {
    let mut world = space(&[Editor]);
    let (first, second) = (world.edit(1), world.edit(1));
    let control = world.write(1, world.profile("later"));
    let mut removal = world.removed(1);
    if let Assertion::MemberRemoved { seen, .. } = &mut removal {
        seen.insert(first.feed, 1);
        // It is not believed of control blocks.
        seen.insert(world.blocks[control].feed, 99);
    }
    let known = world.just(&[0, 1, 2]);
    world.lie(0, 0, &known, removal);
    assert!(world.judge(&first).is_ok());
    assert_eq!(world.judge(&second), Err(Removed));
    assert!(!world.counts(control));
    assert_eq!(world.insert_all().0, world.evaluate());
}
