//! Configuration: defaults, then a file, then the environment, then code; later parts win.

mod age;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dxos_echo::EpochPolicy;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml, Yaml};
use figment::value::UncasedStr;
use serde::{Deserialize, Serialize};

/// Everything that can be set. The same names stand in `dx.yml` and `dx.toml`; in the
/// environment a key such as `network.listen` is `DX_NETWORK__LISTEN`.
///
/// ```yaml
/// profile: /home/ann/.local/share/dxos/default
/// network:
///   listen: 0.0.0.0:4433
///   signal: [ "<device key>@signal.example:4430" ]
/// storage:
///   cache_mib: 64
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// The directory of the profile. Default: `dxos/default` in the user's data directory.
    pub profile: PathBuf,
    /// How the keyring is protected.
    pub keyring: KeyringConfig,
    /// How this device takes part in the network.
    pub network: NetworkConfig,
    /// How content is stored.
    pub storage: StorageConfig,
}

/// How secrets are protected at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct KeyringConfig {
    /// By what. Default: what protects the profile already; a new one is protected by the
    /// passphrase, if one is given, and else by a key file.
    pub protection: KeyringProtection,
}

/// What protects the secrets of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyringProtection {
    /// What protects the profile already. Of a new one it is the passphrase that is given, else a
    /// key file. The configuration of an open client says what it is.
    #[default]
    Auto,
    /// A random key in a file of its own beside the database, readable by this user only: a
    /// copy of the database alone gives nothing away.
    KeyFile,
    /// A random key in the keychain of the operating system, where the program was built with
    /// that (feature `keychain`).
    Keychain,
    /// Nothing.
    None,
    /// A passphrase, given in code or in `DX_PASSPHRASE`.
    Passphrase,
}

impl fmt::Display for KeyringProtection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::KeyFile => "key-file",
            Self::Keychain => "keychain",
            Self::None => "none",
            Self::Passphrase => "passphrase",
        })
    }
}

/// How a device takes part in the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// Whether it takes part at all. Default: true. Going offline later is another matter.
    pub enabled: bool,
    /// Where to listen for QUIC over UDP; port 0 takes any. Default: `0.0.0.0:0`.
    pub listen: SocketAddr,
    /// Addresses to announce in place of those found on this machine.
    pub advertise: Vec<String>,
    /// Rendezvous servers, each `<device key>@host:port`. Default: none.
    pub signal: Vec<String>,
    /// Peers that are always tried, each `<device key>@host:port`. Default: none.
    pub peers: Vec<String>,
}

/// How content is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StorageConfig {
    /// Memory in MiB, 8 to 65,536: half of it for what was read from the store, half for the
    /// objects in use, in all open spaces together. What was written last and is not in tables
    /// yet, and what tables are merged with, take up to about 150 MiB more while much is written.
    /// Default: 64.
    pub cache_mib: u32,
    /// How long an acknowledged edit may lack its fsync, in milliseconds, 1 to 60,000; a loss of
    /// power can take no more than that. Default: 200.
    pub sync_interval_ms: u32,
    /// After so many transactions a space in which this identity is an admin gets an epoch by
    /// itself: a snapshot that stands for them. This device then drops what an epoch stands for,
    /// as soon as no other admin may contest it, and with it the history before; 0 for never.
    /// Default: 0.
    pub epoch_blocks: u64,
    /// The same for a space whose last epoch, or which itself while it has none, is so old and in
    /// which something was written since: a number and `s`, `m`, `h`, `d` or `w`, such as `30d`;
    /// 0 for never. Whatever comes first counts. Default: 0.
    #[serde(with = "age")]
    pub epoch_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let data = directories::ProjectDirs::from("", "", "dxos").map_or_else(
            || PathBuf::from("dxos"),
            |dirs| dirs.data_dir().to_path_buf(),
        );
        Self {
            profile: data.join("default"),
            keyring: KeyringConfig::default(),
            network: NetworkConfig::default(),
            storage: StorageConfig::default(),
        }
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            advertise: Vec::new(),
            signal: Vec::new(),
            peers: Vec::new(),
        }
    }
}

impl StorageConfig {
    /// Memory for the store and for objects, each.
    pub(crate) fn cache_bytes(&self) -> u64 {
        (u64::from(self.cache_mib) << 20) / 2
    }

    pub(crate) fn epochs(&self) -> EpochPolicy {
        EpochPolicy {
            blocks: NonZeroU64::new(self.epoch_blocks),
            age: Some(self.epoch_age).filter(|age| !age.is_zero()),
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            cache_mib: 64,
            sync_interval_ms: 200,
            epoch_blocks: 0,
            epoch_age: Duration::ZERO,
        }
    }
}

/// Why there is no configuration to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Both `dx.yml` and `dx.toml` stand in one directory.
    #[error("both {yaml} and {toml} exist; keep one of them")]
    Ambiguous {
        /// The one.
        yaml: PathDisplay,
        /// The other.
        toml: PathDisplay,
    },
    /// The file that was asked for cannot be read.
    #[error("configuration {path} cannot be read: {reason}")]
    File {
        /// The file.
        path: PathDisplay,
        /// What the system said.
        reason: String,
    },
    /// A value is of the wrong kind or out of range, or the file has a mistake in its syntax.
    #[error("{origin}: {key}: {reason}")]
    Invalid {
        /// The file, or the environment.
        origin: String,
        /// The key, such as `network.listen`.
        key: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A key that does not exist.
    #[error("{origin}: {key} is not a setting; {hint}")]
    UnknownKey {
        /// The file, or the environment.
        origin: String,
        /// The key.
        key: String,
        /// The nearest known one, or all of them.
        hint: String,
    },
}

/// A path for an error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathDisplay(pub PathBuf);

impl fmt::Display for PathDisplay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(formatter)
    }
}

/// Names of the environment that begin like settings and are none.
const NOT_SETTINGS: [&str; 4] = ["config", "log", "passphrase", "no_color"];

/// The settings and groups of settings, as they stand in [`Config`].
const SETTINGS: [&str; 4] = ["profile", "keyring", "network", "storage"];

impl Config {
    /// Reads the configuration: defaults, then `file` (or, when that is `None`, the file named
    /// by `DX_CONFIG`, or `dx.yml` or `dx.toml` in the current directory, if there is one), then
    /// the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file, the key and what was expected.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match file {
            Some(file) => Some(file.to_path_buf()),
            None => match std::env::var_os("DX_CONFIG") {
                Some(file) => Some(PathBuf::from(file)),
                None => find_in(Path::new("."))?,
            },
        };
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = &file {
            figment = merge_file(figment, file)?;
        }
        figment = figment.merge(environment().split("__"));
        let config: Self = figment
            .extract()
            .map_err(|error| explain(error, file.as_deref()))?;
        config.check(file.as_deref())?;
        Ok(config)
    }

    fn check(&self, file: Option<&Path>) -> Result<(), ConfigError> {
        let invalid = |key: &str, reason: String| {
            let origin = file.map_or("configuration".to_owned(), |file| {
                file.display().to_string()
            });
            Err(ConfigError::Invalid {
                origin,
                key: key.to_owned(),
                reason,
            })
        };
        let StorageConfig {
            cache_mib,
            sync_interval_ms,
            ..
        } = self.storage;
        if !(8..=65_536).contains(&cache_mib) {
            return invalid(
                "storage.cache_mib",
                format!("found {cache_mib}, expected a number from 8 to 65536"),
            );
        }
        if !(1..=60_000).contains(&sync_interval_ms) {
            return invalid(
                "storage.sync_interval_ms",
                format!("found {sync_interval_ms}, expected a number from 1 to 60000"),
            );
        }
        if self.profile.as_os_str().is_empty() {
            return invalid("profile", "found nothing, expected a directory".to_owned());
        }
        Ok(())
    }
}

/// The variables that set something: `DX_` and the name of a setting or of a group of them. Other
/// programs have variables that begin so, too: they are none of ours, and only one that looks like
/// a mistyped setting is worth a word.
fn environment() -> Env {
    let settings = SETTINGS.iter().map(|name| UncasedStr::new(name));
    let is_setting = move |name: &UncasedStr| {
        let first = name.as_str().split("__").next().unwrap_or_default();
        let first = UncasedStr::new(first);
        let is_setting = settings.clone().any(|setting| setting == first);
        if !is_setting && !NOT_SETTINGS.iter().any(|known| *known == first) {
            let first = first.as_str().to_lowercase();
            if let Some(nearest) = nearest(&first, &SETTINGS) {
                let nearest = nearest.to_uppercase();
                tracing::warn!(
                    "DX_{name} is not a setting and sets nothing; is DX_{nearest} meant?"
                );
            }
        }
        is_setting
    };
    Env::prefixed("DX_").filter(is_setting)
}

fn find_in(directory: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let (yaml, toml) = (directory.join("dx.yml"), directory.join("dx.toml"));
    match (yaml.is_file(), toml.is_file()) {
        (true, true) => Err(ConfigError::Ambiguous {
            yaml: PathDisplay(yaml),
            toml: PathDisplay(toml),
        }),
        (true, false) => Ok(Some(yaml)),
        (false, true) => Ok(Some(toml)),
        (false, false) => Ok(None),
    }
}

fn merge_file(figment: Figment, file: &Path) -> Result<Figment, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::File {
        path: PathDisplay(file.to_path_buf()),
        reason: error.to_string(),
    })?;
    // An empty file is a configuration that sets nothing.
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(figment);
    }
    let toml = file
        .extension()
        .is_some_and(|extension| extension == "toml");
    Ok(if toml {
        figment.merge(Toml::file_exact(file))
    } else {
        figment.merge(Yaml::file_exact(file))
    })
}

fn explain(error: figment::Error, file: Option<&Path>) -> ConfigError {
    let origin = match &error.metadata {
        Some(metadata) => match metadata
            .source
            .as_ref()
            .and_then(|source| source.file_path())
        {
            Some(path) => path.display().to_string(),
            None if metadata.name.contains("environment") => "environment".to_owned(),
            None => file_or_default(file),
        },
        None => file_or_default(file),
    };
    let path = |last: Option<&str>| {
        let parts = error.path.iter().map(String::as_str).chain(last);
        parts.collect::<Vec<_>>().join(".")
    };
    match &error.kind {
        Kind::UnknownField(field, known) => {
            // figment counts the unknown field into the path already for some formats.
            let key = match error.path.last() {
                Some(last) if last == field => path(None),
                _ => path(Some(field)),
            };
            let hint = match nearest(field, known) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => format!("expected one of {}", known.join(", ")),
            };
            ConfigError::UnknownKey { origin, key, hint }
        }
        kind => {
            let key = if error.path.is_empty() {
                "syntax".to_owned()
            } else {
                path(None)
            };
            ConfigError::Invalid {
                origin,
                key,
                reason: kind.to_string(),
            }
        }
    }
}

fn file_or_default(file: Option<&Path>) -> String {
    file.map_or_else(
        || "configuration".to_owned(),
        |file| file.display().to_string(),
    )
}

/// The known name that is most like `name`, if one is like it at all.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
