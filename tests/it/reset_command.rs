//! `dx reset` and `dx completions`.

use crate::halo_commands::failure;
use crate::lost_laptop::serve;
use crate::processes::Dx;

#[test]
fn a_profile_is_deleted_when_that_is_meant_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("Profil ü");
    let dx = Dx::new(&profile);
    let none = failure(&dx, 1, &["reset", "--yes"]);
    assert!(none.contains("there is no profile"), "{none}");
    assert!(!profile.exists());
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);

    // It says what would be lost, and does it only when that is meant.
    let unasked = failure(&dx, 1, &["reset"]);
    for wanted in ["--yes", "Ann", "lost for good", "1 space with 1 objects"] {
        assert!(unasked.contains(wanted), "{wanted}: {unasked}");
    }
    let serving = serve(&dx);
    let in_use = failure(&dx, 1, &["reset", "--yes"]);
    assert!(in_use.contains("another dx"), "{in_use}");
    drop(serving);
    dx.json(&["identity", "phrase"]);
    let phrase = failure(&dx, 1, &["reset"]);
    assert!(phrase.contains("only the recovery phrase"), "{phrase}");
    assert_eq!(dx.json(&["space", "list"]).as_array().unwrap().len(), 1);

    // What is not of it stays, and is named; what a kill left goes.
    std::fs::write(profile.join("notes.txt"), "mine").unwrap();
    assert!(profile.join("control").exists());
    let deleted = dx.json(&["reset", "--yes"]);
    assert_eq!(deleted["left"], serde_json::json!(["notes.txt"]));
    let left = std::fs::read_dir(&profile).unwrap();
    assert_eq!(left.count(), 1);
    failure(&dx, 1, &["reset", "--yes"]);
    std::fs::remove_file(profile.join("notes.txt")).unwrap();

    // A new one can be made, and goes with its directory.
    dx.json(&["identity", "create", "Bö"]);
    dx.json(&["reset", "--yes"]);
    assert!(!profile.exists());
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(home.path());
    let store = home.path().join("store");
    std::fs::create_dir(&store).unwrap();
    std::fs::write(store.join("shelf"), "jam").unwrap();
    let refused = failure(&dx, 1, &["reset", "--yes"]);
    assert!(refused.contains("shelf"), "{refused}");
    assert!(store.join("shelf").exists());
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::create_dir(elsewhere.path().join("db")).unwrap();
        std::fs::remove_dir_all(&store).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &store).unwrap();
        let refused = failure(&dx, 1, &["reset", "--yes"]);
        assert!(refused.contains("by hand"), "{refused}");
        assert!(elsewhere.path().join("db").exists());
    }
}

#[test]
fn a_profile_whose_passphrase_is_forgotten_can_be_deleted() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("p");
    let dx = Dx::new(&profile);
    let mut create = dx.command(&["identity", "create", "Ann"]);
    let created = create.env("DX_PASSPHRASE", "forgotten").output().unwrap();
    assert!(created.status.success(), "{created:?}");
    let unasked = failure(&dx, 1, &["reset"]);
    assert!(unasked.contains("cannot be opened"), "{unasked}");
    assert!(profile.join("store").exists());
    dx.json(&["reset", "--yes"]);
    assert!(!profile.exists());
}

#[test]
fn a_shell_can_read_the_completions() {
    let dx = Dx::new(&std::env::temp_dir().join("no-such-profile"));
    let script = dx.output(&["completions", "bash"]);
    assert!(script.status.success());
    let script = String::from_utf8(script.stdout).unwrap();
    assert!(script.contains("undelete"));
    if let Ok(mut bash) = std::process::Command::new("bash")
        .arg("-n")
        .stdin(std::process::Stdio::piped())
        .spawn()
    {
        use std::io::Write as _;
        bash.stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(bash.wait().unwrap().success());
    }
}
