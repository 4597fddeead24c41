//! Commands on one profile at the same time, and on one that is not there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::halo_commands::failure;
use crate::lost_laptop::serve;
use crate::processes::{Dx, Running};

fn ann(home: &std::path::Path) -> Dx {
    let dx = Dx::new(&home.join("p"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Küche"]);
    dx
}

/// A command that has the profile open until its standard input ends.
fn holding(dx: &Dx) -> Running {
    let import = ["import", "Küche", "-", "--format", "jsonl", "--events"];
    let mut command = dx.command(&import);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holding = Running::of(command.spawn().unwrap());
    let records: String = (0..1_001).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let stdin = holding.child.stdin.as_mut().unwrap();
    stdin.write_all(records.as_bytes()).unwrap();
    let mut line = String::new();
    holding.lines.read_line(&mut line).unwrap();
    assert!(line.contains("acknowledged"), "{line}");
    holding
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let home = tempfile::tempdir().unwrap();
    let dx = ann(home.path());
    let names = ["Hof", "Keller", "Überall"];
    let mut creating = names.map(|name| dx.spawn(&["--json", "space", "create", name]));
    for creating in &mut creating {
        assert!(creating.child.wait().unwrap().success());
    }
    let spaces = dx.json(&["space", "list"]);
    assert_eq!(spaces.as_array().map(Vec::len), Some(4));
}

#[test]
fn who_serves_waits_for_a_short_command_and_another_who_would_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let dx = ann(home.path());
    let mut short = holding(&dx);
    let begin = |arguments: &[&str]| {
        let mut command = dx.command(&[&["--listen", "127.0.0.1:0"][..], arguments].concat());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut waiting = command.spawn().unwrap();
        let mut said = BufReader::new(waiting.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("waiting for another dx"), "{line}");
        (Running::of(waiting), said)
    };
    let (mut serving, _said) = begin(&["serve"]);
    let (mut listing, _said_too) = begin(&["space", "list"]);
    drop(short.child.stdin.take());
    assert!(short.child.wait().unwrap().success());
    let mut line = String::new();
    serving.lines.read_line(&mut line).unwrap();
    assert!(line.contains("serving 1 spaces"), "{line}");
    let mut list = String::new();
    listing.lines.read_to_string(&mut list).unwrap();
    assert!(list.contains("Küche"), "{list}");

    let begun = Instant::now();
    for command in [&["serve"][..], &["host", "--no-console"]] {
        let refused = failure(&dx, 1, command);
        assert!(refused.contains("has this profile open"), "{refused}");
    }
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn who_waits_in_vain_says_so_and_who_began_to_serve_meanwhile_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let dx = ann(home.path());
    let short = holding(&dx);
    let refused = failure(&dx, 1, &["space", "list"]);
    assert!(refused.contains("another dx"), "{refused}");
    assert!(refused.contains("stop that one"), "{refused}");
    drop(short);
    let _serving = serve(&dx);
    let phrase = failure(&dx, 1, &["identity", "phrase"]);
    assert!(phrase.contains("`dx serve` or `dx host`"), "{phrase}");
    assert_eq!(
        dx.json(&["space", "list"]).as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_profile_that_is_not_there_is_not_made_by_looking_at_it() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("tippfehler");
    let dx = Dx::new(&profile);
    for command in [
        &["status"][..],
        &["doctor"],
        &["doctor", "--repair"],
        &["gc"],
        &["query", "Küche"],
        &["export", "Küche"],
        &["import", "Küche", "-"],
        &["archive", "Küche", "x.dxa", "--plain"],
        &["space", "list"],
        &["identity", "show"],
        &["keyring", "show"],
    ] {
        let told = failure(&dx, 1, command);
        assert!(told.contains("there is no profile in"), "{told}");
        assert!(told.contains("tippfehler"), "{told}");
        assert!(!profile.exists(), "{command:?}");
    }
    dx.json(&["identity", "create", "Ann"]);
    assert_eq!(dx.json(&["space", "list"]), Value::Array(Vec::new()));
}
