//! `bench`: measures on this machine. See `dxos_benches`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use dxos_benches::BenchArguments;

fn main() -> Result<ExitCode> {
    let arguments = BenchArguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(dxos_benches::bench(arguments));
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}
