//! `dx reset`: the profile is deleted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use dxos_client::{Client, Confirm, DeviceKind};
use serde_json::json;

use crate::arguments::ConfirmOptions;
use crate::output::{Output, printable};
use crate::patience;
use crate::select::confirm;
use crate::session::Session;

/// What the store of a profile has in it.
const STORE_FILES: &[&str] = &["db", "db.new", "db.old", "lock", "scratch"];
/// What this program keeps in a profile beside its store and keys.
const OWN_FILES: &[&str] = &["control", "control.new", "host.json"];

pub(crate) async fn run(session: &Session, options: ConfirmOptions, output: Output) -> Result<()> {
    let profile = session.options().load()?.profile;
    check_is_profile(&profile)?;
    let secrets = session.secrets(output);
    let client = secrets
        .with_passphrase(session.options().offline())?
        .build();
    // Whoever does not know the passphrase any more, or has a damaged store, can delete it too.
    let lost = match patience::initialize(&client, session, output).await {
        Ok(()) => lost_text(&client).await,
        Err(error) if patience::is_in_vain(&error) => return Err(error),
        Err(error) => Ok(format!(
            "what is in it is not known, as it cannot be opened: {error}"
        )),
    };
    let confirmed = match lost {
        Ok(lost) => {
            let what = format!("delete the profile {}; {lost}", profile.display());
            confirm(what, options, output).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = confirmed {
        client.destroy().await?;
        return Err(error);
    }
    client.reset(Confirm::WipeProfile).await?;
    let left = remove_own_files(&profile)?;
    let json = json!({ "deleted": profile, "left": left });
    output.result(&json, || {
        let path = profile.display();
        match left.as_slice() {
            [] => format!("the profile {path} is deleted"),
            left => format!(
                "the profile {path} is deleted; not a part of it, and left there: {}",
                left.join(", ")
            ),
        }
    });
    Ok(())
}

/// Refuses a directory in which there is something else than a profile.
fn check_is_profile(profile: &Path) -> Result<()> {
    let path = profile.display();
    let store = profile.join("store");
    let found = match fs::symlink_metadata(&store) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no profile in {path}; nothing was deleted")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot look into {path}")),
    };
    if !found.is_dir() {
        bail!(
            "{} is no directory of its own; delete it and what it leads to by hand",
            store.display()
        );
    }
    for name in names(&store)? {
        if !STORE_FILES.contains(&name.as_str()) {
            bail!(
                "{} is no part of a profile; nothing was deleted",
                store.join(name).display()
            );
        }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let read = || -> std::io::Result<Vec<String>> {
        let entries = fs::read_dir(directory)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    let mut names = read().with_context(|| format!("cannot look into {}", directory.display()))?;
    names.sort();
    Ok(names)
}

/// Removes what this program left in a profile that is wiped; returns what else there is.
fn remove_own_files(profile: &Path) -> Result<Vec<String>> {
    for name in OWN_FILES {
        drop(fs::remove_file(profile.join(name)));
    }
    match fs::remove_dir(profile) {
        Ok(()) => Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(_) => names(profile),
    }
}

/// What will be gone.
async fn lost_text(client: &Client) -> Result<String> {
    let reports = client.echo().reports().await?;
    let objects: u64 = reports.iter().map(|report| report.objects).sum();
    let spaces = match reports.len() {
        1 => "1 space".to_owned(),
        count => format!("{count} spaces"),
    };
    let spaces = format!("{spaces} with {objects} objects, which may be nowhere else");
    let Some(identity) = client.halo().identity().await? else {
        return Ok(format!("it has {spaces}, and no identity"));
    };
    let name = identity.profile.display_name;
    let name = printable(&name.unwrap_or_else(|| identity.identity.short()));
    let devices = client.halo().devices().await?;
    let others = devices
        .iter()
        .filter(|device| !device.revoked && !device.current);
    let kinds: BTreeSet<bool> = others
        .map(|device| device.kind == DeviceKind::RecoveryPhrase)
        .collect();
    let identity = match (kinds.contains(&true), kinds.contains(&false)) {
        (_, true) => format!("the identity of {name} stays on its other devices"),
        (true, false) => format!(
            "only the recovery phrase brings the identity of {name} back, from somebody who \
             shares a space with it"
        ),
        (false, false) => format!(
            "the identity of {name} is lost for good, as it has no other device and no recovery \
             phrase (`dx identity phrase`)"
        ),
    };
    Ok(format!("it has {spaces}, and {identity}"))
}
