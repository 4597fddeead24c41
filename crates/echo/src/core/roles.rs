//! Who is a member, and as what: removal, change of role, leaving, profiles.

use dxos_credentials::{Assertion, Credential, Profile, Right, Role, Seen};
use dxos_keys::IdentityKey;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;
use rand_core::CryptoRng;

use super::space::{Outcome, Space};

impl Space {
    /// Signs an assertion and appends it to this device's control feed.
    pub(super) fn issue(
        &mut self,
        assertion: Assertion,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Begins a change of the control feeds.
    pub(super) fn begin_control(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Outcome, EchoError> {
        let mut outcome = Outcome::default();
        self.begin_write(now_ms, &mut outcome)?;
        self.present(now_ms, store, &mut outcome)?;
        Ok(outcome)
    }

    /// Ends it.
    pub(super) fn end_control(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        mut outcome: Outcome,
    ) -> Result<Outcome, EchoError> {
        self.settle_members(now_ms, store, &mut outcome)?;
        self.flush(&mut outcome.batch)?;
        Ok(outcome)
    }

    fn require_member(&self, identity: &IdentityKey) -> Result<Role, EchoError> {
        let role = self.membership.role_of(identity);
        role.ok_or(EchoError::NotMember {
            identity: *identity,
            space: self.key(),
        })
    }

    /// Whether no admin would be left without this device's identity.
    fn is_last_admin(&self) -> bool {
        let own = self.identity();
        let members = self.membership.members();
        let mut others = members.iter().filter(|(identity, _)| **identity != own);
        self.role() == Some(Role::Admin) && !others.any(|(_, member)| member.role == Role::Admin)
    }

    /// Removes a member; what is written from then on is sealed with a key that it does not get.
    pub(crate) fn remove_member(
        &mut self,
        identity: IdentityKey,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<((), Outcome), EchoError> {
        if identity == self.identity() {
            return self.leave(None, now_ms, store);
        }
        self.permit(Right::Admit, "remove members")?;
        self.require_member(&identity)?;
        let mut outcome = self.begin_control(now_ms, store)?;
        let removed = Assertion::MemberRemoved {
            space: self.key(),
            identity,
            seen: self.seen_of(&identity),
        };
        self.issue(removed, now_ms, store, &mut outcome)?;
        self.rotate_key(now_ms, (store, rng), &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// Gives a member another role. The last admin keeps its own, also when it is alone: nobody
    /// could ever admit anyone again.
    pub(crate) fn set_role(
        &mut self,
        identity: IdentityKey,
        role: Role,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<((), Outcome), EchoError> {
        self.permit(Right::Admit, "change roles")?;
        let before = self.require_member(&identity)?;
        if before == role {
            return Ok(((), Outcome::default()));
        }
        if identity == self.identity() && self.is_last_admin() {
            return Err(EchoError::LastAdmin { space: self.key() });
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        self.give_role(identity, role, now_ms, store, &mut outcome)?;
        match (before.allows(Right::Read), role.allows(Right::Read)) {
            // Whoever gives up being an admin makes no keys any more; another admin does.
            (true, false) if self.permit(Right::Admit, "").is_ok() => {
                self.rotate_key(now_ms, (store, rng), &mut outcome)?;
            }
            // It carried ciphertext and may read now.
            (false, true) => {
                let member = self.membership.member(&identity);
                let readers = member.map(|member| {
                    let recovery_keys = member.recovery_keys.into_iter();
                    member.devices.into_iter().chain(recovery_keys).collect()
                });
                let readers = readers.unwrap_or_default();
                self.open_history(readers, now_ms, (store, rng), &mut outcome)?;
            }
            _ => {}
        }
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    fn give_role(
        &mut self,
        identity: IdentityKey,
        role: Role,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let lesser = self.membership.role_of(&identity) > Some(role);
        let seen = if lesser {
            self.seen_of(&identity)
        } else {
            Seen::new()
        };
        let given = Assertion::SpaceMember {
            space: self.key(),
            identity,
            role,
            profile: Profile::default(),
            chain: None,
            invitation: None,
            seen,
        };
        self.issue(given, now_ms, store, outcome)
    }

    /// Ends the membership of this device's identity. The last admin names another first, unless
    /// nobody is left.
    pub(crate) fn leave(
        &mut self,
        successor: Option<IdentityKey>,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<((), Outcome), EchoError> {
        let identity = self.identity();
        self.require_member(&identity)?;
        if let Some(successor) = &successor {
            self.permit(Right::Admit, "name an admin")?;
            self.require_member(successor)?;
        }
        let last = self.is_last_admin() && self.membership.members().len() > 1;
        if last && successor.is_none_or(|successor| successor == identity) {
            return Err(EchoError::LastAdmin { space: self.key() });
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        if let Some(successor) = successor
            && self.membership.role_of(&successor) != Some(Role::Admin)
        {
            self.give_role(successor, Role::Admin, now_ms, store, &mut outcome)?;
        }
        let left = Assertion::MemberRemoved {
            space: self.key(),
            identity,
            seen: self.seen_of(&identity),
        };
        self.issue(left, now_ms, store, &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// Says what others are to be shown of this device's identity.
    pub(crate) fn set_profile(
        &mut self,
        profile: Profile,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<((), Outcome), EchoError> {
        let identity = self.identity();
        self.require_member(&identity)?;
        profile
            .check()
            .map_err(|error| EchoError::InvalidTransaction {
                reason: error.to_string(),
            })?;
        self.authority.profile = profile.clone();
        if self.membership.profile(&identity) == Some(&profile) {
            return Ok(((), Outcome::default()));
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        let space = self.key();
        let shown = Assertion::MemberProfile { space, profile };
        self.issue(shown, now_ms, store, &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }
}
