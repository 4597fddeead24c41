//! Those who were admitted by mistake, and what others built on what they wrote.

use dxos_credentials::{GuestProof, Profile, Role};
use dxos_keys::InvitationId;
use dxos_protocol::echo::{DelegateInvitation, DelegatedProof};

use super::{Guest, Net, authority, task};

impl Net {
    /// Admits somebody by an invitation for one guest; its number.
    fn admit_by(&mut self, host: usize, seed: u8, invitation: InvitationId) -> usize {
        let guest = authority(seed);
        self.now_ms += 1;
        let replica = &mut self.replicas[host];
        let admitted = Guest {
            chain: guest.chain.clone(),
            role: Role::Editor,
            profile: Profile::default(),
            invitation: Some(invitation),
            history: true,
        };
        let parts = (&replica.store as _, &mut self.rng as _);
        let (ticket, outcome) = replica.space.admit(admitted, self.now_ms, parts).unwrap();
        self.carry_out(host, outcome);
        self.take_up(&guest, ticket)
    }
}

#[test]
fn what_the_host_of_a_guest_that_lost_builds_on_it_reaches_everybody() {
    for seed in 0..6 {
        let mut net = Net::of(60 + seed, &[Role::Admin, Role::Reader]);
        net.connect(0, 1);
        net.connect(0, 2);
        net.settle_duties();
        net.disconnect(0, 1);
        let invitation = InvitationId::from_bytes([9; 16]);
        // Two hosts, apart, admit a guest each; one of them will have lost.
        let guests = [
            net.admit_by(0, 101, invitation),
            net.admit_by(1, 102 + u8::try_from(seed).unwrap(), invitation),
        ];
        for (host, guest) in guests.into_iter().enumerate() {
            let number = u8::try_from(10 + host).unwrap();
            net.connect(host, guest);
            net.edit(guest, task(number, 1));
            net.settle_duties();
            assert!(net.replicas[host].has(number));
            // It has seen what its guest wrote, and goes on.
            net.edit(host, task(number + 10, 1));
            let profile = Profile::named(format!("Host {host}"));
            net.control(host, |space, now_ms, (store, _)| {
                space.set_profile(profile, now_ms, store)
            })
            .unwrap();
        }
        net.connect(0, 1);
        net.settle_duties();
        net.edit(0, task(30, 1));
        net.edit(1, task(31, 1));
        net.settle_duties();
        // Nobody is let go but a guest.
        net.ended.retain(|(one, two, _)| one.max(two) < &3);
        net.assert_same(&[0, 1, 2]);
        let has = |task| net.replicas[2].has(task);
        assert!(has(20) && has(21) && has(30) && has(31), "seed {seed}");
        assert!(has(10) != has(11), "one guest is a member and one is not");
    }
}

#[test]
fn what_an_admin_that_was_demoted_meanwhile_builds_on_its_guest_reaches_everybody() {
    let mut net = Net::of(70, &[Role::Admin, Role::Reader]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.settle_duties();
    net.disconnect(0, 1);
    let demoted = authority(2).chain.device().identity;
    net.control(0, |space, now_ms, parts| {
        space.set_role(demoted, Role::Editor, now_ms, parts)
    })
    .unwrap();
    let guest = net.join(1, Role::Editor);
    net.connect(1, guest);
    net.edit(guest, task(10, 1));
    net.settle_duties();
    net.edit(1, task(11, 1));
    net.connect(0, 1);
    net.settle_duties();
    net.edit(1, task(12, 1));
    net.settle_duties();
    net.ended.retain(|(one, two, _)| one.max(two) < &3);
    net.assert_same(&[0, 1, 2]);
    let has = |task| net.replicas[2].has(task);
    assert!(has(11) && has(12) && !has(10));
}

#[test]
fn a_delegated_invitation_is_cancelled_once() {
    let mut net = Net::new(71);
    let invitation = InvitationId::from_bytes([9; 16]);
    let made = DelegateInvitation {
        space: net.key,
        invitation,
        role: Role::Editor,
        single_use: true,
        history: true,
        expires_ms: u64::MAX,
        proof: DelegatedProof::Plain(GuestProof::None),
    };
    net.control(0, |space, now_ms, parts| {
        space.delegate(made, now_ms, parts)
    })
    .unwrap();
    let mut blocks = Vec::new();
    for _ in 0..3 {
        net.control(0, |space, now_ms, (store, _)| {
            space.cancel_delegated(invitation, now_ms, store)
        })
        .unwrap();
        blocks.push(net.replicas[0].space.membership.blocks().count());
    }
    assert!(net.replicas[0].space.membership.delegated().is_empty());
    assert!(blocks.iter().all(|count| *count == blocks[0]), "{blocks:?}");
}
