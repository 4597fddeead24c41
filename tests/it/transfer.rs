//! `dx import` and `dx export`: files become objects and back, and an import that is cut off goes
//! on where it was.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dxos_client::{
    ExportOptions, Filter, Format, ImportError, ImportEvent, ImportOptions, Map, ObjectId, Query,
    map,
};
use serde_json::Value;

use crate::processes::{Dx, json_line};
use crate::support::apart;

/// A profile with a space called Garden.
pub(crate) fn garden(home: &Path, name: &str) -> Dx {
    let dx = Dx::new(&home.join(name));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    dx
}

pub(crate) fn write(home: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let file = home.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// What is exported, but for when it was written.
pub(crate) fn exported(dx: &Dx) -> BTreeSet<String> {
    let output = dx.output(&["export", "Garden"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let objects = text.lines().map(|line| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        let map = object.as_object_mut().unwrap();
        map.remove("created_ms");
        map.remove("updated_ms");
        object.to_string()
    });
    objects.collect()
}

#[test]
fn what_is_exported_in_any_format_is_imported_as_the_same_objects() {
    let home = tempfile::tempdir().unwrap();
    let ann = garden(home.path(), "a");
    let file = write(
        home.path(),
        "notes.jsonl",
        "{\"title\":\"Küche, \\\"neu\\\"\",\"n\":\"12\",\"deep\":{\"水\":[1,2.0,null]}}\r\n\
         {\"title\":\"\",\"when\":{\"@time\":5},\"data\":{\"@bytes\":\"AAEC\"}}\n",
    );
    ann.json(&["import", "Garden", &file, "--type", "note"]);
    let keyed = write(home.path(), "keyed.csv", "id,title\r\n7,Möhren\r\n");
    ann.json(&["import", "Garden", &keyed, "--key", "id", "--source", "x"]);
    let all = exported(&ann);
    assert_eq!(all.len(), 3);
    for format in ["csv", "json", "jsonl"] {
        let file = home.path().join(format!("all.{format}"));
        let file = file.to_str().unwrap();
        let told = ann.json(&["export", "Garden", "--output", file]);
        assert_eq!(
            (&told["objects"], &told["format"]),
            (&3.into(), &format.into())
        );
        let bob = garden(home.path(), format);
        let imported = bob.json(&["import", "Garden", file]);
        assert_eq!(imported["created"], 3, "{format}");
        assert_eq!(exported(&bob), all, "{format}");
        // Once more changes nothing, not even where it came from.
        for dx in [&bob, &ann] {
            let before = dx.json(&["space", "show", "Garden"]);
            let again = dx.json(&["import", "Garden", file]);
            assert_eq!(
                (&again["unchanged"], &again["objects"]),
                (&3.into(), &3.into())
            );
            assert_eq!(dx.json(&["space", "show", "Garden"]), before, "{format}");
        }
    }
    let some = ann.output(&["export", "Garden", "type:note", "n:\"12\""]);
    assert_eq!(String::from_utf8(some.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_key_names_the_object_that_a_record_updates() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let import = |text: &str| {
        let file = write(home.path(), "people.csv", text);
        dx.json(&[
            "import", "Garden", &file, "--key", "mail", "--type", "person",
        ])
    };
    let first = import("mail,name\na@x,Ann\nb@x,Bob\n");
    assert_eq!(first["created"], 2);
    // In another order, one of them changed, one new.
    let second = import("mail,name\nc@x,Cem\nb@x,Bö\na@x,Ann\n");
    let counts = ["created", "updated", "unchanged"].map(|name| second[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1]);
    let found = dx.json(&["query", "Garden", "type:person", "key:people.csv#b@x"]);
    assert_eq!(found[0]["properties"]["name"], "Bö");
    let file = write(home.path(), "people.csv", "mail,name\nd@x,D\n,E\n");
    let bad = dx.output(&["import", "Garden", &file, "--key", "mail"]);
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(text.contains("line 3") && text.contains("mail"), "{text}");
}

#[test]
fn days_in_records_are_compared_with_days_in_queries() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let records = "title,done,due\nOne,false,2026-11-30\nTwo,false,2026-12-01\n\
                   Three,true,2026-11-02\nFour,false,2026-11-02T10:00:00Z\nFive,false,\n";
    let file = write(home.path(), "tasks.csv", records);
    dx.json(&["import", "Garden", &file, "--type", "task"]);
    let typed = "{\"title\":\"Six\",\"done\":false,\"due\":{\"@time\":1795996799999}}\n";
    let file = write(home.path(), "typed.jsonl", typed);
    dx.json(&["import", "Garden", &file, "--type", "task"]);
    let titles = |query: &str| {
        let found = dx.json(&["query", "Garden", query]);
        let titles = found.as_array().unwrap().iter();
        let titles = titles.map(|task| task["properties"]["title"].as_str().unwrap().to_owned());
        titles.collect::<Vec<_>>()
    };
    let query = "type:task done:false due<2026-12-01 order:title limit:20";
    assert_eq!(titles(query), ["Four", "One", "Six"]);
    let query = "type:task done:false due>=2026-12-01 order:-due limit:20";
    assert_eq!(titles(query), ["Two"]);
    assert_eq!(titles("due:2026-11-30"), ["One"]);
    let query = "done:false due!=2026-11-30 has:due order:title";
    assert_eq!(titles(query), ["Four", "Six", "Two"]);
}

#[test]
fn pages_of_a_query_follow_one_another_from_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let records: String = (0..2_500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let file = write(home.path(), "many.jsonl", records);
    dx.json(&["import", "Garden", &file, "--type", "item"]);
    // Whatever is more than is read at once.
    let all = dx.json(&["query", "Garden", "type:item order:-n"]);
    let numbers = |found: &Value| {
        let found = found.as_array().unwrap().iter();
        let numbers = found.map(|object| object["properties"]["n"].as_u64().unwrap());
        numbers.collect::<Vec<_>>()
    };
    let expected: Vec<_> = (0..2_500).rev().collect();
    assert_eq!(numbers(&all), expected);
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let query = format!("type:item order:-n limit:1200{after}");
        let page = dx.json(&["query", "Garden", &query, "--page"]);
        paged.extend(numbers(&page["objects"]));
        match page["next"].as_str() {
            Some(next) => after = format!(" after:{next}"),
            None => break,
        }
    }
    assert_eq!(paged, expected);
    let told = dx.output(&["query", "Garden", "type:item limit:1"]);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("after:"), "{told}");
    let none = dx.json(&["query", "Garden", "type:nothing"]);
    assert_eq!(none, Value::Array(Vec::new()));
}

#[test]
fn deleted_objects_and_what_a_search_found_are_imported_as_what_they_were() {
    let home = tempfile::tempdir().unwrap();
    let ann = garden(home.path(), "a");
    let id = ObjectId::from_bytes([7; 16]);
    let all = format!(
        "{{\"id\":\"{id}\",\"type\":\"note\",\"properties\":{{\"n\":1}},\"created_ms\":1,\
         \"updated_ms\":2,\"deleted\":true}}\n{{\"n\":2,\"title\":\"quick fox\"}}\n"
    );
    let file = write(home.path(), "all.jsonl", all);
    ann.json(&["import", "Garden", &file, "--type", "note"]);
    let count =
        |dx: &Dx, query: &str| dx.json(&["query", "Garden", query, "--count"])["count"].clone();
    assert_eq!(count(&ann, "type:note"), 1);
    assert_eq!(count(&ann, "type:note deleted:only"), 1);
    for (query, name) in [
        ("type:note deleted:include", "b.csv"),
        ("type:note deleted:include", "b.jsonl"),
        (
            "type:note deleted:include text:quick order:-@relevance",
            "c.json",
        ),
    ] {
        let file = home.path().join(name);
        let file = file.to_str().unwrap();
        ann.json(&["export", "Garden", query, "--output", file]);
        let other = garden(home.path(), &format!("of-{name}"));
        let first = other.json(&["import", "Garden", file]);
        let again = other.json(&["import", "Garden", file]);
        assert_eq!(first["created"], again["unchanged"], "{name}");
        for query in [
            "type:note",
            "type:note deleted:include n:2",
            "deleted:only",
            "type:record",
        ] {
            let expected = match (query, name) {
                ("deleted:only", "c.json") => 0.into(),
                _ => count(&ann, query),
            };
            assert_eq!(count(&other, query), expected, "{name}: {query}");
        }
    }
}

#[test]
fn a_bad_record_is_corrected_and_the_import_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dx = garden(home.path(), "a");
    let file = write(home.path(), "a.jsonl", "{\"n\":1}\n{\"n\":\n{\"n\":3}\n");
    let bad = dx.output(&["import", "Garden", &file]);
    assert_eq!(bad.status.code(), Some(1));
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        text.contains("line 2") && text.contains("1 objects"),
        "{text}"
    );
    let file = write(
        home.path(),
        "a.jsonl",
        "{\"n\":1}\r\n{\"n\":2}\r\n{\"n\":3}",
    );
    let good = dx.json(&["import", "Garden", &file]);
    assert_eq!(
        (&good["created"], &good["unchanged"]),
        (&2.into(), &1.into())
    );
    for empty in ["", "\u{feff}", "\n\n"] {
        let file = write(home.path(), "empty.jsonl", empty);
        assert_eq!(dx.json(&["import", "Garden", &file])["objects"], 0);
    }
}

/// The edits of a recorded trace: an array of 26,078 objects.
fn recorded(home: &Path) -> (PathBuf, usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let trace = root.join("benches/data/editing-traces/friendsforever.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(trace).unwrap();
    let mut unpacked = flate2::read::GzDecoder::new(file);
    unpacked.read_to_string(&mut text).unwrap();
    let trace: Value = serde_json::from_str(&text).unwrap();
    let edits = &trace["txns"];
    let file = home.join("edits.json");
    std::fs::write(&file, serde_json::to_string(edits).unwrap()).unwrap();
    (file, edits.as_array().unwrap().len())
}

#[test]
fn an_import_that_is_killed_again_and_again_ends_like_one_that_was_not() {
    let home = tempfile::tempdir().unwrap();
    let (file, records) = recorded(home.path());
    let file = file.to_str().unwrap();
    let dx = garden(home.path(), "a");
    let mut acknowledged = 0;
    for round in 0..3 {
        let mut import = dx.spawn(&["--json", "import", "Garden", file, "--events"]);
        let mut more = 0;
        loop {
            let event = json_line(&mut import);
            let objects = event["objects"]
                .as_u64()
                .expect("it is killed before it ends");
            if objects > acknowledged {
                acknowledged = objects;
                more += 1;
            }
            if more > round {
                break;
            }
        }
        import.kill();
    }
    let shown = dx.json(&["space", "show", "Garden"]);
    let here = shown["objects"].as_u64().unwrap();
    // The object with the properties of the space counts as well.
    assert!(
        acknowledged < here && here <= records as u64,
        "{acknowledged}: {here}"
    );
    let rest = dx.json(&["import", "Garden", file]);
    assert_eq!(rest["objects"], records);
    assert_eq!(rest["unchanged"], here - 1);

    // The same records as the file has, each once.
    let table = home.path().join("table.jsonl");
    dx.json(&["export", "Garden", "--output", table.to_str().unwrap()]);
    let properties = |line: &str| -> String {
        let object: Value = serde_json::from_str(line).unwrap();
        object["properties"].to_string()
    };
    let mut found: Vec<_> = std::fs::read_to_string(table)
        .unwrap()
        .lines()
        .map(properties)
        .collect();
    let edits: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut wanted: Vec<_> = edits.iter().map(Value::to_string).collect();
    found.sort();
    wanted.sort();
    assert!(found == wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_do_not_fit_the_schema_are_told_with_their_lines() {
    let (_home, _ann, _bob, space) = apart().await;
    let db = space.db();
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "n": { "type": "integer" } },
        "required": ["n"],
    });
    put_schema(&space, schema).await;
    let text: String = (0..50)
        .map(|n| match n {
            17 | 40 => "{\"n\":\"seventeen\"}\n".to_owned(),
            n => format!("{{\"n\":{n}}}\n"),
        })
        .collect();
    let mut options = ImportOptions::new("numbers");
    options.type_name = "example.com/type/Number".into();
    let stopped = db
        .import_from(
            std::io::Cursor::new(text.clone()),
            Format::Jsonl,
            options.clone(),
            |_| {},
        )
        .await;
    let Err(ImportError::Bad { bad, .. }) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(bad.line, 18, "{bad}");
    options.skip_bad = true;
    let mut lines = Vec::new();
    let on_event = |event: ImportEvent<'_>| {
        if let ImportEvent::Skipped(bad) = event {
            lines.push(bad.line);
        }
    };
    let report = db
        .import_from(std::io::Cursor::new(text), Format::Jsonl, options, on_event)
        .await
        .unwrap();
    assert_eq!(lines, [18, 41]);
    assert_eq!((report.objects(), report.skipped), (48, 2));
}

async fn put_schema(space: &dxos_client::Space, schema: Value) {
    let schema = dxos_client::TypeSchema::new("example.com/type/Number", schema).unwrap();
    space.db().put_schema(schema).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_many_pages_has_each_object_once_and_in_order() {
    let (_home, _ann, _bob, space) = apart().await;
    let db = space.db();
    let rows = (0..700_i64).map(|n| {
        let key = dxos_client::ForeignKey::new("numbers", n.to_string());
        (key, map! { "n" => n })
    });
    let ids = db
        .import("number", rows.collect::<Vec<(_, Map)>>())
        .await
        .unwrap();
    assert_eq!(ids.len(), 700);
    let mut options = ExportOptions::new(Format::Csv);
    options.query = Query::new(Filter::ge("n", 10)).descending("n").limit(600);
    let mut told = Vec::new();
    let (table, objects) = db
        .export(options, Vec::new(), |objects| told.push(objects))
        .await
        .unwrap();
    assert_eq!((objects, told.last()), (600, Some(&600)));
    let table = String::from_utf8(table).unwrap();
    let numbers: Vec<i64> = table
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    let wanted: Vec<i64> = (100..700).rev().collect();
    assert_eq!(numbers, wanted);
}
