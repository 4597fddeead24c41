//! Starting cargo: where the workspace is, and how a child's end is reported.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// Returns the root directory of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it runs us; the constant serves a binary run by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), PathBuf::from)
}

/// Returns the cargo that runs us, to be started at the root of the workspace.
///
/// The variables with which cargo describes the package that it runs are about xtask. Build scripts
/// look at some: with them what was built by hand would be built again, and the other way round.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        if describes_a_package(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Reads `cargo metadata` of the workspace members, without their dependencies' own metadata.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("`cargo metadata` failed: check the manifests")
}

/// Whether `cargo <subcommand> --version` works, and what it prints.
pub(crate) fn subcommand_version(subcommand: &str) -> Option<String> {
    let output = cargo()
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default().trim().to_owned();
    output.status.success().then_some(first)
}

/// Prints the command, runs it on our own streams and returns how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    announce(command);
    command
        .status()
        .with_context(|| format!("cannot start `{}`", display(command)))
}

/// Like [`status`], and an error unless it ended with success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", display(command));
    }
    Ok(())
}

/// Like [`run`], and returns what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", display(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", display(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Calls `each` with every line of `stream`, without its line end, until the stream ends.
pub(crate) fn lines(stream: impl Read, mut each: impl FnMut(&str)) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .read_until(b'\n', &mut line)
            .context("cannot read what the command writes")?;
        if read == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        each(text.trim_end_matches(['\n', '\r']));
    }
}

/// Prints the command to standard error, as one would type it.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", display(command));
}

/// Returns the command as one would type it.
pub(crate) fn display(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={:?}", name.display(), value.to_string_lossy()));
        }
    }
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    words.push(name.to_string_lossy().into_owned());
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let plain = !argument.is_empty() && !argument.contains(char::is_whitespace);
        words.push(if plain {
            argument.into_owned()
        } else {
            format!("{argument:?}")
        });
    }
    words.join(" ")
}

/// Turns the end of a child into our own: its code where it has one.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}

/// Returns a duration for people: `0.4 s`, `12.3 s`, `4 min 05 s`.
pub(crate) fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(60) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    let seconds = duration.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_durations_are_readable() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .args(["doc", "two words"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            display(&command),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc \"two words\""
        );
        assert_eq!(time(Duration::from_millis(420)), "0.4 s");
        assert_eq!(time(Duration::from_secs(245)), "4 min 05 s");
    }

    #[test]
    fn only_what_describes_a_package_is_kept_from_the_cargo_that_is_run() {
        for (name, kept_away) in [
            ("CARGO_PKG_NAME", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_TARGET_DIR", false),
            ("CARGO_HOME", false),
            ("PATH", false),
        ] {
            assert_eq!(describes_a_package(OsStr::new(name)), kept_away, "{name}");
        }
    }

    #[test]
    fn lines_survive_carriage_returns_and_bytes_that_are_no_text() {
        let mut seen = Vec::new();
        lines(&b"one\r\n\xfftwo\nthree"[..], |line| {
            seen.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(seen, ["one", "\u{fffd}two", "three"]);
    }
}
