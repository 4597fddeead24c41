use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use dxos_actors::{Failures, SeedTree, Spawner};
use dxos_halo::HaloConfig;
use dxos_keys::DeviceKey;
use dxos_protocol::halo::ChangeProtection;
use dxos_store::{MemDisk, MemStore};

use super::*;

const ALL: [KeyringProtection; 4] = [
    KeyringProtection::KeyFile,
    KeyringProtection::Keychain,
    KeyringProtection::None,
    KeyringProtection::Passphrase,
];

const CHEAP: Argon2Params = Argon2Params {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

/// After so many steps the program is killed: nothing happens any more.
#[derive(Clone, Debug)]
struct Life(Arc<Mutex<u32>>);

impl Life {
    fn steps(steps: u32) -> Self {
        Self(Arc::new(Mutex::new(steps)))
    }

    fn step(&self) -> Result<(), NodeError> {
        let mut left = self.0.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(killed)?;
        Ok(())
    }
}

fn killed() -> NodeError {
    NodeError::Keychain {
        reason: "killed".to_owned(),
    }
}

type Entries = Arc<Mutex<BTreeMap<Slot, ContentKey>>>;

/// A keychain in memory, which outlives the program.
#[derive(Debug)]
struct MemKeychain(Entries, Life);

impl Vault for MemKeychain {
    fn read(&self, slot: Slot) -> Result<Option<ContentKey>, NodeError> {
        Ok(self.0.lock().unwrap().get(&slot).cloned())
    }

    fn write(&self, slot: Slot, key: &ContentKey) -> Result<(), NodeError> {
        self.1.step()?;
        self.0.lock().unwrap().insert(slot, key.clone());
        Ok(())
    }

    /// In two steps, as a real one.
    fn promote(&self) -> Result<(), NodeError> {
        if let Some(key) = self.read(Slot::Next)? {
            self.write(Slot::Current, &key)?;
        }
        self.remove(Slot::Next)
    }

    fn remove(&self, slot: Slot) -> Result<(), NodeError> {
        self.1.step()?;
        self.0.lock().unwrap().remove(&slot);
        Ok(())
    }

    fn missing(&self) -> NodeError {
        NodeError::KeychainEntry {
            service: "test",
            entry: "entry".to_owned(),
        }
    }
}

/// Real files.
#[derive(Debug)]
struct MortalFile(KeyFile, Life);

impl Vault for MortalFile {
    fn read(&self, slot: Slot) -> Result<Option<ContentKey>, NodeError> {
        self.0.read(slot)
    }

    fn write(&self, slot: Slot, key: &ContentKey) -> Result<(), NodeError> {
        self.1.step()?;
        self.0.write(slot, key)
    }

    fn promote(&self) -> Result<(), NodeError> {
        self.1.step()?;
        self.0.promote()
    }

    fn remove(&self, slot: Slot) -> Result<(), NodeError> {
        self.1.step()?;
        self.0.remove(slot)
    }

    fn missing(&self) -> NodeError {
        self.0.missing()
    }
}

/// A machine: what outlives the program, and the program.
struct Machine {
    home: tempfile::TempDir,
    keychain: Entries,
    store: Arc<MemStore>,
    spawner: Spawner,
    drawn: u8,
}

impl Machine {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            keychain: Entries::default(),
            store: Arc::new(MemStore::open(&MemDisk::new()).unwrap()),
            spawner: Spawner::thread("test", &Failures::new()).unwrap(),
            drawn: 0,
        }
    }

    fn vaults(&self, life: &Life) -> Vaults {
        let file = KeyFile::new(self.home.path().join("key"));
        Vaults {
            file: Arc::new(MortalFile(file, life.clone())),
            keychain: Arc::new(MemKeychain(Arc::clone(&self.keychain), life.clone())),
            cost: CHEAP,
        }
    }

    fn draw(&mut self) -> ContentKey {
        self.drawn += 1;
        ContentKey::from_bytes([self.drawn; 32])
    }

    /// Opens the profile, or makes it.
    fn open(
        &mut self,
        configured: KeyringProtection,
        passphrase: &str,
    ) -> Result<(Halo, DeviceKey), NodeError> {
        let life = Life::steps(u32::MAX);
        let key = self.draw();
        let passphrase = Some(passphrase.to_owned().into());
        let (protection, settle) =
            self.vaults(&life)
                .find(&*self.store, configured, passphrase, || key)?;
        let (store, config) = (Arc::clone(&self.store), HaloConfig { protection });
        let seeds = SeedTree::from_seed(1);
        let halo = Halo::start(&self.spawner.handle(), store, &config, &seeds)?;
        self.vaults(&life).settle(settle)?;
        let device = halo.signer().device();
        Ok((halo, device))
    }

    /// What a client does, killed after so many steps.
    async fn change(
        &mut self,
        halo: &Halo,
        from: KeyringProtection,
        to: KeyringProtection,
        life: &Life,
    ) -> Result<(), NodeError> {
        let key = self.draw();
        let vaults = self.vaults(life);
        let (protection, settle) = vaults.prepare(new(to, "new"), from, || key)?;
        life.step()?;
        let change = ChangeProtection { protection };
        halo.change_protection().ask(change).await.unwrap().unwrap();
        vaults.settle(settle)
    }

    /// How many keys are kept: in files, and in the keychain.
    fn keys(&self) -> (usize, usize) {
        let files = fs::read_dir(self.home.path()).unwrap().count();
        (files, self.keychain.lock().unwrap().len())
    }
}

fn new(setting: KeyringProtection, passphrase: &str) -> NewProtection {
    match setting {
        KeyringProtection::Auto | KeyringProtection::KeyFile => NewProtection::KeyFile,
        KeyringProtection::Keychain => NewProtection::Keychain,
        KeyringProtection::None => NewProtection::None,
        KeyringProtection::Passphrase => NewProtection::passphrase(passphrase),
    }
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_change_loses_nothing() {
    for from in ALL {
        for to in ALL {
            let mut done = false;
            let mut steps = 0;
            while !done {
                let mut machine = Machine::new();
                let (halo, device) = machine.open(from, "old").unwrap();
                let life = Life::steps(steps);
                done = machine.change(&halo, from, to, &life).await.is_ok();
                drop(halo);

                // The next run of the program, told what the profile says of itself.
                let says = Halo::protection_of(&*machine.store).unwrap().unwrap();
                let setting = setting_of(says).unwrap();
                assert!(setting == from || setting == to);
                let opened = ["old", "new"].map(|text| machine.open(setting, text));
                let which: Vec<_> = opened.iter().flatten().map(|(_, key)| *key).collect();
                assert!(!which.is_empty(), "{from} {to} {steps}: {opened:?}");
                assert!(which.iter().all(|key| *key == device));
                if setting == KeyringProtection::Passphrase {
                    assert_eq!(which.len(), 1, "one passphrase opens it");
                }
                // What is not in use any more is gone; another change starts anew.
                let (files, entries) = machine.keys();
                let settled = match setting {
                    KeyringProtection::KeyFile => (1, 0),
                    KeyringProtection::Keychain => (0, 1),
                    _ => (0, 0),
                };
                assert_eq!(files, settled.0, "{from} {to} {steps}");
                // An entry is left where asking the keychain could disturb the user.
                assert!(entries >= settled.1 && entries <= 2);
                if done {
                    assert_eq!((setting, entries), (to, settled.1));
                }
                steps += 1;
                assert!(steps < 12, "it ends");
            }
        }
    }
}

#[tokio::test]
async fn the_old_secret_opens_nothing_after_a_change() {
    let mut machine = Machine::new();
    let passphrase = KeyringProtection::Passphrase;
    let (halo, _) = machine.open(passphrase, "old").unwrap();
    let life = Life::steps(u32::MAX);
    machine
        .change(&halo, passphrase, passphrase, &life)
        .await
        .unwrap();
    let wrong = machine.open(passphrase, "old").unwrap_err();
    let by_key = OpenHaloError::Keyring(KeyringError::WrongKey);
    assert_eq!(wrong, NodeError::Halo(by_key));
    // May be tried again at once.
    machine.open(passphrase, "new").unwrap();

    let mut machine = Machine::new();
    let file = KeyringProtection::KeyFile;
    let (halo, _) = machine.open(file, "").unwrap();
    let key = machine.home.path().join("key");
    let old = fs::read(&key).unwrap();
    machine.change(&halo, file, file, &life).await.unwrap();
    fs::write(&key, old).unwrap();
    assert!(machine.open(file, "").is_err());
}

#[tokio::test]
async fn another_setting_than_the_profile_has_is_told_with_what_opens_it() {
    for stored in ALL {
        for configured in ALL {
            let mut machine = Machine::new();
            machine.open(stored, "p").unwrap();
            let opened = machine.open(configured, "p");
            if stored == configured {
                assert!(opened.is_ok());
                continue;
            }
            let error = opened.unwrap_err();
            assert!(matches!(&error, NodeError::OtherProtection { .. }));
            let text = error.to_string();
            assert!(text.contains(&format!("is {configured};")), "{text}");
            assert!(text.contains(&format!("set it to {stored}")), "{text}");
        }
    }
}

#[tokio::test]
async fn a_setting_that_leaves_it_to_the_profile_opens_all_and_makes_what_is_given() {
    let auto = KeyringProtection::Auto;
    for stored in ALL {
        let mut machine = Machine::new();
        machine.open(stored, "p").unwrap();
        machine.open(auto, "p").unwrap();
        let resolved = resolve(&*machine.store, auto, None);
        assert_eq!(resolved, Ok(stored));
    }
    for (given, made) in [
        ("p", KeyringProtection::Passphrase),
        ("", KeyringProtection::KeyFile),
    ] {
        let mut machine = Machine::new();
        machine.open(auto, given).unwrap();
        assert_eq!(resolve(&*machine.store, auto, None), Ok(made));
    }
}

#[tokio::test]
async fn the_same_letters_are_the_same_passphrase_and_those_of_old_profiles_still_open() {
    let (composed, decomposed, half) = ("Möhre 한", "Mo\u{308}hre \u{1112}\u{1161}\u{11ab}", "ﬁ");
    let passphrase = KeyringProtection::Passphrase;
    for (made, typed) in [(composed, decomposed), (decomposed, composed)] {
        let mut machine = Machine::new();
        let (_, device) = machine.open(passphrase, made).unwrap();
        assert_eq!(machine.open(passphrase, typed).unwrap().1, device);
        let wrong = machine.open(passphrase, half).unwrap_err();
        assert!(wrong.to_string().contains("wrong passphrase"), "{wrong}");
    }

    // An older version took it as it was typed.
    let machine = &mut Machine::new();
    let (store, seeds) = (Arc::clone(&machine.store), SeedTree::from_seed(1));
    let protection = Protection::Passphrase(decomposed.to_owned().into(), CHEAP);
    let config = HaloConfig { protection };
    let old = Halo::start(&machine.spawner.handle(), store, &config, &seeds).unwrap();
    let device = old.signer().device();
    drop(old);
    assert_eq!(machine.open(passphrase, decomposed).unwrap().1, device);
    assert!(machine.open(passphrase, "Mo\u{308}hre").is_err());
}

#[tokio::test]
async fn no_passphrase_and_an_empty_one_are_the_same() {
    let mut machine = Machine::new();
    let refused = machine.open(KeyringProtection::Passphrase, "");
    assert_eq!(refused.unwrap_err(), NodeError::NoPassphrase);
    let (halo, _) = machine.open(KeyringProtection::None, "").unwrap();
    drop(halo);
    let vaults = machine.vaults(&Life::steps(9));
    let before = KeyringProtection::None;
    let refused = vaults.prepare(NewProtection::passphrase(""), before, || unreachable!());
    assert_eq!(refused.unwrap_err(), NodeError::NoPassphrase);
}

#[tokio::test]
async fn a_lost_key_is_not_replaced() {
    let mut machine = Machine::new();
    machine.open(KeyringProtection::KeyFile, "").unwrap();
    let key = machine.home.path().join("key");
    fs::remove_file(&key).unwrap();
    let lost = machine.open(KeyringProtection::KeyFile, "").unwrap_err();
    let text = lost.to_string();
    assert!(text.contains("missing") && text.contains("key"), "{text}");
    assert!(!key.exists());
    fs::write(&key, b"short").unwrap();
    let short = machine.open(KeyringProtection::KeyFile, "").unwrap_err();
    assert!(short.to_string().contains("5 bytes"), "{short}");
    assert_eq!(fs::read(&key).unwrap(), b"short");

    let mut machine = Machine::new();
    machine.open(KeyringProtection::Keychain, "").unwrap();
    machine.keychain.lock().unwrap().clear();
    let lost = machine.open(KeyringProtection::Keychain, "").unwrap_err();
    assert!(matches!(&lost, NodeError::KeychainEntry { .. }), "{lost}");
    assert_eq!(machine.keys(), (0, 0));
}

#[tokio::test]
async fn a_profile_that_was_begun_goes_on_with_its_key() {
    // Killed after the key was written and before the keyring was.
    let mut machine = Machine::new();
    let key = ContentKey::from_bytes([99; 32]);
    let vaults = machine.vaults(&Life::steps(9));
    vaults.file.write(Slot::Current, &key).unwrap();
    machine.open(KeyringProtection::KeyFile, "").unwrap();
    assert_eq!(vaults.file.read(Slot::Current).unwrap(), Some(key));
}

#[cfg(unix)]
#[test]
fn a_key_file_is_private_whatever_was_there() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("key");
    // Left by somebody else, and readable by all.
    fs::write(path.with_extension("new"), b"x").unwrap();
    let open = fs::Permissions::from_mode(0o666);
    fs::set_permissions(path.with_extension("new"), open).unwrap();
    let file = KeyFile::new(path.clone());
    file.write(Slot::Current, &ContentKey::from_bytes([1; 32]))
        .unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_new_protection_never_prints_its_secret() {
    let shown = format!("{:?}", NewProtection::passphrase("hunter2"));
    assert_eq!(shown, "NewProtection(passphrase)");
}

#[tokio::test]
async fn a_locked_client_has_nothing_to_sign_with_in_memory() {
    let home = tempfile::tempdir().unwrap();
    let client = crate::ClientOptions::new()
        .config(crate::Config::default())
        .profile(home.path())
        .listen(([127, 0, 0, 1], 0).into())
        .with(|config| config.keyring.protection = KeyringProtection::KeyFile)
        .build();
    client.initialize().await.unwrap();
    client.halo().create_identity("Ann").await.unwrap();
    let properties = BTreeMap::new();
    client.echo().create_space(properties).await.unwrap();
    // The one copy that everything else shares: spaces, sessions, TLS.
    let secret = Arc::downgrade(&client.node().unwrap().halo.signer());
    assert!(secret.upgrade().is_some());
    client.lock().await.unwrap();
    assert!(secret.upgrade().is_none());
}
