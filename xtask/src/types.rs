//! `cargo xtask types`: the TypeScript of what goes between a host and JavaScript.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo;

/// Write the TypeScript types of the host's protocol.
///
/// They are made from crates/host/src/protocol and written into
/// crates/host/web/packages/client/src/generated. `cargo xtask test` fails while they are not
/// what the Rust types say.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {}

/// Runs the task.
pub(crate) fn run(_: &Options) -> Result<ExitCode> {
    let mut command = cargo::cargo();
    command.args(["test", "--quiet", "--package", "dxos-host", "--lib"]);
    command.args(["the_generated_typescript_is_up_to_date"]);
    command.env("DX_WRITE_TYPES", "1");
    cargo::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
