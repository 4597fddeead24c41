//! `kill -9` of either peer while one imports and both replicate: nothing that was acknowledged
//! is missing, and both agree.

use std::fmt::Write as _;

use serde_json::Value;

use crate::processes::{Dx, json_line};

const ROUNDS: u64 = 4;

#[test]
fn nothing_acknowledged_is_lost_when_either_peer_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (
        Dx::new(&home.path().join("a")),
        Dx::new(&home.path().join("b")),
    );
    ann.json(&["identity", "create", "Ann"]);
    bob.json(&["identity", "create", "Bob"]);
    ann.json(&["space", "create", "Work"]);
    let local = ["--listen", "127.0.0.1:0"];

    let mut host = ann.spawn(&[&local[..], &["--json", "space", "invite", "Work"]].concat());
    let invited = json_line(&mut host);
    let (text, code) = (
        invited["invitation"].as_str().unwrap(),
        invited["code"].as_str().unwrap(),
    );
    bob.json(&[&local[..], &["space", "join", text, "--code", code]].concat());
    host.kill();

    let file = home.path().join("records.jsonl");
    let mut records = String::new();
    for n in 0..30_000 {
        writeln!(records, "{{\"n\":{n},\"title\":\"record {n}\"}}").unwrap();
    }
    std::fs::write(&file, records).unwrap();

    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut serve = bob.spawn(&[&local[..], &["--json", "serve"]].concat());
        assert_eq!(json_line(&mut serve)["event"], "ready");
        let import = [
            "--json",
            "import",
            "Work",
            file.to_str().unwrap(),
            "--source",
            &format!("round {round}"),
            "--online",
            "--events",
        ];
        let mut import = ann.spawn(&[&local[..], &import].concat());
        // Every round ends elsewhere; one peer is killed before the other.
        let mut said = 0;
        for _ in 0..=round * 2 {
            let event = json_line(&mut import);
            assert_eq!(event["event"], "acknowledged", "{event}");
            said = event["objects"].as_u64().unwrap();
        }
        if round % 2 == 0 {
            serve.kill();
        }
        import.kill();
        // What it said before it died counts, too.
        loop {
            match json_line(&mut import) {
                Value::Null => break,
                event => said = event["objects"].as_u64().unwrap_or(said),
            }
        }
        acknowledged += said;
    }

    let shown = ann.json(&["space", "show", "Work"]);
    // The object with the properties of the space counts as well.
    assert!(
        shown["objects"].as_u64().unwrap() > acknowledged,
        "{acknowledged}: {shown}"
    );
    let mut serve = ann.spawn(&[&local[..], &["--json", "serve"]].concat());
    assert_eq!(json_line(&mut serve)["event"], "ready");
    let mut theirs = bob.spawn(&[&local[..], &["--json", "serve"]].concat());
    loop {
        let event = json_line(&mut theirs);
        assert_ne!(event, Value::Null, "the peer ended");
        if event["objects"] == shown["objects"] && event["missing_blocks"] == 0 {
            break;
        }
    }
    serve.kill();
    theirs.kill();
    let (a, b) = (
        ann.json(&["space", "show", "Work"]),
        bob.json(&["space", "show", "Work"]),
    );
    assert_eq!(a["state_hash"], b["state_hash"]);
    assert_eq!(a["forks"].as_array().map(Vec::len), Some(0));
}
