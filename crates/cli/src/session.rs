//! A profile, opened for one command.

use anyhow::{Context, Result, bail};
use dxos_client::{
    Client, ClientError, ClientOptions, Config, Identity, NodeError, Space, SpaceReport,
    SpaceState, Status, Value,
};
use dxos_store::StoreError;
use serde_json::json;

use crate::arguments::ProfileOptions;
use crate::control::Within;
use crate::output::{Output, printable, table};
use crate::patience;
use crate::secret::PassphraseSource;

/// How the profile of a command is opened.
#[derive(Debug)]
pub(crate) struct Session {
    options: ProfileOptions,
    json: bool,
    creates: bool,
    repairs: bool,
}

impl Session {
    pub(crate) fn new(options: &ProfileOptions, output: Output) -> Self {
        Self {
            options: options.clone(),
            json: output.is_json(),
            creates: false,
            repairs: false,
        }
    }

    /// Opens the profile also where files of what is derived cannot be opened: these are deleted.
    pub(crate) fn repairing(&self, repairs: bool) -> Self {
        Self {
            options: self.options.clone(),
            repairs,
            ..*self
        }
    }

    /// Makes the profile where there is none, if `creates`. Else that is an error.
    pub(crate) const fn creating(mut self, creates: bool) -> Self {
        self.creates = creates;
        self
    }

    pub(crate) fn options(&self) -> ClientOptions {
        let mut options = ClientOptions::new();
        if let Some(file) = &self.options.config {
            options = options.config_file(file);
        }
        if let Some(profile) = &self.options.profile {
            options = options.profile(profile);
        }
        if let Some(listen) = self.options.listen {
            options = options.listen(listen);
        }
        if self.options.offline {
            options = options.offline();
        }
        if self.repairs {
            options = options.repair();
        }
        options
    }

    /// Where the passphrase of the profile comes from.
    pub(crate) fn secrets(&self, output: Output) -> PassphraseSource {
        PassphraseSource::new(self.options.profile_passphrase_file.clone(), output)
    }

    /// Opens the profile without the network: for commands that only read or write here. One that
    /// runs within another process has the client of that one.
    pub(crate) async fn local(&self) -> Result<Client> {
        match Within::find() {
            Some(within) => Ok(within.client().clone()),
            None => self.open(self.options().offline()).await,
        }
    }

    /// Opens the profile and goes online.
    pub(crate) async fn online(&self) -> Result<Client> {
        match Within::find() {
            Some(within) => Ok(within.client().clone()),
            None => self.open(self.options()).await,
        }
    }

    async fn open(&self, options: ClientOptions) -> Result<Client> {
        let output = Output::new(self.json);
        let secrets = self.secrets(output);
        let config = options.load()?;
        if !self.creates && !config.has_profile() {
            bail!(
                "there is no profile in {}, and so no identity yet; `dx identity create NAME` makes \
                 them, and --profile DIR names another",
                config.profile.display()
            );
        }
        let client = secrets.with_passphrase(options)?.build();
        match patience::initialize(&client, self, output).await {
            Ok(()) => return Ok(client),
            Err(error) if client.status() != Status::Locked || secrets.is_given() => {
                return Err(error);
            }
            Err(error) if !secrets.can_ask() => return Err(error),
            Err(_) => {}
        }
        secrets.unlock(&client).await?;
        Ok(client)
    }

    pub(crate) fn config(&self, output: Output) -> Result<()> {
        let config: Config = self.options().load()?;
        output.result(&json!(config), || {
            let json = json!(config);
            let mut rows = Vec::new();
            flatten("", &json, &mut rows);
            table(&["setting", "value"], rows)
        });
        Ok(())
    }

    pub(crate) async fn status(&self, output: Output) -> Result<()> {
        let client = self.local().await?;
        let json = client.to_json().await;
        let identity = client.halo().identity().await?;
        let reports = client.echo().reports().await?;
        let mut config = client.config()?;
        if Within::find().is_none() {
            // That of this command is without, whatever is configured.
            config.network = self.options().load()?.network;
        }
        let failure = client.watch_store()?.borrow().clone();
        end(&client).await?;
        output.result(&json, || {
            let mut text = status_text(&config, identity.as_ref(), &reports);
            if let Some(failure) = failure {
                use std::fmt::Write as _;
                let _ = write!(text, "\n\nthe store fails: {failure}");
            }
            text
        });
        Ok(())
    }
}

/// Says what to do about a profile that cannot be opened.
pub(crate) fn explained(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Node(NodeError::Store(StoreError::Locked { .. })) => {
            anyhow::Error::from(error).context(
                "another dx has had this profile open for a while now, and does not run this \
                 command for others; stop that one, or wait until it has ended",
            )
        }
        ClientError::Node(NodeError::Store(StoreError::Replaceable { .. })) => {
            anyhow::Error::from(error).context(
                "files of what follows from the blocks are damaged or lost; \
                 `dx doctor --repair` makes anew what was in them",
            )
        }
        ClientError::Locked => anyhow::anyhow!("the profile is locked; `dx unlock` opens it"),
        error => error.into(),
    }
}

/// Says that a command failed for want of a network that was not to be used.
pub(crate) fn without_network(error: anyhow::Error, offline: bool) -> anyhow::Error {
    let wanted = matches!(error.downcast_ref(), Some(ClientError::NoNetwork));
    if offline && wanted {
        return anyhow::anyhow!("this command needs the network, and --offline keeps it out");
    }
    error
}

/// Ends a client cleanly. That of another process goes on.
pub(crate) async fn end(client: &Client) -> Result<()> {
    if Within::find().is_some() {
        return Ok(());
    }
    client
        .destroy()
        .await
        .context("the profile was not closed cleanly")
}

/// The space that a user means: by its key, the beginning of its key, or its name.
pub(crate) async fn find_space(client: &Client, wanted: &str) -> Result<Space> {
    let reports = client.echo().reports().await?;
    let exact = reports
        .iter()
        .find(|report| report.space.to_string() == wanted);
    let found: Vec<&SpaceReport> = match exact {
        Some(report) => vec![report],
        None => reports
            .iter()
            .filter(|report| {
                let prefix = wanted.len() >= 4 && report.space.to_string().starts_with(wanted);
                prefix || name_of(report).as_deref() == Some(wanted)
            })
            .collect(),
    };
    match found.as_slice() {
        [report] => Ok(client.echo().space(report.space).await?),
        [] => bail!(no_space(wanted, &reports)),
        several => bail!(
            "{wanted:?} means {} spaces; give more of the key of one: {}",
            several.len(),
            several
                .iter()
                .map(|report| report.space.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// Why no space is found. One that cannot be opened has no name that could be read.
fn no_space(wanted: &str, reports: &[SpaceReport]) -> String {
    let failed = reports
        .iter()
        .filter(|report| report.state == SpaceState::Error);
    let failed: Vec<_> = failed.map(|report| report.space.to_string()).collect();
    if failed.is_empty() {
        return format!("there is no space {wanted:?} in this profile; `dx space list` shows all");
    }
    format!(
        "none of the spaces that could be opened is {wanted:?}, and {} could not be opened, so \
         that the names are not known: {}; `dx doctor` tells why",
        match failed.len() {
            1 => "one".to_owned(),
            several => several.to_string(),
        },
        failed.join(", ")
    )
}

/// The name of a space.
pub(crate) fn name_of(report: &SpaceReport) -> Option<String> {
    report
        .properties
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

pub(crate) fn identity_text(identity: &Identity) -> String {
    let name = identity.profile.display_name.clone().unwrap_or_default();
    table(
        &["name", "identity", "device"],
        [vec![
            name,
            identity.identity.to_string(),
            identity.device.to_string(),
        ]],
    )
}

fn status_text(config: &Config, identity: Option<&Identity>, reports: &[SpaceReport]) -> String {
    let identity = identity.map_or_else(
        || "none yet; `dx identity create NAME` makes one".to_owned(),
        |identity| {
            let name = identity
                .profile
                .display_name
                .as_deref()
                .map(printable)
                .unwrap_or_default();
            format!("{name} {}", identity.identity)
        },
    );
    let missing: u64 = reports.iter().map(|report| report.missing_blocks).sum();
    let mut text = format!(
        "profile   {}\nidentity  {identity}\nnetwork   {}\n\n{}",
        config.profile.display(),
        if config.network.enabled {
            "used by `dx`, `dx serve` and the commands that invite and join"
        } else {
            "disabled in the configuration"
        },
        crate::space::list_text(reports)
    );
    if missing > 0 {
        use std::fmt::Write as _;
        let _ = write!(text, "\n\n{missing} blocks are known to be missing here");
    }
    text
}

fn flatten(prefix: &str, json: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
    match json {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let name = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&name, value, rows);
            }
        }
        serde_json::Value::String(text) => rows.push(vec![prefix.to_owned(), text.clone()]),
        other => rows.push(vec![prefix.to_owned(), other.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_space_cannot_be_opened_its_name_may_be_the_one_that_is_asked_for() {
        let key = dxos_client::SpaceKey::from_bytes([7; 32]);
        let of = |state| SpaceReport::of_state(key, state, None);
        let said = no_space("Garden", &[of(SpaceState::Ready)]);
        assert!(said.starts_with("there is no space \"Garden\""), "{said}");
        let said = no_space("Garden", &[of(SpaceState::Ready), of(SpaceState::Error)]);
        assert!(!said.contains("there is no space"), "{said}");
        assert!(
            said.contains(&key.to_string()) && said.contains("dx doctor"),
            "{said}"
        );
    }
}
