//! `cargo xtask deps`: who may import whom.

mod check;
mod features;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use crate::{cargo, floors};

use check::{Import, Kind, Package, Rules};

/// Check the floors and walls of the architecture against the manifests.
///
/// A package may import packages of lower floors only (normal and build dependencies).
/// Dev-dependencies may go up or sideways only as listed, with a reason. Some third-party
/// packages are walled in: only the listed packages may import them. What is shipped enables no
/// feature that only tests need. The tables are in xtask/src/floors.rs. Builds nothing.
#[derive(Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Also print the floors with their packages, and the exceptions
    #[arg(long)]
    list: bool,
}

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        list();
    }
    let packages = packages(&cargo::metadata()?);
    let mut breaches: Vec<String> = check::check(&packages, &Rules::OURS)
        .iter()
        .map(ToString::to_string)
        .collect();
    for shipped in floors::SHIPPED {
        if packages.iter().any(|package| package.name == *shipped) {
            breaches.extend(shipped_features(shipped)?);
        }
    }
    if breaches.is_empty() {
        let imports: usize = packages.iter().map(|package| package.imports.len()).sum();
        println!(
            "{} packages, {imports} imports: the floors and walls hold",
            packages.len()
        );
        return Ok(ExitCode::SUCCESS);
    }
    for breach in &breaches {
        println!("{breach}");
    }
    println!(
        "{} breaches; the tables are in xtask/src/floors.rs",
        breaches.len()
    );
    Ok(ExitCode::FAILURE)
}

fn list() {
    let top = floors::FLOORS.iter().map(|row| row.floor).max();
    for floor in (0..=top.unwrap_or_default()).rev() {
        let names: Vec<&str> = floors::FLOORS
            .iter()
            .filter(|row| row.floor == floor)
            .map(|row| row.package)
            .collect();
        println!("{floor}  {}", names.join(", "));
    }
    for row in floors::EXCEPTIONS {
        println!(
            "tests of {} may import {}: {}",
            row.from, row.to, row.reason
        );
    }
}

/// Asks cargo which features the shipped package's normal dependencies really get.
fn shipped_features(shipped: &str) -> Result<Vec<String>> {
    let tree = cargo::output(cargo::cargo().args([
        "tree",
        "--package",
        shipped,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}|{f}",
    ]))?;
    Ok(features::breaches(shipped, &tree, floors::TEST_FEATURES))
}

fn packages(metadata: &Metadata) -> Vec<Package> {
    let members = metadata.workspace_packages();
    let mut packages: Vec<Package> = members
        .iter()
        .map(|package| Package {
            name: package.name.to_string(),
            imports: package
                .dependencies
                .iter()
                .map(|dependency| Import {
                    name: dependency.name.clone(),
                    kind: match dependency.kind {
                        DependencyKind::Development => Kind::Dev,
                        DependencyKind::Build => Kind::Build,
                        _ => Kind::Normal,
                    },
                    local: members
                        .iter()
                        .any(|member| member.name.as_str() == dependency.name),
                })
                .collect(),
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}
