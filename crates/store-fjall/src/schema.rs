//! The file that says which schema the rows have.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
};

use dxos_store::StoreError;
use xxhash_rust::xxh3::xxh3_64;

use crate::failure::{damaged, system};

pub(crate) const NAME: &str = "schema";

/// More than any version of the file is long.
const BYTES_MAX: u64 = 256;

fn text(schema: u32) -> String {
    let head = format!("dxos store\nschema {schema}\n");
    let check = xxh3_64(head.as_bytes());
    format!("{head}check {check:016x}\n")
}

/// Writes the file whole or not at all, and durably.
pub(crate) fn write(database: &Path, schema: u32) -> Result<(), StoreError> {
    let (path, draft) = (database.join(NAME), database.join("schema.new"));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(text(schema).as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    });
    written.map_err(|error| system(&path, &error))?;
    sync_directory(database)
}

pub(crate) fn read(database: &Path) -> Result<u32, StoreError> {
    let path = database.join(NAME);
    let mut found = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(BYTES_MAX).read_to_end(&mut found))
        .map_err(|error| system(&path, &error))?;
    let found = String::from_utf8_lossy(&found);
    found
        .strip_prefix("dxos store\nschema ")
        .and_then(|rest| rest.lines().next())
        .and_then(|number| number.parse().ok())
        .filter(|schema| text(*schema) == *found)
        .ok_or_else(|| damaged(&path, "it does not say which schema the store has"))
}

/// Makes the names in a directory durable, where the system can.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| system(path, &error))?;
    }
    Ok(())
}
