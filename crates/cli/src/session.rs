//! A profile, opened for one command.

use std::path::Path;

use anyhow::{Context, Result, bail};
use dxos_client::{Client, ClientOptions, Config, Identity, Space, SpaceReport, Value};
use serde_json::json;

use crate::arguments::ProfileOptions;
use crate::output::{Output, printable, table};

/// How the profile of a command is opened.
#[derive(Debug)]
pub(crate) struct Session {
    options: ProfileOptions,
}

impl Session {
    pub(crate) fn new(options: &ProfileOptions) -> Self {
        Self {
            options: options.clone(),
        }
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
        options
    }

    /// Opens the profile without the network: for commands that only read or write here.
    pub(crate) async fn local(&self) -> Result<Client> {
        open(self.options().offline()).await
    }

    /// Opens the profile and goes online.
    pub(crate) async fn online(&self) -> Result<Client> {
        open(self.options()).await
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
        let profile = client.config()?.profile;
        end(&client).await?;
        output.result(&json, || status_text(&profile, identity.as_ref(), &reports));
        Ok(())
    }
}

async fn open(options: ClientOptions) -> Result<Client> {
    let client = options.build();
    client.initialize().await?;
    Ok(client)
}

/// Ends a client cleanly.
pub(crate) async fn end(client: &Client) -> Result<()> {
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
        [] => bail!("there is no space {wanted:?} in this profile; `dx space list` shows all"),
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

fn status_text(profile: &Path, identity: Option<&Identity>, reports: &[SpaceReport]) -> String {
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
    format!(
        "profile   {}\nidentity  {identity}\n\n{}",
        profile.display(),
        crate::space::list_text(reports)
    )
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
