//! Invitations, on both sides.

use super::{ErrorInfo, ProfileParams, RoleInfo};

wire! {
    /// An invitation that is open, or was.
    pub struct InvitationInfo {
        /// Its name.
        pub id: String,
        /// What it is to.
        pub kind: InvitationKindInfo,
        /// Who may host it.
        #[serde(rename = "type")]
        pub invitation_type: InvitationTypeInfo,
        /// The space, or the one in which the identity keeps its devices.
        pub space: String,
        /// What a guest may do in the space.
        pub role: RoleInfo,
        /// How a guest proves that it was meant.
        pub authentication: AuthenticationInfo,
        /// Whether more than one guest may use it.
        pub multi_use: bool,
        /// Whether a guest reads what was written before.
        pub history: bool,
        /// When it ends, in milliseconds since 1970.
        pub expires_ms: u64,
        /// Who made it, of a delegated one that was made elsewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub by: Option<String>,
        /// How many guests have used it at this host.
        pub uses: u32,
        /// Where it stands.
        pub state: InvitationStateInfo,
        /// How many tries of the code are left, once one was wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub attempts_left: Option<u8>,
        /// Why it ended, when it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<ErrorInfo>,
        /// The identity that joined last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub guest: Option<String>,
        /// The device that joined, of an invitation for a device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub device: Option<String>,
        /// What to hand to a guest, as text; none where this device cannot tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub invitation_code: Option<String>,
        /// The six digits to tell the guest over another channel, when they are asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub auth_code: Option<String>,
    }

    /// An invitation that is being accepted. The host keeps it when the page is left, and for
    /// some minutes after it has ended.
    pub struct FlowInfo {
        /// Its number at this host.
        pub flow: u32,
        /// What it is to.
        pub kind: InvitationKindInfo,
        /// The invitation.
        pub invitation: String,
        /// What it is to, for people, as the host says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<String>,
        /// How the guest proves that it was meant.
        pub authentication: AuthenticationInfo,
        /// Where it stands.
        pub state: InvitationStateInfo,
        /// How many tries of the code are left, once one was wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub attempts_left: Option<u8>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<ErrorInfo>,
        /// The space, once it was joined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub space: Option<String>,
        /// The identity, once it was joined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity: Option<String>,
    }

    /// What the text of an invitation says.
    pub struct InvitationText {
        /// Its name.
        pub id: String,
        /// What it is to.
        pub kind: InvitationKindInfo,
        /// What it is to, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<String>,
        /// How a guest proves that it was meant.
        pub authentication: AuthenticationInfo,
        /// When it ends, in milliseconds since 1970.
        pub expires_ms: u64,
    }
}

kinds! {
    /// What an invitation is to.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum InvitationKindInfo {
        /// A space.
        Space,
        /// The identity of the host, for a device.
        Device,
    }

    /// Who may host an invitation.
    #[derive(Copy, Default, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum InvitationTypeInfo {
        /// The device that made it.
        #[default]
        Interactive,
        /// Every device of every admin of the space.
        Delegated,
    }

    /// How a guest proves that it was meant.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum AuthenticationInfo {
        /// By having the invitation.
        None,
        /// By a code of six digits.
        SharedSecret,
        /// By a key, or by being an identity.
        KnownPublicKey,
    }

    /// Where an invitation stands.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum InvitationStateInfo {
        /// Made; nobody has connected yet.
        Init,
        /// The guest is looking for the host.
        Connecting,
        /// Host and guest are connected.
        Connected,
        /// The host waits for the code, the guest for its user to type it.
        ReadyForAuthentication,
        /// The code is being checked.
        Authenticating,
        /// The guest is a member.
        Success,
        /// One side gave up.
        Cancelled,
        /// One side took too long.
        Timeout,
        /// It failed; see the error.
        Error,
        /// Its time is over.
        Expired,
    }
}

params! {
    /// Invites somebody to a space.
    pub struct SpaceInvitationParams {
        /// The space.
        pub space: String,
        /// How.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub options: InvitationSpec,
    }

    /// Invites a device to be one of the identity.
    #[derive(Default)]
    pub struct DeviceInvitationParams {
        /// How.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub options: InvitationSpec,
    }

    /// How an invitation is made. What is left out is as [`InvitationInfo`] shows then: a code,
    /// the role `editor`, seven days, one guest.
    #[derive(Default)]
    pub struct InvitationSpec {
        /// Who may host it.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        pub invitation_type: Option<InvitationTypeInfo>,
        /// How a guest proves that it was meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub authentication: Option<AuthenticationInfo>,
        /// The one identity that is invited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity: Option<String>,
        /// What the guest may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role: Option<RoleInfo>,
        /// Whether more than one guest may use it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub multi_use: Option<bool>,
        /// Whether it is hosted again after a restart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub persistent: Option<bool>,
        /// Whether a guest reads what was written before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub history: Option<bool>,
        /// After how many milliseconds it ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub lifetime_ms: Option<u64>,
        /// How many milliseconds a guest may take once it is connected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub timeout_ms: Option<u64>,
        /// What it is to, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<String>,
    }

    /// Names an invitation to a space.
    pub struct SpaceInvitationRef {
        /// The space.
        pub space: String,
        /// The invitation.
        pub invitation: String,
    }

    /// Names an invitation for a device.
    pub struct InvitationParams {
        /// The invitation.
        pub invitation: String,
    }

    /// Begins to join a space.
    pub struct AcceptInvitation {
        /// The text of the invitation, or a link that ends in it.
        pub invitation: String,
    }

    /// Begins to become a device of the identity that invites.
    pub struct AcceptDeviceInvitation {
        /// The text of the invitation, or a link that ends in it.
        pub invitation: String,
        /// What is shown of this device.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub device: ProfileParams,
    }

    /// Reads the text of an invitation and does nothing else.
    pub struct ReadInvitation {
        /// The text of the invitation, or a link that ends in it.
        pub invitation: String,
    }

    /// Tries the code, and answers with the state after it was checked.
    pub struct Authenticate {
        /// The flow.
        pub flow: u32,
        /// The six digits.
        pub code: String,
    }

    /// Names a flow.
    pub struct FlowParams {
        /// The flow.
        pub flow: u32,
    }
}
