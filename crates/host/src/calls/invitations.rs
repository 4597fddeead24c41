//! Invitations that this host makes.

use std::time::Duration;

use dxos_client::{
    Authentication, ClientError, InvitationId, InvitationOptions, InvitationReport, InvitationType,
    Space,
};

use super::{Answer, done, json, space_of};
use crate::convert::{self, parse};
use crate::protocol::{
    AuthenticationInfo, DeviceInvitationParams, ErrorInfo, InvitationInfo, InvitationParams,
    InvitationSpec, InvitationTypeInfo, SpaceInvitationParams, SpaceInvitationRef,
};
use crate::shared::Caller;

fn options(spec: InvitationSpec) -> Result<InvitationOptions, ErrorInfo> {
    let mut options = InvitationOptions::default();
    if let Some(kind) = spec.invitation_type {
        options.invitation_type = match kind {
            InvitationTypeInfo::Interactive => InvitationType::Interactive,
            InvitationTypeInfo::Delegated => InvitationType::Delegated,
        };
    }
    if let Some(identity) = &spec.identity {
        options = options.for_identity(parse("identity", identity)?);
    }
    if let Some(how) = spec.authentication {
        options.authentication = match how {
            AuthenticationInfo::None => Authentication::None,
            AuthenticationInfo::SharedSecret => Authentication::SharedSecret,
            AuthenticationInfo::KnownPublicKey => Authentication::KnownPublicKey,
        };
    }
    if let Some(role) = spec.role {
        options.role = convert::to_role(role);
    }
    options.multi_use = spec.multi_use.unwrap_or(options.multi_use);
    options.persistent = spec.persistent.unwrap_or(options.persistent);
    options.history = spec.history.unwrap_or(options.history);
    options.lifetime = spec
        .lifetime_ms
        .map_or(options.lifetime, Duration::from_millis);
    options.timeout = spec
        .timeout_ms
        .map_or(options.timeout, Duration::from_millis);
    options.target = spec.target;
    Ok(options)
}

pub(super) async fn create_for_space(caller: &Caller, params: SpaceInvitationParams) -> Answer {
    let space = space_of(caller, &params.space).await?;
    let host = space.create_invitation(options(params.options)?).await?;
    json(&find(space.invitations().await?, host.id())?)
}

pub(super) async fn create_for_device(caller: &Caller, params: DeviceInvitationParams) -> Answer {
    let halo = caller.shared.client.halo();
    let host = halo.create_invitation(options(params.options)?).await?;
    json(&find(halo.invitations().await?, host.id())?)
}

fn find(open: Vec<InvitationReport>, id: InvitationId) -> Result<InvitationInfo, ErrorInfo> {
    let found = open.iter().find(|report| report.id == id);
    found.map(convert::invitation).ok_or_else(|| {
        ErrorInfo::not_found(
            "unknownInvitation",
            format!("invitation {id} is over already"),
        )
    })
}

fn infos(mut open: Vec<InvitationReport>) -> Vec<InvitationInfo> {
    open.sort_by_key(|report| (report.expires_ms, report.id));
    open.iter().map(convert::invitation).collect()
}

/// The open invitations to a space.
pub(crate) async fn of_space(space: &Space) -> Result<Vec<InvitationInfo>, ErrorInfo> {
    Ok(infos(space.invitations().await?))
}

/// The open invitations for devices: none before there is an identity.
pub(crate) async fn of_halo(caller: &Caller) -> Result<Vec<InvitationInfo>, ErrorInfo> {
    let halo = caller.shared.client.halo();
    if halo.halo_space()?.is_none() {
        return Ok(Vec::new());
    }
    match halo.invitations().await {
        Err(ClientError::NoNetwork) => Ok(Vec::new()),
        open => Ok(infos(open?)),
    }
}

pub(super) async fn cancel_for_space(caller: &Caller, of: &SpaceInvitationRef) -> Answer {
    let space = space_of(caller, &of.space).await?;
    space
        .cancel_invitation(parse("invitation", &of.invitation)?)
        .await?;
    done()
}

pub(super) async fn cancel_for_device(caller: &Caller, of: &InvitationParams) -> Answer {
    let halo = caller.shared.client.halo();
    halo.cancel_invitation(parse("invitation", &of.invitation)?)
        .await?;
    done()
}
