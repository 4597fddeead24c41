//! Where a passphrase comes from: a file, the environment, or the user.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dxos_client::{Client, ClientError, ClientOptions, KeyringProtection, NodeError};
use dxos_halo::OpenHaloError;
use dxos_keys::KeyringError;
use zeroize::Zeroizing;

use crate::output::Output;
use crate::recover::{read_all, text_of};
use crate::session::explained;

/// How often one may mistype a passphrase.
const ATTEMPTS: u32 = 3;

/// Where the passphrase of a profile comes from.
#[derive(Debug)]
pub(crate) struct PassphraseSource {
    file: Option<PathBuf>,
    output: Output,
}

impl PassphraseSource {
    pub(crate) const fn new(file: Option<PathBuf>, output: Output) -> Self {
        Self { file, output }
    }

    /// Whether it is given, and nobody has to be asked.
    pub(crate) fn is_given(&self) -> bool {
        self.file.is_some() || std::env::var_os("DX_PASSPHRASE").is_some()
    }

    /// Whether there is somebody to ask.
    pub(crate) fn can_ask(&self) -> bool {
        !self.output.is_json() && std::io::stdin().is_terminal()
    }

    /// Options that know the passphrase of the file; that of the environment a client finds by
    /// itself.
    pub(crate) fn with_passphrase(&self, options: ClientOptions) -> Result<ClientOptions> {
        let Some(file) = &self.file else {
            return Ok(options);
        };
        let passphrase = read(file)?;
        let auto = KeyringProtection::Auto;
        Ok(options
            .passphrase(passphrase.as_str())
            .with(move |config| config.keyring.protection = auto))
    }

    /// The passphrase of the profile; `None` when there is nobody to ask.
    pub(crate) async fn passphrase(&self) -> Result<Option<Zeroizing<String>>> {
        if let Some(file) = &self.file {
            return read(file).map(Some);
        }
        if let Ok(passphrase) = std::env::var("DX_PASSPHRASE") {
            return Ok(Some(Zeroizing::new(passphrase)));
        }
        if !self.can_ask() {
            return Ok(None);
        }
        prompt("passphrase of the profile: ").await.map(Some)
    }

    /// Asks for the passphrase until it opens the profile.
    pub(crate) async fn unlock(&self, client: &Client) -> Result<()> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let passphrase = prompt("passphrase of the profile: ").await?;
            match client.unlock(passphrase.as_str()).await {
                Ok(()) => return Ok(()),
                Err(error) if left > 0 && is_wrong(&error) => {
                    self.output.note("wrong passphrase, try again");
                }
                Err(error) => return Err(explained(error)),
            }
        }
    }
}

/// Whether it was only mistyped.
fn is_wrong(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Node(
            NodeError::NoPassphrase
                | NodeError::Halo(OpenHaloError::Keyring(KeyringError::WrongKey))
        )
    )
}

/// A new passphrase: that of a file, or asked for twice.
pub(crate) async fn new_passphrase(
    file: Option<&Path>,
    output: Output,
) -> Result<Zeroizing<String>> {
    let passphrase = match file {
        Some(file) => read(file)?,
        None if output.is_json() || !std::io::stdin().is_terminal() => {
            bail!("there is nobody to ask for a new passphrase; give --new-passphrase-file FILE")
        }
        None => {
            let passphrase = prompt("new passphrase: ").await?;
            let again = prompt("the same again: ").await?;
            ensure!(passphrase == again, "the two differ; nothing was changed");
            passphrase
        }
    };
    ensure!(
        !passphrase.is_empty(),
        "the new passphrase is empty; nothing was changed"
    );
    Ok(passphrase)
}

async fn prompt(question: &'static str) -> Result<Zeroizing<String>> {
    let asked = tokio::task::spawn_blocking(move || rpassword::prompt_password(question));
    let answer = asked.await.context("nothing was read")?;
    Ok(Zeroizing::new(answer.context("cannot read the terminal")?))
}

/// The first line of a file, or of standard input for `-`.
fn read(file: &Path) -> Result<Zeroizing<String>> {
    let what = || format!("cannot read the passphrase from {}", file.display());
    let bytes = if file == Path::new("-") {
        read_all(std::io::stdin().lock())
    } else {
        read_all(File::open(file).with_context(what)?)
    };
    let bytes = bytes.with_context(what)?;
    let text = text_of(&bytes).with_context(what)?;
    let line = text.lines().next().unwrap_or_default();
    Ok(Zeroizing::new(line.to_owned()))
}
