//! A profile on disk: `store/`, the database, and `key`, what its keyring is encrypted with.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Clock, SeedTree, SpawnerHandle};
use dxos_keys::{Argon2Params, ContentKey, Protection, Signer};
use dxos_mesh::MeshConfig;
use dxos_quic::{BindError, QuicConfig, QuicTransport};
use dxos_signal::{ServerAddress, SignalClient};
use dxos_store::Store;
use dxos_store_fjall::{FjallOptions, FjallStore};
use dxos_transport::{Announcement, Combined, Discovery, PeerAddress, StaticPeers, Transport};
use zeroize::Zeroizing;

use crate::address_book::AddressBook;
use crate::{Config, KeyringProtection, NetworkParts, NodeError, Parts, PathDisplay};

/// The newest layout of the store that this version reads.
const SCHEMA: u32 = 1;
const KEY_BYTES: usize = 32;

fn store_path(config: &Config) -> PathBuf {
    config.profile.join("store")
}

fn key_path(config: &Config) -> PathBuf {
    config.profile.join("key")
}

/// Opens the profile of a configuration. Blocks while the store is opened.
pub(crate) fn open(
    config: &Config,
    passphrase: Option<Zeroizing<String>>,
    spawner: &SpawnerHandle,
) -> Result<Parts, NodeError> {
    let randomness = |error: dxos_actors::SeedError| NodeError::Randomness {
        reason: error.to_string(),
    };
    let seeds = SeedTree::from_os().map_err(randomness)?;
    let existed = has_entries(&store_path(config));
    let options = FjallOptions {
        cache_bytes: u64::from(config.storage.cache_mib) << 20,
        known_schema: SCHEMA,
        ..FjallOptions::default()
    };
    // First the store: it makes the profile's directory, private, and keeps others out.
    let store: Arc<dyn Store> = Arc::new(FjallStore::open(store_path(config), options)?);
    let protection = protection(config, passphrase, existed, &seeds)?;
    let clock = Clock::system();
    let network = config.network.enabled.then(|| {
        let (network, book) = (config.network.clone(), AddressBook::new(Arc::clone(&store)));
        let (spawner, clock, seeds) = (spawner.clone(), clock.clone(), seeds.child("signal"));
        let open: crate::NetworkFactory = Box::new(move |signer| {
            open_network(network, signer, &book, (&spawner, &clock, &seeds))
        });
        open
    });
    let sync_interval = Duration::from_millis(u64::from(config.storage.sync_interval_ms));
    Ok(Parts {
        store,
        protection,
        clock,
        seeds,
        sync_interval,
        network,
    })
}

/// Removes the profile. What does not belong to it stays.
pub(crate) fn wipe(config: &Config) -> Result<(), NodeError> {
    let gone = |path: &Path, result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(NodeError::Store(dxos_store::StoreError::Io {
                path: path.to_path_buf(),
                reason: format!("it could not be removed: {error}"),
            }))
        }
        _ => Ok(()),
    };
    let (store, key) = (store_path(config), key_path(config));
    // Without the key what is left of a store that was half removed tells nothing.
    gone(&key, fs::remove_file(&key))?;
    gone(&store, fs::remove_dir_all(&store))?;
    // Fails when somebody keeps other files there, which is fine.
    drop(fs::remove_dir(&config.profile));
    Ok(())
}

fn has_entries(directory: &Path) -> bool {
    // The lock file is made by every attempt to open.
    fs::read_dir(directory).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.path().is_dir())
    })
}

fn protection(
    config: &Config,
    passphrase: Option<Zeroizing<String>>,
    existed: bool,
    seeds: &SeedTree,
) -> Result<Protection, NodeError> {
    match config.keyring.protection {
        KeyringProtection::None => Ok(Protection::None),
        KeyringProtection::Passphrase => match passphrase {
            Some(passphrase) => Ok(Protection::Passphrase(passphrase, Argon2Params::default())),
            None => Err(NodeError::NoPassphrase),
        },
        KeyringProtection::KeyFile => key_file(&key_path(config), existed, seeds),
    }
}

fn key_file(path: &Path, existed: bool, seeds: &SeedTree) -> Result<Protection, NodeError> {
    let failed = |reason: String| NodeError::KeyFile {
        path: PathDisplay(path.to_path_buf()),
        reason,
    };
    match fs::read(path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let key: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| {
                failed(format!(
                    "it has {} bytes and not {KEY_BYTES}; restore it from a backup",
                    bytes.len()
                ))
            })?;
            Ok(Protection::Key(ContentKey::from_bytes(key)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !existed => {
            let key = Zeroizing::new(seeds.child("key file").bytes());
            write_private(path, &*key).map_err(|error| failed(error.to_string()))?;
            Ok(Protection::Key(ContentKey::from_bytes(*key)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(failed(
            "it is missing, and the profile was encrypted with it; restore it from a backup"
                .to_owned(),
        )),
        Err(error) => Err(failed(format!("{error}; check its owner and mode"))),
    }
}

/// Writes a file that this user alone may read, durably and whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn open_network(
    config: crate::NetworkConfig,
    signer: Arc<dyn Signer>,
    book: &AddressBook,
    (spawner, clock, seeds): (&SpawnerHandle, &Clock, &SeedTree),
) -> Result<NetworkParts, NodeError> {
    let mut quic = QuicConfig::at(config.listen);
    for text in &config.advertise {
        quic.advertise
            .push(address::<PeerAddress>("network.advertise", text)?);
    }
    let transport: Arc<dyn Transport> = Arc::new(bind(quic, signer, book)?);
    let mut peers = Vec::new();
    for text in &config.peers {
        let ServerAddress { device, address } = address("network.peers", text)?;
        peers.push(Announcement {
            device,
            addresses: vec![address],
        });
    }
    let mut sources: Vec<Arc<dyn Discovery>> = vec![Arc::new(StaticPeers::new(peers))];
    for (n, text) in (0..).zip(&config.signal) {
        let server: ServerAddress = address("network.signal", text)?;
        let seeds = seeds.child_n("server", n);
        let transport = Arc::clone(&transport);
        let client = SignalClient::new(transport, server, spawner, clock.clone(), &seeds);
        sources.push(Arc::new(client));
    }
    let discovery = Arc::new(Combined::new(sources));
    Ok(NetworkParts {
        transport,
        discovery,
        mesh: MeshConfig::default(),
        signal: config.signal,
    })
}

/// Listens where the configuration says; when any port will do, at the one of last time, so
/// that others find this device again without a rendezvous server.
fn bind(
    config: QuicConfig,
    signer: Arc<dyn Signer>,
    book: &AddressBook,
) -> Result<QuicTransport, NodeError> {
    let last = if config.listen.port() == 0 {
        book.port()?
    } else {
        None
    };
    let bound = match last {
        None => QuicTransport::bind(config, signer)?,
        Some(port) => {
            let mut again = config.clone();
            again.listen.set_port(port);
            match QuicTransport::bind(again, Arc::clone(&signer)) {
                Err(BindError::PortInUse { .. } | BindError::Permission { .. }) => {
                    QuicTransport::bind(config, signer)?
                }
                bound => bound?,
            }
        }
    };
    if let Some(address) = bound.local_address() {
        book.remember_port(address.port())?;
    }
    Ok(bound)
}

fn address<T>(key: &'static str, text: &str) -> Result<T, NodeError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| NodeError::Address {
        key,
        text: text.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> SeedTree {
        SeedTree::from_seed(1)
    }

    #[test]
    fn a_key_file_is_made_once_private_and_read_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let Ok(Protection::Key(made)) = key_file(&path, false, &seeds()) else {
            panic!("no key")
        };
        let Ok(Protection::Key(read)) = key_file(&path, true, &SeedTree::from_seed(2)) else {
            panic!("no key")
        };
        assert_eq!(made.id(), read.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn a_lost_or_damaged_key_file_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let lost = key_file(&path, true, &seeds()).unwrap_err().to_string();
        assert!(lost.contains("missing") && lost.contains("key"), "{lost}");
        assert!(!path.exists());
        fs::write(&path, b"short").unwrap();
        let short = key_file(&path, true, &seeds()).unwrap_err().to_string();
        assert!(short.contains("5 bytes"), "{short}");
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
