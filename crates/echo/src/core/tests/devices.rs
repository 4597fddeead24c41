//! Several devices of one identity, and recovery keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_credentials::{DeviceChain, Role};
use dxos_keys::{DeviceKey, DeviceSecret, SealingSecret};
use dxos_protocol::echo::OwnDevices;
use dxos_protocol::halo::Authority;

use super::{Net, authority, rng, task};

/// Another device of the identity that `of` acts for, authorized by it.
pub(super) fn another(of: &Authority, seed: u8) -> Authority {
    let mut rng = rng(seed);
    let device = DeviceSecret::generate(&mut rng);
    let sealing = SealingSecret::generate(&mut rng);
    let chain = of
        .chain
        .authorize(&*of.signer, device.device(), sealing.sealing_key());
    Authority {
        chain: chain.unwrap(),
        profile: of.profile.clone(),
        sealing,
        former: None,
        recovery: None,
        signer: Arc::new(device),
    }
}

pub(super) fn own(chains: &[&DeviceChain], revoked: &[DeviceKey]) -> OwnDevices {
    OwnDevices {
        chains: chains.iter().copied().cloned().collect(),
        revoked: revoked
            .iter()
            .map(|device| (*device, chains[0].device().device))
            .collect(),
        fallen: BTreeSet::new(),
        halo: None,
        former: None,
        halos: BTreeSet::new(),
        settled: false,
        ..OwnDevices::default()
    }
}

#[test]
fn a_new_device_gets_a_space_from_any_peer_and_its_keys_from_the_old_one() {
    for seed in 0..10 {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.edit(0, task(1, 1));
        net.edit(1, task(2, 1));
        net.connect(0, 1);
        net.settle_duties();
        // The editor's first device authorizes another. It is no admin's.
        let laptop = authority(2);
        let phone = another(&laptop, 77);
        let devices = own(&[&laptop.chain, &phone.chain], &[]);
        net.replicas[1].space.use_devices(devices, false);
        net.settle_duties();
        let number = net.adopt(&phone);
        // The creator's device is the one it meets.
        assert!(net.meet(0, number), "seed {seed}");
        net.settle_duties();
        net.edit(number, task(3, 1));
        net.settle_duties();
        net.assert_same(&[0, 1, number]);
        assert!(net.replicas[0].has(3) && net.replicas[number].has(2));
        let member = net.replicas[0].space.members();
        let editor = member.iter().find(|member| member.role == Role::Editor);
        assert_eq!(editor.unwrap().devices.len(), 2);
    }
}

#[test]
fn a_device_that_nobody_told_of_gets_the_keys_once_another_meets_it() {
    let mut net = Net::of(20, &[Role::Editor]);
    net.edit(1, task(2, 1));
    let phone = another(&authority(2), 77);
    let number = net.adopt(&phone);
    net.connect(0, 1);
    net.settle_duties();
    assert!(net.meet(1, number));
    net.settle_duties();
    net.assert_same(&[0, 1, number]);
    assert!(net.replicas[number].has(2));
}

#[test]
fn a_revoked_device_is_let_go_and_the_admin_makes_another_key() {
    let mut net = Net::of(21, &[Role::Editor]);
    let laptop = authority(2);
    let phone = another(&laptop, 77);
    let number = net.adopt(&phone);
    net.connect(0, 1);
    net.settle_duties();
    assert!(net.meet(0, number));
    net.settle_duties();
    net.edit(number, task(3, 1));
    net.settle_duties();
    let before = net.replicas[0].space.membership.content_key();
    // The laptop hears in another space that the phone was revoked.
    let stolen = phone.chain.device().device;
    net.replicas[1]
        .space
        .use_devices(own(&[&laptop.chain], &[stolen]), false);
    net.settle_duties();
    let after = net.replicas[0].space.membership.content_key().unwrap();
    assert_ne!(before, Some(after));
    assert!(net.replicas[1].space.keys.contains_key(&after));
    let thief = &net.replicas[number];
    assert!(!thief.space.keys.contains_key(&after));
    assert!(thief.space.report(&thief.store).revoked);
    let refused = thief.space.permit(dxos_credentials::Right::Write, "write");
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("this device was revoked"), "{told}");
    assert!(net.ended.iter().all(|end| end.1 == number));
    net.ended.clear();
    net.edit(0, task(4, 1));
    net.settle_duties();
    assert!(!net.replicas[number].has(4));
    assert!(!net.meet(0, number) && !net.meet(1, number));
    net.assert_same(&[0, 1]);
    // What it wrote before counts.
    assert!(net.replicas[1].has(3));
}

#[test]
fn a_stolen_disk_writes_nothing_that_counts() {
    let mut net = Net::of(22, &[Role::Editor]);
    let laptop = authority(2);
    let phone = another(&laptop, 77);
    let number = net.adopt(&phone);
    net.connect(0, 1);
    net.settle_duties();
    assert!(net.meet(0, number));
    net.settle_duties();
    net.disconnect(0, number);
    // The thief writes offline, before and after the revocation that it does not know of.
    net.edit(number, task(5, 1));
    let device = phone.chain.device().device;
    net.control(1, |space, now_ms, parts| {
        space.revoke_device(device, now_ms, parts)
    })
    .unwrap();
    net.edit(number, task(6, 1));
    // And with a device that it mints.
    let minted = net.adopt(&another(&phone, 78));
    net.connect(number, minted);
    net.settle_duties();
    net.edit(minted, task(7, 1));
    net.settle_duties();
    for thief in [number, minted] {
        assert!(!net.meet(0, thief));
    }
    // An accomplice who carries the blocks changes nothing.
    net.connect(1, number);
    net.settle_duties();
    for at in [0, 1] {
        for stolen in [5, 6, 7] {
            assert!(!net.replicas[at].has(stolen), "{stolen} at {at}");
        }
    }
}

#[test]
fn a_recovery_key_brings_everything_back_from_a_peer() {
    for peer in [Role::Editor, Role::Replicator] {
        let mut net = Net::of(23, &[peer]);
        net.edit(0, task(1, 1));
        let mut rng = rng(90);
        let (paper, sealing) = (
            DeviceSecret::generate(&mut rng),
            SealingSecret::generate(&mut rng),
        );
        let ann = authority(1);
        let halo = dxos_keys::SpaceKey::from_bytes([7; 32]);
        let chain = ann.chain.authorize_recovery_key(
            &*ann.signer,
            &paper,
            sealing.sealing_key(),
            Some(&halo),
        );
        let chain = chain.unwrap();
        let mut devices = own(&[&ann.chain, &chain], &[]);
        // One that the phrase has not agreed to is not told.
        devices.halos = BTreeSet::from([dxos_keys::SpaceKey::from_bytes([1; 32]), halo]);
        net.replicas[0].space.use_devices(devices, false);
        net.connect(0, 1);
        net.settle_duties();
        net.disconnect(0, 1);
        // All that is left is the phrase, and a peer.
        let known = net.replicas[1].space.recovery(&paper.device()).unwrap();
        assert_eq!(known.spaces, [net.key]);
        let [(of, told)] = known.hints.as_slice() else {
            panic!("{:?}", known.hints);
        };
        let told = sealing.open(of.as_bytes(), told);
        assert_eq!(told.unwrap().expose(), halo.as_bytes());
        let mut fresh = authority(91);
        let device = fresh.chain.device();
        fresh.chain = known
            .chain
            .authorize(&paper, device.device, device.sealing)
            .unwrap();
        fresh.recovery = Some((paper.device(), sealing));
        let number = net.adopt(&fresh);
        assert!(net.meet(1, number));
        net.settle_duties();
        assert!(net.replicas[number].has(1), "from {peer:?}");
        // It goes on as the admin that it was, and turns the lost device out.
        let lost = ann.chain.device().device;
        net.control(number, |space, now_ms, parts| {
            space.revoke_device(lost, now_ms, parts)
        })
        .unwrap();
        net.edit(number, task(2, 1));
        net.settle_duties();
        assert!(!net.meet(1, 0));
        assert_eq!(net.replicas[1].has(2), peer == Role::Editor);
        let seen = net.replicas[1].space.recovery_keys();
        assert_eq!(seen, BTreeSet::from([paper.device()]));
    }
}

#[test]
fn a_member_without_history_reads_what_is_written_from_then_on() {
    let mut net = Net::of(24, &[]);
    net.edit(0, task(1, 1));
    let guest = authority(50);
    let new = {
        let host = &mut net.replicas[0];
        let admitted = super::Guest {
            chain: guest.chain.clone(),
            role: Role::Editor,
            profile: dxos_credentials::Profile::default(),
            invitation: None,
            history: false,
        };
        let (ticket, outcome) = host
            .space
            .admit(admitted, 9, (&host.store, &mut rng(3)))
            .unwrap();
        net.carry_out(0, outcome);
        net.take_up(&guest, ticket)
    };
    net.connect(0, new);
    net.edit(0, task(2, 1));
    net.edit(new, task(3, 1));
    net.settle_duties();
    assert!(net.replicas[new].has(2) && net.replicas[0].has(3));
    assert!(!net.replicas[new].has(1));
    // Its other devices know no more than it does.
    let phone = another(&guest, 77);
    let number = net.adopt(&phone);
    assert!(net.meet(0, number) && net.meet(new, number));
    net.settle_duties();
    assert!(net.replicas[number].has(2) && !net.replicas[number].has(1));
}

/// A space of the creator and an editor with a phone, its first device, a laptop and a tablet,
/// which is stolen; their numbers, in this order.
fn household(seed: u64) -> (Net, [usize; 3], [Authority; 3]) {
    let mut net = Net::of(seed, &[Role::Editor]);
    let phone = authority(2);
    let (laptop, tablet) = (another(&phone, 77), another(&phone, 79));
    net.connect(0, 1);
    let numbers = [1, net.adopt(&laptop), net.adopt(&tablet)];
    for number in &numbers[1..] {
        assert!(net.meet(0, *number));
    }
    net.settle_duties();
    net.edit(0, task(1, 1));
    net.settle_duties();
    assert!(numbers.iter().all(|number| net.replicas[*number].has(1)));
    (net, numbers, [phone, laptop, tablet])
}

#[test]
fn what_was_repeated_at_the_word_of_a_thief_is_taken_back() {
    for laptop_stays in [true, false] {
        let (mut net, [phone, laptop, tablet], of) = household(25);
        let [owner, sister, thief] = of.map(|of| of.chain);
        let key = |chain: &DeviceChain| chain.device().device;
        // The thief revokes the phone in the space of the devices, and the laptop believes it.
        let mut told = own(&[&sister, &thief], &[]);
        told.revoked = [(key(&owner), key(&thief))].into();
        net.replicas[laptop].space.use_devices(told, false);
        // The phone hears nothing of it, and writes.
        net.disconnect(0, phone);
        net.edit(phone, task(2, 1));
        net.settle_duties();
        let before = net.replicas[0].space.membership.content_key();
        assert!(
            net.replicas[laptop]
                .space
                .keys
                .contains_key(&before.unwrap())
        );
        net.edit(tablet, task(9, 1));
        net.ended.clear();
        assert!(!net.meet(0, phone));
        if !laptop_stays {
            net.disconnect(0, laptop);
        }
        // The owner revokes the tablet at the phone: what it said of the phone does not stand.
        let mut told = own(&[&owner, &sister], &[key(&thief)]);
        told.fallen = [(key(&thief), key(&owner))].into();
        for number in [phone, laptop] {
            net.replicas[number].space.use_devices(told.clone(), false);
        }
        net.settle_duties();
        assert!(net.meet(0, phone), "the laptop stays: {laptop_stays}");
        net.settle_duties();
        if !laptop_stays {
            assert!(net.meet(0, laptop));
            net.settle_duties();
        }
        net.ended.clear();
        net.edit(phone, task(3, 1));
        net.settle_duties();
        net.assert_same(&[0, phone, laptop]);
        let has = |task| net.replicas[0].has(task);
        assert!(has(2) && has(3) && !has(9));
        assert!(!net.meet(0, tablet) && !net.meet(laptop, tablet));
        let current = net.replicas[0].space.membership.content_key().unwrap();
        assert!(!net.replicas[tablet].space.keys.contains_key(&current));
    }
}

#[test]
fn a_device_that_was_revoked_for_good_does_not_come_back_by_itself() {
    let (mut net, [phone, laptop, _], of) = household(26);
    let [owner, sister, third] = of.map(|of| of.chain);
    let key = |chain: &DeviceChain| chain.device().device;
    // The phone was lost: the owner says so on the tablet, and later puts the tablet away.
    let mut told = own(&[&sister], &[]);
    told.revoked = [(key(&owner), key(&third)), (key(&third), key(&sister))].into();
    net.replicas[laptop].space.use_devices(told, false);
    net.settle_duties();
    net.ended.clear();
    let gone = |net: &mut Net| !net.meet(0, phone) && !net.meet(laptop, phone);
    assert!(gone(&mut net));
    // Whoever has it now knows nothing of all that, or all of it.
    let nothing = own(&[&owner, &sister, &third], &[]);
    let mut all = own(&[&sister], &[]);
    all.revoked = [(key(&owner), key(&third)), (key(&third), key(&sister))].into();
    for told in [nothing, all] {
        net.replicas[phone].space.use_devices(told, true);
        net.settle_duties();
        assert!(gone(&mut net));
    }
}

#[test]
fn what_was_taken_back_is_not_repeated_where_it_was_said() {
    let (mut net, [phone, laptop, tablet], of) = household(27);
    let [owner, sister, thief] = of.map(|of| of.chain.device().device);
    // In the space of the devices itself.
    net.control(tablet, |space, now_ms, parts| {
        space.revoke_device(owner, now_ms, parts)
    })
    .unwrap();
    net.settle_duties();
    let listed = net.replicas[laptop].space.list_devices();
    assert_eq!(listed.revoked, [(owner, thief)].into());
    let old_news = OwnDevices {
        halo: Some(net.key),
        ..listed
    };
    net.ended.clear();
    net.control(phone, |space, now_ms, parts| {
        space.revoke_device(thief, now_ms, parts)
    })
    .unwrap();
    assert!(net.meet(laptop, phone));
    net.replicas[laptop].space.use_devices(old_news, true);
    net.settle_duties();
    let listed = net.replicas[laptop].space.list_devices();
    assert_eq!(listed.revoked, [(thief, owner)].into());
    assert!(listed.fallen.contains(&(thief, owner)));
    let known: BTreeSet<_> = listed
        .chains
        .iter()
        .map(|chain| chain.device().device)
        .collect();
    assert_eq!(known, [owner, sister].into());
}

#[test]
fn what_is_said_where_devices_are_kept_is_not_undone_by_old_news() {
    let (mut net, [phone, laptop, tablet], of) = household(28);
    let [owner, sister, thief] = of.map(|of| of.chain.device().device);
    net.control(tablet, |space, now_ms, parts| {
        space.revoke_device(owner, now_ms, parts)
    })
    .unwrap();
    net.settle_duties();
    // What the phone was told of its devices when it was out.
    let old_news = OwnDevices {
        halo: Some(net.key),
        ..net.replicas[phone].space.list_devices()
    };
    assert_eq!(old_news.revoked, [(owner, thief)].into());
    net.ended.clear();
    net.control(phone, |space, now_ms, parts| {
        space.revoke_device(thief, now_ms, parts)
    })
    .unwrap();
    assert!(net.meet(laptop, phone));
    for told in [phone, laptop] {
        let old_news = old_news.clone();
        net.replicas[told].space.use_devices(old_news, true);
    }
    net.settle_duties();
    for asked in [phone, laptop] {
        let listed = net.replicas[asked].space.list_devices();
        assert_eq!(listed.revoked, [(thief, owner)].into());
        let known = listed.chains.iter().map(|chain| chain.device().device);
        assert_eq!(known.collect::<BTreeSet<_>>(), [owner, sister].into());
    }
}

#[test]
fn a_device_takes_up_by_its_key_a_space_whose_members_fill_more_than_a_frame() {
    let mut net = Net::of(26, &[Role::Editor]);
    net.edit(0, task(1, 1));
    for seed in 80..250 {
        let guest = super::Guest {
            chain: authority(seed).chain,
            role: Role::Reader,
            profile: dxos_credentials::Profile {
                fields: [("about".to_owned(), "x".repeat(4_000))].into(),
                ..dxos_credentials::Profile::named("a guest")
            },
            invitation: None,
            history: false,
        };
        let host = &mut net.replicas[0];
        let parts = (&host.store as &dyn dxos_store::Read, &mut rng(seed) as _);
        let (_, outcome) = host.space.admit(guest, 9, parts).unwrap();
        net.carry_out(0, outcome);
    }
    let host = &net.replicas[0];
    let ticket = host.space.ticket(&host.store, &super::Outcome::default());
    let runs = ticket
        .unwrap()
        .control
        .into_iter()
        .flat_map(|(_, runs)| runs);
    let bytes: usize = runs.map(|run| run.bytes()).sum();
    assert!(bytes > dxos_wire::limits::FRAME_BYTES_MAX, "{bytes}");
    // Bob has a laptop in the space and now a phone, which knows its key and nothing else.
    net.connect(0, 1);
    net.settle_duties();
    let phone = another(&authority(2), 77);
    let number = net.adopt(&phone);
    assert!(net.meet(0, number) && net.meet(1, number));
    net.settle_duties();
    assert!(net.replicas[number].has(1));
    net.assert_same(&[0, 1, number]);
}
