//! Invitations, as they go over the wire.

use dxos_client::{
    InvitationFlow, InvitationKind, InvitationReport, InvitationState, InvitationStatus,
    InvitationType,
};

use crate::protocol::{
    AuthenticationInfo, ErrorInfo, FlowInfo, InvitationInfo, InvitationKindInfo,
    InvitationStateInfo, InvitationTypeInfo,
};

use super::{role, small};

pub(crate) fn invitation_state(state: InvitationState) -> InvitationStateInfo {
    match state {
        InvitationState::Init => InvitationStateInfo::Init,
        InvitationState::Connecting => InvitationStateInfo::Connecting,
        InvitationState::Connected => InvitationStateInfo::Connected,
        InvitationState::ReadyForAuthentication => InvitationStateInfo::ReadyForAuthentication,
        InvitationState::Authenticating => InvitationStateInfo::Authenticating,
        InvitationState::Success => InvitationStateInfo::Success,
        InvitationState::Cancelled => InvitationStateInfo::Cancelled,
        InvitationState::Timeout => InvitationStateInfo::Timeout,
        InvitationState::Expired => InvitationStateInfo::Expired,
        _ => InvitationStateInfo::Error,
    }
}

pub(crate) fn invitation_kind(kind: InvitationKind) -> InvitationKindInfo {
    match kind {
        InvitationKind::Device => InvitationKindInfo::Device,
        _ => InvitationKindInfo::Space,
    }
}

pub(crate) fn authentication(how: dxos_client::Authentication) -> AuthenticationInfo {
    match how {
        dxos_client::Authentication::None => AuthenticationInfo::None,
        dxos_client::Authentication::SharedSecret => AuthenticationInfo::SharedSecret,
        _ => AuthenticationInfo::KnownPublicKey,
    }
}

pub(crate) fn invitation(report: &InvitationReport) -> InvitationInfo {
    let mut info = InvitationInfo {
        id: report.id.to_string(),
        kind: invitation_kind(report.kind),
        invitation_type: match report.invitation_type {
            InvitationType::Delegated => InvitationTypeInfo::Delegated,
            _ => InvitationTypeInfo::Interactive,
        },
        space: report.space.to_string(),
        role: role(report.role),
        authentication: authentication(report.authentication),
        multi_use: !report.single_use,
        history: report.history,
        expires_ms: report.expires_ms,
        by: report.by.map(|by| by.to_string()),
        uses: small(report.uses),
        state: InvitationStateInfo::Init,
        attempts_left: None,
        error: None,
        guest: None,
        device: None,
        invitation_code: report.invitation.as_ref().map(ToString::to_string),
        auth_code: report.code.as_ref().map(|code| code.as_str().to_owned()),
    };
    stand(&mut info, &report.status);
    info
}

/// Writes where an invitation stands.
pub(crate) fn stand(info: &mut InvitationInfo, status: &InvitationStatus) {
    info.state = invitation_state(status.state);
    info.attempts_left = status.attempts_left;
    info.error = status.error.clone().map(ErrorInfo::from);
    info.guest = status.identity.map(|identity| identity.to_string());
    info.device = status.device.map(|device| device.to_string());
}

/// What does not change of a flow.
#[derive(Clone, Debug)]
pub(crate) struct FlowTerms {
    pub(crate) flow: u32,
    pub(crate) invitation: dxos_client::Invitation,
}

pub(crate) fn flow(terms: &FlowTerms, flow: &InvitationFlow) -> FlowInfo {
    let status = flow.status();
    FlowInfo {
        flow: terms.flow,
        kind: invitation_kind(terms.invitation.kind),
        invitation: terms.invitation.id.to_string(),
        target: terms.invitation.target.clone(),
        authentication: authentication(terms.invitation.authentication()),
        state: invitation_state(status.state),
        attempts_left: status.attempts_left,
        error: status.error.map(ErrorInfo::from),
        space: status.space.map(|space| space.to_string()),
        identity: status.identity.map(|identity| identity.to_string()),
    }
}
