//! The client as a whole.

use dxos_client::{Client, Confirm, Status};
use serde_json::Value;

use super::{Answer, done, json, params, unknown};
use crate::convert;
use crate::protocol::{
    ClientInfo, ClientStatus, ErrorInfo, Nothing, Reset, RunDoctor, Unlock, UsageInfo,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let client = &caller.shared.client;
    match method {
        "client.status" => params::<Nothing>(given)
            .map(drop)
            .and_then(|()| json(&info(client))),
        "client.config" => {
            params::<Nothing>(given)?;
            json(&client.config()?)
        }
        "client.toJson" => {
            params::<Nothing>(given)?;
            json(&client.to_json().await)
        }
        "client.initialize" => {
            params::<Nothing>(given)?;
            client.initialize().await?;
            json(&info(client))
        }
        "client.lock" => {
            params::<Nothing>(given)?;
            client.lock().await?;
            json(&info(client))
        }
        "client.unlock" => {
            let unlock: Unlock = params(given)?;
            client.unlock(unlock.passphrase).await?;
            json(&info(client))
        }
        "client.reset" => reset(caller, &params(given)?).await,
        "client.usage" => {
            params::<Nothing>(given)?;
            let usage = client.echo().usage().await?;
            json(&UsageInfo {
                blocks: usage.blocks,
                objects: usage.objects,
                rest: usage.rest,
            })
        }
        "client.gc" => {
            params::<Nothing>(given)?;
            json(&convert::garbage(&client.gc().await?))
        }
        "client.doctor" => {
            let run: RunDoctor = params(given)?;
            json(&convert::doctor(&client.doctor(run.repair).await?))
        }
        "client.metrics" => {
            params::<Nothing>(given)?;
            json(&caller.shared.metrics())
        }
        _ => Err(unknown(method)),
    }
}

/// Whether a client is usable.
pub(crate) fn info(client: &Client) -> ClientInfo {
    ClientInfo {
        status: match client.status() {
            Status::Active => ClientStatus::Active,
            Status::Locked => ClientStatus::Locked,
            _ => ClientStatus::Inactive,
        },
        version: client.version().to_owned(),
    }
}

async fn reset(caller: &Caller, reset: &Reset) -> Answer {
    if reset.confirm != "wipe-profile" {
        let message = "confirm with \"wipe-profile\": everything that no other device has is gone";
        return Err(ErrorInfo::params(message));
    }
    // First, or the directory is not empty in the end.
    caller.shared.forget();
    caller.shared.client.reset(Confirm::WipeProfile).await?;
    caller.shared.end_sessions();
    caller.shared.reset.notify_one();
    done()
}
