//! A profile on disk: `store/`, the database, and `key`, what its keyring is encrypted with
//! unless that is a passphrase or in the keychain.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Clock, SeedTree, SpawnerHandle};
use dxos_keys::{ContentKey, Signer};
use dxos_mesh::MeshConfig;
use dxos_protocol::echo::Finding;
use dxos_quic::{BindError, QuicConfig, QuicTransport};
use dxos_signal::{ServerAddress, SignalClient};
use dxos_store::Store;
use dxos_store_fjall::{FjallOptions, FjallStore, Replaceable};
use dxos_transport::{Announcement, Combined, Discovery, PeerAddress, StaticPeers, Transport};
use zeroize::Zeroizing;

use crate::address_book::AddressBook;
use crate::protection::{Settle, Vaults, resolve};
use crate::{Config, NetworkParts, NodeError, Parts};

/// The newest layout of the store that this version reads.
const SCHEMA: u32 = 1;

fn store_path(config: &Config) -> PathBuf {
    config.profile.join("store")
}

impl Config {
    /// Whether there is a profile where [`Config::profile`] says. Initializing a client makes one
    /// where there is none.
    pub fn has_profile(&self) -> bool {
        store_path(self).exists()
    }
}

/// A profile that was opened.
pub(crate) struct Opened {
    pub(crate) parts: Parts,
    pub(crate) settle: Settle,
    /// What could not be opened of what is derived, and is made anew.
    pub(crate) given_up: Vec<Finding>,
}

/// Opens the store of a profile. What it gives up of what is derived is marked to be made anew.
fn open_store(config: &Config, repairs: bool) -> Result<(Arc<dyn Store>, Vec<Finding>), NodeError> {
    let replaceable = dxos_echo::derived().map(|(keyspace, from)| Replaceable { keyspace, from });
    let options = FjallOptions {
        cache_bytes: config.storage.cache_bytes(),
        known_schema: SCHEMA,
        replaceable: replaceable.into(),
        give_up: repairs,
        ..FjallOptions::default()
    };
    let store = FjallStore::open(store_path(config), options)?;
    let given_up = store.given_up()?;
    let mut findings = Vec::new();
    if !given_up.is_empty() {
        findings = dxos_echo::make_anew_given_up(&given_up, &store).map_err(|error| {
            let (part, reason) = ("the repair of the profile", error.to_string());
            NodeError::Start { part, reason }
        })?;
        store.forget_given_up()?;
    }
    Ok((Arc::new(store), findings))
}

/// Opens the profile of a configuration, and fills in what protects it; if `repairs`, also where
/// files of what is derived cannot be opened. Blocks while the store is opened.
pub(crate) fn open(
    config: &mut Config,
    repairs: bool,
    passphrase: Option<Zeroizing<String>>,
    spawner: &SpawnerHandle,
) -> Result<Opened, NodeError> {
    let randomness = |error: dxos_actors::SeedError| NodeError::Randomness {
        reason: error.to_string(),
    };
    let seeds = SeedTree::from_os().map_err(randomness)?;
    make_private_directory(&config.profile);
    #[cfg(unix)]
    make_private_again(&config.profile);
    // First the store: it keeps other processes out.
    let (store, given_up) = open_store(config, repairs)?;
    let vaults = Vaults::of_profile(&config.profile);
    let draw = || ContentKey::generate(&mut seeds.rng_of("key file"));
    let given = passphrase.as_ref().map(|text| text.as_str());
    let found = resolve(&store, config.keyring.protection, given).and_then(|protection| {
        config.keyring.protection = protection;
        vaults.find(&store, protection, passphrase, draw)
    });
    let (protection, settle) = match found {
        Ok(found) => found,
        Err(error) => {
            // Whoever tries next finds it closed.
            drop(store.close());
            return Err(error);
        }
    };
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
    let parts = Parts {
        store,
        protection,
        clock,
        seeds,
        sync_interval,
        epochs: config.storage.epochs(),
        cache_bytes: usize::try_from(config.storage.cache_bytes()).unwrap_or(usize::MAX),
        network,
    };
    Ok(Opened {
        parts,
        settle,
        given_up,
    })
}

/// Takes from others what a profile that was copied or restored lets them do: its directory, the
/// store in it and its keys are for this user alone.
#[cfg(unix)]
fn make_private_again(profile: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let store = profile.join("store");
    // Until there is one, it is no profile.
    if !store.is_dir() {
        return;
    }
    let keys = [profile.join("key"), profile.join("key.next")];
    for (path, wanted) in [(profile.to_path_buf(), 0o700), (store, 0o700)]
        .into_iter()
        .chain(keys.map(|key| (key, 0o600)))
    {
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        let found = metadata.permissions().mode() & 0o777;
        let of_others = found & 0o077;
        if of_others == 0 {
            continue;
        }
        let path_text = path.display();
        match fs::set_permissions(&path, fs::Permissions::from_mode(wanted)) {
            Ok(()) => tracing::warn!(
                "{path_text} had mode {found:o}, which lets others in; it is {wanted:o} now. \
                 Whoever has read the key before can still use it: `dx keyring protect` makes \
                 another"
            ),
            Err(error) => tracing::warn!(
                "{path_text} has mode {found:o}, which lets others in, and it could not be \
                 changed: {error}; set it to {wanted:o}"
            ),
        }
    }
}

/// Makes the directory of a new profile, for this user alone: nobody else gets at anything in it,
/// whatever the mode of a file. One that exists is left as its user made it, until there is a
/// profile in it.
fn make_private_directory(path: &Path) {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = match path.parent() {
        Some(parent) => fs::create_dir_all(parent).and_then(|()| builder.create(path)),
        None => Ok(()),
    };
    // Where that is not possible the store says why: it makes a directory there next.
    if let Err(error) = made {
        tracing::debug!(%error, "no new directory for the profile");
    }
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
    let store = store_path(config);
    // Without the key what is left of a store that was half removed tells nothing.
    Vaults::of_profile(&config.profile).wipe(config.keyring.protection)?;
    gone(&store, fs::remove_dir_all(&store))?;
    // Fails when somebody keeps other files there, which is fine.
    drop(fs::remove_dir(&config.profile));
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
