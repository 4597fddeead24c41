//! `dx recover`, as somebody runs it who has lost everything but a phrase.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::halo_commands::{failure, join};
use crate::lost_laptop::until;
use crate::processes::{Dx, Running, json_line};

const LOCAL: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// `dx serve`, and where it is.
fn serve(dx: &Dx) -> (Running, String) {
    let mut serving = dx.spawn(&[&LOCAL[..], &["--json", "serve"]].concat());
    let ready = json_line(&mut serving);
    assert_eq!(ready["event"], "ready");
    let (device, address) = (&ready["device"], &ready["addresses"][0]);
    let place = format!("{}@{}", device.as_str().unwrap(), address.as_str().unwrap());
    (serving, place)
}

/// Waits until a serving device has heard of so many blocks.
fn heard(serving: &mut Running, blocks: u64) {
    loop {
        let event = json_line(serving);
        assert_ne!(event, Value::Null, "it has ended");
        if event["blocks"].as_u64() >= Some(blocks) && event["missing_blocks"] == 0 {
            return;
        }
    }
}

fn blocks(dx: &Dx, space: &str) -> u64 {
    dx.json(&["space", "show", space])["blocks"]
        .as_u64()
        .unwrap()
}

#[test]
fn with_all_devices_lost_the_phrase_in_a_file_brings_the_spaces_back() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, bob) = (dx("a"), dx("b"));
    let before = ann.json(&["identity", "create", "Änn"]);
    bob.json(&["identity", "create", "Bob"]);
    ann.json(&["space", "create", "Küche"]);
    join(&ann, &bob, "Küche");
    let notes = home.path().join("notes.jsonl");
    std::fs::write(&notes, "{\"title\":\"Möhren\"}\n").unwrap();
    ann.json(&["import", "Küche", notes.to_str().unwrap(), "--type", "note"]);
    let made = ann.json(&["identity", "phrase"]);
    let words = made["phrase"].as_str().unwrap();

    // Bob hears of it, and then Ann's laptop is gone.
    let (mut at_bob, place) = serve(&bob);
    let all = blocks(&ann, "Küche");
    let at_ann = serve(&ann);
    heard(&mut at_bob, all);
    drop(at_ann);
    std::fs::remove_dir_all(home.path().join("a")).unwrap();

    // As an editor on Windows saves it.
    let file = home.path().join("phrase.txt");
    let lines: Vec<_> = words.split(' ').collect();
    let lines: Vec<_> = lines.chunks(6).map(|line| line.join(" ")).collect();
    std::fs::write(&file, format!("\u{feff}{}\r\n", lines.join("\r\n"))).unwrap();
    let phone = dx("phone");
    let recover = ["recover", "--phrase-file", file.to_str().unwrap()];
    let recovered = phone.json(&[&LOCAL[..], &recover, &["--peer", &place]].concat());
    assert_eq!(recovered["identity"], before["identity"]);
    assert_eq!(recovered["display_name"], "Änn");
    assert_ne!(recovered["device"], before["device"]);
    assert_eq!(recovered["missing"], serde_json::json!([]));
    let spaces = recovered["spaces"].as_array().unwrap();
    assert_eq!(spaces.len(), 1, "{recovered}");
    let role = spaces[0]["role"].as_str().unwrap();
    assert!(role.eq_ignore_ascii_case("admin"), "{recovered}");
    let found = phone.json(&["query", "Küche", "type:note"]);
    assert_eq!(found.as_array().unwrap().len(), 1);

    // The lost laptop and the phrase are there to be revoked, once is enough.
    let lost = before["device"].as_str().unwrap();
    let revoked = phone.json(&["device", "revoke", lost, "--yes"]);
    let revoked = revoked.as_array().unwrap();
    let laptop = revoked.iter().find(|device| device["device"] == lost);
    assert_eq!(laptop.unwrap()["revoked"], true);

    // Once more on the same device goes on with it; nobody else's profile takes it.
    let again = phone.json(&[&LOCAL[..], &recover, &["--peer", &place]].concat());
    assert_eq!(again["identity"], before["identity"]);
    assert_eq!(again["device"], recovered["device"]);
    let carl = dx("c");
    carl.json(&["identity", "create", "Carl"]);
    let refused = failure(&carl, 1, &[&LOCAL[..], &recover].concat());
    assert!(refused.contains("already has the identity"), "{refused}");
}

#[test]
fn a_device_that_serves_tells_when_a_phrase_was_used() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, thief) = (dx("ann"), dx("thief"));
    ann.json(&["identity", "create", "Ann"]);
    ann.json(&["space", "create", "Küche"]);
    let made = ann.json(&["identity", "phrase"]);
    let file = home.path().join("phrase.txt");
    std::fs::write(&file, made["phrase"].as_str().unwrap()).unwrap();

    let (mut at_ann, place) = serve(&ann);
    let recover = ["recover", "--phrase-file", file.to_str().unwrap()];
    let recovered = thief.json(&[&LOCAL[..], &recover, &["--peer", &place]].concat());
    let told = until(&mut at_ann, |event| event["event"] == "recovered");
    assert_eq!(told["device"], recovered["device"]);
    // What is told to be done works.
    let device = told["device"].as_str().unwrap();
    let devices = ann.json(&["device", "revoke", device, "--yes"]);
    let devices = devices.as_array().unwrap();
    let theirs = devices.iter().find(|found| found["device"] == device);
    assert_eq!(theirs.unwrap()["revoked"], true);
}

#[test]
fn a_phrase_that_is_wrong_or_unknown_is_told_and_nothing_is_made_of_it() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    let recover = |text: &str| {
        let mut child = dx
            .command(&["--listen", "127.0.0.1:0", "recover", "--patience", "200ms"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(recover("").contains("--phrase-file"));
    let short = recover("abandon abandon");
    assert!(short.contains("has 24 words, this one has 2"), "{short}");
    let good = ["abandon"; 23].join(" ") + " art";
    let slip = recover(&good.replacen("abandon", "abandom", 1));
    assert!(
        slip.contains("word 1") && slip.contains("\"abandon\""),
        "{slip}"
    );
    let swapped = recover(&good.replace("art", "able"));
    assert!(swapped.contains("one is wrong"), "{swapped}");
    let unknown = recover(&good);
    assert!(unknown.contains("none of the 0 peers"), "{unknown}");
    // Nothing that was typed is repeated but the word that is wrong.
    for said in [short, swapped, unknown] {
        assert!(!said.contains("abandon"), "{said}");
    }

    let missing = failure(&dx, 1, &["recover", "--phrase-file", "/nonexistent.txt"]);
    assert!(missing.contains("/nonexistent.txt"), "{missing}");
    // Not as an argument: others on the machine would see it.
    failure(&dx, 2, &["recover", &good]);
    let peer = failure(&dx, 2, &["recover", "--peer", "somewhere:1"]);
    assert!(peer.contains("<device key>@host:port"), "{peer}");
    failure(&dx, 2, &["recover", "--patience", "soon"]);
    let offline = failure(&dx, 1, &["--offline", "recover", "--phrase-file", "-"]);
    assert!(offline.contains("phrase"), "{offline}");
    // The profile can still become somebody.
    dx.json(&["identity", "create", "Ann"]);
}
