//! Keyspaces whose files cannot be opened, and which whoever uses the store can make anew.
//!
//! If the store may do so it gives them up: a file notes their names, durably, before the first
//! of their files is deleted. As long as that file is there, every open puts empty keyspaces in
//! their place and tells that it did. So it does not matter where this is cut off. Whoever uses
//! the store has the file deleted once it has noted, as durably, what is to be made anew.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use dxos_store::{Keyspace, StoreError};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    failure::{damaged, system},
    options::{FjallOptions, Replaceable},
    preflight::{self, Keyspaces},
    schema::sync_directory,
};

const NAME: &str = "given-up";
const DRAFT: &str = "given-up.new";
const HEAD: &str = "dxos store, given up\n";
/// More than the names of all keyspaces take.
const BYTES_MAX: u64 = 1 << 20;

/// Checks the keyspaces of a database, and replaces those that are given up. Gives these.
pub(crate) fn settle(database: &Path, options: &FjallOptions) -> Result<Vec<Keyspace>, StoreError> {
    let mut given_up = noted(database, options)?;
    let keyspaces = preflight::check(database, |name| options.replaceable(name).is_some())?;
    let broken: Vec<(&Replaceable, &StoreError)> = keyspaces
        .broken
        .iter()
        .filter_map(|(name, error)| Some((options.replaceable(name)?, error)))
        .filter(|(found, _)| !given_up.contains(&found.keyspace))
        .collect();
    if let Some((_, first)) = broken.first() {
        let names: Vec<_> = broken.iter().map(|(found, _)| found.keyspace).collect();
        if !options.give_up {
            return Err(replaceable(names, first));
        }
        for (found, _) in &broken {
            check_sources(found, &keyspaces)?;
        }
        given_up.extend(names);
        note(database, &given_up)?;
    }
    for keyspace in &given_up {
        tracing::info!(%keyspace, "given up, since its files could not be opened");
        keyspaces.replace(keyspace.name())?;
    }
    Ok(given_up)
}

/// Deletes the note.
pub(crate) fn forget(database: &Path) -> Result<(), StoreError> {
    let path = database.join(NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system(&path, &error)),
        _ => sync_directory(database),
    }
}

/// Whether everything is there from which a keyspace is made anew.
fn check_sources(found: &Replaceable, keyspaces: &Keyspaces) -> Result<(), StoreError> {
    for source in &found.from {
        keyspaces.read(source.name()).map_err(|error| match error {
            StoreError::Damaged { path, reason } => StoreError::Damaged {
                path,
                reason: format!(
                    "{reason}; keyspace {} cannot be opened either, and is not given up, since it \
                     is made anew from this",
                    found.keyspace
                ),
            },
            other => other,
        })?;
    }
    Ok(())
}

fn replaceable(keyspaces: Vec<Keyspace>, first: &StoreError) -> StoreError {
    let (path, reason) = match first {
        StoreError::Damaged { path, reason } | StoreError::Io { path, reason } => {
            (path.clone(), reason.clone())
        }
        other => return other.clone(),
    };
    StoreError::Replaceable {
        keyspaces,
        path,
        reason,
    }
}

fn text(names: &[&str]) -> String {
    let mut text = HEAD.to_owned();
    for name in names {
        text.push_str(name);
        text.push('\n');
    }
    let check = xxh3_64(text.as_bytes());
    format!("{text}check {check:016x}\n")
}

/// Writes the note whole or not at all, and durably.
fn note(database: &Path, given_up: &[Keyspace]) -> Result<(), StoreError> {
    let (path, draft) = (database.join(NAME), database.join(DRAFT));
    let names: Vec<_> = given_up.iter().map(|keyspace| keyspace.name()).collect();
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(text(&names).as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    });
    written.map_err(|error| system(&path, &error))?;
    sync_directory(database)
}

/// What is noted. The caller has to be one that can make it anew.
fn noted(database: &Path, options: &FjallOptions) -> Result<Vec<Keyspace>, StoreError> {
    let path = database.join(NAME);
    let mut found = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(system(&path, &error)),
        Ok(file) => file
            .take(BYTES_MAX)
            .read_to_end(&mut found)
            .map_err(|error| system(&path, &error))?,
    };
    let found = String::from_utf8_lossy(&found);
    let mut names: Vec<_> = found.lines().skip(1).collect();
    names.pop();
    if text(&names) != found {
        return Err(damaged(&path, "it does not say what was given up"));
    }
    let known = |name: &&str| {
        let known = options.replaceable(name).map(|found| found.keyspace);
        known.ok_or_else(|| {
            let reason = format!("keyspace {name} was given up, and nobody here makes it anew");
            damaged(&path, &reason)
        })
    };
    names.iter().map(known).collect()
}
