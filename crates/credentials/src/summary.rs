//! What people are shown of a credential.

use crate::Assertion;

/// What a credential says, for people and in tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What it is, such as `space-member`.
    pub kind: &'static str,
    /// Whom or what it is about: an identity, a device or an invitation, as text.
    pub about: Option<String>,
    /// What else it says, such as the role.
    pub detail: Option<String>,
}

impl Assertion {
    /// What it says, for people.
    pub fn summary(&self) -> Summary {
        let (kind, about, detail) = describe(self);
        Summary {
            kind,
            about,
            detail,
        }
    }
}

fn describe(assertion: &Assertion) -> (&'static str, Option<String>, Option<String>) {
    let key = |key: &dyn std::fmt::Display| Some(key.to_string());
    match assertion {
        Assertion::SpaceGenesis { admin, .. } => ("space-genesis", key(admin), None),
        Assertion::SpaceMember { identity, role, .. } => ("space-member", key(identity), key(role)),
        Assertion::MemberRemoved { identity, .. } => ("member-removed", key(identity), None),
        Assertion::MemberProfile { profile, .. } => {
            ("member-profile", None, profile.display_name.clone())
        }
        Assertion::IdentityGenesis { device, .. } => ("identity-genesis", key(device), None),
        Assertion::AuthorizedDevice { device, .. } => ("authorized-device", key(device), None),
        Assertion::DeviceRevoked { device, .. } => ("device-revoked", key(device), None),
        Assertion::DeviceRestored { device, .. } => ("device-restored", key(device), None),
        Assertion::DeviceProfile { device, name } => {
            ("device-profile", key(device), Some(name.clone()))
        }
        Assertion::IdentityRecovery { device, .. } => ("identity-recovery", key(device), None),
        Assertion::ContentKey { recipients, .. } => {
            let detail = format!("for {} devices", recipients.len());
            ("content-key", None, Some(detail))
        }
        Assertion::Epoch { number, .. } => ("epoch", None, key(number)),
        Assertion::EpochAcknowledged { epoch, .. } => ("epoch-acknowledged", key(epoch), None),
        Assertion::ErasureRequested { .. } => ("erasure-requested", None, None),
        Assertion::ErasureAcknowledged { request, .. } => {
            ("erasure-acknowledged", key(request), None)
        }
        Assertion::SealingKeyReplaced { .. } => ("sealing-key-replaced", None, None),
        Assertion::DelegatedInvitation {
            invitation, role, ..
        } => ("delegated-invitation", key(invitation), key(role)),
        Assertion::InvitationCancelled { invitation, .. } => {
            ("invitation-cancelled", key(invitation), None)
        }
        Assertion::DevicePresented { chain, .. } => {
            ("device-presented", key(&chain.device().device), None)
        }
        Assertion::AuthorizedRecoveryKey { key: recovery, .. } => {
            ("authorized-recovery-key", key(recovery), None)
        }
    }
}
