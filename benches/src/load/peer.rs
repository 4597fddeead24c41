//! A process `dx` with a profile of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use dxos_client::{Client, InvitationOptions, Role, Space};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::setup::{accept, within};

/// A peer: a profile, and the process that serves it.
#[derive(Debug)]
pub(crate) struct Peer {
    dx: PathBuf,
    profile: PathBuf,
    serving: Option<(Child, String)>,
}

impl Peer {
    /// Makes a profile that has joined `space`, which is hosted here.
    pub(crate) async fn join(
        dx: &Path,
        profile: PathBuf,
        space: &Space,
        role: Role,
    ) -> Result<Self> {
        let peer = Self {
            dx: dx.to_path_buf(),
            profile,
            serving: None,
        };
        peer.finish(&["identity", "create", "peer"]).await?;
        let options = InvitationOptions::default().role(role);
        let host = space.create_invitation(options).await?;
        let text = host.invitation().to_string();
        let code = host.auth_code().context("the invitation has no code")?;
        peer.finish(&["space", "join", &text, "--code", code])
            .await?;
        Ok(peer)
    }

    /// Lets the peer's own process invite `guest`.
    pub(crate) async fn invite(&self, guest: &Client, space: &Space) -> Result<Space> {
        let key = space.key().to_string();
        let (mut child, mut lines) = self.spawn(&["space", "invite", &key])?;
        let event = within("inviting", next(&mut lines)).await??;
        let text = event.get("invitation").and_then(Value::as_str);
        let text = text.with_context(|| format!("dx printed no invitation: {event}"))?;
        let code = event.get("code").and_then(Value::as_str);
        let joined = accept(guest, text, code).await?;
        // The guest is admitted durably; the process would wait for it to go away.
        child.kill().await?;
        Ok(joined)
    }

    /// Starts serving; returns when the process says that it does.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        let (child, mut lines) = self.spawn(&["serve"])?;
        let event = within("serving", next(&mut lines)).await??;
        let device = event.get("device").and_then(Value::as_str);
        let device = device
            .with_context(|| format!("dx serve did not become ready: {event}"))?
            .to_owned();
        // What it tells later is read, so that it never waits for us, and dropped.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.serving = Some((child, device));
        Ok(())
    }

    /// The device that the process said to be.
    pub(crate) fn device(&self) -> Option<&str> {
        self.serving.as_ref().map(|(_, device)| device.as_str())
    }

    /// Ends the process; one that ended before is an error.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some((mut child, _)) = self.serving.take() {
            if let Some(status) = child.try_wait()? {
                bail!("dx serve ended by itself: {status}");
            }
            child.kill().await?;
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.dx);
        command
            .arg("--profile")
            .arg(&self.profile)
            .args(["--listen", "127.0.0.1:0", "--json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    async fn finish(&self, arguments: &[&str]) -> Result<()> {
        let running = self.command(arguments).output();
        let out = within("dx", running).await?;
        let out = out.with_context(|| format!("cannot start {}", self.dx.display()))?;
        let said = String::from_utf8_lossy(&out.stdout);
        ensure!(
            out.status.success(),
            "dx {} failed: {}",
            arguments.join(" "),
            said.trim()
        );
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<(Child, Lines<BufReader<ChildStdout>>)> {
        let spawned = self.command(arguments).spawn();
        let mut child = spawned.with_context(|| format!("cannot start {}", self.dx.display()))?;
        let out = child.stdout.take().context("no standard output")?;
        Ok((child, BufReader::new(out).lines()))
    }
}

/// The next line, which is an object.
async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Value> {
    let line = lines.next_line().await?.context("dx ended early")?;
    serde_json::from_str(&line).with_context(|| format!("dx printed no JSON: {line}"))
}
