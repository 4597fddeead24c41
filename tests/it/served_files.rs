//! Commands that read and write files, on a profile that `dx serve` has open: the files are those
//! of the user, wherever the user is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lost_laptop::{serve, until};
use crate::processes::{Dx, Running};

/// A profile with a space called Küche that is served.
fn kitchen(home: &Path) -> (Dx, Running) {
    let dx = Dx::new(&home.join("p"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Küche"]);
    let mut serving = serve(&dx);
    until(&mut serving, |event| event["event"] == "space");
    (dx, serving)
}

/// Runs a command in a directory, with this on its standard input.
fn run_in(directory: &Path, dx: &Dx, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = dx.command(arguments);
    let command = command.current_dir(directory).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may not want all of it.
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn count(dx: &Dx, space: &str, query: &str) -> Value {
    dx.json(&["query", space, query, "--count"])["count"].clone()
}

fn interrupt(child: &Child) {
    let mut kill = Command::new("kill");
    let killed = kill.args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn files_are_found_from_where_the_user_is_and_written_there() {
    let home = tempfile::tempdir().unwrap();
    let (dx, _serving) = kitchen(home.path());
    let there = home.path().join("Überall 水");
    std::fs::create_dir(&there).unwrap();
    std::fs::write(there.join("Möhren 🥕.csv"), "title,n\nrot,1\ngelb,2\n").unwrap();
    let run = |arguments: &[&str]| run_in(&there, &dx, arguments, b"");
    let import = ["import", "Küche", "Möhren 🥕.csv", "--type", "item"];
    assert!(good(&run(&import)).contains("2 objects imported"));
    // The same source: it is known again.
    assert!(good(&run(&import)).contains("2 here already"));

    // One that a kill left behind.
    std::fs::write(there.join("Liste.csv.partial"), "x".repeat(100_000)).unwrap();
    let told = good(&run(&[
        "export",
        "Küche",
        "--output",
        "Liste.csv",
        "--json",
    ]));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["file"], &told["objects"]),
        (&"Liste.csv".into(), &2.into())
    );
    let text = std::fs::read_to_string(there.join("Liste.csv")).unwrap();
    assert!(text.contains("gelb") && text.lines().count() == 3, "{text}");
    assert!(!there.join("Liste.csv.partial").exists());

    std::fs::write(there.join("geheim"), "Schlüssel 🔑\r\n").unwrap();
    std::fs::write(there.join("Küche.dxa.partial"), "x").unwrap();
    let archive = [
        "archive",
        "Küche",
        "Küche.dxa",
        "--passphrase-file",
        "geheim",
    ];
    assert!(good(&run(&archive)).contains("2 objects in Küche.dxa"));
    assert!(!there.join("Küche.dxa.partial").exists());
    let again = run(&archive);
    assert!(said(&again).contains("exists already"), "{again:?}");
    for (arguments, path) in [
        (
            &["import", "Küche", "keine.csv"][..],
            "cannot read keine.csv",
        ),
        (&["import", "Küche", "."], "directory"),
        (&["restore", "keine.dxa"], "cannot restore keine.dxa"),
        (
            &["archive", "Küche", "no/where", "--plain"],
            "cannot write no/where",
        ),
        (
            &["export", "Küche", "--output", "no/where"],
            "cannot write no/where",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said(&output).contains(path), "{output:?}");
    }
    // The passphrase from standard input.
    let restore = [
        "restore",
        "Küche.dxa",
        "--as-clone",
        "--passphrase-file",
        "-",
    ];
    let restored = run_in(&there, &dx, &restore, "Schlüssel 🔑\n".as_bytes());
    assert!(good(&restored).contains("Küche"));
    let wrong = run_in(&there, &dx, &restore, b"wrong\n");
    assert!(said(&wrong).contains("wrong passphrase"), "{wrong:?}");
    assert_eq!(
        dx.json(&["space", "list"]).as_array().map(Vec::len),
        Some(2)
    );
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_and_what_is_no_file_are_read_and_written_too() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = tempfile::tempdir().unwrap();
    let (dx, _serving) = kitchen(home.path());
    let odd = home.path().join(std::ffi::OsStr::from_bytes(b"a\xff.csv"));
    std::fs::write(&odd, "n\n1\n2\n").unwrap();
    let mut import = dx.command(&["import", "Küche"]);
    good(&import.arg(&odd).output().unwrap());
    assert_eq!(count(&dx, "Küche", "type:record"), 2);
    // With the mark of a table, in parts.
    let piped = run_in(
        home.path(),
        &dx,
        &["import", "Küche", "/dev/stdin", "--format", "csv"],
        b"n\n3\n",
    );
    good(&piped);
    assert_eq!(count(&dx, "Küche", "type:record"), 3);

    let pipe = home.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut export = dx.command(&["export", "Küche", "--output"]);
    let export = export.arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    let mut end = std::fs::File::open(&pipe).unwrap();
    end.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 3);
    good(&export.wait_with_output().unwrap());
}

#[test]
fn what_is_acknowledged_and_left_out_is_told_while_standard_input_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (dx, _serving) = kitchen(home.path());
    let import = [
        "import",
        "Küche",
        "-",
        "--source",
        "s",
        "--format",
        "jsonl",
        "--events",
        "--skip-bad",
    ];
    let begin = || {
        let mut command = dx.command(&import);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let notes = BufReader::new(child.stderr.take().unwrap());
        (Running::of(child), stdin, notes)
    };
    let (mut running, mut stdin, mut notes) = begin();
    let records: String = (0..2_500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    stdin.write_all(b"no record\n").unwrap();
    stdin.write_all(records.as_bytes()).unwrap();
    // Standard input is still open.
    let mut line = String::new();
    running.lines.read_line(&mut line).unwrap();
    assert!(line.contains("objects acknowledged"), "{line}");
    line.clear();
    notes.read_line(&mut line).unwrap();
    assert!(line.starts_with("left out: -, line 1"), "{line}");
    // What others do goes on beside it.
    assert!(count(&dx, "Küche", "type:record").as_u64() >= Some(1_000));

    // The user stops it: it ends there and then, and what is here stays.
    interrupt(&running.child);
    assert!(!running.child.wait().unwrap().success());
    drop(stdin);
    let before = count(&dx, "Küche", "type:record").as_u64().unwrap();
    assert!((1_000..=2_000).contains(&before), "{before}");
    let (mut running, mut stdin, _notes) = begin();
    stdin.write_all(b"no record\n").unwrap();
    stdin.write_all(records.as_bytes()).unwrap();
    drop(stdin);
    let mut told = String::new();
    running.lines.read_to_string(&mut told).unwrap();
    let last = told.lines().last().unwrap();
    assert!(last.contains(&format!("{before} here already")), "{last}");
    assert_eq!(count(&dx, "Küche", "type:record"), 2_500);
}

/// Objects that take about 20 MB when they are printed: more than the buffers on the way hold.
fn many(home: &Path, dx: &Dx) -> usize {
    let objects = 5_000;
    let text = "水 ".repeat(1_000);
    let records = (0..objects).map(|n| format!("{{\"n\":{n},\"text\":\"{text}\"}}\n"));
    std::fs::write(home.join("many.jsonl"), records.collect::<String>()).unwrap();
    good(&run_in(home, dx, &["import", "Küche", "many.jsonl"], b""));
    objects
}

/// Longer than anything waits for a key to be proven.
const PAUSE: Duration = Duration::from_secs(6);

#[test]
fn a_reader_that_pauses_is_waited_for_and_gets_every_byte() {
    let home = tempfile::tempdir().unwrap();
    let (dx, serving) = kitchen(home.path());
    let objects = many(home.path(), &dx);
    let query = ["--json", "query", "Küche", "type:record"];
    let export = ["export", "Küche"];
    let mut paused = [&query[..], &export[..]].map(|arguments| {
        let mut reading = dx.spawn(arguments);
        // It has begun.
        let begun = reading.lines.fill_buf().unwrap().len();
        assert!(begun > 0);
        reading
    });
    let begun = Instant::now();
    while begun.elapsed() < PAUSE {
        dx.json(&["space", "list"]);
    }
    let [queried, exported] = paused.each_mut().map(|reading| {
        let mut text = Vec::new();
        reading.lines.read_to_end(&mut text).unwrap();
        assert!(reading.child.wait().unwrap().success());
        text
    });
    let found: Value = serde_json::from_slice(&queried).unwrap();
    assert_eq!(found.as_array().unwrap().len(), objects);
    // As without the other process.
    drop(serving);
    let alone = dx.output(&export);
    assert_eq!(alone.stdout, exported);
    assert_eq!(dx.output(&query).stdout, queried);
}

#[cfg(unix)]
#[test]
fn an_export_that_is_stopped_leaves_nothing_also_when_another_process_runs_it() {
    let home = tempfile::tempdir().unwrap();
    let (dx, serving) = kitchen(home.path());
    many(home.path(), &dx);
    let here = || {
        let entries = std::fs::read_dir(home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.contains("stopped"))
            .collect::<Vec<_>>()
    };
    let stopped = |arguments: &[&str]| {
        let mut command = dx.command(arguments);
        let mut child = command.current_dir(home.path()).spawn().unwrap();
        while here().is_empty() && child.try_wait().unwrap().is_none() {}
        interrupt(&child);
        assert!(!child.wait().unwrap().success(), "it ended before");
        assert_eq!(here(), Vec::<String>::new());
    };
    let export = ["export", "Küche", "--output", "stopped.json"];
    let archive = ["archive", "Küche", "stopped.dxa", "--plain"];
    stopped(&export);
    stopped(&archive);
    drop(serving);
    stopped(&export);
    stopped(&archive);
}

#[test]
fn what_is_stored_is_checked_and_cleaned_beside_everything_else() {
    let home = tempfile::tempdir().unwrap();
    let (dx, _serving) = kitchen(home.path());
    dx.json(&["space", "create", "Hof"]);
    let records = "n\n1\n2\n3\n";
    for space in ["Küche", "Hof"] {
        let import = ["import", space, "-", "--format", "csv"];
        good(&run_in(home.path(), &dx, &import, records.as_bytes()));
    }
    for arguments in [&["doctor"][..], &["doctor", "--repair"]] {
        let report = dx.json(arguments);
        assert_eq!(report["whole"], true, "{report}");
        assert_eq!(report["spaces"].as_array().map(Vec::len), Some(3));
        // It is usable at once.
        assert_eq!(count(&dx, "Küche", "type:record"), 3);
    }
    dx.json(&["space", "delete", "Hof", "--yes"]);
    let collected = dx.json(&["gc"]);
    assert!(
        collected["disk_bytes_after"].as_u64() > Some(0),
        "{collected}"
    );
    assert_eq!(count(&dx, "Küche", "type:record"), 3);
}
