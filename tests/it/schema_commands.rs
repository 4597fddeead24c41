//! `dx schema`: schemas and indexes from the command line.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::halo_commands::{failure, join};
use crate::lost_laptop::serve;
use crate::processes::Dx;

/// A profile with a space called Garden and a few tasks in it.
fn garden(home: &Path) -> Dx {
    let dx = Dx::new(&home.join("p"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    let tasks: Vec<_> = (0..700)
        .map(|day| json!({"due": day, "title": format!("Möhren {day}"), "at": {"bed": day % 7}}))
        .collect();
    let file = home.join("tasks.json");
    std::fs::write(&file, json!(tasks).to_string()).unwrap();
    let file = file.to_str().unwrap();
    dx.json(&["import", "Garden", file, "--type", "task"]);
    dx
}

fn explain(dx: &Dx, query: &str) -> Value {
    dx.json(&["query", "Garden", query, "--explain"])
}

fn put(dx: &Dx, text: &str, more: &[&str]) -> Output {
    let arguments = [&["schema", "put", "Garden", "-", "--json"], more].concat();
    dx.output_given(&arguments, text)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_index_is_declared_on_the_command_line_and_queries_use_it() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let query = "type:task due<500 order:-due limit:20";
    assert_ne!(explain(&dx, query)["index"], "task by due");

    let built = dx.json(&["schema", "index", "Garden", "task", "due"]);
    assert_eq!(built, json!({"index": "task by due", "objects": 702}));
    let found = explain(&dx, query);
    assert_eq!(
        (&found["index"], &found["in_order"]),
        (&json!("task by due"), &json!(true))
    );
    assert!(found["objects"].as_u64().unwrap() < 50, "{found}");
    let shown = dx.output(&["query", "Garden", query, "--explain"]);
    assert!(String::from_utf8_lossy(&shown.stdout).starts_with("index task by due, in the order"));
    // Whatever else objects are like is allowed as before.
    let other = [
        "object",
        "put",
        "Garden",
        "--type",
        "task",
        "{\"due\":\"soon\",\"new\":1}",
    ];
    dx.json(&other);

    // Inside of others, and the words of texts: of one property, and of all.
    dx.json(&["schema", "index", "Garden", "task", "at.bed"]);
    assert_eq!(
        explain(&dx, "type:task at.bed:3")["index"],
        "task by at.bed"
    );
    dx.json(&["schema", "index", "Garden", "task", "title", "--words"]);
    assert_eq!(
        explain(&dx, "type:task title~~500")["index"],
        "task by words of title"
    );
    dx.json(&["schema", "index", "Garden", "task", "--words"]);
    assert_eq!(explain(&dx, "type:task text:500")["index"], "task by words");
    let listed = dx.output(&["schema", "list", "Garden"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("at.bed, due, words, words of title"),
        "{listed}"
    );
    // Once more changes nothing.
    let before = dx.json(&["space", "show", "Garden"]);
    dx.json(&["schema", "index", "Garden", "task", "due"]);
    assert_eq!(dx.json(&["space", "show", "Garden"]), before);

    let removed = dx.json(&["schema", "index", "Garden", "task", "due", "--remove"]);
    assert_eq!(removed, json!({"removed": "task by due"}));
    assert_ne!(explain(&dx, query)["index"], "task by due");
    let gone = failure(
        &dx,
        1,
        &["schema", "index", "Garden", "task", "due", "--remove"],
    );
    assert!(gone.contains("task by due"), "{gone}");
    let none = failure(&dx, 2, &["schema", "index", "Garden", "task"]);
    assert!(none.contains("PROPERTY"), "{none}");
}

#[test]
fn a_schema_that_is_put_is_shown_as_it_is_put_and_holds() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let schema = json!({
        "properties": {"due": {"type": "integer", "x-echo-index": true}},
        "required": ["due"],
    });
    let file = home.path().join("Käse.json");
    std::fs::write(&file, schema.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let put_it = dx.json(&["schema", "put", "Garden", file, "--type", "cheese@1.0"]);
    assert_eq!(put_it, json!([{"type": "cheese@1.0", "indexes": ["due"]}]));
    let shown = dx.json(&["schema", "show", "Garden", "cheese"]);
    assert_eq!(shown, json!({"type": "cheese@1.0", "schema": schema}));
    let object = |json: &str| {
        let arguments = ["object", "put", "Garden", "--type", "cheese@1.0", json];
        dx.output(&arguments)
    };
    let refused = object("{\"due\":\"soon\"}");
    assert!(
        !refused.status.success() && said(&refused).contains("/due"),
        "{refused:?}"
    );
    assert!(object("{\"due\":7}").status.success());
    assert_eq!(explain(&dx, "type:cheese due:7")["index"], "cheese by due");

    // An index of all versions goes into the latest; what is printed is put back as it was.
    let second = json!({"type": "cheese@2.0", "schema": schema});
    assert!(put(&dx, &second.to_string(), &[]).status.success());
    dx.json(&["schema", "index", "Garden", "cheese", "age"]);
    let several = failure(&dx, 1, &["schema", "show", "Garden", "cheese"]);
    assert!(several.contains("cheese@1.0, cheese@2.0"), "{several}");
    let all = dx.json(&["schema", "list", "Garden"]);
    assert_eq!(all[1]["schema"]["properties"]["age"]["x-echo-index"], true);
    assert!(put(&dx, &all.to_string(), &[]).status.success());
    assert_eq!(dx.json(&["schema", "list", "Garden"]), all);
    dx.json(&["schema", "index", "Garden", "cheese", "due", "--remove"]);
    assert!(
        !dx.json(&["schema", "list", "Garden"])[0]
            .to_string()
            .contains("x-echo-index")
    );

    for (text, wanted) in [
        ("{", "is no JSON"),
        ("[7]", "--type TYPE"),
        (&schema.to_string(), "--type TYPE"),
        (
            r#"{"type":"a","schema":{"properties":{"b":{"type":"strnig"}}}}"#,
            "/properties/b/type",
        ),
        (r#"{"type":"a","schema":"x"}"#, "neither a JSON object"),
    ] {
        let refused = put(&dx, text, &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(wanted), "{}", said(&refused));
    }
    let missing = failure(&dx, 1, &["schema", "put", "Garden", "/nonexistent.json"]);
    assert!(missing.contains("/nonexistent.json"), "{missing}");
}

#[test]
fn no_index_is_declared_that_the_space_would_not_keep() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path());
    let of = |type_name: &str, from: u32, until: u32| {
        let properties: serde_json::Map<_, _> = (from..until)
            .map(|number| (format!("p{number}"), json!({"x-echo-index": true})))
            .collect();
        json!({"type": type_name, "schema": {"properties": properties}})
    };
    let full = json!([of("a", 0, 32), of("b", 0, 32)]);
    assert!(put(&dx, &full.to_string(), &[]).status.success());
    let more = failure(&dx, 1, &["schema", "index", "Garden", "task", "due"]);
    assert!(more.contains("65") && more.contains("--remove"), "{more}");
    let more = put(&dx, &of("c", 0, 3).to_string(), &[]);
    assert!(said(&more).contains("67 indexes"), "{}", said(&more));
    // In the place of others there is room.
    assert!(put(&dx, &of("b", 20, 52).to_string(), &[]).status.success());
    assert!(put(&dx, &of("b", 0, 5).to_string(), &[]).status.success());
    dx.json(&["schema", "index", "Garden", "task", "due"]);
    for (arguments, wanted) in [
        (["task", ""], "no property"),
        (["task", "a..b"], "no property"),
        (["", "due"], "no name"),
        (["task", "a.b.c.d.e"], "4 levels"),
        (["task", "@created"], "indexed already"),
    ] {
        let refused = failure(
            &dx,
            1,
            &[&["schema", "index", "Garden"], &arguments[..]].concat(),
        );
        assert!(refused.contains(wanted), "{refused}");
    }
}

#[test]
fn beside_a_server_files_are_those_of_the_user_and_the_role_still_counts() {
    let home = tempfile::tempdir().unwrap();
    let ann = garden(home.path());
    let bob = Dx::new(&home.path().join("bob"));
    bob.json(&["identity", "create", "Bob"]);
    join(&ann, &bob, "Garden");
    ann.json(&["member", "role", "Garden", "Bob", "reader"]);
    let _at_ann = serve(&ann);
    let file = home.path().join("note.json");
    let schema = json!({"type": "note", "schema": {"x-echo-text": true}});
    std::fs::write(&file, schema.to_string()).unwrap();
    let mut command = ann.command(&["schema", "put", "Garden", "note.json", "--json"]);
    let output = command.current_dir(home.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(put(&ann, "{}", &["--type", "kite"]).status.success());
    ann.json(&["schema", "index", "Garden", "task", "due"]);
    assert_eq!(
        explain(&ann, "type:task order:due limit:3")["index"],
        "task by due"
    );
    assert_eq!(
        ann.json(&["schema", "list", "Garden"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let broken = put(&ann, "{", &[]);
    assert!(said(&broken).contains("is no JSON"), "{}", said(&broken));

    // A reader cannot declare anything, once that has reached them.
    let _at_bob = serve(&bob);
    while bob.json(&["space", "show", "Garden"])["role"] != "reader" {}
    let refused = failure(&bob, 1, &["schema", "index", "Garden", "kite", "colour"]);
    assert!(refused.contains("reader"), "{refused}");
}
