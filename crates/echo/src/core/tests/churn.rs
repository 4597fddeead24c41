//! Members, devices and admins that come and go without end, to keep others busy.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_credentials::{Assertion, DeviceChain, Profile, Role, Seen};
use dxos_keys::{DeviceKey, DeviceSecret, IdentitySecret, SealingSecret};
use dxos_protocol::halo::Authority;
use dxos_wire::limits::DEVICES_PER_IDENTITY_MAX;

use super::super::duties::{LATEST_MS, ROTATIONS, STEP_MAX, STEPS};
use super::super::pace::Limits;
use super::devices::{another, own};
use super::{Net, authority, task};

/// How often something is done in a time at most, by the rule of the pace.
fn at_most(limits: Limits, ms: u64) -> u64 {
    let doublings = (limits.longest_ms / limits.first_ms).ilog2() + 1;
    let every_ms = limits.longest_ms.min(limits.recovery_ms);
    u64::from(limits.free + doublings) + ms / every_ms
}

/// What a device has written into its control feeds and sealed for others there.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    blocks: u64,
    rotations: u64,
    sealed: u64,
    bytes: u64,
}

impl Work {
    fn since(self, before: Self) -> Self {
        Self {
            blocks: self.blocks - before.blocks,
            rotations: self.rotations - before.rotations,
            sealed: self.sealed - before.sealed,
            bytes: self.bytes - before.bytes,
        }
    }
}

impl Net {
    fn work_of(&self, number: usize) -> Work {
        let space = &self.replicas[number].space;
        let mut work = Work::default();
        let mut keys = BTreeSet::new();
        for block in space.membership.blocks() {
            let by = block.descriptor.device;
            if let Assertion::ContentKey { key, .. } = block.credential.assertion() {
                let is_new = keys.insert(*key);
                work.rotations += u64::from(is_new && by == space.device());
            }
            if by != space.device() {
                continue;
            }
            work.blocks += 1;
            work.bytes += block.credential.encode().len() as u64;
            if let Assertion::ContentKey { recipients, .. } = block.credential.assertion() {
                work.sealed += recipients.len() as u64;
            }
        }
        work
    }

    /// Time passes, and these replicas do what is due; the others lie in wait.
    fn pass(&mut self, ms: u64, honest: &[usize]) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.now_ms = until_ms.min(self.now_ms + 250);
            for number in honest {
                self.do_duties(*number);
            }
            self.settle();
        }
    }

    /// A device of `number` says something that no honest program has it say.
    fn say(&mut self, number: usize, assertions: Vec<Assertion>) {
        self.control(number, |space, now_ms, (store, _)| {
            let mut outcome = space.begin_control(now_ms, store)?;
            for assertion in assertions {
                space.issue(assertion, now_ms, store, &mut outcome)?;
            }
            Ok(((), space.end_control(now_ms, store, outcome)?))
        })
        .unwrap();
    }

    /// The creator makes so many keys, and all that are connected hear of it.
    fn rotate(&mut self, times: usize) {
        for _ in 0..times {
            self.control(0, |space, now_ms, (store, rng)| {
                let mut outcome = space.begin_control(now_ms, store)?;
                space.rotate_key(now_ms, (store, rng), &mut outcome)?;
                Ok(((), space.end_control(now_ms, store, outcome)?))
            })
            .unwrap();
        }
        self.settle();
    }

    fn mint(&mut self, of: &Authority) -> DeviceChain {
        let device = DeviceSecret::generate(&mut self.rng).device();
        let sealing = SealingSecret::generate(&mut self.rng).sealing_key();
        of.chain.authorize(&*of.signer, device, sealing).unwrap()
    }

    /// Another device of the identity of `of`, that goes before this one.
    fn before(&mut self, of: &Authority, this: DeviceKey) -> Authority {
        loop {
            let device = DeviceSecret::generate(&mut self.rng);
            let sealing = SealingSecret::generate(&mut self.rng);
            if device.device() < this {
                let chain = of
                    .chain
                    .authorize(&*of.signer, device.device(), sealing.sealing_key());
                return Authority {
                    chain: chain.unwrap(),
                    profile: Profile::default(),
                    sealing,
                    former: None,
                    recovery: None,
                    signer: Arc::new(device),
                };
            }
        }
    }

    fn shown(&self, chain: DeviceChain) -> Assertion {
        Assertion::DevicePresented {
            space: self.key,
            chain,
            halo: None,
        }
    }

    /// When, from now on, the key in use is one that was made in knowledge of all removals.
    fn rotated_after(&mut self, honest: &[usize]) -> u64 {
        let from_ms = self.now_ms;
        while self.replicas[honest[0]].space.membership.rotation_due() {
            self.pass(250, honest);
            assert!(self.now_ms < from_ms + 10 * LATEST_MS);
        }
        self.now_ms - from_ms
    }
}

fn revoked(of: &Authority, device: DeviceKey) -> Assertion {
    Assertion::DeviceRevoked {
        identity: of.chain.device().identity,
        device,
        seen: Seen::new(),
        repeats: None,
    }
}

/// A space of an admin, an editor with a phone, and a hostile editor. All are connected.
fn space(seed: u64) -> (Net, Authority, Authority) {
    let mut net = Net::of(seed, &[Role::Editor, Role::Editor]);
    let (laptop, liar) = (authority(2), authority(3));
    net.connect(0, 1);
    net.connect(0, 2);
    let phone = another(&laptop, 77);
    let number = net.adopt(&phone);
    assert_eq!(number, 3);
    let devices = own(&[&laptop.chain, &phone.chain], &[]);
    net.replicas[1].space.use_devices(devices, false);
    net.settle_duties();
    assert!(net.meet(0, 3));
    net.settle_duties();
    net.edit(3, task(1, 1));
    net.settle_duties();
    assert!(net.replicas[1].has(1));
    (net, phone, liar)
}

#[test]
fn a_member_that_makes_and_revokes_devices_without_end_costs_others_little() {
    let (mut net, phone, liar) = space(60);
    net.pass(600_000, &[0, 1]);
    let before = [0, 1].map(|number| net.work_of(number));
    let started_ms = net.now_ms;
    let stolen = phone.chain.device().device;
    let mut waited_ms = None;
    for round in 0..100 {
        for _ in 0..10 {
            let chain = net.mint(&liar);
            let device = chain.device().device;
            net.say(2, vec![net.shown(chain), revoked(&liar, device)]);
        }
        net.pass(1_000, &[0, 1]);
        if round == 60 {
            // In the midst of it the editor loses the phone.
            net.control(1, |space, now_ms, parts| {
                space.revoke_device(stolen, now_ms, parts)
            })
            .unwrap();
            net.settle();
            waited_ms = Some(net.rotated_after(&[0, 1]));
            net.edit(1, task(2, 1));
        }
    }
    let waited_ms = waited_ms.unwrap();
    assert!(waited_ms <= LATEST_MS, "{waited_ms} ms");
    let (spent_ms, readers) = (net.now_ms - started_ms, 3 + 1);
    for (number, before) in [0, 1].into_iter().zip(before) {
        let work = net.work_of(number).since(before);
        let rotations = at_most(ROTATIONS, spent_ms);
        let steps = at_most(STEPS, spent_ms);
        assert!(work.rotations <= rotations, "{number}: {work:?}");
        // Besides what it said itself.
        assert!(
            work.blocks <= rotations + 2 * steps + 1,
            "{number}: {work:?}"
        );
        assert!(
            work.sealed <= rotations * readers + steps,
            "{number}: {work:?}"
        );
        assert!(work.bytes <= 1_024 * work.blocks, "{number}: {work:?}");
    }
    let work = net.work_of(0).since(before[0]);
    assert!(work.rotations > 1);
    // The thief reads no more than it could, and everybody else reads all.
    net.pass(LATEST_MS, &[0, 1]);
    assert!(net.replicas[0].has(2) && !net.replicas[3].has(2));
    let current = net.replicas[0].space.membership.content_key().unwrap();
    for (number, has) in [(0, true), (1, true), (2, true), (3, false)] {
        let keys = &net.replicas[number].space.keys;
        assert_eq!(keys.contains_key(&current), has, "{number}");
    }
}

#[test]
fn a_member_that_shows_a_thousand_devices_gets_keys_for_a_few_of_them_in_steps() {
    let (mut net, _, liar) = space(61);
    net.pass(600_000, &[0, 1]);
    let (before, started_ms) = (net.work_of(0), net.now_ms);
    for _ in 0..20 {
        let chains: Vec<_> = (0..50).map(|_| net.mint(&liar)).collect();
        let shown = chains.into_iter().map(|chain| net.shown(chain)).collect();
        net.say(2, shown);
        let made = net.work_of(0);
        net.pass(250, &[0, 1]);
        assert!(net.work_of(0).since(made).sealed <= STEP_MAX as u64);
        net.pass(750, &[0, 1]);
    }
    net.pass(LATEST_MS, &[0, 1]);
    let liar = liar.chain.device().identity;
    let member = net.replicas[0].space.membership.member(&liar).unwrap();
    assert_eq!(member.devices.len(), DEVICES_PER_IDENTITY_MAX);
    assert!(!net.replicas[0].space.has_duty());
    let (work, steps) = (
        net.work_of(0).since(before),
        at_most(STEPS, net.now_ms - started_ms),
    );
    assert_eq!(work.rotations, 0);
    assert!(work.blocks <= steps, "{work:?}");
    // Some had room only until others came that go first.
    assert!(work.sealed <= 1_000, "{work:?}");
    net.edit(0, task(2, 1));
    net.pass(1_000, &[0, 1]);
    assert!(net.replicas[1].has(2));
}

#[test]
fn an_admin_that_admits_and_removes_without_end_costs_others_little() {
    let mut net = Net::of(62, &[Role::Editor, Role::Admin]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.settle_duties();
    net.pass(600_000, &[0, 1]);
    let (before, started_ms) = (net.work_of(0), net.now_ms);
    let space = net.key;
    for _ in 0..40 {
        let mut said = Vec::new();
        for _ in 0..25 {
            let secret = IdentitySecret::generate(&mut net.rng);
            let device = DeviceSecret::generate(&mut net.rng).device();
            let sealing = SealingSecret::generate(&mut net.rng).sealing_key();
            let identity = secret.identity();
            said.push(Assertion::SpaceMember {
                space,
                identity,
                role: Role::Reader,
                profile: Profile::default(),
                chain: Some(DeviceChain::genesis(secret, device, sealing)),
                invitation: None,
                seen: Seen::new(),
            });
            said.push(Assertion::MemberRemoved {
                space,
                identity,
                seen: Seen::new(),
            });
        }
        net.say(2, said);
        net.pass(2_500, &[0, 1]);
    }
    let waited_ms = net.rotated_after(&[0, 1]);
    assert!(waited_ms <= LATEST_MS, "{waited_ms} ms");
    let (work, spent_ms) = (net.work_of(0).since(before), net.now_ms - started_ms);
    let (rotations, steps) = (at_most(ROTATIONS, spent_ms), at_most(STEPS, spent_ms));
    assert!(
        work.rotations > 1 && work.rotations <= rotations,
        "{work:?}"
    );
    assert!(work.blocks <= rotations + steps, "{work:?}");
    assert!(work.sealed <= 3 * rotations + steps, "{work:?}");
    net.edit(1, task(2, 1));
    net.pass(1_000, &[0, 1]);
    assert!(net.replicas[0].has(2));
}

#[test]
fn old_keys_are_handed_on_in_steps_the_latest_first() {
    let mut net = Net::of(63, &[Role::Editor]);
    let laptop = authority(2);
    net.connect(0, 1);
    net.settle_duties();
    net.rotate(1);
    net.edit(1, task(1, 1));
    net.rotate(149);
    net.edit(1, task(2, 1));
    let phone = another(&laptop, 77);
    let number = net.adopt(&phone);
    let devices = own(&[&laptop.chain, &phone.chain], &[]);
    net.replicas[1].space.use_devices(devices, true);
    assert!(net.meet(1, number));
    let before = net.work_of(1);
    let mut steps = Vec::new();
    for _ in 0..200 {
        let sealed = net.work_of(1).since(before).sealed;
        net.now_ms += 50;
        net.do_duties(1);
        let now = net.work_of(1).since(before).sealed;
        if now > sealed {
            steps.push(now - sealed);
        }
        net.settle();
        // What is written now can be read long before all of the past.
        assert!(steps.is_empty() || net.replicas[number].has(2));
    }
    assert_eq!(steps, [64, 64, 23]);
    assert!(net.replicas[number].has(1));
    let of = |number: usize| net.replicas[number].space.keys.len();
    assert_eq!((of(1), of(number)), (151, 151));
}

#[test]
fn a_device_that_others_come_before_waits_for_a_few_of_them_only() {
    let (mut net, phone, _) = space(64);
    let honest = net.replicas[0].space.device();
    // An admin has devices that come before the creator's, are there and do nothing.
    let mut idle = authority(90);
    let ticket = net.admit(0, &idle, Role::Admin);
    let first = net.take_up(&idle, ticket);
    net.connect(0, first);
    net.settle_duties();
    for _ in 0..6 {
        idle = net.before(&idle, honest);
        let number = net.adopt(&idle);
        assert!(net.meet(0, number) && net.meet(first, number));
        net.settle_duties();
    }
    net.pass(600_000, &[0, 1]);
    let stolen = phone.chain.device().device;
    net.control(1, |space, now_ms, parts| {
        space.revoke_device(stolen, now_ms, parts)
    })
    .unwrap();
    net.settle();
    let waited_ms = net.rotated_after(&[0, 1]);
    assert!((8_000..9_000).contains(&waited_ms), "{waited_ms} ms");
}

#[test]
fn an_admin_s_device_that_writes_leaves_the_key_that_is_due_to_nobody() {
    let (mut net, phone, _) = space(65);
    let stolen = phone.chain.device().device;
    net.control(1, |space, now_ms, parts| {
        space.revoke_device(stolen, now_ms, parts)
    })
    .unwrap();
    net.settle();
    // It has heard of it, and has done nothing about it yet.
    assert!(net.replicas[0].space.membership.rotation_due());
    net.edit(0, task(2, 1));
    assert!(!net.replicas[0].space.membership.rotation_due());
    let current = net.replicas[0].space.membership.content_key().unwrap();
    // An accomplice carries all blocks.
    net.connect(2, 3);
    net.settle();
    assert!(net.replicas[1].has(2) && net.replicas[2].has(2));
    assert!(!net.replicas[3].has(2));
    assert!(!net.replicas[3].space.keys.contains_key(&current));
}

#[test]
fn a_guest_reads_a_long_history_in_the_end_also_when_its_host_was_restarted() {
    let mut net = Net::of(66, &[]);
    net.rotate(1);
    net.edit(0, task(1, 1));
    net.rotate(149);
    net.edit(0, task(2, 1));
    let before = net.work_of(0);
    let guest = net.join(0, Role::Reader);
    assert_eq!(net.work_of(0).since(before).sealed, STEP_MAX as u64);
    net.connect(0, guest);
    net.settle();
    assert!(net.replicas[guest].has(2) && !net.replicas[guest].has(1));
    net.reopen(0, |_| ());
    assert!(net.meet(0, guest));
    net.settle_duties();
    assert!(net.replicas[guest].has(1));
    assert_eq!(net.replicas[guest].space.keys.len(), 151);
    assert_eq!(net.work_of(0).since(before).sealed, 151);
    net.assert_same(&[0, guest]);
    // Nothing is left that a restart would bring up again.
    net.reopen(0, |_| ());
    assert!(!net.replicas[0].space.has_duty());
}

#[test]
fn a_guest_that_is_removed_meanwhile_gets_no_more_of_the_history() {
    let mut net = Net::of(67, &[]);
    net.rotate(150);
    let before = net.work_of(0);
    let guest = net.join(0, Role::Reader);
    let identity = net.replicas[guest].space.identity();
    net.control(0, |space, now_ms, parts| {
        space.remove_member(identity, now_ms, parts)
    })
    .unwrap();
    net.settle_duties();
    // What it got at first, and the key that was made after its removal, for the creator alone.
    assert_eq!(net.work_of(0).since(before).sealed, STEP_MAX as u64 + 1);
    assert!(!net.replicas[0].space.has_duty());
}

#[test]
fn who_carried_ciphertext_and_may_read_now_reads_a_long_history_in_the_end() {
    let mut net = Net::of(68, &[Role::Replicator]);
    net.connect(0, 1);
    net.rotate(1);
    net.edit(0, task(1, 1));
    net.rotate(149);
    let identity = net.replicas[1].space.identity();
    net.control(0, |space, now_ms, parts| {
        space.set_role(identity, Role::Reader, now_ms, parts)
    })
    .unwrap();
    net.settle_duties();
    assert!(net.replicas[1].has(1));
    assert_eq!(net.replicas[1].space.keys.len(), 151);
}
