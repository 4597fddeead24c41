//! Making invitations, and waiting for guests.

use std::time::Duration;

use anyhow::{Result, bail};
use dxos_client::{
    Authentication, Client, InvitationHost, InvitationKind, InvitationOptions, InvitationState,
    InvitationType, Role, Space,
};
use serde_json::json;

use crate::arguments::{Authenticate, HostingTerms, InvitationTerms, InviteOptions, RoleName};
use crate::control::Undo;
use crate::output::Output;
use crate::qr::qr_code;
use crate::session::{Session, end, find_space, name_of};

/// How long to wait for a sign of the other side.
const PATIENCE: Duration = Duration::from_secs(8);
/// What a connection sends in [`PATIENCE`] at most when nothing is handed over.
const QUIET_BYTES: u64 = 16 * 1024;

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Editor => Self::Editor,
            RoleName::Reader => Self::Reader,
            RoleName::Replicator => Self::Replicator,
        }
    }
}

impl InvitationTerms {
    fn options(&self, target: Option<String>) -> InvitationOptions {
        let options = if self.delegated {
            InvitationOptions::delegated()
        } else {
            InvitationOptions::default()
        };
        let mut options = self.hosting.apply(options, target);
        options = options.role(self.role.into()).history(!self.no_history);
        if self.hosting.auth.is_none()
            && let Some(identity) = self.for_identity
        {
            options = options.for_identity(identity);
        }
        // Asked for together with another proof, it is refused with the reason.
        options.identity = self.for_identity;
        options
    }

    /// Whether it is hosted when this program has ended.
    const fn is_kept(&self) -> bool {
        self.hosting.persistent || self.delegated
    }
}

impl HostingTerms {
    fn apply(&self, options: InvitationOptions, target: Option<String>) -> InvitationOptions {
        let authentication = match self.auth {
            _ if self.no_code => Authentication::None,
            Some(Authenticate::None) => Authentication::None,
            Some(Authenticate::Key) => Authentication::KnownPublicKey,
            Some(Authenticate::Code) | None => Authentication::SharedSecret,
        };
        let mut options = options
            .authentication(authentication)
            .multi_use(self.multi_use)
            .persistent(self.persistent);
        let lifetime = self.lifetime.map(|minutes| minutes.saturating_mul(60));
        if let Some(lifetime) = self.expires.or(lifetime.map(Duration::from_secs)) {
            options = options.lifetime(lifetime);
        }
        options.target = target;
        options
    }
}

/// `dx space invite`: waits for the guest, also where the invitation is kept.
pub(crate) async fn host(session: &Session, options: &InviteOptions, output: Output) -> Result<()> {
    let client = session.online().await?;
    let result = async {
        let space = find_space(&client, &options.space).await?;
        let host = invite(&space, &options.terms, output).await?;
        wait_for_guest(
            &client,
            &host,
            Some(&space),
            options.terms.is_kept(),
            output,
        )
        .await
    };
    let result = result.await;
    end(&client).await?;
    result
}

/// `dx invitation create`: waits for the guest unless the invitation is kept.
pub(crate) async fn create(
    session: &Session,
    options: &InviteOptions,
    output: Output,
) -> Result<()> {
    if !options.terms.is_kept() {
        return host(session, options, output).await;
    }
    let client = session.online().await?;
    let result = async {
        let space = find_space(&client, &options.space).await?;
        invite(&space, &options.terms, output).await?;
        space.db().flush().await?;
        output.note("`dx serve` hosts it from now on");
        anyhow::Ok(())
    };
    let result = result.await;
    end(&client).await?;
    result
}

/// `dx device invite`.
pub(crate) async fn host_device(
    session: &Session,
    terms: &HostingTerms,
    output: Output,
) -> Result<()> {
    let client = session.online().await?;
    let result = async {
        let name = client.halo().identity().await?;
        let name = name.and_then(|identity| identity.profile.display_name);
        let halo = client.halo();
        let options = terms.apply(InvitationOptions::default(), name);
        let host = halo.create_invitation(options).await?;
        show(&host, terms, output)?;
        wait_for_guest(&client, &host, None, terms.persistent, output).await
    };
    let result = result.await;
    end(&client).await?;
    result
}

async fn wait_for_guest(
    client: &Client,
    host: &InvitationHost,
    space: Option<&Space>,
    is_kept: bool,
    output: Output,
) -> Result<()> {
    if is_kept {
        output.note("waiting for the guest; after Ctrl-C `dx serve` hosts it");
    } else {
        output.note("waiting for the guest; Ctrl-C cancels");
    }
    // Whoever waits for the guest may go away, where this runs for another process.
    let cancel = Undo::new(|| host.cancel());
    if is_kept {
        cancel.keep();
    }
    tokio::select! {
        biased;
        () = stop_signal() => {
            if is_kept {
                output.note("not used yet; `dx serve` hosts it");
                return Ok(());
            }
            host.cancel();
            bail!("cancelled; nobody can join with this invitation any more");
        }
        () = follow(host, output) => cancel.keep(),
    }
    let status = host.finished().await?;
    let space = match (space, status.space) {
        (Some(space), _) => space.clone(),
        (None, Some(key)) => client.echo().space(key).await?,
        (None, None) => return Ok(()),
    };
    // The guest takes the space up from this device: give it what there is.
    output.note("joined; handing over what there is");
    tokio::select! {
        biased;
        () = stop_signal() => {}
        () = hand_over(client, &space) => {}
    }
    Ok(())
}

/// Makes an invitation to a space and prints it.
pub(crate) async fn invite(
    space: &Space,
    terms: &InvitationTerms,
    output: Output,
) -> Result<InvitationHost> {
    let name = name_of(&space.report().await?);
    let host = space.create_invitation(terms.options(name)).await?;
    show(&host, &terms.hosting, output)?;
    Ok(host)
}

/// Prints an invitation.
fn show(host: &InvitationHost, terms: &HostingTerms, output: Output) -> Result<()> {
    let invitation = host.invitation();
    let text = invitation.to_string();
    let link = invitation.to_link();
    let code = host.auth_code();
    let drawn = terms.qr.then(|| qr_code(&link)).transpose()?;
    let space = host.status().space;
    let json = json!({
        "event": "invitation",
        "id": invitation.id,
        "kind": invitation.kind,
        "type": invitation.invitation_type,
        "authentication": invitation.authentication(),
        "space": space.filter(|_| invitation.kind == InvitationKind::Space),
        "invitation": text,
        "link": link,
        "qr": drawn,
        "code": code,
        "expires_ms": invitation.expires_ms,
        "persistent": terms.persistent || invitation.invitation_type == InvitationType::Delegated,
    });
    let drawn = drawn.map(|drawn| format!("{drawn}\n"));
    let code = code.map(|code| format!("\n\ncode: {code}"));
    let human = [drawn, Some(text), code].into_iter().flatten();
    let human: String = human.collect();
    output.event(&json, &human);
    Ok(())
}

/// Tells where an invitation stands until it has ended.
pub(crate) async fn follow(host: &InvitationHost, output: Output) {
    let mut watch = host.watch();
    loop {
        let status = watch.borrow_and_update().clone();
        output.event_state(status.state, status.attempts_left);
        if status.state.is_final() || watch.changed().await.is_err() {
            return;
        }
    }
}

/// Stays online until the new member has gone, or nothing more is sent to it.
async fn hand_over(client: &Client, space: &Space) {
    let connected = space.wait_until(|report| !report.peers.is_empty());
    if !matches!(tokio::time::timeout(PATIENCE, connected).await, Ok(Ok(_))) {
        return;
    }
    let quiet = async {
        let mut before = 0_u64;
        loop {
            tokio::time::sleep(PATIENCE).await;
            let Ok(status) = client.mesh().network_status().await else {
                return;
            };
            let sent: u64 = status.connections.iter().map(|c| c.bytes_sent).sum();
            if sent < before.saturating_add(QUIET_BYTES) {
                return;
            }
            before = sent;
        }
    };
    tokio::select! {
        biased;
        _ = space.wait_until(|report| report.peers.is_empty()) => {}
        () = quiet => {}
    }
}

impl Output {
    fn event_state(self, state: InvitationState, attempts_left: Option<u8>) {
        let json = json!({ "event": "state", "state": state, "attempts_left": attempts_left });
        if self.is_json() {
            self.event(&json, "");
        } else if let Some(text) = json.get("state").and_then(serde_json::Value::as_str) {
            self.note(&match attempts_left {
                Some(left) => format!("{text} ({left} attempts left)"),
                None => text.to_owned(),
            });
        }
    }
}

/// Completes at Ctrl-C, or when the process is asked to end.
pub(crate) async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                biased;
                _ = terminated.recv() => {}
                _ = interrupted => {}
            }
            return;
        }
    }
    drop(interrupted.await);
}
