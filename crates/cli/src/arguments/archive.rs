//! Arguments of commands on archives.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("protection").args(["passphrase_file", "plain"]).required(true))]
pub(crate) struct ArchiveOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    /// The new file
    pub(crate) file: PathBuf,
    /// Encrypt it under the passphrase in this file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Do not encrypt it: whoever gets the file can read the space
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The archive
    pub(crate) file: PathBuf,
    /// The file with the passphrase that it was written under, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Make a new space of it, with what its objects hold, and yourself as its only member. They
    /// are created anew: their times are new, and what was deleted is left out
    #[arg(long)]
    pub(crate) as_clone: bool,
}
