//! `cargo xtask chaos`: real processes that are killed, and disks that are full.
#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null"
)]

mod check;
mod disk;
mod draw;
mod dx;
mod epochs;
mod rounds;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

use self::{draw::Draw, rounds::World};
use crate::forward;

/// Kill real processes at random instants, and fill their disk.
///
/// Two peers on loopback share a space. Every round one of them, or both, are ended by `kill -9`
/// while they import, replicate, build an index, restore an archive, create epochs, drop what those
/// stand for or erase what was deleted; or the disk fills up, or
/// is read-only. After each round nothing that was acknowledged is missing, queries by index give
/// what a scan gives, the work that was cut off can be finished, and the peers come to be the
/// same. The seed decides what happens and after how long; how far a process has got by then is
/// not in its hands, so a failure may take some rounds with the same seed to show again.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  cargo xtask chaos --rounds 100
  cargo xtask chaos --seed 7 --debug    as the tests are built, with overflow checks

Rounds that fill the disk or make it read-only mount a file system in memory. They need Linux and
root, and are left out elsewhere: `sudo -E cargo xtask chaos`."
)]
pub(crate) struct Chaos {
    /// How many rounds
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The seed; drawn when not given
    #[arg(long)]
    seed: Option<u64>,
    /// Build `dx` without optimisation
    #[arg(long)]
    debug: bool,
    /// Use this `dx` instead of building it
    #[arg(long, value_name = "PATH")]
    dx: Option<PathBuf>,
}

/// Runs the rounds.
pub(crate) fn run(options: &Chaos) -> Result<ExitCode> {
    let seed = options.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(1, |since| u64::from(since.subsec_nanos()))
    });
    let dx = match &options.dx {
        // Commands run elsewhere.
        Some(dx) => dx
            .canonicalize()
            .with_context(|| format!("cannot find {}", dx.display()))?,
        None => forward::build_dx(!options.debug)?,
    };
    println!("seed {seed}");
    let home = std::env::temp_dir().join(format!("dx-chaos-{seed}-{}", std::process::id()));
    let ran = World::new(dx, &home, Draw::new(seed))
        .and_then(|mut world| world.run(options.rounds))
        .with_context(|| {
            format!(
                "seed {seed} failed; the profiles are in {}, and `cargo xtask chaos --seed {seed}` \
                 runs the same rounds",
                home.display()
            )
        });
    let counts = ran?;
    std::fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
    println!("{} rounds: {counts}", options.rounds);
    Ok(ExitCode::SUCCESS)
}
