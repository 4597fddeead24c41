//! `dx doctor`, `dx gc` and what is said of what is stored.

use std::fs;
use std::path::{Path, PathBuf};

use dxos_client::map;
use serde_json::Value;

use crate::processes::Dx;
use crate::support::apart;

#[test]
fn a_profile_is_whole_and_what_was_deleted_gives_its_room_back() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("a"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    dx.json(&["space", "create", "Kitchen"]);
    let file = home.path().join("notes.csv");
    let mut text = "n,text\n".to_owned();
    for n in 0..2000 {
        use std::fmt::Write as _;
        // It does not compress to nothing.
        writeln!(text, "{n},{:x}", n * 0x9e37_79b9_7f4a_7c15_u128).unwrap();
    }
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    dx.json(&["import", "Garden", file, "--type", "note"]);
    dx.json(&["import", "Kitchen", file, "--type", "note", "--key", "n"]);
    dx.json(&["space", "close", "Kitchen"]);
    let whole = dx.json(&["doctor"]);
    assert_eq!(whole["whole"], true, "{whole}");
    let spaces = whole["spaces"].as_array().unwrap();
    // The space of the identity is one of them.
    assert_eq!(spaces.len(), 3);
    let objects: u64 = spaces.iter().map(|s| s["objects"].as_u64().unwrap()).sum();
    assert!(objects > 4000, "{whole}");
    let status = dx.json(&["status"]);
    assert_eq!(status["spaces"].as_array().unwrap().len(), 2);

    dx.json(&["space", "delete", "Garden", "--yes"]);
    let shrunk = dx.json(&["gc"]);
    let bytes = |name: &str| shrunk[name].as_u64().unwrap();
    assert!(
        bytes("disk_bytes_after") < bytes("disk_bytes_before"),
        "{shrunk}"
    );
    assert_eq!(dx.json(&["doctor"])["whole"], true);
    dx.json(&["space", "open", "Kitchen"]);
    assert_eq!(
        dx.json(&["query", "Kitchen", "type:note", "--count"])["count"],
        2000
    );
}

#[test]
fn a_profile_without_a_database_or_with_a_damaged_one_is_told_with_its_path() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("a");
    let dx = Dx::new(&profile);
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    let mut files = Vec::new();
    let mut directories = vec![profile.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else if entry.metadata().unwrap().len() > 200 {
                files.push(entry.path());
            }
        }
    }
    assert!(!files.is_empty());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let damaged: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5a).collect();
        fs::write(&file, damaged).unwrap();
    }
    let told = dx.output(&["doctor"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!told.status.success(), "{text}");
    assert!(text.contains(profile.to_str().unwrap()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_a_space_is_counted_open_or_closed() {
    let (_home, ann, _bob, space) = apart().await;
    let empty = space.stats().await.unwrap();
    for n in 0..10 {
        space.db().add(("note", map! { "n" => n })).await.unwrap();
    }
    let stats = space.stats().await.unwrap();
    assert_eq!(stats.objects, empty.objects + 10);
    assert_eq!(stats.blocks, empty.blocks + 10);
    assert!(stats.bytes.blocks > empty.bytes.blocks);
    assert!(stats.index_rows > empty.index_rows && stats.feeds >= 2);
    assert_eq!(stats.blocks, space.report().await.unwrap().blocks);
    space.close().await.unwrap();
    assert_eq!(space.stats().await.unwrap().blocks, stats.blocks);
    let report = ann.doctor(false).await.unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert!(!space.is_open().await.unwrap(), "it stays as it was");
    space.open().await.unwrap();
    let checked = space.check(true).await.unwrap();
    assert!(checked.is_whole() && !checked.repaired);
    space.db().add(("note", map! { "n" => 11 })).await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The largest table of every keyspace that has large ones, below a profile.
fn large_tables(profile: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for keyspace in fs::read_dir(profile.join("store/db/keyspaces")).unwrap() {
        let keyspace = keyspace.unwrap().path();
        // Names of keyspaces: without them nothing can be opened.
        if keyspace.ends_with("0") {
            continue;
        }
        let Ok(tables) = fs::read_dir(keyspace.join("tables")) else {
            continue;
        };
        let tables = tables.map(|table| table.unwrap().path());
        let bytes = |table: &PathBuf| fs::metadata(table).unwrap().len();
        let largest = tables.max_by_key(bytes);
        found.extend(largest.filter(|table| bytes(table) > 8192));
    }
    found.sort();
    let below = found.iter().map(|table| table.strip_prefix(profile));
    below.map(|table| table.unwrap().to_path_buf()).collect()
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Whether everything was told to be whole, what was told, and that both agree.
fn checked(dx: &Dx, arguments: &[&str]) -> (bool, Value) {
    let output = dx.output(&[arguments, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(report["whole"], output.status.success(), "{text}");
    (output.status.success(), report)
}

fn count(dx: &Dx, space: &str) -> Value {
    let found = dx.json(&["query", space, "type:note", "--count"]);
    found["count"].clone()
}

#[test]
fn a_damaged_table_is_made_anew_or_told_and_costs_nothing_that_could_be_read() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let dx = Dx::new(&whole);
    dx.json(&["identity", "create", "Ann"]);
    let mut keys = Vec::new();
    let file = home.path().join("notes.csv");
    let mut text = "n,text\n".to_owned();
    for n in 0..600 {
        use std::fmt::Write as _;
        writeln!(text, "{n},{:x}", n * 0x9e37_79b9_7f4a_7c15_u128).unwrap();
    }
    fs::write(&file, text).unwrap();
    for name in ["Garden", "Kitchen"] {
        let created = dx.json(&["space", "create", name]);
        keys.push(created["space"].as_str().unwrap().to_owned());
        let file = file.to_str().unwrap();
        dx.json(&["import", name, file, "--type", "note"]);
    }
    dx.json(&["space", "close", "Kitchen"]);
    dx.json(&["gc"]);

    let mut made_anew = std::collections::BTreeSet::new();
    let tables = large_tables(&whole);
    for (case, table) in tables.iter().enumerate() {
        let damaged = home.path().join(case.to_string());
        copy(&whole, &damaged);
        flip_a_bit(&damaged.join(table));
        let dx = Dx::new(&damaged);
        let (is_whole, before) = checked(&dx, &["doctor"]);
        assert!(!is_whole, "{}: {before}", table.display());
        let (is_whole, repaired) = checked(&dx, &["doctor", "--repair"]);
        let (is_still, after) = checked(&dx, &["doctor"]);
        assert_eq!(is_still, is_whole, "{repaired} {after}");
        let unreadable = before["derived"]["findings"].as_array().unwrap();
        if unreadable[0]["kind"] == "store" {
            // Blocks: nothing here can replace them.
            assert!(!is_whole, "{}: {repaired}", table.display());
            continue;
        }
        assert!(is_whole, "{}: {repaired}", table.display());
        made_anew.insert(unreadable[0]["kind"].as_str().unwrap().to_owned());
        assert_eq!(count(&dx, "Garden"), 600);
        dx.json(&["space", "open", "Kitchen"]);
        assert_eq!(count(&dx, "Kitchen"), 600);
        let archive = damaged.join("garden.dx");
        dx.json(&["archive", "Garden", archive.to_str().unwrap(), "--plain"]);
        dx.json(&["gc"]);

        // A space goes, whatever of it can be read.
        fs::remove_dir_all(&damaged).unwrap();
        copy(&whole, &damaged);
        flip_a_bit(&damaged.join(table));
        dx.json(&["space", "delete", &keys[0], "--yes"]);
        let (is_whole, repaired) = checked(&dx, &["doctor", "--repair"]);
        assert!(is_whole, "{repaired}");
        assert!(checked(&dx, &["doctor"]).0);
        dx.json(&["space", "open", "Kitchen"]);
        assert_eq!(count(&dx, "Kitchen"), 600);
    }
    let made_anew: Vec<_> = made_anew.iter().map(String::as_str).collect();
    assert_eq!(made_anew, ["index", "object"]);
}

/// What `dx` says of a failure.
fn failure(dx: &Dx, arguments: &[&str]) -> String {
    let output = dx.output(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    // Before that may be what the log has to say.
    told.lines().last().unwrap().to_owned()
}

#[test]
fn lost_files_of_what_is_derived_are_made_anew_and_others_stay_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let dx = Dx::new(&whole);
    dx.json(&["identity", "create", "Ann"]);
    let file = home.path().join("notes.jsonl");
    let lines = (0..300).map(|n| format!("{{\"id\":{n},\"n\":{n}}}\n"));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let file = file.to_str().unwrap();
    for name in ["Garden", "Kitchen"] {
        dx.json(&["space", "create", name]);
        dx.json(&["import", name, file, "--type", "note", "--key", "id"]);
    }
    dx.json(&["schema", "index", "Garden", "note", "n"]);
    dx.json(&["queue", "append", "Garden", "news", "\"first\""]);
    let news = dx.json(&["queue", "read", "Garden", "news"]);
    dx.json(&["space", "close", "Kitchen"]);
    dx.json(&["gc"]);

    let (mut made_anew, mut beyond) = (std::collections::BTreeSet::new(), 0);
    let keyspaces = fs::read_dir(whole.join("store/db/keyspaces")).unwrap();
    for keyspace in keyspaces {
        let keyspace = keyspace.unwrap().file_name();
        let damaged = home.path().join("damaged");
        copy(&whole, &damaged);
        let tables = damaged.join("store/db/keyspaces").join(&keyspace);
        let tables: Vec<_> = fs::read_dir(tables.join("tables")).unwrap().collect();
        for table in &tables {
            fs::remove_file(table.as_ref().unwrap().path()).unwrap();
        }
        let dx = Dx::new(&damaged);
        if tables.is_empty() {
            fs::remove_dir_all(&damaged).unwrap();
            continue;
        }
        let told = failure(&dx, &["query", "Garden", "type:note"]);
        assert!(told.contains(damaged.to_str().unwrap()), "{told}");
        assert_eq!(failure(&dx, &["doctor"]), told);
        if !told.contains("dx doctor --repair") {
            // It is the only place where that is.
            assert!(told.contains("restore it from a backup"), "{told}");
            assert_eq!(failure(&dx, &["doctor", "--repair"]), told);
            beyond += 1;
            fs::remove_dir_all(&damaged).unwrap();
            continue;
        }
        let (is_whole, repaired) = checked(&dx, &["doctor", "--repair"]);
        assert!(is_whole, "{repaired}");
        assert_eq!(repaired["derived"]["emptied"], true, "{repaired}");
        let finding = &repaired["derived"]["findings"][0];
        made_anew.insert(finding["kind"].as_str().unwrap().to_owned());
        assert_eq!(count(&dx, "Garden"), 300);
        let one = dx.json(&["query", "Garden", "type:note n:77", "--count"]);
        assert_eq!(one["count"], 1);
        let items = dx.json(&["queue", "read", "Garden", "news"]);
        assert_eq!(items["items"].as_array().map(Vec::len), Some(1), "{items}");
        assert_eq!(items["items"][0]["value"], news["items"][0]["value"]);
        dx.json(&["space", "open", "Kitchen"]);
        assert_eq!(count(&dx, "Kitchen"), 300);
        let (is_whole, after) = checked(&dx, &["doctor"]);
        assert!(is_whole && after["derived"]["emptied"] == false, "{after}");
        fs::remove_dir_all(&damaged).unwrap();
    }
    let made_anew: Vec<_> = made_anew.iter().map(String::as_str).collect();
    assert_eq!(made_anew, ["index", "object", "queue"]);
    assert!(beyond > 4, "{beyond}");
}
