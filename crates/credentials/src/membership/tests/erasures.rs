//! Which keys an erasure retires, who has to agree, and which key devices are sealed for.

use dxos_keys::{ContentKeyId, SealingSecret};

use super::world::{World, content_key};
use crate::Role::{Admin, Editor, Reader};
use crate::{Assertion, Seen};

impl World {
    fn requested(&self) -> Assertion {
        let space = self.space;
        Assertion::ErasureRequested { space }
    }

    fn acknowledged(&self, device: usize) -> Assertion {
        let request = self.evaluate().erasure().unwrap().request;
        let feed = self.feed(device, dxos_feed::Designation::Data, 0);
        let known = Seen::from([(feed.id(), 3)]);
        let space = self.space;
        Assertion::ErasureAcknowledged {
            space,
            request,
            known,
        }
    }

    fn renewed(&self, n: u8, has_all: bool) -> Assertion {
        Assertion::SealingKeyReplaced {
            space: self.space,
            sealing: SealingSecret::from_seed(&[n; 32]).sealing_key(),
            has_all,
        }
    }
}

fn space(roles: &[crate::Role]) -> World {
    let mut world = World::new(&vec![1; roles.len() + 1]);
    world.populate(roles);
    world.meet_all();
    world
}

#[test]
fn a_request_retires_what_it_knows_and_nothing_else() {
    let mut world = space(&[Admin, Editor]);
    world.write(0, world.content_key(1));
    world.meet_all();
    let by_editor = world.write(2, world.requested());
    assert!(!world.counts(by_editor));
    assert_eq!(world.evaluate().erasure(), None);
    // Of a key that somebody else makes at the same time it does not know.
    world.write(1, world.content_key(2));
    let request = world.write(0, world.requested());
    world.write(0, world.content_key(3));
    world.meet_all();
    assert!(world.counts(request));
    let membership = world.evaluate();
    let erasure = membership.erasure().unwrap();
    assert_eq!(erasure.by, world.key(0));
    assert_eq!(membership.done_by(&erasure), None);
    let retired = membership.retired_by(&erasure.request);
    let retires = |n| retired.contains(&content_key(n));
    assert!(retires(1) && !retires(2) && !retires(3));
    let nowhere: &ContentKeyId = &content_key(9);
    assert!(!retired.contains(nowhere));
}

#[test]
fn an_epoch_that_erases_and_those_after_it_retire_the_keys_whoever_is_removed_later() {
    let mut world = space(&[Admin]);
    world.write(0, world.content_key(1));
    world.meet_all();
    world.write(1, world.requested());
    world.write(1, world.content_key(2));
    let epoch = |world: &World, number, erases| {
        let previous = world.evaluate().epochs().first().map(|epoch| epoch.hash);
        Assertion::Epoch {
            space: world.space,
            number,
            previous,
            snapshot: dxos_keys::StateHash::from_bytes([7; 32]),
            erases,
        }
    };
    let first = epoch(&world, 1, true);
    world.write(1, first);
    world.meet_all();
    let erasing = world.evaluate().epochs()[0];
    let second = epoch(&world, 2, false);
    world.write(0, second);
    world.meet_all();
    let membership = world.evaluate();
    let erasure = membership.erasure().unwrap();
    assert_eq!(membership.done_by(&erasure), Some(erasing));
    let later = membership.epochs()[0];
    assert_eq!((later.number, later.erases), (2, false));
    let retired = membership.retired_at(&later.hash);
    assert_eq!(retired, membership.retired_at(&erasing.hash));
    assert!(retired.contains(&content_key(1)) && !retired.contains(&content_key(2)));
    // What devices have destroyed by then does not come back.
    world.write(0, world.removed(1));
    assert_eq!(world.evaluate().retired_at(&later.hash), retired);
}

#[test]
fn those_who_may_write_are_asked_and_each_answers_for_itself() {
    let mut world = space(&[Editor, Reader]);
    world.write(0, world.content_key(1));
    world.write(0, world.requested());
    world.meet_all();
    let writers = [0, 1].map(|device| world.key(device)).into();
    assert_eq!(world.evaluate().writers(), writers);
    let acknowledged = world.acknowledged(1);
    world.write(1, acknowledged);
    let membership = world.evaluate();
    let request = membership.erasure().unwrap().request;
    let said = membership.erasure_acknowledged(&request);
    assert_eq!(said.keys().copied().collect::<Vec<_>>(), [world.key(1)]);
    assert_eq!(
        said[&world.key(1)].values().copied().collect::<Vec<_>>(),
        [3]
    );
}

#[test]
fn others_seal_for_the_key_that_a_device_named_last() {
    let mut world = space(&[Reader]);
    let device = world.key(1);
    let before = world.evaluate().readers()[&device];
    let give = world.write(0, world.content_key(1));
    world.meet_all();
    world.write(1, world.renewed(1, true));
    let unaware = world.write(0, world.content_key(2));
    world.meet_all();
    let aware = world.write(0, world.content_key(3));
    let membership = world.evaluate();
    let renewed = SealingSecret::from_seed(&[1; 32]).sealing_key();
    assert_ne!(renewed, before);
    assert_eq!(membership.readers()[&device], renewed);
    let member = membership.member(&world.identities[1]).unwrap();
    assert_eq!(member.devices[&device], renewed);
    let has = |membership: &crate::Membership, block: usize| {
        let block = &world.blocks[block];
        membership.renewals().has(&device, block)
    };
    assert!(has(&membership, give) && !has(&membership, unaware) && has(&membership, aware));
    let other = world.key(0);
    assert!(membership.renewals().has(&other, &world.blocks[unaware]));
    // One that has nothing of what was sealed for it before says so.
    let mut world = space(&[Reader]);
    let give = world.write(0, world.content_key(1));
    world.meet_all();
    world.write(1, world.renewed(1, false));
    let membership = world.evaluate();
    assert!(
        !membership
            .renewals()
            .has(&world.key(1), &world.blocks[give])
    );
}
