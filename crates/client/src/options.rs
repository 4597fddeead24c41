//! What a client is made with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{Config, ConfigError, KeyringProtection};

type Change = Arc<dyn Fn(&mut Config) + Send + Sync>;

/// Options of a [`crate::Client`]. What is set here wins over the environment, the configuration
/// file and the defaults, in this order.
#[derive(Clone, Default)]
pub struct ClientOptions {
    file: Option<PathBuf>,
    config: Option<Config>,
    changes: Vec<Change>,
    passphrase: Option<Zeroizing<String>>,
    repairs: bool,
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ClientOptions")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl ClientOptions {
    /// Options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this configuration file in place of looking for one.
    #[must_use]
    pub fn config_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Uses exactly this configuration: no file and no environment is read.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Changes anything of the configuration.
    #[must_use]
    pub fn with(mut self, change: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        self.changes.push(Arc::new(change));
        self
    }

    /// The directory of the profile.
    #[must_use]
    pub fn profile(self, profile: impl AsRef<Path>) -> Self {
        let profile = profile.as_ref().to_path_buf();
        self.with(move |config| config.profile.clone_from(&profile))
    }

    /// Takes no part in the network: a local database.
    #[must_use]
    pub fn offline(self) -> Self {
        self.with(|config| config.network.enabled = false)
    }

    /// Where to listen, such as `127.0.0.1:0`.
    #[must_use]
    pub fn listen(self, address: std::net::SocketAddr) -> Self {
        self.with(move |config| config.network.listen = address)
    }

    /// Protects the keyring with this passphrase. To ask for it while the program runs, use
    /// [`crate::Client::unlock`].
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.passphrase = Some(Zeroizing::new(passphrase.into()));
        self.with(|config| config.keyring.protection = KeyringProtection::Passphrase)
    }

    /// Opens the profile also where files of what follows from the blocks cannot be opened, as
    /// when one is lost. Of these all are deleted, and what was in them is made anew, in every
    /// space, as it is opened; [`crate::Client::doctor`] tells which those are. Nothing is
    /// deleted if some of what it is made anew from cannot be read.
    #[must_use]
    pub const fn repair(mut self) -> Self {
        self.repairs = true;
        self
    }

    /// Makes a client with these options.
    pub fn build(self) -> crate::Client {
        crate::Client::new(self)
    }

    /// Puts all layers together.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file, the key and what was expected.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(config) => config.clone(),
            None => Config::load(self.file.as_deref())?,
        };
        for change in &self.changes {
            change(&mut config);
        }
        Ok(config)
    }

    pub(crate) const fn repairs(&self) -> bool {
        self.repairs
    }

    /// Takes the passphrase that was given in code out.
    pub(crate) fn take_passphrase(&mut self) -> Option<Zeroizing<String>> {
        self.passphrase.take()
    }
}
