//! How fast a store of many small rows opens after a clean close and after `kill -9`,
//! and how fast it writes.
//!
//! ```text
//! cargo run --release -p dxos-store-fjall --example reopen [rows, such as 1000000] [journal MiB]
//! ```
#![expect(clippy::print_stdout, reason = "it reports to a person")]

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use dxos_store::{Batch, Durability, Keyspace, Read, Store, StoreError};
use dxos_store_fjall::{FjallOptions, FjallStore};

const ROWS: Keyspace = Keyspace::new("rows");
const HEADS: Keyspace = Keyspace::new("heads");
const BATCH_ROWS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(50_000), |rows| rows.parse())?;
    let journal: u64 = arguments.next().map_or(Ok(4), |mib| mib.parse())?;
    let options = FjallOptions {
        journal_bytes: journal << 20,
        ..FjallOptions::default()
    };
    if let Some(path) = arguments.next() {
        let store = FjallStore::open(path, options)?;
        write(&store, rows)?;
        println!("written");
        loop {
            thread::park();
        }
    }
    let home = tempfile::tempdir()?;

    let path = home.path().join("closed");
    let store = FjallStore::open(&path, options.clone())?;
    let (took, slowest) = write(&store, rows)?;
    println!(
        "{rows} rows written in {took:.2?} ({BATCH_ROWS} in a batch, buffered; slowest batch \
         {slowest:.2?}), {} MiB on disk, resident {}",
        store.disk_bytes() >> 20,
        resident(),
    );
    let start = Instant::now();
    store.close()?;
    println!("closed in {:.2?}", start.elapsed());
    reopen("after a clean close", &path, rows, &options)?;

    for cut in [0, rows / 300] {
        let path = home.path().join(format!("killed {cut}"));
        let mut child = Command::new(env::current_exe()?)
            .args([
                (rows - cut * BATCH_ROWS / 100).to_string(),
                journal.to_string(),
            ])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        child.kill()?;
        child.wait()?;
        let bytes = fs::metadata(path.join("db").join("0.jnl"))?.len();
        let name = format!("after kill -9 with a journal of {} KiB", bytes >> 10);
        reopen(&name, &path, rows - cut * BATCH_ROWS / 100, &options)?;
    }

    let store = FjallStore::open(home.path().join("synced"), options)?;
    for threads in [1_u64, 8, 64] {
        let commits = 2_000 / threads.min(10);
        let start = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        (0..commits).try_for_each(|n| {
                            let mut batch = Batch::new();
                            batch.put(ROWS, key(thread << 32 | n), vec![1; 100]);
                            store.commit(batch, Durability::Synced)
                        })
                    })
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })?;
        let each = start.elapsed();
        println!(
            "{threads} threads: {} synced commits/s",
            u128::from(threads * commits) * 1_000_000 / each.as_micros().max(1)
        );
    }
    Ok(())
}

fn key(n: u64) -> Vec<u8> {
    // Spread as hashes are.
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .to_be_bytes()
        .repeat(2)
}

/// Gives the time of all and of the slowest batch.
fn write(store: &FjallStore, rows: u64) -> Result<(Duration, Duration), StoreError> {
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    for first in (0..rows).step_by(100) {
        let mut batch = Batch::new();
        for n in first..rows.min(first + BATCH_ROWS) {
            batch.put(ROWS, key(n), n.to_be_bytes().repeat(12));
        }
        batch.put(HEADS, "head", first.to_be_bytes().to_vec());
        let begun = Instant::now();
        store.commit(batch, Durability::Buffered)?;
        slowest = slowest.max(begun.elapsed());
    }
    Ok((start.elapsed(), slowest))
}

fn reopen(
    name: &str,
    path: &Path,
    rows: u64,
    options: &FjallOptions,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let store = FjallStore::open(path, options.clone())?;
    let opened = start.elapsed();
    for n in (0..rows).step_by(9_973).chain([rows - 1]) {
        if store.get(ROWS, &key(n))?.is_none() {
            return Err(format!("row {n} is missing").into());
        }
    }
    println!("{name}: opened in {opened:.2?}, resident {}", resident());
    Ok(())
}

/// Memory of this process, where the system tells.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").trim().to_owned()
}
