//! The files of a command. They are the user's: the process in which the user is reads and writes
//! them, wherever the command runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dxos_client::Existing;

use crate::arguments::{Command, KeyringCommand};
use crate::files::{Input, Target};
use crate::object::ObjectCommand;
use crate::schema::SchemaCommand;

/// What a command reads and writes beside the profile.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What it reads.
    input: Option<PathBuf>,
    /// Whether `-` is standard input.
    has_dash: bool,
    /// Whether so much is read that the user sees how far it is.
    is_import: bool,
    /// What it writes.
    target: Option<(PathBuf, Existing)>,
    /// Where the passphrase of an archive stands.
    pub(super) passphrase: Option<PathBuf>,
    /// Where a new passphrase of the profile stands.
    pub(super) new_passphrase: Option<PathBuf>,
}

impl Files {
    /// Those that a command line names.
    pub(crate) fn of(command: &Command) -> Self {
        let mut files = Self::default();
        match command {
            Command::Archive(options) => {
                files.target = Some((options.file.clone(), Existing::Refuse));
                files.passphrase.clone_from(&options.passphrase_file);
            }
            Command::Export(options) => {
                let file = options.output.clone();
                files.target = file.map(|file| (file, Existing::Replace));
            }
            Command::Import(options) => {
                files.input = Some(options.file.clone());
                files.has_dash = true;
                files.is_import = true;
            }
            Command::Keyring(KeyringCommand::Protect(options)) => {
                files
                    .new_passphrase
                    .clone_from(&options.new_passphrase_file);
            }
            Command::Object(ObjectCommand::Put(options)) => {
                files.input = options.file();
                files.has_dash = true;
            }
            Command::Restore(arguments) => {
                files.input = Some(arguments.file.clone());
                files.passphrase.clone_from(&arguments.passphrase_file);
            }
            Command::Schema(SchemaCommand::Put(options)) => {
                files.input = Some(options.file.clone());
                files.has_dash = true;
            }
            _ => {}
        }
        files
    }

    /// Opens what it reads, and says whether one sees how far it is.
    pub(super) async fn open(&self) -> Result<(Input, bool)> {
        let path = self.input.clone();
        let path = path.context("this command reads no file")?;
        let dash = self.has_dash;
        let opened = tokio::task::spawn_blocking(move || Input::open_here(&path, dash));
        Ok((opened.await.context("nothing was opened")??, self.is_import))
    }

    /// Says what could not be read.
    pub(super) fn unread(&self) -> String {
        let path = self.input.clone().unwrap_or_default();
        let verb = if self.has_dash { "read" } else { "restore" };
        format!("cannot {verb} {}", path.display())
    }

    /// Begins what it writes.
    pub(super) fn create(&self) -> Result<Target> {
        let target = self.target.as_ref();
        let (path, existing) = target.context("this command writes no file")?;
        Target::create_here(path, *existing).with_context(|| self.unwritten())
    }

    /// Says what could not be written.
    pub(super) fn unwritten(&self) -> String {
        self.target().map_or_else(
            || "cannot write to standard output".to_owned(),
            |path| format!("cannot write {}", path.display()),
        )
    }

    /// The file that it writes.
    pub(super) fn target(&self) -> Option<&Path> {
        self.target.as_ref().map(|(path, _)| path.as_path())
    }
}
