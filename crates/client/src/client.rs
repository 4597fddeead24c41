//! The facade's life: made, initialized, destroyed, reset.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dxos_actors::{Failures, NodeFailure, Spawner};
use dxos_halo::OpenHaloError;
use dxos_keys::{ContentKey, KeyringError};
use dxos_protocol::echo::{Finding, StoreFailure};
use dxos_protocol::halo::ChangeProtection;
use serde_json::json;
use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use crate::assemble::{Network, Node, assemble};
use crate::protection::Vaults;
use crate::{
    ClientError, ClientOptions, Config, EchoProxy, HaloProxy, KeyringConfig, KeyringProtection,
    MeshProxy, NewProtection, NodeError, VERSION, profile,
};

/// How long a client may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(20);

/// Whether a client is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// It is initialized.
    Active,
    /// It is not initialized, or not any more.
    Inactive,
    /// It was locked, or its profile asks for a passphrase and none or a wrong one was given.
    Locked,
}

/// The word that [`Client::reset`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirm {
    /// Yes: identity, keys and everything that no other device has will be gone for good.
    WipeProfile,
}

/// One profile's identity, spaces and network. Cheap to clone, `Send + Sync`; its methods work
/// on any executor. When the last clone is dropped everything stops; [`Client::destroy`] does
/// the same in order and tells of failures.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    /// Without the passphrase.
    options: ClientOptions,
    /// As given in code; gone when the client is locked.
    passphrase: StdMutex<Option<Zeroizing<String>>>,
    /// What protects the keyring, when this client was told otherwise than by its options.
    protection: StdMutex<Option<KeyringProtection>>,
    /// What could not be opened of what is derived, and is made anew, until somebody asks.
    given_up: StdMutex<Vec<Finding>>,
    /// Held while the client is brought up or down.
    running: Mutex<Option<Running>>,
    node: RwLock<Option<Arc<Node>>>,
    config: RwLock<Option<Config>>,
    status: watch::Sender<Status>,
    reset: AtomicBool,
}

/// What a running client owns.
struct Running {
    /// `None` for a client over a node of somebody else.
    spawner: Option<Spawner>,
    failures: Failures,
}

impl Client {
    /// Makes a client. Nothing is opened or read before [`Client::initialize`].
    pub fn new(options: ClientOptions) -> Self {
        Self::with(options, None)
    }

    /// Options to begin with: `Client::builder().profile(path).build()`.
    pub fn builder() -> ClientOptions {
        ClientOptions::new()
    }

    /// Makes a client over a node that was assembled before, already initialized; for
    /// simulations. The node's spawner stays with the caller.
    pub fn over(node: Node) -> Self {
        let failures = node.spawner.failures().clone();
        let client = Self::with(
            ClientOptions::new(),
            Some(Running {
                spawner: None,
                failures,
            }),
        );
        client.set_node(Some(node));
        client
    }

    fn with(mut options: ClientOptions, running: Option<Running>) -> Self {
        let inner = Inner {
            passphrase: StdMutex::new(options.take_passphrase()),
            given_up: StdMutex::default(),
            protection: StdMutex::new(None),
            options,
            running: Mutex::new(running),
            node: RwLock::new(None),
            config: RwLock::new(None),
            status: watch::Sender::new(Status::Inactive),
            reset: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The version of this crate.
    pub const fn version(&self) -> &'static str {
        VERSION
    }

    /// The configuration: the one in use, or before the client is initialized what it would
    /// use.
    ///
    /// # Errors
    ///
    /// [`ClientError::Config`] names the file, the key and what was expected.
    pub fn config(&self) -> Result<Config, ClientError> {
        let used = self
            .inner
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        used.map_or_else(|| Ok(self.inner.options.load()?), Ok)
    }

    /// Opens the profile and joins the network. Returns when the identity and the list of
    /// spaces are known. Calling it again does nothing; concurrent calls share one run.
    ///
    /// # Errors
    ///
    /// [`ClientError::Config`], [`ClientError::Node`], [`ClientError::Reset`].
    pub async fn initialize(&self) -> Result<(), ClientError> {
        let given = guard(&self.inner.passphrase).clone();
        let from_environment = || std::env::var("DX_PASSPHRASE").ok().map(Zeroizing::new);
        let protection = *guard(&self.inner.protection);
        self.open(given.or_else(from_environment), protection).await
    }

    /// Ends everything as [`Client::destroy`] does and keeps no secret in memory, not even a
    /// passphrase that was given in the options. Everything then answers with
    /// [`ClientError::Locked`] until [`Client::unlock`], or [`Client::initialize`] where what
    /// opens the profile is a file, the keychain or `DX_PASSPHRASE`.
    ///
    /// # Errors
    ///
    /// As for [`Client::destroy`]; it is locked all the same.
    pub async fn lock(&self) -> Result<(), ClientError> {
        drop(guard(&self.inner.passphrase).take());
        let ended = self.destroy().await;
        self.inner.status.send_replace(Status::Locked);
        ended
    }

    /// Opens the profile with this passphrase, which is not kept. A new profile is protected by
    /// it from then on. When the client is open already nothing is done, and the passphrase not
    /// looked at.
    ///
    /// # Errors
    ///
    /// As for [`Client::initialize`]. A wrong passphrase is
    /// [`KeyringError::WrongKey`](dxos_keys::KeyringError::WrongKey) within
    /// [`ClientError::Node`], however wrong it is; another may be tried at once.
    pub async fn unlock(&self, passphrase: impl Into<String>) -> Result<(), ClientError> {
        let passphrase = Zeroizing::new(passphrase.into());
        let protection = KeyringProtection::Passphrase;
        self.open(Some(passphrase), Some(protection)).await?;
        *guard(&self.inner.protection) = Some(protection);
        Ok(())
    }

    async fn open(
        &self,
        passphrase: Option<Zeroizing<String>>,
        protection: Option<KeyringProtection>,
    ) -> Result<(), ClientError> {
        let mut running = self.inner.running.lock().await;
        if self.inner.reset.load(Ordering::Acquire) {
            return Err(ClientError::Reset);
        }
        if running.is_some() && self.initialized() {
            return Ok(());
        }
        let mut config = self.inner.options.load()?;
        config.keyring.protection = protection.unwrap_or(config.keyring.protection);
        let repairs = self.inner.options.repairs();
        let failures = Failures::new();
        let spawner = Spawner::thread("dxos", &failures).map_err(NodeError::from)?;
        let handle = spawner.handle();
        let assembled = spawner.run(move || async move {
            let opened = profile::open(&mut config, repairs, passphrase, &handle);
            let profile::Opened {
                parts,
                settle,
                given_up,
            } = match opened {
                Ok(opened) => opened,
                Err(error) => return (Err(error), config),
            };
            let store = Arc::clone(&parts.store);
            let assembled = assemble(parts, &handle).await;
            match &assembled {
                Ok(_) => Vaults::of_profile(&config.profile).settle_or_say(settle),
                // Whoever tries next finds it closed.
                Err(_) => drop(store.close()),
            }
            (assembled.map(|node| (node, given_up)), config)
        });
        let (assembled, config) = assembled.await.map_err(NodeError::from)?;
        let (node, given_up) = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                if asks_for_passphrase(&error, &config) {
                    self.inner.status.send_replace(Status::Locked);
                }
                return Err(error.into());
            }
        };
        *self
            .inner
            .config
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(config);
        guard(&self.inner.given_up).extend(given_up);
        *running = Some(Running {
            spawner: Some(spawner),
            failures,
        });
        self.set_node(Some(node));
        Ok(())
    }

    /// What the store has given up since this was asked last.
    pub(crate) fn take_given_up(&self) -> Vec<Finding> {
        std::mem::take(&mut *guard(&self.inner.given_up))
    }

    /// Whether the client is initialized.
    pub fn initialized(&self) -> bool {
        self.inner
            .node
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Spaces and their objects.
    pub fn echo(&self) -> EchoProxy {
        EchoProxy::new(self.clone())
    }

    /// Identity and devices.
    pub fn halo(&self) -> HaloProxy {
        HaloProxy::new(self.clone())
    }

    /// The network.
    pub fn mesh(&self) -> MeshProxy {
        MeshProxy::new(self.clone())
    }

    /// Whether it is usable now.
    pub fn status(&self) -> Status {
        *self.inner.status.borrow()
    }

    /// The same as it changes.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// What the store of the profile refuses to write, and why, as it changes: `None` while all is
    /// well. Every open space says the same in its report, and later writes are refused with the
    /// reason, so this is for who looks after the client as a whole.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub fn watch_store(&self) -> Result<watch::Receiver<Option<StoreFailure>>, ClientError> {
        Ok(self.node()?.echo.watch_store())
    }

    /// Waits until a part of the client has failed in a way that stopped it; forever when none
    /// does. Destroy the client then and initialize it again.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn failed(&self) -> Result<NodeFailure, ClientError> {
        let failures = match &*self.inner.running.lock().await {
            Some(running) => running.failures.clone(),
            None => return Err(ClientError::NotInitialized),
        };
        Ok(failures.wait().await)
    }

    /// Ends everything in order and puts everything that was acknowledged onto the disk. May
    /// be called again, and at the same time; afterwards the client may be initialized again.
    ///
    /// # Errors
    ///
    /// [`ClientError::Node`] when something did not end cleanly; it is stopped all the same.
    pub async fn destroy(&self) -> Result<(), ClientError> {
        let mut running = self.inner.running.lock().await;
        let node = self.set_node(None);
        let ended = match &node {
            Some(node) => node.shut_down(SHUTDOWN_DEADLINE).await,
            None => Ok(()),
        };
        drop(node);
        if let Some(Running {
            spawner: Some(spawner),
            ..
        }) = running.take()
            && let Err(error) = spawner.shutdown(SHUTDOWN_DEADLINE).await
        {
            tracing::warn!(%error, "the client's thread was left behind");
        }
        Ok(ended?)
    }

    /// Destroys the client and wipes its profile. Afterwards this client refuses every call
    /// with [`ClientError::Reset`]: make a new one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Node`] when files could not be removed; [`ClientError::Reset`].
    pub async fn reset(&self, confirm: Confirm) -> Result<(), ClientError> {
        let Confirm::WipeProfile = confirm;
        if self.inner.reset.load(Ordering::Acquire) {
            return Err(ClientError::Reset);
        }
        let config = self.config()?;
        // What did not end cleanly is wiped anyway.
        if let Err(error) = self.destroy().await {
            tracing::warn!(%error, "before the reset");
        }
        let running = self.inner.running.lock().await;
        self.inner.reset.store(true, Ordering::Release);
        let wiped = profile::wipe(&config);
        drop(running);
        Ok(wiped?)
    }

    /// What there is to say of the client, without a secret: version, whether it is
    /// initialized, identity, spaces, network.
    pub async fn to_json(&self) -> serde_json::Value {
        let mut json = json!({
            "version": VERSION,
            "initialized": self.initialized(),
            "status": self.status(),
        });
        let identity = self.halo().identity().await.ok().flatten();
        let spaces = self.echo().reports().await.unwrap_or_default();
        let spaces: Vec<_> = spaces
            .iter()
            .map(|space| {
                json!({
                    "key": space.space,
                    "name": space.properties.get("name"),
                    "state": space.state,
                    "reason": space.reason,
                    "why": space.reason.as_ref().map(ToString::to_string),
                    "role": space.role,
                    "objects": space.objects,
                    "blocks": space.blocks,
                    "missing_blocks": space.missing_blocks,
                    "transferred": space.transferred,
                    "peers": space.peers,
                    "forks": space.forks.len(),
                })
            })
            .collect();
        let network = self.mesh().network_status().await.ok();
        if let Some(json) = json.as_object_mut() {
            json.insert("identity".to_owned(), json!(identity));
            json.insert("spaces".to_owned(), json!(spaces));
            json.insert("network".to_owned(), json!(network));
            let failure = self
                .watch_store()
                .ok()
                .and_then(|store| store.borrow().clone());
            json.insert("store_failure".to_owned(), json!(failure));
        }
        json
    }

    pub(crate) fn node(&self) -> Result<Arc<Node>, ClientError> {
        if self.inner.reset.load(Ordering::Acquire) {
            return Err(ClientError::Reset);
        }
        let node = self
            .inner
            .node
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        node.clone().ok_or_else(|| match self.status() {
            Status::Locked => ClientError::Locked,
            _ => ClientError::NotInitialized,
        })
    }

    /// Encrypts the keyring in another way. See [`crate::HaloProxy::change_protection`].
    pub(crate) async fn change_protection(&self, new: NewProtection) -> Result<(), ClientError> {
        // Nobody locks or destroys the client meanwhile, or changes it too.
        let running = self.inner.running.lock().await;
        let node = self.node()?;
        let config = self.inner.config.read();
        let config = config.unwrap_or_else(PoisonError::into_inner).clone();
        // A node of somebody else, whose profile is not known here.
        let config = config.ok_or(ClientError::NotInitialized)?;
        let setting = new.setting();
        let key = node.with_rng(ContentKey::generate);
        let before = config.keyring.protection;
        let vaults = Vaults::of_profile(&config.profile);
        let prepare = {
            let vaults = vaults.clone();
            move || vaults.prepare(new, before, || key)
        };
        let prepared = node.spawner.blocking(prepare).await;
        let (protection, settle) = prepared.map_err(NodeError::from)??;
        let change = ChangeProtection { protection };
        let changed = node.halo.change_protection().ask(change).await;
        // Where that failed, whoever opens the profile next finds out how far it came.
        changed.map_err(ClientError::unanswered("HALO"))??;
        let config = Config {
            keyring: KeyringConfig {
                protection: setting,
            },
            ..config
        };
        let used = self.inner.config.write();
        *used.unwrap_or_else(PoisonError::into_inner) = Some(config);
        *guard(&self.inner.protection) = Some(setting);
        drop(guard(&self.inner.passphrase).take());
        let settled = node.spawner.blocking(move || vaults.settle_or_say(settle));
        settled.await.map_err(NodeError::from)?;
        drop(running);
        Ok(())
    }

    pub(crate) fn network(&self) -> Result<Network, ClientError> {
        self.node()?.network.clone().ok_or(ClientError::NoNetwork)
    }

    fn set_node(&self, node: Option<Node>) -> Option<Arc<Node>> {
        let status = if node.is_some() {
            Status::Active
        } else {
            Status::Inactive
        };
        let mut current = self
            .inner
            .node
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, node.map(Arc::new));
        drop(current);
        self.inner.status.send_replace(status);
        before
    }
}

fn guard<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a profile did not open for want of the right passphrase.
fn asks_for_passphrase(error: &NodeError, config: &Config) -> bool {
    match error {
        NodeError::NoPassphrase => true,
        NodeError::Halo(OpenHaloError::Keyring(KeyringError::WrongKey)) => {
            config.keyring.protection == KeyringProtection::Passphrase
        }
        _ => false,
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("version", &VERSION)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status() {
            Status::Active => "active",
            Status::Inactive => "inactive",
            Status::Locked => "locked",
        };
        write!(formatter, "DXOS client {VERSION}, {status}")?;
        if let Ok(config) = self.config() {
            write!(formatter, ", profile {}", config.profile.display())?;
        }
        Ok(())
    }
}
