use rand_core::SeedableRng;

use super::*;

const CHEAP: Argon2Params = Argon2Params {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn passphrase(text: &str) -> Protection {
    Protection::Passphrase(Zeroizing::new(text.into()), CHEAP)
}

#[test]
fn opens_with_what_locked_it_only() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let keyring = Keyring {
        recovery: Some((
            DeviceKey::from_bytes([9; 32]),
            SealingSecret::generate(&mut rng),
        )),
        former: Some(SealingSecret::generate(&mut rng)),
        ..Keyring::generate(&mut rng)
    };
    let key = |byte| Protection::Key(ContentKey::from_bytes([byte; 32]), KeyPlace::Elsewhere);
    for (right, wrong) in [
        (passphrase("čeština 🔑"), passphrase("cestina")),
        (passphrase(""), passphrase(" ")),
        (key(1), key(2)),
    ] {
        let bytes = keyring.lock(&right, &mut rng).unwrap();
        assert_eq!(Keyring::unlock(&bytes, &right).as_ref(), Ok(&keyring));
        assert_eq!(Keyring::unlock(&bytes, &wrong), Err(KeyringError::WrongKey));
        assert!(matches!(
            Keyring::unlock(&bytes, &Protection::None),
            Err(KeyringError::OtherProtection { .. })
        ));
        let recovery = keyring.recovery.as_ref().unwrap();
        let secrets = [
            *keyring.device.to_seed(),
            *keyring.sealing.expose(),
            *recovery.1.expose(),
            *keyring.former.as_ref().unwrap().expose(),
        ];
        for secret in secrets {
            assert!(!bytes.windows(32).any(|window| window == secret));
        }
    }
}

#[test]
fn damage_is_an_error_wherever_it_is() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
    let protection = passphrase("p");
    let bytes = Keyring::generate(&mut rng)
        .lock(&protection, &mut rng)
        .unwrap();
    for length in 0..bytes.len() {
        assert!(Keyring::unlock(&bytes[..length], &protection).is_err());
    }
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0x81;
        assert!(Keyring::unlock(&altered, &protection).is_err());
    }
    assert_eq!(
        Keyring::unlock(&[9, 0], &protection),
        Err(KeyringError::Newer { found: 9, known: 3 })
    );
}

/// One whose secrets are known.
fn golden(recovery: bool) -> Keyring {
    let phrase = || {
        (
            DeviceKey::from_bytes([3; 32]),
            SealingSecret::from_bytes([4; 32]),
        )
    };
    Keyring {
        device: DeviceSecret::from_seed(&[1; 32]),
        sealing: SealingSecret::from_bytes([2; 32]),
        former: None,
        recovery: recovery.then(phrase),
    }
}

fn golden_key() -> Protection {
    Protection::Key(ContentKey::from_bytes([7; 32]), KeyPlace::Keychain)
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn a_keyring_of_format_1_is_still_read() {
    for (protection, bytes) in [
        (
            Protection::None,
            "01014001010101010101010101010101010101010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202",
        ),
        (
            golden_key(),
            "0100684b33b07dfa73b2afd111014722c7fb5f5ef022e0ba6a11ba7da33498dc15bc385d8c08c9aa0ea4318fec2b00a7014b9813759b31255c71f0dec6c77a0a0e90dabaac7cb917afc39a5088d3fae92aff9ce50574d7353b40d459aecd129e2c4e901e41df91c9d8da28",
        ),
        (
            passphrase("correct horse"),
            "01024001019a3744504560639ec670b7a17d492b276873aea7bec4c70a5690bd58041a3235b9a499020fb62f4775faf846382a9c3099b4eea7e2e4eac34bc9e5ed94bc2eb7110f877269836b3115217da04bc1c86a0dab72b1c225a70a3150b9bebcc5bf4dfcbf70c3bf8ce6e602a1d6a63186448e9bb1387371919b8999",
        ),
    ] {
        let bytes = hex(bytes);
        assert_eq!(Keyring::unlock(&bytes, &protection), Ok(golden(false)));
        let kind = match protection.kind() {
            ProtectionKind::Key(_) => ProtectionKind::Key(KeyPlace::File),
            kind => kind,
        };
        assert_eq!(Keyring::protection_of(&bytes), Ok(kind));
    }
}

#[test]
fn the_bytes_of_format_2_are_fixed() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    for (protection, recovery, bytes) in [
        (
            Protection::None,
            false,
            "0201410101010101010101010101010101010101010101010101010101010101010101020202020202020202020202020202020202020202020202020202020202020200",
        ),
        (
            golden_key(),
            true,
            "020001a90157ad7d391a1efb1443f8fa94407625fb456231817caf48a139d9a6a16688af0d2e97a56706f1f4f9e1d77e2bd9263a2588a4853014433e5009e6f0d138e5f1bb159c74b9f417c96ada4616cc2bb1459815f4a324311b1f424b03752d021efca67274a2f0a8ebe2e0cb1cc9e684a7449c753e04dbda3099e81a583990c2e8459af87a42b3cc23e80766990ea601e4ca6c08607a054fb39b6673f21a0e1b8d78e3e423569f4b13476fc1",
        ),
        (
            passphrase("correct horse"),
            true,
            "02024001019a3744504560639ec670b7a17d492b27a9017c62f57caa65c96ff0805698bc7bbcad9389eae76eb2adf7e519bed70e48fb8b9071b5634111155dc1f95810712dfb1365399670f29d3ea7588cb702f69d39c863cb5b602af2aa1a57b9026e736718e829bac315ce8a5084e5bbcf99e9eb5f81a5b25ad67c33bab6d98cdaa5173039f4086dc5f316d169ea89a3f6edb3e306bb65b71917b9dc91421dbc2cae9139063855a208d88f70651c813ff57ea787588cdc040dc6be48133c75",
        ),
    ] {
        let keyring = golden(recovery);
        let locked = keyring.lock(&protection, &mut rng).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&locked), bytes);
        assert_eq!(Keyring::unlock(&locked, &protection), Ok(keyring));
        assert_eq!(Keyring::protection_of(&locked), Ok(protection.kind()));
    }
}

#[test]
fn a_hostile_file_cannot_ask_for_all_memory() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(3);
    let good = golden(false).lock(&passphrase("p"), &mut rng).unwrap();
    // Format, variant, then the parameters: 64 KiB, one pass, one lane.
    assert_eq!(good[..5], [2, 2, 64, 1, 1]);
    for params in [
        // 4 TiB, 2^28 passes, 2^28 lanes.
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1][..],
        &[64, 0xff, 0xff, 0xff, 0xff, 0x0f, 1],
        &[64, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ] {
        let bytes = [&good[..2], params, &good[5..]].concat();
        let refused = Keyring::unlock(&bytes, &passphrase("p"));
        assert_eq!(refused, Err(KeyringError::Damaged));
    }
}

#[test]
fn nothing_secret_prints() {
    let shown = format!(
        "{:?} {:?} {:?}",
        golden(true),
        golden_key(),
        passphrase("hunter2")
    );
    for secret in ["hunter2", "[1, ", "[2, ", "[4, ", "[7, "] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_lock_writes_the_keyring_again_without_the_passphrase() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(4);
    for protection in [Protection::None, golden_key(), passphrase("p")] {
        let bytes = golden(true).lock(&protection, &mut rng).unwrap();
        let lock = KeyringLock::of(&bytes, &protection).unwrap();
        assert_eq!(lock.unlock(&bytes), Ok(golden(true)));
        assert_eq!(lock.kind(), protection.kind());
        let again = lock.lock(&golden(false)).unwrap();
        assert_eq!(Keyring::unlock(&again, &protection), Ok(golden(false)));
    }
}
