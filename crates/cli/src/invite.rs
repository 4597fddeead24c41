//! `dx space invite` and `dx space join`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_client::{
    Authentication, Client, Invitation, InvitationFlow, InvitationHost, InvitationOptions,
    InvitationState, Role, Space, SpaceReport,
};
use serde_json::json;

use crate::arguments::{InvitationTerms, InviteOptions, JoinOptions, RoleName};
use crate::output::Output;
use crate::session::{Session, end, find_space};

/// How long to wait for a sign of the other side.
const PATIENCE: Duration = Duration::from_secs(8);
/// After how long without a change nothing more is expected.
const SETTLED: Duration = Duration::from_millis(700);
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

pub(crate) async fn host(session: &Session, options: &InviteOptions, output: Output) -> Result<()> {
    let client = session.online().await?;
    let result = wait_for_guest(&client, options, output).await;
    end(&client).await?;
    result
}

async fn wait_for_guest(client: &Client, options: &InviteOptions, output: Output) -> Result<()> {
    let space = find_space(client, &options.space).await?;
    let host = invite(&space, &options.terms, output).await?;
    output.note("waiting for the guest; Ctrl-C cancels");
    tokio::select! {
        biased;
        () = stop_signal() => {
            host.cancel();
            bail!("cancelled; nobody can join with this invitation any more");
        }
        () = follow(&host, output) => {}
    }
    host.finished().await?;
    // The guest takes the space up from this device: give it what there is.
    output.note("joined; handing over what there is");
    tokio::select! {
        biased;
        () = stop_signal() => {}
        () = hand_over(client, &space) => {}
    }
    Ok(())
}

/// Makes an invitation and prints it.
pub(crate) async fn invite(
    space: &Space,
    terms: &InvitationTerms,
    output: Output,
) -> Result<InvitationHost> {
    let authentication = if terms.no_code {
        Authentication::None
    } else {
        Authentication::SharedSecret
    };
    let options = InvitationOptions::default()
        .role(terms.role.into())
        .authentication(authentication)
        .multi_use(terms.multi_use)
        .lifetime(Duration::from_secs(terms.lifetime.saturating_mul(60)));
    let host = space.create_invitation(options).await?;
    let text = host.invitation().to_string();
    let code = host.auth_code();
    let json = json!({
        "event": "invitation",
        "space": space.key(),
        "invitation": text,
        "code": code,
        "expires_ms": host.invitation().expires_ms,
    });
    let human = match code {
        Some(code) => format!("{text}\n\ncode: {code}"),
        None => text.clone(),
    };
    output.event(&json, &human);
    Ok(host)
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

/// Waits until everything that the host has is here, as long as something arrives. What is
/// missing after that comes with `dx serve`.
async fn fetch(space: &Space) -> Result<SpaceReport> {
    let mut watch = space.watch().await?;
    loop {
        let report = watch.borrow_and_update().clone();
        let whole = !report.peers.is_empty() && report.missing_blocks == 0;
        let patience = if whole { SETTLED } else { PATIENCE };
        if !matches!(
            tokio::time::timeout(patience, watch.changed()).await,
            Ok(Ok(()))
        ) {
            return Ok(report);
        }
    }
}

pub(crate) async fn join(session: &Session, options: &JoinOptions, output: Output) -> Result<()> {
    let invitation: Invitation = options.invitation.parse()?;
    let client = session.online().await?;
    let result = accept(&client, invitation, options, output).await;
    end(&client).await?;
    result
}

async fn accept(
    client: &Client,
    invitation: Invitation,
    options: &JoinOptions,
    output: Output,
) -> Result<()> {
    let asks = invitation.authentication == Authentication::SharedSecret;
    let flow = client.echo().accept_invitation(invitation).await?;
    let joined = async {
        if asks {
            authenticate(&flow, options, output).await?;
        }
        anyhow::Ok(flow.joined().await?)
    };
    let space = tokio::select! {
        biased;
        () = stop_signal() => {
            flow.cancel();
            bail!("cancelled; the invitation can be used again");
        }
        space = joined => space?,
    };
    output.note("joined; fetching what there is");
    // The host stays online for a while.
    let report = tokio::select! {
        biased;
        () = stop_signal() => space.report().await?,
        report = fetch(&space) => report?,
    };
    output.result(&json!(report), || {
        crate::space::list_text(std::slice::from_ref(&report))
    });
    Ok(())
}

async fn authenticate(flow: &InvitationFlow, options: &JoinOptions, output: Output) -> Result<()> {
    if let Some(code) = &options.code {
        let status = flow.authenticate(code).await?;
        if status.state == InvitationState::ReadyForAuthentication {
            let left = status.attempts_left.unwrap_or_default();
            flow.cancel();
            bail!("the code is wrong; {left} attempts are left; ask the host and try again");
        }
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        flow.cancel();
        bail!("the invitation asks for a code; give it with --code");
    }
    // Ask only once there is somebody to check it.
    let mut watch = flow.watch();
    let ready = |state| state == InvitationState::ReadyForAuthentication;
    let ended = watch
        .wait_for(|s| ready(s.state) || s.state.is_final())
        .await;
    drop(ended.context("the client has stopped")?);
    loop {
        if flow.status().state.is_final() {
            return Ok(());
        }
        let code = ask("code: ").await?;
        match flow.authenticate(&code).await {
            Ok(status) if ready(status.state) => {
                let left = status.attempts_left.unwrap_or_default();
                output.note(&format!("wrong code, {left} attempts left"));
            }
            Ok(_) => return Ok(()),
            Err(error @ dxos_client::InvitationError::BadCode) => output.note(&error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn ask(question: &'static str) -> Result<String> {
    let asked = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        let mut err = std::io::stderr();
        write!(err, "{question}")?;
        err.flush()?;
        std::io::stdin().read_line(&mut line)?;
        std::io::Result::Ok(line)
    });
    let line = asked
        .await
        .context("nothing was read")?
        .context("cannot read the terminal")?;
    if line.is_empty() {
        bail!("no code was typed");
    }
    Ok(line.trim().to_owned())
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
