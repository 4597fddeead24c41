//! The packages of a `Cargo.lock`, as objects that refer to each other.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dxos_client::{Map, ObjectId, ObjectRef, Value, map};
use serde::Deserialize;

/// The dependency graph of which this program was built.
pub(crate) const OWN: &str = include_str!("../../../Cargo.lock");

#[derive(Debug, Deserialize)]
struct Lockfile {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// An object to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: ObjectId,
    pub(crate) name: String,
    pub(crate) properties: Map,
}

/// Reads the packages; `new_id` names each.
pub(crate) fn records(
    text: &str,
    mut new_id: impl FnMut() -> Result<ObjectId>,
) -> Result<Vec<Record>> {
    let lockfile: Lockfile = toml::from_str(text).context("the Cargo.lock cannot be read")?;
    let mut named = Vec::with_capacity(lockfile.package.len());
    for package in lockfile.package {
        named.push((new_id()?, package));
    }
    // A dependency names a package by its name alone where that is enough, else with its
    // version.
    let mut by_name = BTreeMap::new();
    for (id, package) in &named {
        by_name.insert(package.name.clone(), *id);
        by_name.insert(format!("{} {}", package.name, package.version), *id);
    }
    let records = named.into_iter().map(|(id, package)| {
        let mut properties = map! {
            "name" => package.name.as_str(),
            "version" => package.version.as_str(),
        };
        let optional = [("source", package.source), ("checksum", package.checksum)];
        for (key, value) in optional {
            if let Some(value) = value {
                properties.insert(key.into(), value.into());
            }
        }
        let targets = package.dependencies.iter().map(|dependency| {
            // Older files add the source in parentheses.
            let plain = dependency.split(" (").next().unwrap_or(dependency);
            let target = by_name.get(plain);
            let target =
                target.with_context(|| format!("{dependency} is not in the Cargo.lock"))?;
            Ok(Value::Reference(ObjectRef::local(*target)))
        });
        let targets = targets.collect::<Result<_>>()?;
        properties.insert("dependencies".into(), Value::Set(targets));
        Ok(Record {
            id,
            name: package.name,
            properties,
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> impl FnMut() -> Result<ObjectId> {
        let mut next = 0;
        move || {
            next += 1;
            Ok(ObjectId::from_bytes([next; 16]))
        }
    }

    #[test]
    fn dependencies_become_references_also_where_a_name_has_two_versions() {
        let text = r#"
            version = 4
            [[package]]
            name = "a"
            version = "1.0.0"
            dependencies = ["b 2.0.0", "c"]
            [[package]]
            name = "b"
            version = "1.0.0"
            [[package]]
            name = "b"
            version = "2.0.0"
            [[package]]
            name = "c"
            version = "0.1.0"
            checksum = "00"
        "#;
        let records = records(text, ids()).unwrap();
        assert_eq!(records.len(), 4);
        let reference = |index: usize| Value::Reference(ObjectRef::local(records[index].id));
        let wanted = Value::Set([reference(2), reference(3)].into());
        assert_eq!(records[0].properties.get("dependencies"), Some(&wanted));
        assert_eq!(records[3].properties.get("checksum"), Some(&"00".into()));
    }

    #[test]
    fn the_own_graph_is_whole() {
        let mut next = 0_u64;
        let id = || {
            next += 1;
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&next.to_le_bytes());
            Ok(ObjectId::from_bytes(bytes))
        };
        let records = records(OWN, id).unwrap();
        assert!(records.len() > 100);
        assert!(records.iter().any(|record| record.name == "dxos-client"));
    }

    #[test]
    fn a_missing_dependency_or_other_text_is_an_error() {
        let text = "[[package]]\nname=\"a\"\nversion=\"1\"\ndependencies=[\"gone\"]";
        assert!(
            records(text, ids())
                .unwrap_err()
                .to_string()
                .contains("gone")
        );
        assert!(records("= nonsense", ids()).is_err());
    }
}
