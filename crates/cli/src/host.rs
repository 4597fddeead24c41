//! `dx host`: the console and JavaScript on this machine.

use std::io::IsTerminal as _;

use anyhow::{Result, bail};
use dxos_actors::NodeFailure;
use dxos_client::{Client, Status};
use dxos_host::Host;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::arguments::HostOptions;
use crate::control::Server;
use crate::invite::stop_signal;
use crate::output::Output;
use crate::patience;
use crate::session::{Session, end};

/// Serves until it is told to stop.
pub(crate) async fn run(session: &Session, options: &HostOptions, output: Output) -> Result<()> {
    let secrets = session.secrets(output);
    let client = secrets.with_passphrase(session.options())?.build();
    if let Err(error) = patience::initialize(&client, session, output).await {
        if client.status() != Status::Locked {
            return Err(error);
        }
        output.note("the profile is locked; the console asks for its passphrase, or `dx unlock`");
    }
    let served = serve(&client, options, output).await;
    let ended = end(&client).await;
    served.and(ended)
}

async fn serve(client: &Client, options: &HostOptions, output: Output) -> Result<()> {
    let mut chosen = dxos_host::HostOptions::new().port(options.port);
    if options.no_console {
        chosen = chosen.no_console();
    }
    for origin in &options.allow_origin {
        chosen = chosen.allow_origin(origin);
    }
    let host = Host::start(client.clone(), chosen)?;
    // Before it says where it is.
    let control = Server::start(client, output).await;
    show(&host, options, output)?;
    let stopped = tokio::select! {
        biased;
        () = stop_signal() => Ok(()),
        () = host.reset() => {
            output.note("the profile was wiped");
            Ok(())
        }
        failure = failure(client) => Err(failure),
        () = answer(control.as_deref()) => Ok(()),
        shown = show_again(&host, options, output) => return shown,
    };
    output.event(&json!({ "event": "stopping" }), "stopping");
    host.stop().await;
    if let Err(failure) = stopped {
        bail!("the client stopped: {failure}");
    }
    Ok(())
}

/// Prints where the host is, with a token for one use.
fn show(host: &Host, options: &HostOptions, output: Output) -> Result<()> {
    let url = host.url()?;
    let address = host.address();
    let token = url.rsplit_once('=').map(|(_, token)| token);
    let json = json!({ "event": "ready", "url": url, "address": address, "token": token,
                       "rpc": format!("ws://{address}/rpc") });
    let human = if options.no_console {
        format!("ws://{address}/rpc, token {}", token.unwrap_or_default())
    } else {
        format!("open {url}")
    };
    output.event(&json, &human);
    output.note("it opens once, within ten minutes, on this machine only; Enter shows another, Ctrl-C stops");
    Ok(())
}

/// Prints another address each time that Enter is pressed; ends only when that fails.
async fn show_again(host: &Host, options: &HostOptions, output: Output) -> Result<()> {
    if std::io::stdin().is_terminal() {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(_)) = lines.next_line().await {
            show(host, options, output)?;
        }
    }
    std::future::pending().await
}

/// Answers commands of other processes, forever.
pub(crate) async fn answer(control: Option<&Server>) {
    match control {
        Some(control) => control.answer().await,
        None => std::future::pending().await,
    }
}

/// Waits until a part of the client has failed, whenever it is open.
pub(crate) async fn failure(client: &Client) -> NodeFailure {
    let mut status = client.watch_status();
    loop {
        let now = *status.borrow_and_update();
        let failed = async {
            if now == Status::Active
                && let Ok(failure) = client.failed().await
            {
                return failure;
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            changed = status.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
            failure = failed => return failure,
        }
    }
}
