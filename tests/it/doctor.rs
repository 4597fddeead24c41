//! `dx doctor`, `dx gc` and what is said of what is stored.

use dxos_client::map;

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
    std::fs::write(&file, text).unwrap();
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
        for entry in std::fs::read_dir(directory).unwrap() {
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
        let bytes = std::fs::read(&file).unwrap();
        let damaged: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5a).collect();
        std::fs::write(&file, damaged).unwrap();
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
