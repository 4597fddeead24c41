//! `dx trace`: recorded editing traces through real replicas, and what is wrong with a file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::processes::Dx;

fn given(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let file = root.join("benches/data/editing-traces").join(name);
    file.to_str().unwrap().to_owned()
}

/// A directory with a trace in it.
struct Written {
    _home: tempfile::TempDir,
    file: PathBuf,
}

fn written(content: impl AsRef<[u8]>) -> Written {
    let home = tempfile::tempdir().unwrap();
    // Its name says nothing of what it is.
    let file = home.path().join("trace.bin");
    std::fs::write(&file, content).unwrap();
    Written { _home: home, file }
}

fn dx() -> Dx {
    // No profile is needed, and none is made.
    Dx::new(Path::new("/nowhere/at/all"))
}

/// Replays a trace that must match.
fn replay(file: &str, more: &[&str]) -> Value {
    let report = dx().json(&[&["trace", file], more].concat());
    assert_eq!(report["matches"], true, "{report}");
    for replica in report["replicas"].as_array().unwrap() {
        assert_eq!(replica["matches"], true, "{report}");
    }
    report
}

fn replay_json(trace: &Value, more: &[&str]) -> Value {
    let trace = written(trace.to_string());
    replay(trace.file.to_str().unwrap(), more)
}

/// Runs a file that cannot be replayed, and returns why.
fn refused(content: impl AsRef<[u8]>) -> String {
    let trace = written(content);
    let output = dx().output(&["trace", trace.file.to_str().unwrap(), "--json"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(output.stdout, b"");
    let error: Value = serde_json::from_str(error.lines().last().unwrap()).unwrap();
    let error = error["error"].as_str().unwrap().to_owned();
    assert!(error.contains("trace.bin"), "{error}");
    error
}

#[test]
fn what_one_author_typed_is_the_same_on_disk_and_at_a_peer() {
    for (name, edits, characters) in [
        ("sveltecomponent.json.gz", 19_749, 18_451),
        ("automerge-paper.json.gz", 259_778, 104_852),
    ] {
        let report = replay(&given(name), &[]);
        assert_eq!(report["kind"], "sequential");
        assert_eq!(report["edits"], edits);
        assert_eq!(report["characters"], characters);
        assert_eq!(report["replicas"].as_array().unwrap().len(), 4);
        let figures = &report["figures"];
        for figure in [
            "applied_ms",
            "durable_ms",
            "edits_per_s",
            "durable_edits_per_s",
            "reload_ms",
            "merge_ms",
            "blocks",
            "sent_bytes",
            "file_bytes",
            "block_bytes",
            "state_bytes",
        ] {
            assert!(figures[figure].as_f64().unwrap() > 0.0, "{report}");
        }
    }
}

#[test]
fn every_shape_of_a_sequential_trace_is_replayed() {
    let shapes = json!({
        "time": 1, "using": {"a": []}, "startContent": "zero 🙂 水\r\n",
        "endContent": "Zéro 👩\u{200d}👩 🙂 x\r\n",
        "txns": [
            {"patches": [], "time": "2020"},
            {"patches": [[0, 2, "Zé"], [5, 0, "👩\u{200d}👩 "]], "agent": 3},
            {"patches": [[11, 1, ""], [11, 0, "yx"]]},
            {"patches": [[11, 1, ""], [0, 0, ""]]},
        ],
    });
    for coalesce in ["1", "2", "1000"] {
        let report = replay_json(&shapes, &["--coalesce", coalesce]);
        assert_eq!(
            (&report["edits"], &report["transactions"]),
            (&json!(6), &json!(4))
        );
    }
    let one = replay_json(&shapes, &["--coalesce", "1"]);
    let all = replay_json(&shapes, &[]);
    assert!(one["figures"]["blocks"].as_u64() > all["figures"]["blocks"].as_u64());

    for empty in [
        json!({"startContent": "", "endContent": "", "txns": []}),
        json!({"startContent": "as it was", "endContent": "as it was", "txns": [{"patches": []}]}),
        json!({"endContent": "", "txns": []}),
    ] {
        assert_eq!(replay_json(&empty, &[])["edits"], 0);
    }
}

#[test]
fn what_two_authors_typed_at_once_merges_in_every_order() {
    let report = replay(&given("friendsforever.json.gz"), &[]);
    assert_eq!(report["kind"], "concurrent");
    assert_eq!(
        (&report["agents"], &report["edits"]),
        (&json!(2), &json!(26_078))
    );
    // Both authors, observers of three orders, and one author from disk.
    let replicas = report["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 6);
    for replica in replicas {
        assert_eq!(replica["state_hash"], replicas[0]["state_hash"], "{report}");
    }
    assert!(report["figures"]["merge_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn every_shape_of_a_concurrent_trace_is_replayed() {
    let shapes = json!({
        "kind": "concurrent", "numAgents": 3, "startContent": "a🙂z", "endContent": "éb👩z水!?.",
        "txns": [
            {"agent": 7, "parents": [], "numChildren": 1, "patches": [[0, 0, "é"]]},
            {"agent": 2, "parents": [], "patches": [[3, 0, "水"]], "time": "2020"},
            {"agent": 40, "parents": [0, 1], "patches": [[2, 1, "👩"], [5, 0, "!"]]},
            {"agent": 7, "parents": [0], "patches": []},
            {"agent": 2, "parents": [1, 2], "patches": [[6, 0, "?"]]},
            {"agent": 7, "parents": [3], "patches": [[1, 1, "b"]]},
            {"agent": 40, "parents": [4, 5, 3], "patches": [[7, 0, "."]]},
        ],
    });
    // The second author saw the first two letters and not the next two, typed at once.
    let part = json!({
        "endContent": "dcaXb",
        "txns": [
            {"agent": 0, "parents": [], "patches": [[0, 0, "a"]]},
            {"agent": 0, "parents": [0], "patches": [[1, 0, "b"]]},
            {"agent": 0, "parents": [1], "patches": [[0, 0, "c"]]},
            {"agent": 0, "parents": [2], "patches": [[0, 0, "d"]]},
            {"agent": 1, "parents": [1], "patches": [[1, 0, "X"]]},
        ],
    });
    for coalesce in ["1", "1000"] {
        let report = replay_json(&shapes, &["--coalesce", coalesce]);
        assert_eq!(
            (&report["agents"], &report["edits"]),
            (&json!(3), &json!(7))
        );
        replay_json(&part, &["--coalesce", coalesce]);
    }
    let empty = json!({"kind": "concurrent", "endContent": "", "txns": []});
    let report = replay_json(&empty, &[]);
    assert_eq!(
        (&report["kind"], &report["edits"]),
        (&json!("concurrent"), &json!(0))
    );
}

#[test]
fn authors_that_cannot_have_seen_what_they_name_are_refused() {
    let typed = |agent: u32, parents: &[u32]| json!({"agent": agent, "parents": parents, "patches": [[0, 0, "x"]]});
    for (second, says) in [
        (typed(0, &[1]), "transaction 1 has 1 among its parents"),
        (typed(0, &[]), "transaction 1 of agent 0"),
        (
            json!({"agent": 0, "patches": []}),
            "transaction 1 has no parents",
        ),
        (
            json!({"parents": [0], "patches": []}),
            "transaction 1 has no agent",
        ),
        // It is there for the first author, and not for the second.
        (
            json!({"agent": 1, "parents": [], "patches": [[0, 1, ""]]}),
            "transaction 1 of the trace",
        ),
    ] {
        let error = refused(json!({"endContent": "", "txns": [typed(0, &[]), second]}).to_string());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn more_than_a_block_holds_goes_into_several() {
    let large = "水 ".repeat(300_000);
    let trace = json!({
        "startContent": large, "endContent": format!("x{large}"),
        "txns": [{"patches": [[0, 600_000, large]]}, {"patches": [[0, 0, "x"]]}],
    });
    replay_json(&trace, &[]);
}

#[test]
fn a_text_that_ends_otherwise_is_shown_with_the_place() {
    let trace = written(
        json!({"endContent": "🙂 there", "txns": [{"patches": [[0, 0, "🙂 then"]]}]}).to_string(),
    );
    let file = trace.file.to_str().unwrap();
    let output = dx().output(&["trace", file, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["matches"], false);
    for replica in report["replicas"].as_array().unwrap() {
        let difference = json!({"position": 5, "expected": "re", "found": "n"});
        assert_eq!(replica["difference"], difference);
    }
    let output = dx().output(&["trace", file]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("NOT EVERY REPLICA") && text.contains("character 5"),
        "{text}"
    );
}

#[test]
fn what_is_no_trace_is_refused_with_the_reason() {
    let packed = std::fs::read(given("sveltecomponent.json.gz")).unwrap();
    let error = refused(&packed[..packed.len() / 2]);
    assert!(
        error.contains("gzip") && error.contains("cut short"),
        "{error}"
    );
    for nothing in [
        "",
        "{",
        "[]",
        "null",
        "\u{0}\u{0}",
        "{\"endContent\": \"\"}",
    ] {
        let error = refused(nothing);
        assert!(error.contains("not an editing trace"), "{error}");
    }
    for (patches, says) in [
        ("[[0,0,\"a\"],[2,0,\"b\"]]", "number 2"),
        ("[[0,1,\"\"]]", "there are 0"),
        ("[[4294967295,4294967295,\"\"]]", "4294967295"),
        ("[[-1,0,\"\"]]", "-1"),
        ("[[1e99,0,\"\"]]", "1e+99"),
        ("[[0,\"0\",\"\"]]", "string"),
        ("[[0,0,\"\\ud83d\"]]", "hex escape"),
        ("{}", "map"),
    ] {
        let json = format!(
            "{{\"endContent\":\"\",\"txns\":[{{\"patches\":[]}},{{\"patches\":{patches}}}]}}"
        );
        let error = refused(json);
        assert!(
            error.contains("transaction 1") && error.contains(says),
            "{error}"
        );
    }
    let missing = dx().output(&["trace", "/nowhere/at/all.json"]);
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1));
    assert!(error.contains("/nowhere/at/all.json"), "{error}");
}
