//! `cargo xtask tidy`: what neither rustfmt nor clippy holds.

mod names;
mod rules;
mod source;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::cargo;

use rules::Severity;

/// Check what neither rustfmt nor clippy holds.
///
/// Rust files: at most 800 lines besides tests (a warning from 500), `biased;` in every
/// `select!`, no `todo!`, `unimplemented!` or `#[ignore]`, no `Instant::now` or
/// `SystemTime::now` outside the packages at the edge of the process (xtask/src/floors.rs), and
/// no clippy.toml of its own in any other package. Rust, TOML and Markdown files: a newline at
/// the end, no tabs, carriage returns or trailing spaces. Documents in docs: tables that say
/// `shown by` name tests that exist. Builds nothing.
#[derive(Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Let warnings fail too
    #[arg(long)]
    strict: bool,
}

/// Directories that hold nothing written by hand.
const SKIPPED: &[&str] = &[".git", "dist", "node_modules", "target"];

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let root = cargo::root();
    let files = files(&root)?;
    let (mut errors, mut warnings) = (0_usize, 0_usize);
    let contents = files
        .iter()
        .map(|file| {
            let path = root.join(file);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        })
        .collect::<Result<Vec<_>>>()?;
    let functions: BTreeSet<_> = files
        .iter()
        .zip(&contents)
        .filter(|(file, _)| file.extension().is_some_and(|extension| extension == "rs"))
        .flat_map(|(_, bytes)| names::functions(&String::from_utf8_lossy(bytes)))
        .collect();
    for (file, bytes) in files.iter().zip(&contents) {
        let mut findings = rules::check(file, bytes);
        if file.starts_with("docs") {
            findings.extend(names::check(&String::from_utf8_lossy(bytes), &functions));
        }
        for finding in findings {
            let word = match finding.severity {
                Severity::Error => {
                    errors += 1;
                    "error"
                }
                Severity::Warning => {
                    warnings += 1;
                    "warning"
                }
            };
            println!(
                "{word}: {}:{}: {}",
                file.display(),
                finding.line,
                finding.text
            );
        }
    }
    println!(
        "{} files: {errors} errors, {warnings} warnings",
        files.len()
    );
    if errors > 0 || (options.strict && warnings > 0) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the files to check, relative to the root, sorted.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
            let path = entry.path();
            let kind = entry
                .file_type()
                .with_context(|| format!("cannot look at {}", path.display()))?;
            let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !skipped {
                pending.push(path);
            } else if kind.is_file() && rules::applies(&path) {
                found.push(path.strip_prefix(root).map_or(path.clone(), PathBuf::from));
            }
        }
    }
    found.sort();
    Ok(found)
}
