//! `dx keyring`, `dx lock` and `dx unlock`: what protects the secrets of the profile.

use anyhow::{Context, Result, bail};
use dxos_client::{Client, KeyringProtection, NewProtection, NodeError, Status};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{KeyringCommand, ProtectOptions, ProtectionName};
use crate::control::{Question, Within};
use crate::output::Output;
use crate::secret::new_passphrase;
use crate::session::{Session, end, explained};

pub(crate) async fn run(session: &Session, command: KeyringCommand, output: Output) -> Result<()> {
    let client = session.local().await?;
    let done = match &command {
        KeyringCommand::Show => Ok(()),
        KeyringCommand::Protect(options) => protect(&client, options, output).await,
    };
    let config = client.config();
    end(&client).await?;
    done?;
    let protection = config?.keyring.protection;
    let json = json!({ "protection": protection });
    output.result(&json, || format!("protected by {}", in_words(protection)));
    if matches!(command, KeyringCommand::Protect(_)) {
        let set = session.options().load()?.keyring.protection;
        if set != KeyringProtection::Auto && set != protection {
            output.note(&format!(
                "keyring.protection is set to {set}: take that out of the configuration, or set it \
                 to {protection}"
            ));
        }
    }
    Ok(())
}

async fn protect(client: &Client, options: &ProtectOptions, output: Output) -> Result<()> {
    let new = match options.by {
        ProtectionName::KeyFile => NewProtection::KeyFile,
        ProtectionName::Keychain => NewProtection::Keychain,
        ProtectionName::None => NewProtection::None,
        ProtectionName::Passphrase => {
            let passphrase = match Within::find() {
                Some(within) => {
                    let answer = within.ask(Question::NewPassphrase).await?;
                    answer.context("there is no new passphrase")?
                }
                None => new_passphrase(options.new_passphrase_file.as_deref(), output).await?,
            };
            NewProtection::Passphrase(passphrase)
        }
    };
    client.halo().change_protection(new).await?;
    Ok(())
}

const fn in_words(protection: KeyringProtection) -> &'static str {
    match protection {
        KeyringProtection::KeyFile => "a key in the file `key` of the profile",
        KeyringProtection::Keychain => "a key in the keychain of the operating system",
        KeyringProtection::None => "nothing: whoever reads the profile has its secrets",
        KeyringProtection::Passphrase => "a passphrase",
        _ => "what protected it before",
    }
}

/// `dx lock`, within the process that is to forget the secrets.
pub(crate) async fn lock(output: Output) -> Result<()> {
    let Some(within) = Within::find() else {
        output.result(&json!({ "locked": true, "open": false }), || {
            "no `dx serve` or `dx host` has this profile open: nothing keeps its secrets in memory"
                .to_owned()
        });
        return Ok(());
    };
    let client = within.client();
    let protection = client.config()?.keyring.protection;
    client.lock().await?;
    output.result(
        &json!({ "locked": true, "open": true, "protection": protection }),
        || "locked; `dx unlock` opens it".to_owned(),
    );
    if protection != KeyringProtection::Passphrase {
        output.note(&format!(
            "it is protected by {}: whoever has that can unlock it; `dx keyring protect \
             passphrase` changes that",
            in_words(protection)
        ));
    } else if std::env::var_os("DX_PASSPHRASE").is_some() {
        output.note(
            "the passphrase is still in the environment of that process, as DX_PASSPHRASE; start \
             it with --profile-passphrase-file to keep it out of there",
        );
    }
    Ok(())
}

/// `dx unlock`, within the process that was locked.
pub(crate) async fn unlock(output: Output) -> Result<()> {
    let Some(within) = Within::find() else {
        bail!(
            "no `dx serve` or `dx host` has this profile open, so there is nothing to unlock; every \
             command takes the passphrase by itself"
        );
    };
    let client = within.client();
    let asks = client.config()?.keyring.protection == KeyringProtection::Passphrase;
    // Who unlocks has to have the passphrase: that in the environment of the process that was
    // locked would let everybody in.
    let opened = if asks && client.status() == Status::Locked {
        Err(NodeError::NoPassphrase.into())
    } else {
        // What opens it is a file or the keychain.
        client.initialize().await
    };
    let opened = match opened {
        Err(error) if client.status() == Status::Locked => {
            match within.ask(Question::Passphrase).await? {
                Some(passphrase) => client.unlock(take(passphrase)).await,
                None => Err(error),
            }
        }
        opened => opened,
    };
    opened.map_err(explained)?;
    output.result(&json!({ "locked": false }), || "unlocked".to_owned());
    Ok(())
}

fn take(mut passphrase: Zeroizing<String>) -> String {
    std::mem::take(&mut *passphrase)
}
