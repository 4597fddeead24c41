//! Arguments of the commands on what protects the secrets of a profile.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyringCommand {
    /// Protect the secrets in another way from now on, or with another passphrase or key
    Protect(ProtectOptions),
    /// Show what protects them
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct ProtectOptions {
    /// By what
    #[arg(value_enum)]
    pub(crate) by: ProtectionName,
    /// Read the new passphrase from this file, or from standard input for -; without it, it is
    /// asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtectionName {
    /// A new random key in a file of the profile, readable by this user only
    KeyFile,
    /// A new random key in the keychain of the operating system
    Keychain,
    /// Nothing: whoever reads the profile has its secrets
    None,
    /// A passphrase, which is kept nowhere: whoever forgets it loses the profile
    Passphrase,
}
