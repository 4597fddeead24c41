//! `dx space sync`: which devices have signed that they stored what.

use std::collections::BTreeMap;

use anyhow::Result;
use dxos_client::{DeviceSync, IdentityKey, SyncStatus};
use serde_json::json;

use crate::device::time_text;
use crate::object::find_object;
use crate::output::{Output, printable, table};
use crate::session::{Session, end, find_space};

pub(crate) async fn status(
    session: &Session,
    space: &str,
    object: Option<String>,
    output: Output,
) -> Result<()> {
    let client = session.local().await?;
    let asked = async {
        let space = find_space(&client, space).await?;
        let status = match object {
            Some(object) => {
                let object = find_object(&space.db(), &object).await?;
                space.object_sync_status(object).await?
            }
            None => space.sync_status().await?,
        };
        let members = space.members().await?;
        let names = members
            .into_iter()
            .filter_map(|member| Some((member.identity, member.profile.display_name?)));
        anyhow::Ok((status, names.collect()))
    };
    let asked = asked.await;
    end(&client).await?;
    let (status, names) = asked?;
    let mut value = json!(status);
    if let Some(value) = value.as_object_mut() {
        value.insert("is_complete".to_owned(), json!(status.is_complete()));
    }
    output.result(&value, || text(&status, &names));
    Ok(())
}

fn text(status: &SyncStatus, names: &BTreeMap<IdentityKey, String>) -> String {
    let rows = status.devices.iter().map(|device| {
        vec![
            device.device.short(),
            names
                .get(&device.identity)
                .map(|name| printable(name))
                .unwrap_or_default(),
            said(device),
            device.signed_at_ms.map(time_text).unwrap_or_default(),
            device.stored.to_string(),
            device.missing.to_string(),
        ]
    });
    let table = table(
        &[
            "device",
            "member",
            "receipt",
            "signed",
            "stored",
            "not proven",
        ],
        rows,
    );
    let elsewhere = status.stored_elsewhere().count();
    format!(
        "{table}\n\n{} blocks; {elsewhere} other devices have signed that they had stored all of them",
        status.blocks
    )
}

fn said(device: &DeviceSync) -> String {
    let number = device.receipt.map(|number| number.to_string());
    let number = number.unwrap_or_else(|| "none yet".to_owned());
    if device.withdrawn {
        return format!("{number} (deleted the space)");
    }
    if device.is_own {
        format!("{number} (this device)")
    } else {
        number
    }
}
