//! `load`: puts load on real processes on loopback. See `dxos_benches`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use dxos_benches::LoadArguments;

fn main() -> Result<ExitCode> {
    let arguments = LoadArguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(dxos_benches::load(arguments));
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}
