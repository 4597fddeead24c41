//! The network.

use dxos_client::ConnectionState;
use serde_json::Value;

use super::{Answer, done, json, network_info, params, unknown};
use crate::convert::parse;
use crate::protocol::{AddPeer, ConnectionStateInfo, ErrorInfo, Nothing, SetConnection};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let mesh = caller.shared.client.mesh();
    match method {
        "mesh.networkStatus" => {
            params::<Nothing>(given)?;
            json(&network_info(caller).await?)
        }
        "mesh.setConnectionState" => {
            let set: SetConnection = params(given)?;
            let state = match set.state {
                ConnectionStateInfo::Online => ConnectionState::Online,
                ConnectionStateInfo::Offline => ConnectionState::Offline,
                ConnectionStateInfo::Disabled => {
                    return Err(ErrorInfo::params("state: online or offline is expected"));
                }
            };
            mesh.set_connection_state(state).await?;
            done()
        }
        "mesh.addPeer" => {
            let add: AddPeer = params(given)?;
            let (space, device) = (parse("space", &add.space)?, parse("device", &add.device)?);
            mesh.add_peer(space, device, add.addresses).await?;
            done()
        }
        _ => Err(unknown(method)),
    }
}
