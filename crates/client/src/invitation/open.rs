//! The invitations that are open: listed, watched, shown again and cancelled.

use std::sync::Arc;

use dxos_credentials::Role;
use dxos_keys::{IdentityKey, InvitationId, SpaceKey};
use dxos_protocol::echo::{CancelDelegated, SpaceReport, WatchSpace};
use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType};
use tokio::sync::watch;

use super::delegated::Found;
use super::handle::{code_of, text_of};
use super::hosted::Hosted;
use super::{
    Invitation, InvitationCode, InvitationError, InvitationHost, InvitationState, InvitationStatus,
};
use crate::assemble::Node;
use crate::{Client, ClientError};

/// An invitation that is open, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitationReport {
    /// Its name.
    pub id: InvitationId,
    /// What it is to.
    pub kind: InvitationKind,
    /// Who may host it.
    pub invitation_type: InvitationType,
    /// The space, or the one in which the identity keeps its devices.
    pub space: SpaceKey,
    /// What a guest may do in the space.
    pub role: Role,
    /// How a guest proves that it was meant.
    pub authentication: Authentication,
    /// Whether one guest only may use it.
    pub single_use: bool,
    /// Whether a guest reads what was written in the space before.
    pub history: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Who made it, of a delegated one that was made on another device.
    pub by: Option<IdentityKey>,
    /// How many guests have used it at this host.
    pub uses: usize,
    /// Where it stands at this host.
    pub status: InvitationStatus,
    /// What to hand to a guest; `None` where this device cannot tell: the key that stands in it
    /// is elsewhere.
    pub invitation: Option<Invitation>,
    /// The code to tell a guest, when there is one and this device may know it.
    pub code: Option<InvitationCode>,
}

/// Which invitations are meant.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) client: Client,
    /// The space; `None` for those that are for devices.
    pub(crate) space: Option<SpaceKey>,
}

impl Listed {
    async fn place(&self, node: &Node) -> Result<(InvitationKind, SpaceKey), ClientError> {
        match self.space {
            Some(space) => Ok((InvitationKind::Space, space)),
            None => Ok((InvitationKind::Device, node.devices.space().await?)),
        }
    }

    /// The open ones: those that this device hosts, and the delegated ones of the space.
    pub(crate) async fn list(&self) -> Result<Vec<InvitationReport>, ClientError> {
        let node = self.client.node()?;
        let (kind, space) = self.place(&node).await?;
        let delegated = match kind {
            InvitationKind::Space => node.invitations.delegated_of(space).await,
            _ => None,
        };
        let mut reports = Vec::new();
        for found in delegated.iter().flatten() {
            if node.invitations.take_up(found).await.is_none() {
                reports.push(elsewhere(found));
            }
        }
        for hosted in node.invitations.open(kind, space) {
            let own = hosted.invitation_type == InvitationType::Interactive;
            let of_space = delegated.iter().flatten();
            let found = of_space
                .clone()
                .find(|found| found.delegated.invitation == hosted.id);
            // One that the space does not have any more is over, though not yet here.
            if own || found.is_some() {
                let by = found.map(|found| found.delegated.by);
                reports.push(report(&node, &hosted, by).await);
            }
        }
        reports.sort_by_key(|report| (report.expires_ms, report.id));
        Ok(reports)
    }

    /// One of them, to follow it and show it again.
    pub(crate) async fn get(
        &self,
        id: InvitationId,
    ) -> Result<Option<InvitationHost>, ClientError> {
        // Delegated ones are taken up by that.
        self.list().await?;
        let node = self.client.node()?;
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        let (kind, space) = self.place(&node).await?;
        let open = node.invitations.open(kind, space);
        match open.into_iter().find(|hosted| hosted.id == id) {
            Some(hosted) => Ok(InvitationHost::again(&node, &network, hosted).await),
            None => Ok(None),
        }
    }

    /// Ends one of them, a delegated one everywhere.
    pub(crate) async fn cancel(&self, invitation: InvitationId) -> Result<(), ClientError> {
        let reports = self.list().await?;
        let node = self.client.node()?;
        let Some(report) = reports.iter().find(|report| report.id == invitation) else {
            return Err(InvitationError::UnknownInvitation { invitation }.into());
        };
        if report.invitation_type == InvitationType::Delegated {
            let space = report.space;
            let cancel = CancelDelegated { space, invitation };
            let cancelled = node.invitations.echo.cancel.ask(cancel).await;
            cancelled.map_err(ClientError::unanswered("ECHO"))??;
        }
        if let Some(hosted) = node.invitations.get(&invitation) {
            let refusal = dxos_protocol::invitation::Refusal::Cancelled;
            node.invitations.end(&hosted, refusal);
        }
        node.invitations.has_changed();
        Ok(())
    }

    pub(crate) async fn watch(self) -> Result<InvitationWatch, ClientError> {
        let node = self.client.node()?;
        let (_, space) = self.place(&node).await?;
        let watch = node.echo.watch_space().ask(WatchSpace { space }).await;
        let space = watch.map_err(ClientError::unanswered("ECHO"))?.ok();
        Ok(InvitationWatch {
            here: node.invitations.changed.subscribe(),
            space,
            last: None,
            listed: self,
        })
    }
}

async fn report(node: &Node, hosted: &Arc<Hosted>, by: Option<IdentityKey>) -> InvitationReport {
    let invitation = match &node.network {
        Some(network) => text_of(node, network, hosted).await,
        None => None,
    };
    let status = hosted.status.borrow().clone();
    let state = hosted.state();
    let terms = state.machine.terms();
    let mine = state.machine.usage().used_by.len();
    InvitationReport {
        id: hosted.id,
        kind: hosted.kind,
        invitation_type: hosted.invitation_type,
        space: hosted.space,
        role: terms.role,
        authentication: terms.challenge.authentication(),
        single_use: terms.single_use,
        history: terms.history,
        expires_ms: terms.expires_ms,
        by,
        uses: mine,
        status,
        invitation,
        code: code_of(hosted),
    }
}

/// One that only other devices can host.
fn elsewhere(found: &Found) -> InvitationReport {
    let delegated = &found.delegated;
    let space = Some(found.space);
    InvitationReport {
        id: delegated.invitation,
        kind: InvitationKind::Space,
        invitation_type: InvitationType::Delegated,
        space: found.space,
        role: delegated.role,
        authentication: found.authentication(),
        single_use: delegated.single_use,
        history: delegated.history,
        expires_ms: delegated.expires_ms,
        by: Some(delegated.by),
        uses: 0,
        status: InvitationStatus::new(InvitationState::Init, space),
        invitation: None,
        code: None,
    }
}

/// Open invitations, followed.
#[derive(Debug)]
pub struct InvitationWatch {
    listed: Listed,
    here: watch::Receiver<u64>,
    space: Option<watch::Receiver<SpaceReport>>,
    last: Option<Vec<InvitationReport>>,
}

impl InvitationWatch {
    /// The open invitations: at first those that there are, then each time that one was made or
    /// is over, here or, of the delegated ones, in the space. Intermediate lists may be skipped.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the space or the client is gone.
    pub async fn next(&mut self) -> Result<Vec<InvitationReport>, ClientError> {
        loop {
            self.here.borrow_and_update();
            if let Some(space) = &mut self.space {
                space.borrow_and_update();
            }
            let list = self.listed.list().await?;
            let names = |list: &[InvitationReport]| -> Vec<_> {
                list.iter().map(|r| (r.id, r.uses)).collect()
            };
            if self.last.as_deref().map(names) != Some(names(&list)) {
                self.last = Some(list.clone());
                return Ok(list);
            }
            let gone = |_| ClientError::NotInitialized;
            match &mut self.space {
                Some(space) => tokio::select! {
                    biased;
                    changed = self.here.changed() => changed.map_err(gone)?,
                    changed = space.changed() => changed.map_err(gone)?,
                },
                None => self.here.changed().await.map_err(gone)?,
            }
        }
    }
}
