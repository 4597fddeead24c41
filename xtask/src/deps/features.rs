//! Features that must not reach what is shipped.

use std::collections::BTreeSet;

use crate::floors::TestFeature;

/// Reads `cargo tree --format '{p}|{f}'` of a shipped package and returns what is wrong.
pub(super) fn breaches(shipped: &str, tree: &str, rules: &[TestFeature]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in tree.lines() {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        let name = package.split(' ').next().unwrap_or_default();
        // Cargo marks a package that it has printed before with `(*)`.
        let features = features.trim_end_matches("(*)").trim();
        for rule in rules.iter().filter(|rule| applies(rule.package, name)) {
            for feature in features.split(',').map(str::trim) {
                if rule.features.contains(&feature) {
                    found.insert(format!(
                        "{shipped} -> {name}/{feature}: a feature for tests reaches what is shipped; \
                         enable it in [dev-dependencies] only"
                    ));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn applies(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |prefix| name.starts_with(prefix))
}
