//! cargo-deny: licences, sources, duplicates and walls of the resolved dependencies.

use std::env;

use anyhow::{Context, Result, bail};

use crate::cargo;

/// The versions whose configuration `deny.toml` is written for.
const VERSION: &str = "0.20";

/// Installs cargo-deny if it is missing, and checks all but the advisories (their database is
/// on the network, and a new advisory must not fail an old commit).
pub(crate) fn run() -> Result<()> {
    ensure_installed()?;
    cargo::run(cargo::cargo().args([
        "deny",
        "--workspace",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn ensure_installed() -> Result<()> {
    if let Some(found) = cargo::subcommand_version("deny") {
        if !is_expected(&found) {
            eprintln!("warning: deny.toml is written for cargo-deny {VERSION}; this is {found}");
        }
        return Ok(());
    }
    let install = format!("cargo install --locked cargo-deny --version ~{VERSION}");
    if is_offline() {
        bail!(
            "cargo-deny is missing and cargo is told to stay offline: run `{install}` once with a \
             network, or put a cargo-deny {VERSION} binary in PATH"
        );
    }
    eprintln!("cargo-deny is missing: installing it, which takes some minutes, once");
    let version = format!("~{VERSION}");
    // It runs for seconds: built without optimization it is there much earlier.
    cargo::run(cargo::cargo().args([
        "install",
        "--locked",
        "--debug",
        "cargo-deny",
        "--version",
        &version,
    ]))
    .with_context(|| {
        format!(
            "cargo-deny is missing and could not be installed: run `{install}` on a machine that \
             reaches crates.io, or put a cargo-deny {VERSION} binary in PATH"
        )
    })
}

/// Whether `cargo deny --version` names a version that the configuration is written for.
fn is_expected(version: &str) -> bool {
    version
        .split_whitespace()
        .last()
        .and_then(|number| number.strip_prefix(VERSION))
        .is_some_and(|patch| patch.starts_with('.'))
}

fn is_offline() -> bool {
    env::var("CARGO_NET_OFFLINE").is_ok_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        assert!(is_expected("cargo-deny 0.20.2"));
        assert!(!is_expected("cargo-deny 0.200.0"));
        assert!(!is_expected("cargo-deny 0.19.1"));
        assert!(!is_expected(""));
    }
}
