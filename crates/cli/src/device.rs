//! `dx device`: the devices and recovery phrases of the identity.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use dxos_client::{Client, DeviceKind, DeviceReport};
use indicatif::HumanDuration;
use serde_json::json;

use crate::arguments::{ConfirmOptions, DeviceCommand};
use crate::identity::{later, online_text};
use crate::output::{Output, table};
use crate::select::{confirm, find_device};
use crate::session::{Session, end};
use crate::{invite, join};

pub(crate) async fn run(session: &Session, command: DeviceCommand, output: Output) -> Result<()> {
    let command = match command {
        DeviceCommand::Invite { terms } => {
            return invite::host_device(session, &terms, output).await;
        }
        DeviceCommand::Join(options) => {
            return join::join_identity(session, &options, output).await;
        }
        command => command,
    };
    let client = session.local().await?;
    let result = apply(&client, command, output).await;
    end(&client).await?;
    let devices = result?;
    output.result(&json!(devices), || devices_text(&devices));
    Ok(())
}

/// Does it and returns the devices that are to be shown.
async fn apply(
    client: &Client,
    command: DeviceCommand,
    output: Output,
) -> Result<Vec<DeviceReport>> {
    let halo = client.halo();
    match command {
        // The invitations are served before.
        DeviceCommand::List | DeviceCommand::Invite { .. } | DeviceCommand::Join(_) => {}
        DeviceCommand::Rename { device, name } => {
            let device = find_device(client, &device).await?;
            standing(&device)?;
            halo.rename_device(device.device, name).await?;
        }
        DeviceCommand::Revoke { device, confirm } => {
            revoke(client, &device, confirm, output).await?;
        }
        DeviceCommand::Restore { device } => {
            let device = find_device(client, &device).await?;
            halo.restore_device(device.device).await?;
            later(output);
        }
        DeviceCommand::Set { device, key, value } => {
            let device = find_device(client, &device).await?;
            standing(&device)?;
            halo.set_device_preference(device.device, key, value)
                .await?;
        }
    }
    Ok(halo.devices().await?)
}

async fn revoke(
    client: &Client,
    wanted: &str,
    options: ConfirmOptions,
    output: Output,
) -> Result<()> {
    let device = find_device(client, wanted).await?;
    if device.current {
        bail!("this is the device in your hands; revoke it from another one of yours");
    }
    let called = device.name.clone();
    let called = called.unwrap_or_else(|| device.device.short());
    let what = match device.kind {
        DeviceKind::RecoveryPhrase => format!("revoke the recovery phrase {called} for good"),
        _ => format!("revoke {called} for good"),
    };
    confirm(crate::output::printable(&what), options, output).await?;
    client.halo().revoke_device(device.device).await?;
    later(output);
    let own = client.halo().devices().await?;
    let own = own.iter().find(|own| own.current);
    if device.kind != DeviceKind::RecoveryPhrase
        && own.is_some_and(|own| own.created_ms > device.created_ms)
    {
        output.note(
            "it was of this identity before this device: whoever has it can still turn this one \
             out with it. What ends that is `dx recover`, with a phrase that was made on it or on \
             a device before it",
        );
    }
    Ok(())
}

fn standing(device: &DeviceReport) -> Result<()> {
    if device.revoked {
        bail!("{} was revoked; nothing of it counts", device.device);
    }
    Ok(())
}

fn devices_text(devices: &[DeviceReport]) -> String {
    let rows = devices.iter().map(|device| {
        let name = match (&device.name, device.kind) {
            (Some(name), _) => name.clone(),
            (None, DeviceKind::RecoveryPhrase) => "recovery phrase".to_owned(),
            (None, _) => String::new(),
        };
        let marks = [
            (device.current, "this one"),
            (device.recovered, "recovered"),
            (device.revoked, "revoked"),
        ];
        let marks = marks.iter().filter(|(holds, _)| *holds);
        let marks: Vec<_> = marks.map(|(_, text)| *text).collect();
        vec![
            device.device.short(),
            name,
            device.platform.clone().unwrap_or_default(),
            device.created_ms.map(time_text).unwrap_or_default(),
            device.last_seen_ms.map(time_text).unwrap_or_default(),
            match device.kind {
                DeviceKind::RecoveryPhrase => String::new(),
                _ => online_text(device.online),
            },
            marks.join(", "),
        ]
    });
    let header = [
        "device",
        "name",
        "platform",
        "since",
        "last seen",
        "online",
        "",
    ];
    table(&header, rows)
}

/// How long ago a time was, in milliseconds since 1970.
pub(crate) fn time_text(ms: u64) -> String {
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    let ago = then.and_then(|then| SystemTime::now().duration_since(then).ok());
    match ago {
        Some(ago) if ago >= Duration::from_secs(60) => format!("{} ago", HumanDuration(ago)),
        _ => "now".to_owned(),
    }
}
