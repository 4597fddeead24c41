//! Identity, devices, credentials.

use std::time::Duration;

use data_encoding::BASE64;
use dxos_client::{Credential, DeviceKey, RecoveryOptions, RecoveryPhrase};
use serde_json::Value;

use super::{Answer, done, invitations, json, params, unknown};
use crate::convert::{self, parse};
use crate::protocol::{
    AcceptDeviceInvitation, DeviceInfo, DeviceParams, ErrorInfo, Nothing, PresentCredentials,
    PresentationInfo, ProfileParams, RecoverIdentity, RecoveryPhraseInfo, RenameDevice,
    SetDevicePreference,
};
use crate::shared::Caller;

/// How long an identity may be looked for.
const PATIENCE_MAX: Duration = Duration::from_secs(10 * 60);

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let halo = caller.shared.client.halo();
    match method {
        "halo.identity" => {
            params::<Nothing>(given)?;
            json(&halo.identity().await?.as_ref().map(convert::identity))
        }
        "halo.createIdentity" => {
            let profile = convert::to_profile(params::<ProfileParams>(given)?);
            json(&convert::identity(&halo.create_identity(profile).await?))
        }
        "halo.updateProfile" => {
            let profile = convert::to_profile(params::<ProfileParams>(given)?);
            json(&convert::identity(&halo.update_profile(profile).await?))
        }
        "halo.devices" => {
            params::<Nothing>(given)?;
            json(&devices(caller).await?)
        }
        "halo.renameDevice" => {
            let rename: RenameDevice = params(given)?;
            let device: DeviceKey = parse("device", &rename.device)?;
            halo.rename_device(device, rename.name).await?;
            done()
        }
        "halo.revokeDevice" => {
            let revoke: DeviceParams = params(given)?;
            halo.revoke_device(parse("device", &revoke.device)?).await?;
            done()
        }
        "halo.setDevicePreference" => {
            let set: SetDevicePreference = params(given)?;
            let device = parse("device", &set.device)?;
            halo.set_device_preference(device, set.key, set.value)
                .await?;
            done()
        }
        "halo.contacts" => {
            params::<Nothing>(given)?;
            let contacts = halo.contacts().await?;
            json(&contacts.iter().map(convert::contact).collect::<Vec<_>>())
        }
        "halo.credentials" => {
            params::<Nothing>(given)?;
            let credentials = halo.credentials().await?;
            json(
                &credentials
                    .iter()
                    .map(convert::credential)
                    .collect::<Vec<_>>(),
            )
        }
        "halo.presentCredentials" => present(caller, &params(given)?).await,
        "halo.createRecoveryPhrase" => {
            params::<Nothing>(given)?;
            let phrase = halo.create_recovery_phrase().await?;
            json(&RecoveryPhraseInfo {
                device: phrase.keys().device.device().to_string(),
                phrase: phrase.reveal().to_string(),
            })
        }
        "halo.recoverIdentity" => recover(caller, &params(given)?).await,
        "halo.createInvitation" => invitations::create_for_device(caller, params(given)?).await,
        "halo.invitations" => {
            params::<Nothing>(given)?;
            json(&invitations::of_halo(caller).await?)
        }
        "halo.cancelInvitation" => invitations::cancel_for_device(caller, &params(given)?).await,
        "halo.acceptInvitation" => {
            let accept: AcceptDeviceInvitation = params(given)?;
            let invitation: dxos_client::Invitation = parse("invitation", &accept.invitation)?;
            let device = convert::to_profile(accept.device);
            let flow = halo.accept_invitation(invitation.clone(), device).await?;
            json(&caller.shared.flows.add(invitation, flow)?)
        }
        _ => Err(unknown(method)),
    }
}

pub(crate) async fn devices(caller: &Caller) -> Result<Vec<DeviceInfo>, ErrorInfo> {
    let devices = caller.shared.client.halo().devices().await?;
    Ok(devices.iter().map(convert::device).collect())
}

fn base64(name: &str, text: &str) -> Result<Vec<u8>, ErrorInfo> {
    let decoded = BASE64.decode(text.as_bytes());
    decoded.map_err(|_| ErrorInfo::params(format!("{name}: base64 with padding is expected")))
}

async fn present(caller: &Caller, present: &PresentCredentials) -> Answer {
    let challenge = base64("challenge", &present.challenge)?;
    let mut credentials = Vec::new();
    for text in &present.credentials {
        let credential = Credential::decode(&base64("credentials", text)?);
        let refused = |error| ErrorInfo::params(format!("credentials: {error}"));
        credentials.push(credential.map_err(refused)?);
    }
    let halo = caller.shared.client.halo();
    let presented = halo.present_credentials(credentials, &challenge, &present.audience);
    json(&PresentationInfo {
        presentation: presented.await?.to_string(),
    })
}

async fn recover(caller: &Caller, recover: &RecoverIdentity) -> Answer {
    let phrase = RecoveryPhrase::parse(&recover.phrase)
        .map_err(|error| ErrorInfo::params(format!("phrase: {error}")))?;
    let mut options = RecoveryOptions::default();
    for peer in &recover.peers {
        options = options.peer(parse("peers", &peer.device)?, peer.addresses.clone());
    }
    if let Some(patience) = recover.patience_ms {
        let patience = Duration::from_millis(u64::from(patience));
        options = options.patience(patience.min(PATIENCE_MAX));
    }
    let halo = caller.shared.client.halo();
    json(&convert::identity(
        &halo.recover_identity(&phrase, &options).await?,
    ))
}
