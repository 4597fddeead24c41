//! Accepting invitations.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_client::{
    Authentication, Client, Invitation, InvitationFlow, InvitationKind, InvitationState, Profile,
    Space, SpaceReport,
};
use serde_json::json;

use crate::arguments::{AcceptOptions, JoinOptions};
use crate::control::{Question, Undo, Within};
use crate::invite::stop_signal;
use crate::output::Output;
use crate::session::{Session, end};

/// How long to wait for a sign of the other side.
const PATIENCE: Duration = Duration::from_secs(8);
/// After how long without a change nothing more is expected.
const SETTLED: Duration = Duration::from_millis(700);

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

/// `dx space join`.
pub(crate) async fn join(session: &Session, options: &JoinOptions, output: Output) -> Result<()> {
    let invitation: Invitation = options.invitation.parse()?;
    if invitation.kind == InvitationKind::Device {
        bail!(
            "this invitation is for a device: `dx device join` takes it, with a profile that has \
             no identity yet"
        );
    }
    let client = session.online().await?;
    let result = join_space(&client, invitation, options, output).await;
    end(&client).await?;
    result
}

/// `dx device join`.
pub(crate) async fn join_identity(
    session: &Session,
    options: &AcceptOptions,
    output: Output,
) -> Result<()> {
    let invitation: Invitation = options.join.invitation.parse()?;
    if invitation.kind != InvitationKind::Device {
        bail!("this invitation is to a space: `dx space join` takes it");
    }
    let client = session.online().await?;
    let result = become_device(&client, invitation, options, output).await;
    end(&client).await?;
    result
}

/// `dx invitation accept`.
pub(crate) async fn accept(
    session: &Session,
    options: &AcceptOptions,
    output: Output,
) -> Result<()> {
    let invitation: Invitation = options.join.invitation.parse()?;
    match invitation.kind {
        InvitationKind::Device => join_identity(session, options, output).await,
        _ => join(session, &options.join, output).await,
    }
}

async fn join_space(
    client: &Client,
    invitation: Invitation,
    options: &JoinOptions,
    output: Output,
) -> Result<()> {
    let asks = invitation.authentication() == Authentication::SharedSecret;
    let flow = client.echo().accept_invitation(invitation).await?;
    through(&flow, asks, options, output).await?;
    let space = flow.joined().await?;
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

async fn become_device(
    client: &Client,
    invitation: Invitation,
    options: &AcceptOptions,
    output: Output,
) -> Result<()> {
    let asks = invitation.authentication() == Authentication::SharedSecret;
    let profile = options.name.clone().map(Profile::named).unwrap_or_default();
    let flow = client.halo().accept_invitation(invitation, profile).await?;
    through(&flow, asks, &options.join, output).await?;
    let space = flow.joined().await?;
    output.note("joined; fetching what there is");
    tokio::select! {
        biased;
        () = stop_signal() => {}
        fetched = fetch(&space) => drop(fetched?),
    }
    let identity = client.halo().identity().await?;
    let identity = identity.context("the identity was not taken up")?;
    output.result(&json!(identity), || {
        crate::session::identity_text(&identity)
    });
    Ok(())
}

/// Goes through the flow to its end.
async fn through(
    flow: &InvitationFlow,
    asks: bool,
    options: &JoinOptions,
    output: Output,
) -> Result<()> {
    // Whoever joins may go away, where this runs for another process.
    let cancel = Undo::new(|| flow.cancel());
    let ended = async {
        if asks {
            authenticate(flow, options, output).await?;
        }
        flow.adopted().await?;
        cancel.keep();
        anyhow::Ok(())
    };
    tokio::select! {
        biased;
        () = stop_signal() => {
            flow.cancel();
            bail!("cancelled; the invitation can be used again");
        }
        ended = ended => ended,
    }
}

async fn authenticate(flow: &InvitationFlow, options: &JoinOptions, output: Output) -> Result<()> {
    if let Some(code) = &options.code {
        let status = flow.authenticate(code).await?;
        if status.state == InvitationState::ReadyForAuthentication {
            let left = status.attempts_left.unwrap_or_default();
            flow.cancel();
            let left = match left {
                1 => "1 attempt is left".to_owned(),
                left => format!("{left} attempts are left"),
            };
            bail!("the code is wrong; {left}; ask the host and try again");
        }
        return Ok(());
    }
    if Within::find().is_none() && !std::io::stdin().is_terminal() {
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

/// Asks for a code.
pub(crate) async fn ask(question: &'static str) -> Result<String> {
    if let Some(within) = Within::find() {
        let code = within.ask(Question::Code).await?;
        return Ok(code.context("no code was typed")?.to_string());
    }
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
