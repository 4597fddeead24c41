//! What has to hold after a round.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{draw::Draw, dx::DEADLINE, dx::Dx};

/// How often it is looked whether peers show the same.
const LOOK: Duration = Duration::from_millis(100);

/// An object that a round imported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) round: u64,
    pub(super) n: u64,
    pub(super) id: String,
}

fn entry(object: &Value) -> Option<Entry> {
    let property = |name| object["properties"][name].as_u64();
    Some(Entry {
        round: property("round")?,
        n: property("n")?,
        id: object["id"].as_str()?.to_owned(),
    })
}

/// Every object of a space, found without any index.
pub(super) fn scan(dx: &Dx, space: &str) -> Result<BTreeSet<Entry>> {
    let objects = dx.lines(&["export", space])?;
    let entries: Vec<_> = objects.iter().filter_map(entry).collect();
    let count = entries.len();
    let found: BTreeSet<_> = entries.into_iter().collect();
    ensure!(found.len() == count, "an object is there twice");
    let places: BTreeSet<_> = found.iter().map(|entry| (entry.round, entry.n)).collect();
    ensure!(
        places.len() == count,
        "a record became two objects: {count} of {}",
        places.len()
    );
    Ok(found)
}

fn count(dx: &Dx, query: &[&str]) -> Result<u64> {
    let counted = dx.json(&[&["query"], query, &["--count"]].concat())?;
    let number = counted.as_u64().or_else(|| counted["count"].as_u64());
    number.with_context(|| format!("no count: {counted}"))
}

/// Queries give what a scan gives. Returns what the scan found.
pub(super) fn queries(dx: &Dx, space: &str, draw: &mut Draw) -> Result<BTreeSet<Entry>> {
    let all = scan(dx, space)?;
    let counted = count(dx, &[space, "type:entry"])?;
    ensure!(
        counted == all.len() as u64,
        "{counted} by the index of types, {} by a scan",
        all.len()
    );
    let Some(most) = all.iter().map(|entry| entry.n).max() else {
        return Ok(all);
    };
    for _ in 0..3 {
        let from = draw.below(most + 1);
        let until = from + draw.below(most + 1 - from).min(5_000) + 1;
        let (from_text, until_text) = (format!("n>={from}"), format!("n<{until}"));
        let query = [space, "type:entry", &from_text, &until_text];
        let counted = count(dx, &query)?;
        let wanted = all.iter().filter(|entry| (from..until).contains(&entry.n));
        let wanted = wanted.count() as u64;
        ensure!(
            counted == wanted,
            "{counted} with {from_text} {until_text}, {wanted} by a scan"
        );
    }
    let last = dx.json(&["query", space, "type:entry", "order:-n", "limit:20"])?;
    let last: Vec<_> = last.as_array().into_iter().flatten().collect();
    let last: Vec<_> = last.into_iter().filter_map(entry).map(|e| e.n).collect();
    let mut wanted: Vec<_> = all.iter().map(|entry| entry.n).collect();
    wanted.sort_unstable_by(|one, two| two.cmp(one));
    wanted.truncate(20);
    ensure!(
        last == wanted,
        "the last are {last:?}, by a scan {wanted:?}"
    );
    Ok(all)
}

/// Two peers have the same objects and show the same.
pub(super) fn converged(one: &Dx, two: &Dx, space: &str) -> Result<()> {
    let local = one.spawn(&["serve"])?;
    local.line_where(|line| line["event"] == "ready")?;
    let remote = two.spawn(&["serve"])?;
    remote.line_where(|line| line["event"] == "ready")?;
    let both = || -> Result<(Value, Value)> {
        let show = ["space", "show", space];
        Ok((one.json(&show)?, two.json(&show)?))
    };
    let is_same = |(ours, theirs): &(Value, Value)| {
        ours["state_hash"] == theirs["state_hash"] && theirs["missing_blocks"] == 0
    };
    let until = Instant::now() + DEADLINE;
    while !is_same(&both()?) && Instant::now() < until {
        thread::sleep(LOOK);
    }
    drop((local, remote));
    // What is on their disks.
    let found = both()?;
    let (ours, theirs) = &found;
    ensure!(is_same(&found), "the peers differ: {ours} and {theirs}");
    let forks = ours["forks"].as_array().map_or(0, Vec::len);
    ensure!(forks == 0, "a device forked: {ours}");
    Ok(())
}
