//! Tests that documents name: a table that says `shown by` must name tests that exist.

use std::collections::BTreeSet;

use super::rules::{Finding, error};
use super::source::{code_only, is_word};

/// The functions that a Rust file defines, those within macros included.
pub(super) fn functions(text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(is_word) {
            continue;
        }
        let rest = code.get(at..).unwrap_or_default().trim_start_matches("fn ");
        let name: String = rest.chars().take_while(|char| is_word(*char)).collect();
        if !name.is_empty() {
            found.push(name);
        }
    }
    found
}

/// Checks the last column of the tables of a document that call it `shown by`.
pub(super) fn check(text: &str, functions: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut shown = false;
    for (index, line) in text.lines().enumerate() {
        let Some(cells) = line.strip_prefix('|') else {
            shown = false;
            continue;
        };
        let cell = cells.trim_end().trim_end_matches('|').rsplit('|').next();
        let cell = cell.unwrap_or_default().trim();
        if cell == "shown by" {
            shown = true;
        } else if shown && !cell.starts_with("---") {
            let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
            if names.is_empty() {
                findings.push(error(index + 1, "no test: name one that shows it"));
            }
            for name in names {
                if !functions.contains(name) {
                    let text = format!("no test `{name}`: name one that exists");
                    findings.push(error(index + 1, text));
                }
            }
        }
    }
    findings
}
