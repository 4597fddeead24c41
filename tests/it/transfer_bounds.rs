//! What `dx import` must not take for something else, and what it takes though it is large or out
//! of order.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::halo_commands::failure;
use crate::processes::Dx;
use crate::transfer::{exported, garden, write};

fn refused_by(output: &std::process::Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn records_of_two_types_with_one_name_never_become_one_object() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let users = write(home.path(), "data.csv", "id,name\n1,Ann\n");
    let by_id = |kind: &str, source: &[&str]| {
        let arguments = ["import", "Garden", &users, "--type", kind, "--key", "id"];
        dx.output(&[&arguments, source].concat())
    };
    assert!(by_id("user@1", &[]).status.success());
    let refused = refused_by(&by_id("order", &[]));
    assert!(refused.contains("of type user@1"), "{refused}");
    assert!(refused.contains("a source of their own"), "{refused}");
    // Another version is the same type, and another source another object.
    assert!(by_id("user@2", &[]).status.success());
    assert!(by_id("order", &["--source", "orders"]).status.success());
    let types = dx.json(&["query", "Garden", "has:name", "order:@type"]);
    let types = types.as_array().unwrap().iter();
    let types: Vec<_> = types.map(|object| object["type"].clone()).collect();
    assert_eq!(types, ["order", "user@1"]);
    let nameless = dx.output(&["import", "Garden", &users, "--type", ""]);
    assert!(refused_by(&nameless).contains("the type has no name"));
}

#[test]
fn objects_of_any_size_come_back_from_an_export_and_in_a_clone() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    // A control character is written as six.
    let escaped = "\u{1}".repeat(100_000);
    let given = serde_json::json!({ "text": escaped, "n": 1 }).to_string();
    let put = ["object", "put", "Garden", "-", "--type", "note", "--json"];
    assert!(dx.output_given(&put, &given).status.success());
    // One that has grown larger than what a transaction takes.
    let large = dx.json(&[
        "object",
        "put",
        "Garden",
        "{\"n\":2}",
        "--type",
        "note",
        "--tag",
        "ü",
    ]);
    let id = large["id"].as_str().unwrap();
    for number in 0..9 {
        let text = format!("p{number}={}", format!("{number}é").repeat(40_000));
        dx.json(&["object", "update", "Garden", id, &text]);
    }
    let all = exported(&dx);
    for format in ["jsonl", "json", "csv"] {
        let file = home.path().join(format!("all.{format}"));
        let file = file.to_str().unwrap();
        dx.json(&["export", "Garden", "--output", file]);
        let again = garden(home.path(), format);
        let first = again.json(&["import", "Garden", file]);
        assert_eq!(first["created"], all.len(), "{format}: {first}");
        let second = again.json(&["import", "Garden", file]);
        assert_eq!(second["unchanged"], all.len(), "{format}: {second}");
        assert_eq!(notes(&exported(&again)), notes(&all), "{format}");
    }
    let archive = home.path().join("garden.dxar");
    let archive = archive.to_str().unwrap();
    dx.json(&["archive", "Garden", archive, "--plain"]);
    let other = Dx::new(&home.path().join("clone"));
    other.json(&["identity", "create", "Ben"]);
    other.json(&["restore", archive, "--as-clone"]);
    assert_eq!(notes(&exported(&other)), notes(&all));
}

/// Without what a space has of its own.
fn notes(exported: &BTreeSet<String>) -> BTreeSet<&String> {
    let notes = exported.iter();
    notes
        .filter(|text| text.contains("\"type\":\"note\""))
        .collect()
}

#[test]
fn an_object_gets_a_parent_that_stands_further_on_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (garden(home.path(), "a"), garden(home.path(), "b"));
    let child = from.json(&["object", "put", "Garden", "{}", "--type", "note"]);
    let child = child["id"].as_str().unwrap();
    let file = home.path().join("one.jsonl");
    let file = file.to_str().unwrap();
    from.json(&["export", "Garden", "type:note", "--output", file]);
    to.json(&["import", "Garden", file]);
    let parent = from.json(&[
        "object",
        "put",
        "Garden",
        "{\"is\":\"above\"}",
        "--type",
        "note",
    ]);
    let parent = parent["id"].as_str().unwrap();
    from.json(&["export", "Garden", "type:note", "--output", file]);
    // As somebody who moved the one below the other would have exported them, the child first.
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["id"] != child);
    lines[0]["meta"] = serde_json::json!({ "parent": parent });
    let moved = write(home.path(), "moved.json", Value::from(lines).to_string());
    to.json(&["import", "Garden", &moved]);
    let below = to.json(&["query", "Garden", &format!("child-of:{parent}")]);
    assert_eq!(below[0]["id"], child);
}

#[test]
fn a_csv_file_that_was_cut_off_or_edited_is_not_taken_for_what_it_was() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let cut = write(home.path(), "cut.csv", "a,b\n1,\"x\n");
    let refused = failure(&dx, 1, &["import", "Garden", &cut]);
    assert!(
        refused.contains("line 2") && refused.contains("within quotes"),
        "{refused}"
    );
    let made = dx.json(&["object", "put", "Garden", "{\"a\":1}", "--type", "note"]);
    dx.json(&["object", "delete", "Garden", made["id"].as_str().unwrap()]);
    let file = home.path().join("all.csv");
    let file = file.to_str().unwrap();
    dx.json(&[
        "export",
        "Garden",
        "type:note deleted:only",
        "--output",
        file,
    ]);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("true"), "{text}");
    // As programs for tables write it.
    let edited = write(home.path(), "edited.csv", text.replace("true", "TRUE"));
    let other = garden(home.path(), "b");
    other.json(&["import", "Garden", &edited]);
    assert_eq!(
        other.json(&["query", "Garden", "type:note"]),
        serde_json::json!([])
    );
    let wrong = write(home.path(), "wrong.csv", text.replace("true", "yes"));
    let refused = failure(&other, 1, &["import", "Garden", &wrong]);
    assert!(refused.contains("neither true nor false"), "{refused}");
}

#[test]
fn an_order_without_an_index_is_read_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let ann = garden(home.path(), "a");
    let lines = (0..700).map(|n| format!("{{\"v\":{}}}\n", n * 37 % 701));
    let file = write(home.path(), "many.jsonl", lines.collect::<String>());
    ann.json(&["import", "Garden", &file, "--type", "n"]);
    let of = |objects: &[Value]| -> Vec<u64> {
        let values = objects.iter().map(|object| &object["properties"]["v"]);
        values.map(|v| v.as_u64().unwrap()).collect()
    };
    let mut all: Vec<u64> = (0..700).map(|n| n * 37 % 701).collect();
    all.sort_unstable();
    let found = ann.json(&["query", "Garden", "type:n order:v"]);
    assert_eq!(of(found.as_array().unwrap()), all);
    let output = ann.output(&["export", "Garden", "type:n order:v limit:600"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(of(&lines), all[..600]);
    // A page tells where the next begins.
    let page = |query: &str| ann.json(&["query", "Garden", query, "--page"]);
    let first = page("type:n order:v limit:300");
    assert_eq!(of(first["objects"].as_array().unwrap()), all[..300]);
    let after = first["next"].as_str().unwrap();
    let rest = page(&format!("type:n order:v after:{after}"));
    assert_eq!(of(rest["objects"].as_array().unwrap()), all[300..]);
    assert_eq!(rest["next"], Value::Null);
}
