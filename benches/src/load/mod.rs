//! Load on real `dx serve` processes.
//!
//! ```text
//! writer 1 (here) -- dx serve 1 -- reader 1 (here)
//!               \--- dx serve 2 -- reader 2 (here)
//!                        \-------- writer 2 (here)
//! ```
//!
//! Every peer is a process of its own that joined by invitation. A profile belongs to one
//! process, so writers and readers are clients of this one. A reader was invited by its peer and
//! knows nobody else: what it sees has gone through that process, which is checked at the end.
//! Objects are due at fixed times whether or not the system keeps up, and latencies count from
//! when an object was due.

mod peer;
mod schedule;
mod traffic;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use dxos_client::{Client, Role, Space, map};
use serde_json::json;

use self::peer::Peer;
use self::schedule::Schedule;
use crate::figures::table;
use crate::setup::{progress, start, within};
use crate::{Figure, Report};

/// Put load on real processes on loopback.
///
/// Starts `dx serve` processes with a profile each, writes objects at a fixed rate whether or
/// not they keep up, and measures how long each takes from when it was due until a client
/// beyond a process sees it.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", version)]
pub struct Arguments {
    /// How many `dx serve` processes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,
    /// How many clients write
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: u16,
    /// Objects written each second by all writers together
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Seconds to write for
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    duration: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// The program `dx`; the one beside this program when not given
    #[arg(long, value_name = "PATH")]
    dx: Option<PathBuf>,
}

/// Runs the load and prints the figures. Its processes end with it, also after Ctrl-C.
///
/// # Errors
///
/// Whatever could not be started, written or seen in time.
pub async fn run(arguments: Arguments) -> Result<()> {
    // Dropping the run kills its processes and removes their profiles.
    let figures = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => bail!("interrupted; the processes were stopped"),
        figures = measure(&arguments) => figures?,
    };
    let report = Report {
        name: "load",
        figures,
    };
    let text = if arguments.json {
        json!({ "peers": arguments.peers, "writers": arguments.writers, "rate": arguments.rate,
                "duration_s": arguments.duration, "figures": report.figures })
        .to_string()
    } else {
        table(&[report])
    };
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// A client of this process, invited by a peer.
struct Guest {
    client: Client,
    space: Space,
    /// Which peer invited it.
    peer: usize,
}

async fn measure(arguments: &Arguments) -> Result<Vec<Figure>> {
    let dx = dx(arguments)?;
    let home = tempfile::tempdir()?;
    let owner = start(&home.path().join("writer-1"), true).await?;
    let space = owner.echo().create_space(map! { "name" => "load" }).await?;

    let mut peers = Vec::new();
    for number in 1..=usize::from(arguments.peers) {
        progress(&format!("peer {number} of {} joins", arguments.peers));
        let profile = home.path().join(format!("peer-{number}"));
        // It invites its reader, which takes an admin.
        let peer = Peer::join(&dx, profile, &space, Role::Admin).await;
        peers.push(peer.with_context(|| format!("peer {number} did not join"))?);
    }
    let (mut readers, mut writers) = (Vec::new(), vec![space.clone()]);
    let mut guests = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let profile = home.path().join(format!("reader-{}", number + 1));
        readers.push(guest(&profile, peer, number, &space).await?);
    }
    for number in 1..usize::from(arguments.writers) {
        let at = number % peers.len();
        let peer = peers.get(at).context("no peer")?;
        let profile = home.path().join(format!("writer-{}", number + 1));
        let writer = guest(&profile, peer, at, &space).await?;
        writers.push(writer.space.clone());
        guests.push(writer);
    }
    for peer in &mut peers {
        peer.serve().await?;
    }
    progress("waiting until everybody is connected");
    for guest in readers.iter().chain(&guests) {
        within("connecting", connected(&guest.space)).await??;
    }
    let everybody = space.wait_until(|report| report.peers.len() >= peers.len());
    within("connecting", everybody).await??;

    let schedule = Schedule::new(arguments.rate, arguments.duration);
    let spaces: Vec<Space> = readers.iter().map(|reader| reader.space.clone()).collect();
    let figures = traffic::run(schedule, &writers, &spaces).await?;
    for reader in &readers {
        only_through(reader, &peers).await?;
    }
    for peer in peers {
        peer.stop().await?;
    }
    for guest in readers.iter().chain(&guests) {
        guest.client.destroy().await?;
    }
    owner.destroy().await?;
    Ok(figures)
}

async fn guest(
    profile: &std::path::Path,
    peer: &Peer,
    number: usize,
    space: &Space,
) -> Result<Guest> {
    let client = start(profile, true).await?;
    let joined = peer.invite(&client, space).await;
    let joined = joined.with_context(|| format!("peer {} did not invite", number + 1))?;
    Ok(Guest {
        client,
        space: joined,
        peer: number,
    })
}

async fn connected(space: &Space) -> Result<()> {
    space.wait_until(|report| !report.peers.is_empty()).await?;
    Ok(())
}

/// Checks that a reader has heard from its own peer only.
async fn only_through(reader: &Guest, peers: &[Peer]) -> Result<()> {
    let device = peers.get(reader.peer).and_then(Peer::device);
    let report = reader.client.mesh().network_status().await?;
    for connection in &report.connections {
        ensure!(
            Some(connection.device.to_string()).as_deref() == device,
            "reader {} was connected past its peer: its latencies are not those of dx serve",
            reader.peer + 1
        );
    }
    Ok(())
}

fn dx(arguments: &Arguments) -> Result<PathBuf> {
    let dx = match &arguments.dx {
        Some(dx) => dx.clone(),
        None => std::env::current_exe()?.with_file_name("dx"),
    };
    ensure!(
        dx.is_file(),
        "there is no program {}; build it with `cargo build --release -p dxos-cli`, or name it \
         with --dx",
        dx.display()
    );
    Ok(dx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_arguments_are_understood() {
        let line = "load --peers 4 --writers 2 --rate 200 --duration 30 --json --dx /bin/dx";
        let parsed = Arguments::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((parsed.peers, parsed.writers), (4, 2));
        assert_eq!((parsed.rate, parsed.duration), (200, 30));
        assert!(parsed.json && parsed.dx.is_some());
    }

    #[test]
    fn nothing_to_do_is_refused() {
        for flag in ["--peers=0", "--writers=0", "--rate=0", "--duration=0"] {
            assert!(Arguments::try_parse_from(["load", flag]).is_err(), "{flag}");
        }
    }

    #[test]
    fn a_missing_program_is_named_with_what_to_do() {
        let arguments = Arguments::try_parse_from(["load", "--dx", "/nowhere/dx"]).unwrap();
        let error = dx(&arguments).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/dx") && error.contains("--dx"),
            "{error}"
        );
    }
}
