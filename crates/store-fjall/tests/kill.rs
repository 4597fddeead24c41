//! `kill -9` at any moment: what was acknowledged is there, and nothing is there in part.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store};
use dxos_store_fjall::{FjallOptions, FjallStore};

const ROWS: Keyspace = Keyspace::new("rows");
const LAST: Keyspace = Keyspace::new("last");
const HOME: &str = "DXOS_STORE_KILL_HOME";

/// A small journal, so that the kill often comes in the middle of writing out memory.
fn open(path: &Path) -> FjallStore {
    let options = FjallOptions {
        journal_bytes: 1 << 20,
        ..FjallOptions::default()
    };
    FjallStore::open(path, options).unwrap()
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

/// Batch `n`: row `n`, the number in another keyspace, and row `n - 50` is deleted.
fn batch(n: u64) -> Batch {
    let mut batch = Batch::new();
    let length = usize::try_from(n * 7_919 % 6_000).unwrap();
    batch.put(
        ROWS,
        n.to_be_bytes().to_vec(),
        vec![n.to_le_bytes()[0]; length],
    );
    batch.put(LAST, "last", n.to_be_bytes().to_vec());
    if let Some(old) = n.checked_sub(50) {
        batch.delete(ROWS, old.to_be_bytes().to_vec());
    }
    batch
}

/// The next batch to write, once all of what is there was checked.
fn check(store: &FjallStore, acknowledged: Option<u64>) -> u64 {
    let last = store.get(LAST, b"last").unwrap().map(|last| number(&last));
    assert!(
        last >= acknowledged,
        "{last:?} is there, {acknowledged:?} was acknowledged"
    );
    let next = last.map_or(0, |last| last + 1);
    let rows: Vec<_> = store
        .scan(ROWS, KeyRange::all(), Direction::Forward)
        .map(|row| row.unwrap())
        .collect();
    let expected: Vec<u64> = (next.saturating_sub(50)..next).collect();
    assert_eq!(
        rows.iter().map(|row| number(&row.0)).collect::<Vec<_>>(),
        expected
    );
    for (key, value) in rows {
        let written = batch(number(&key)).iter().next().unwrap().value.clone();
        assert_eq!(Some(value), written);
    }
    next
}

/// Not a test of its own: what the other one runs as a process, to kill it.
#[test]
fn child() {
    let Some(home) = env::var_os(HOME).map(PathBuf::from) else {
        return;
    };
    let store = open(&home);
    let mut out = std::io::stdout().lock();
    for n in check(&store, None).. {
        let durability = if n % 16 == 0 {
            Durability::Synced
        } else {
            Durability::Buffered
        };
        store.commit(batch(n), durability).unwrap();
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut acknowledged = None;
    for round in 0_u64..12 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(HOME, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // After so many batches of this round, which differ in length and durability, the
        // process is killed while it goes on writing.
        let target = acknowledged.unwrap_or(0) + 1 + (round * 397) % 1_100;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reached = |line: &str| {
            line.split_once("acknowledged ")?
                .1
                .trim()
                .parse::<u64>()
                .ok()
        };
        for line in lines.by_ref() {
            if reached(&line.unwrap()).is_some_and(|n| n >= target) {
                break;
            }
        }
        let reader = thread::spawn(move || {
            // A last line that was cut off in its middle acknowledges nothing.
            lines
                .map_while(Result::ok)
                .filter_map(|line| reached(&line))
                .last()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = reader.join().unwrap().or(Some(target)).max(acknowledged);
        check(&open(&path), acknowledged);
    }
    assert!(acknowledged > Some(5_000), "{acknowledged:?}");
}
