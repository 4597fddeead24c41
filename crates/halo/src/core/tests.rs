use dxos_keys::{Argon2Params, ContentKey, DeviceSecret, KeyPlace, RecoveryPhrase};
use dxos_store::{Durability, MemDisk, MemStore, Store};
use rand_core::SeedableRng;

use super::*;

fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::seed_from_u64(1)
}

fn created(protection: &Protection) -> (MemStore, Identity) {
    let store = MemStore::open(&MemDisk::new()).unwrap();
    let (mut core, batch) = HaloCore::open(&store, protection, &mut rng()).unwrap();
    store.commit(batch.unwrap(), Durability::Synced).unwrap();
    let (new, batch) = core
        .create_identity(Profile::named("Ann"), &mut rng())
        .unwrap();
    store.commit(batch, Durability::Synced).unwrap();
    core.apply(new);
    let identity = core.identity().unwrap();
    (store, identity)
}

#[test]
fn an_identity_survives_and_is_made_once() {
    let (store, identity) = created(&Protection::None);
    let (core, batch) = HaloCore::open(&store, &Protection::None, &mut rng()).unwrap();
    assert!(batch.is_none());
    assert_eq!(core.identity().as_ref(), Some(&identity));
    let again = core
        .create_identity(Profile::default(), &mut rng())
        .unwrap_err();
    assert_eq!(
        again,
        HaloError::IdentityExists {
            identity: identity.identity
        }
    );
    let asked = SignPresentation {
        challenge: b"challenge".to_vec(),
        audience: "example.com".into(),
        credentials: core.authority().unwrap().chain.credentials(),
    };
    let shown = core.present(asked).unwrap();
    assert_eq!(shown.credentials().len(), 1);
    let verified = shown.verify(b"challenge", "example.com").unwrap();
    assert_eq!(verified.identity, identity.identity);
}

#[test]
fn a_wrong_key_opens_nothing() {
    let key = |byte| Protection::Key(ContentKey::from_bytes([byte; 32]), KeyPlace::File);
    let (store, _) = created(&key(1));
    let refused = HaloCore::open(&store, &key(2), &mut rng()).unwrap_err();
    assert_eq!(refused, OpenHaloError::Keyring(KeyringError::WrongKey));
}

#[test]
fn an_identity_of_another_device_is_damage() {
    let (one, _) = created(&Protection::None);
    let other = MemStore::open(&MemDisk::new()).unwrap();
    let mut batch = Batch::new();
    batch.put(IDENTITY, KEY, one.get(IDENTITY, KEY).unwrap().unwrap());
    other.commit(batch, Durability::Synced).unwrap();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
    let refused = HaloCore::open(&other, &Protection::None, &mut rng).unwrap_err();
    assert!(matches!(refused, OpenHaloError::Damaged { .. }));
    let mut batch = Batch::new();
    batch.put(IDENTITY, KEY, &b"\x02rubbish"[..]);
    other.commit(batch, Durability::Synced).unwrap();
    assert!(HaloCore::open(&other, &Protection::None, &mut rng).is_err());
}

#[test]
fn names_that_could_deceive_are_refused() {
    let store = MemStore::open(&MemDisk::new()).unwrap();
    let (core, _) = HaloCore::open(&store, &Protection::None, &mut rng()).unwrap();
    for name in ["", "  ", "a\u{202e}b", "line\nbreak", &"x".repeat(257)] {
        let refused = core
            .create_identity(Profile::named(name), &mut rng())
            .unwrap_err();
        assert!(matches!(refused, HaloError::BadProfile { .. }), "{name:?}");
    }
    assert!(
        core.create_identity(Profile::named("Жанна 🌱"), &mut rng())
            .is_ok()
    );
    assert_eq!(core.authority().unwrap_err(), HaloError::NoIdentity);
}

/// Another run of the program over the same store.
fn reopened(store: &MemStore, protection: &Protection) -> HaloCore {
    let (core, batch) = HaloCore::open(store, protection, &mut rng()).unwrap();
    assert!(batch.is_none());
    core
}

fn commit(core: &mut HaloCore, store: &MemStore, (change, batch): (Change, Batch)) {
    store.commit(batch, Durability::Synced).unwrap();
    core.apply(change);
}

fn keys_of(core: &HaloCore) -> (DeviceKey, SealingKey) {
    (core.signer().device(), core.sealing_key())
}

/// A device without an identity.
fn fresh(seed: u64, protection: &Protection) -> (HaloCore, MemStore) {
    let store = MemStore::open(&MemDisk::new()).unwrap();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
    let (core, batch) = HaloCore::open(&store, protection, &mut rng).unwrap();
    store.commit(batch.unwrap(), Durability::Synced).unwrap();
    (core, store)
}

fn key(byte: u8) -> Protection {
    Protection::Key(ContentKey::from_bytes([byte; 32]), KeyPlace::File)
}

fn passphrase(text: &str) -> Protection {
    let cheap = Argon2Params {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    Protection::Passphrase(text.to_owned().into(), cheap)
}

/// Ann's laptop, and its chain.
fn laptop() -> (DeviceSecret, DeviceChain) {
    let device = DeviceSecret::from_seed(&[1; 32]);
    let sealing = SealingSecret::from_seed(&[1; 32]).sealing_key();
    let secret = IdentitySecret::from_seed(&[2; 32]);
    let chain = DeviceChain::genesis(secret, device.device(), sealing);
    (device, chain)
}

fn adopt(chain: DeviceChain) -> AdoptIdentity {
    AdoptIdentity {
        chain,
        profile: Profile::named("Ann"),
        recovery: None,
    }
}

#[test]
fn a_device_takes_over_the_identity_that_authorized_it_once() {
    let (laptop, chain) = laptop();
    let (mut phone, store) = fresh(3, &key(1));
    let (device, sealing) = keys_of(&phone);
    let own = chain.authorize(&laptop, device, sealing).unwrap();
    let adopted = phone.adopt_identity(adopt(own.clone())).unwrap();
    commit(&mut phone, &store, adopted);
    let again = reopened(&store, &key(1));
    let identity = again.identity().unwrap();
    assert_eq!(identity.identity, chain.device().identity);
    assert_eq!(identity.profile, Profile::named("Ann"));
    assert_eq!(again.authority().unwrap().chain, own);
    let refused = again.adopt_identity(adopt(own)).unwrap_err();
    assert!(matches!(refused, HaloError::IdentityExists { .. }));
}

#[test]
fn a_chain_of_another_device_is_not_taken_over() {
    let (laptop, chain) = laptop();
    let (phone, _) = fresh(3, &key(1));
    let (tablet, _) = fresh(4, &key(1));
    let (device, sealing) = keys_of(&phone);
    let of_tablet = keys_of(&tablet);
    let as_recovery_key = chain.authorize_recovery_key(&laptop, &*phone.signer(), sealing, None);
    for foreign in [
        chain.clone(),
        chain.authorize(&laptop, of_tablet.0, of_tablet.1).unwrap(),
        // Whoever authorized it gave it an encryption key that somebody else can open.
        chain.authorize(&laptop, device, of_tablet.1).unwrap(),
        as_recovery_key.unwrap(),
    ] {
        let refused = phone.adopt_identity(adopt(foreign)).unwrap_err();
        assert!(
            matches!(refused, HaloError::ForeignChain { .. }),
            "{refused}"
        );
    }
    assert_eq!(phone.identity(), None);
}

#[test]
fn the_secret_of_a_phrase_is_kept_until_it_is_dropped() {
    let (laptop, chain) = laptop();
    let paper = RecoveryPhrase::generate(&mut rng()).keys();
    let (phrase, opens) = (paper.device.device(), paper.sealing.sealing_key());
    let on_paper = chain
        .authorize_recovery_key(&laptop, &paper.device, opens, None)
        .unwrap();
    let (mut phone, store) = fresh(3, &passphrase("p"));
    let (device, sealing) = keys_of(&phone);
    let own = on_paper.authorize(&paper.device, device, sealing).unwrap();
    let recovery = Some((phrase, paper.sealing.clone()));
    let adopted = AdoptIdentity {
        recovery: recovery.clone(),
        ..adopt(own.clone())
    };
    let adopted = phone.adopt_identity(adopted).unwrap();
    commit(&mut phone, &store, adopted);

    let mut again = reopened(&store, &passphrase("p"));
    assert_eq!(again.authority().unwrap().recovery, recovery);
    let dropped = again.drop_recovery_secret().unwrap();
    commit(&mut again, &store, dropped);
    assert_eq!(again.authority().unwrap().recovery, None);
    let again = reopened(&store, &passphrase("p"));
    assert_eq!(again.authority().unwrap().recovery, None);
    assert_eq!(again.authority().unwrap().chain, own);
    // Once more does nothing.
    let (_, batch) = again.drop_recovery_secret().unwrap();
    assert!(batch.is_empty());

    // Whoever has the phrase can hand it in again, and that of another phrase is not taken.
    let mut again = again;
    let other = RecoveryPhrase::generate(&mut rand_chacha::ChaCha20Rng::from_seed([8; 32])).keys();
    let refused = again.keep_recovery_secret(other.device.device(), other.sealing);
    assert!(matches!(
        refused.unwrap_err(),
        HaloError::ForeignChain { .. }
    ));
    let kept = again.keep_recovery_secret(phrase, paper.sealing).unwrap();
    commit(&mut again, &store, kept);
    let again = reopened(&store, &passphrase("p"));
    assert_eq!(again.authority().unwrap().recovery, recovery);
}

#[test]
fn an_encryption_key_is_renewed_and_the_one_before_kept_until_it_is_dropped() {
    let (mut core, store) = fresh(3, &key(1));
    assert!(matches!(
        core.renew_sealing_key(&mut rng()),
        Err(HaloError::NoIdentity)
    ));
    let created = core.create_identity(Profile::named("Ann"), &mut rng());
    commit(&mut core, &store, created.unwrap());
    let before = core.authority().unwrap().sealing;
    let renewed = core.renew_sealing_key(&mut rng()).unwrap();
    commit(&mut core, &store, renewed);
    let mut again = reopened(&store, &key(1));
    let authority = again.authority().unwrap();
    assert_eq!(authority.former.as_ref(), Some(&before));
    assert_ne!(authority.sealing, before);
    assert_eq!(authority.chain.device().sealing, before.sealing_key());
    // Not before the one before is dropped.
    let (_, batch) = again.renew_sealing_key(&mut rng()).unwrap();
    assert!(batch.is_empty());
    let dropped = again.drop_former_key().unwrap();
    commit(&mut again, &store, dropped);
    let last = reopened(&store, &key(1)).authority().unwrap();
    assert_eq!((last.former, last.sealing), (None, authority.sealing));
    let (_, batch) = again.drop_former_key().unwrap();
    assert!(batch.is_empty());
}

#[test]
fn the_secret_of_another_phrase_is_not_taken() {
    let (laptop, chain) = laptop();
    let paper = RecoveryPhrase::generate(&mut rng()).keys();
    let (phone, _) = fresh(3, &key(1));
    let (device, sealing) = keys_of(&phone);
    let own = chain.authorize(&laptop, device, sealing).unwrap();
    let adopted = AdoptIdentity {
        recovery: Some((paper.device.device(), paper.sealing)),
        ..adopt(own)
    };
    let refused = phone.adopt_identity(adopted).unwrap_err();
    assert!(matches!(refused, HaloError::ForeignChain { .. }));
}

#[test]
fn a_profile_is_changed_and_stays_so() {
    let (store, identity) = created(&Protection::None);
    let mut core = reopened(&store, &Protection::None);
    let profile = Profile {
        avatar: Some("https://example.com/ann.png".into()),
        ..Profile::named("Anna")
    };
    let changed = core.set_profile(profile.clone()).unwrap();
    commit(&mut core, &store, changed);
    let changed = reopened(&store, &Protection::None).identity().unwrap();
    assert_eq!(
        changed,
        Identity {
            profile,
            ..identity
        }
    );
    let refused = core.set_profile(Profile::named("a\u{202e}b")).unwrap_err();
    assert!(matches!(refused, HaloError::BadProfile { .. }));
    let (without, _) = fresh(5, &key(1));
    let refused = without.set_profile(Profile::named("Ann")).unwrap_err();
    assert_eq!(refused, HaloError::NoIdentity);
}

#[test]
fn a_new_protection_holds_once_it_is_stored_and_the_old_until_then() {
    let ways = [
        key(1),
        key(2),
        passphrase("one"),
        passphrase("two"),
        Protection::None,
    ];
    let opens = |store: &MemStore, way: &Protection| HaloCore::open(store, way, &mut rng()).is_ok();
    for old in &ways {
        for (new, at) in ways.iter().zip(0..) {
            let (store, identity) = created(old);
            let mut core = reopened(&store, old);
            let device = keys_of(&core);
            let (change, batch) = core.change_protection(new, &mut rng()).unwrap();
            // Nothing is stored yet: stopped here, the old way holds.
            assert!(opens(&store, old));
            commit(&mut core, &store, (change, batch));
            let reopened = reopened(&store, new);
            assert_eq!(keys_of(&reopened), device);
            assert_eq!(reopened.identity(), Some(identity.clone()));
            assert_eq!(protection_of(&store), Ok(Some(new.kind())));
            for (way, other) in ways.iter().zip(0..) {
                assert_eq!(opens(&store, way), other == at, "{old:?} {new:?} {way:?}");
            }
            // Later changes keep it.
            let changed = core.set_profile(Profile::named("Anna")).unwrap();
            commit(&mut core, &store, changed);
            assert!(opens(&store, new));
        }
    }
}

#[test]
fn an_identity_of_an_early_version_is_told_from_damage() {
    let (store, _) = created(&Protection::None);
    let mut bytes = store.get(IDENTITY, KEY).unwrap().unwrap().to_vec();
    bytes[0] = 1;
    let mut batch = Batch::new();
    batch.put(IDENTITY, KEY, bytes);
    store.commit(batch, Durability::Synced).unwrap();
    let refused = HaloCore::open(&store, &Protection::None, &mut rng()).unwrap_err();
    assert_eq!(refused, OpenHaloError::Outdated);
}

#[test]
fn no_secret_prints() {
    let (core, _) = fresh(6, &passphrase("hunter2"));
    let shown = format!("{core:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("KeyringLock(Passphrase, ..)"),
        "{shown}"
    );
}
