//! `dx object`: objects made, shown, changed and deleted on the command line.

use serde_json::{Value, json};

use crate::halo_commands::failure;
use crate::lost_laptop::serve;
use crate::processes::Dx;

fn garden(home: &std::path::Path) -> Dx {
    let dx = Dx::new(&home.join("p"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    dx
}

fn make(dx: &Dx, properties: &Value) -> String {
    let text = properties.to_string();
    let made = dx.json(&["object", "put", "Garden", "--type", "task", &text]);
    made["id"].as_str().unwrap().to_owned()
}

fn text(dx: &Dx, arguments: &[&str]) -> String {
    let output = dx.output(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn used(dx: &Dx) {
    let bed = make(dx, &json!({"name": "Beet 3"}));
    let id = make(
        dx,
        &json!({
            "title": {"@text": "Möhren säen"}, "due": {"@time": 0}, "n": {"@counter": 2},
            "bed": {"@ref": bed}, "place": {"row": 1},
        }),
    );
    // The table shows the end of an id, and commands take it.
    let table = text(dx, &["query", "Garden", "type:task", "has:bed"]);
    let row = table.lines().nth(1).unwrap();
    let end = row.split_whitespace().next().unwrap().to_owned();
    assert!(id.ends_with(&end) && end.len() < id.len(), "{table}");
    assert!(
        row.contains("Möhren säen") && row.contains("1970-01-01T00:00:00Z"),
        "{row}"
    );
    let shown = dx.json(&["object", "show", "Garden", &end]);
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["references"], json!([{"path": "bed", "target": bed}]));
    let referred = text(dx, &["object", "show", "Garden", &bed]);
    assert!(
        referred.contains(&format!("referred to by {id}")),
        "{referred}"
    );

    // What is there stays of its kind, and what is not named stays.
    let changes = [
        "title=Rüben säen",
        "due=2026-12-01",
        "n=7",
        "place.column=4",
        "a\\.b={\"x\":[1]}",
        "text=\"12\"",
        "--tag",
        "now",
        "--unset",
        "bed",
    ];
    let after = dx.json(&[&["object", "update", "Garden", &end], &changes[..]].concat());
    assert_eq!(
        after["properties"],
        json!({
            "title": {"@text": "Rüben säen"}, "due": {"@time": 1_796_083_200_000_u64},
            "n": {"@counter": 7}, "place": {"row": 1, "column": 4}, "a.b": {"x": [1]},
            "text": "12",
        })
    );
    assert_eq!(after["meta"]["tags"], json!(["now"]));
    let shown = text(dx, &["object", "show", "Garden", &end]);
    for wanted in [
        "title = Rüben säen\n",
        "due = 2026-12-01T00:00:00Z\n",
        "tags      now\n",
        "text = \"12\"",
        "a\\.b = {\"x\":[1]}\n",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    let through = failure(dx, 1, &["object", "update", "Garden", &end, "n.x=1"]);
    assert!(
        through.contains("n.x") && through.contains("--unset"),
        "{through}"
    );
    let nothing = failure(dx, 2, &["object", "update", "Garden", &end]);
    assert!(nothing.contains("PROPERTY=VALUE"), "{nothing}");
    let half = failure(dx, 1, &["object", "update", "Garden", &end, "done"]);
    assert!(half.contains("\"done\""), "{half}");

    let history = dx.json(&["object", "history", "Garden", &end]);
    assert_eq!(history["entries"].as_array().unwrap().len(), 2);
    assert_eq!(history["entries"][0]["author"]["display_name"], "Ann");
    let history = text(dx, &["object", "history", "Garden", &end]);
    for wanted in [
        "Ann",
        "n +5",
        "bed taken out",
        "@tags with now",
        "made as task",
    ] {
        assert!(history.contains(wanted), "{wanted}: {history}");
    }
    let one = dx.json(&["object", "history", "Garden", &end, "--limit", "1"]);
    assert_eq!(
        (one["entries"].as_array().unwrap().len(), &one["more"]),
        (1, &json!(true))
    );

    let deleted = dx.json(&["object", "delete", "Garden", &end, &bed, &id]);
    assert_eq!(deleted["deleted"], json!([id, bed]));
    assert_eq!(dx.json(&["query", "Garden", "type:task"]), json!([]));
    assert_eq!(
        dx.json(&["object", "show", "Garden", &end])["deleted"],
        true
    );
    let back = text(dx, &["object", "undelete", "Garden", &id, &bed]);
    assert!(back.contains("2 objects"), "{back}");
    assert_eq!(
        dx.json(&["query", "Garden", "type:task", "--count"])["count"],
        2
    );
    // Of several none is deleted when one is not there.
    let unknown = "y".repeat(26);
    let refused = failure(dx, 1, &["object", "delete", "Garden", &id, &unknown]);
    assert!(refused.contains(&unknown), "{refused}");
    assert_eq!(
        dx.json(&["query", "Garden", "type:task", "--count"])["count"],
        2
    );
    let sync = dx.json(&["space", "sync", "Garden", "--object", &end]);
    assert!(sync["blocks"].as_u64() >= Some(2), "{sync}");
    for (wrong, said) in [
        ("abc", "at least the last 4"),
        ("8888", "ends with \"8888\""),
    ] {
        let refused = failure(dx, 1, &["object", "show", "Garden", wrong]);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn objects_are_made_shown_changed_deleted_and_brought_back() {
    let home = tempfile::tempdir().unwrap();
    used(&garden(home.path()));
}

#[test]
fn all_of_it_works_beside_a_server() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let _serving = serve(&dx);
    used(&dx);
    // What comes on standard input is that of the user.
    let put = [
        "object", "put", "Garden", "--type", "note", "-", "--tag", "ü",
    ];
    let long = "ü\u{1}".repeat(100_000);
    let given = [
        ("{\"水\":1}".to_owned(), 0),
        (json!({ "long": long }).to_string(), 0),
        ("{\"水\"".to_owned(), 1),
        ("[]".to_owned(), 1),
    ];
    for (given, code) in given {
        let output = dx.output_given(&put, &given);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let whole = dx.json(&["query", "Garden", "type:note", "has:long"]);
    assert_eq!(whole[0]["properties"], json!({ "long": long }));
    let notes = dx.json(&["query", "Garden", "type:note", "tag:ü", "has:水"]);
    assert_eq!(notes[0]["properties"], json!({"水": 1}));
}

#[test]
fn a_table_that_nobody_bounds_has_a_bound_and_says_how_to_get_more() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let lines: String = (0..1_200).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let file = home.path().join("many.jsonl");
    std::fs::write(&file, lines).unwrap();
    dx.json(&["import", "Garden", file.to_str().unwrap(), "--type", "row"]);
    let output = dx.output(&["query", "Garden", "type:row", "order:n"]);
    let (table, note) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(table.lines().count(), 1 + 1_000);
    let after = note
        .split_whitespace()
        .find(|word| word.starts_with("after:"));
    let after = after.unwrap().trim_end_matches(',');
    let rest = dx.output(&["query", "Garden", "type:row", "order:n", after]);
    assert!(rest.stderr.is_empty(), "{rest:?}");
    assert_eq!(
        String::from_utf8(rest.stdout).unwrap().lines().count(),
        1 + 200
    );
    let long = text(&dx, &["query", "Garden", "type:row", "limit:1100"]);
    assert_eq!(long.lines().count(), 1 + 1_100);
}

#[test]
fn whole_numbers_that_no_property_holds_are_refused_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    for number in [
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ] {
        let json = format!("{{\"n\":[{number}]}}");
        let assignment = format!("n={number}");
        let made = dx.json(&["object", "put", "Garden", "{\"n\":1}", "--type", "t"]);
        let id = made["id"].as_str().unwrap();
        for arguments in [
            &["object", "put", "Garden", &json, "--type", "t"][..],
            &["object", "update", "Garden", id, &assignment],
            &["queue", "append", "Garden", "q", number],
        ] {
            let refused = failure(&dx, 1, arguments);
            assert!(refused.contains("out of range"), "{arguments:?}: {refused}");
        }
    }
    let text = format!("{{\"n\":\"{}\"}}", "9".repeat(30));
    dx.json(&["object", "put", "Garden", &text, "--type", "t"]);
}

#[test]
fn a_schema_says_nothing_of_tags_keys_and_parents() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let schema = r#"{"type":"strict","schema":{"type":"object","maxProperties":1,
        "properties":{"a":{"type":"number"}},"additionalProperties":false}}"#;
    let put = dx.output_given(&["schema", "put", "Garden", "-"], schema);
    assert!(put.status.success(), "{put:?}");
    let made = dx.json(&[
        "object",
        "put",
        "Garden",
        "{\"a\":1}",
        "--type",
        "strict",
        "--tag",
        "x",
    ]);
    let id = made["id"].as_str().unwrap();
    dx.json(&["object", "update", "Garden", id, "a=2", "--tag", "y"]);
    let file = home.path().join("strict.csv");
    std::fs::write(&file, "a\n5\n").unwrap();
    let file = file.to_str().unwrap();
    dx.json(&["import", "Garden", file, "--type", "strict", "--key", "a"]);
    let refused = failure(&dx, 1, &["object", "update", "Garden", id, "b=2"]);
    assert!(refused.contains("/b"), "{refused}");
}
