//! How an invitation is to be made.

use std::time::Duration;

use dxos_credentials::{Role, check_display_name};
use dxos_keys::IdentityKey;
use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType};

use super::InvitationError;

/// How an invitation is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitationOptions {
    /// How a guest proves that it was meant. Default: a code of six digits.
    pub authentication: Authentication,
    /// Whether a guest reads what was written in the space before it came. Default: yes.
    pub history: bool,
    /// The one identity that is invited, with [`Authentication::KnownPublicKey`]. Without one, a
    /// key is made that stands in the text of the invitation.
    pub identity: Option<IdentityKey>,
    /// Who may host it. Default: this device. The others are the devices of the space's admins;
    /// they learn of it with the space.
    pub invitation_type: InvitationType,
    /// After how long it ends. Default: 7 days.
    pub lifetime: Duration,
    /// Whether more than one guest may use it. Default: no.
    pub multi_use: bool,
    /// Whether it is hosted again after a restart of this client. Default: yes. A delegated
    /// invitation always is.
    pub persistent: bool,
    /// What the guest may do in a space. Default: [`Role::Editor`].
    pub role: Role,
    /// What it is to, for people: shown to whoever has the text. Default: nothing.
    pub target: Option<String>,
    /// How long one guest may take once it is connected. Default: 3 minutes.
    pub timeout: Duration,
}

impl Default for InvitationOptions {
    fn default() -> Self {
        Self {
            authentication: Authentication::SharedSecret,
            history: true,
            identity: None,
            invitation_type: InvitationType::Interactive,
            lifetime: Duration::from_secs(7 * 24 * 3600),
            multi_use: false,
            persistent: true,
            role: Role::Editor,
            target: None,
            timeout: Duration::from_secs(180),
        }
    }
}

impl InvitationOptions {
    /// The defaults, but hosted by every device of the space's admins.
    pub fn delegated() -> Self {
        Self {
            invitation_type: InvitationType::Delegated,
            ..Self::default()
        }
    }

    /// Sets what the guest may do.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets how a guest proves that it was meant.
    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Invites one identity and nobody else.
    #[must_use]
    pub fn for_identity(mut self, identity: IdentityKey) -> Self {
        self.authentication = Authentication::KnownPublicKey;
        self.identity = Some(identity);
        self
    }

    /// Sets whether a guest reads what was written before it came.
    #[must_use]
    pub fn history(mut self, history: bool) -> Self {
        self.history = history;
        self
    }

    /// Sets after how long it ends.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how long one guest may take once it is connected.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether more than one guest may use it.
    #[must_use]
    pub fn multi_use(mut self, multi_use: bool) -> Self {
        self.multi_use = multi_use;
        self
    }

    /// Sets whether it is hosted again after a restart.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Sets what it is to, for people.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Whether such an invitation can be made.
    pub(super) fn check(&self, kind: InvitationKind) -> Result<(), InvitationError> {
        let refused = |reason: &'static str| Err(InvitationError::BadOptions { reason });
        let named = self.identity.is_some();
        if named && self.authentication != Authentication::KnownPublicKey {
            return refused("an identity is proven by its key: ask for no other proof");
        }
        if kind == InvitationKind::Device {
            if named {
                return refused("a device has no identity before it joins yours");
            }
            if self.invitation_type == InvitationType::Delegated {
                return refused("only this device can add a device with it");
            }
        }
        if let Some(target) = &self.target
            && check_display_name(target).is_err()
        {
            return refused("the target is too long to be shown, empty, or has control characters");
        }
        Ok(())
    }

    pub(super) fn is_persistent(&self) -> bool {
        self.persistent || self.invitation_type == InvitationType::Delegated
    }
}
