//! A write that fails in the middle, while others sync: what was acknowledged is there when the
//! store is opened again, and it can be opened.
#![cfg(unix)]

use std::{
    env,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use dxos_store::{Batch, Durability, Keyspace, Read, Store};
use dxos_store_fjall::{FjallOptions, FjallStore};

const ROWS: Keyspace = Keyspace::new("rows");
const HOME: &str = "DXOS_STORE_SHORT_HOME";
/// Syncs that one round makes at most, should no write fail.
const SYNCS_MAX: u32 = 100_000;

/// Not a test of its own: what the other one runs as a process, whose files may not become long.
#[test]
fn child() {
    let Some(home) = env::var_os(HOME).map(PathBuf::from) else {
        return;
    };
    let store = FjallStore::open(&home, FjallOptions::default()).unwrap();
    let has_failed = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            let syncs = (0..SYNCS_MAX).take_while(|_| !has_failed.load(Ordering::Relaxed));
            // Fails when the write has.
            syncs.for_each(|_| drop(store.commit(Batch::new(), Durability::Synced)));
        });
        let mut out = std::io::stdout().lock();
        for n in 0_u32.. {
            let mut batch = Batch::new();
            batch.put(ROWS, n.to_be_bytes().to_vec(), vec![1; 1_500]);
            if store.commit(batch, Durability::Buffered).is_err() {
                break;
            }
            writeln!(out, "acknowledged {n}").unwrap();
        }
        has_failed.store(true, Ordering::Relaxed);
    });
    // As after `kill -9`: nothing is closed.
    std::process::exit(0);
}

#[test]
fn a_write_that_failed_in_part_is_not_taken_for_synced() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..24 {
        let path = home.path().join(round.to_string());
        // Made where files may become long.
        FjallStore::open(&path, FjallOptions::default())
            .unwrap()
            .close()
            .unwrap();
        // Without the trap the first such write would end the process.
        let limited = "trap '' XFSZ; ulimit -f 128 && exec \"$@\"";
        let child = Command::new("sh")
            .args(["-c", limited, "sh"])
            .arg(env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(HOME, &path)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let said = String::from_utf8(child.stdout).unwrap();
        let acknowledged = said
            .lines()
            .filter_map(|line| line.split_once("acknowledged "));
        let acknowledged: Vec<u32> = acknowledged
            .map(|(_, number)| number.trim().parse().unwrap())
            .collect();
        assert!(
            (1..500).contains(&acknowledged.len()),
            "files are not held short: {said}"
        );
        let store = FjallStore::open(&path, FjallOptions::default()).unwrap();
        for number in acknowledged {
            let row = store.get(ROWS, &number.to_be_bytes()).unwrap();
            assert_eq!(row.map(|row| row.len()), Some(1_500), "row {number}");
        }
    }
}
