//! `load`: puts load on real processes on loopback. See `dxos_benches`.

use std::process::ExitCode;

use clap::Parser as _;
use dxos_benches::LoadArguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = LoadArguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return dxos_benches::exit(Err(error.into())),
    };
    let result = runtime.block_on(dxos_benches::load(arguments));
    runtime.shutdown_background();
    dxos_benches::exit(result)
}
