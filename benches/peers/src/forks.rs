//! What a fork does: one device makes two different changes with one sequence number and sends
//! each to a different peer; then honest people go on editing, and all exchange everything.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

/// Strings by key, on one replica of a library.
pub trait Keys: Sized {
    /// Nothing yet.
    fn new(agent: u8) -> Result<Self>;

    /// One transaction that assigns a key.
    fn set(&mut self, key: &str, value: &str) -> Result<()>;

    /// All keys with what shows.
    fn contents(&self) -> Result<BTreeMap<String, String>>;

    /// A copy that goes on as the same device: what a restored or copied file is.
    fn copy(&mut self) -> Result<Self>;

    /// Exchanges with another replica what each lacks.
    fn sync(&mut self, other: &mut Self) -> Result<()>;
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the three honest replicas hold the same.
    pub equal: bool,
    /// Errors and panics that they met, each once.
    pub errors: Vec<String>,
    /// Of [`HONEST`] honest edits on each of three replicas, how many are there.
    pub honest_edits: usize,
    /// How the application is told of the fork.
    pub reported: String,
    /// What shows of the forked change, on each of the three.
    pub forked: Vec<String>,
}

/// Honest edits: two of each of three people.
pub const HONEST: usize = 6;
/// How often everybody meets everybody: often enough for anything to arrive.
const ROUNDS: usize = 4;

/// The experiment on a library that knows nothing of signatures.
pub fn run<T: Keys>() -> Result<Outcome> {
    let mut honest = [T::new(1)?, T::new(2)?, T::new(3)?];
    let mut forker = T::new(9)?;
    forker.set("before", "fork")?;
    for replica in &mut honest {
        replica.sync(&mut forker)?;
    }
    let mut copy = forker.copy()?;
    forker.set("forked", "left")?;
    copy.set("forked", "right")?;
    ensure!(forker.contents()? != copy.contents()?, "there is no fork");
    let mut errors = Vec::new();
    meet(&mut honest[0], &mut forker, &mut errors);
    meet(&mut honest[1], &mut copy, &mut errors);
    for time in ["first", "second"] {
        for (replica, name) in honest.iter_mut().zip(["ann", "ben", "cleo"]) {
            let edit = guarded(|| replica.set(&format!("{name}, {time}"), "honest"));
            note(edit, &mut errors);
        }
        for _ in 0..ROUNDS {
            for (one, other) in [(0, 1), (1, 2), (0, 2)] {
                let (left, right) = honest.split_at_mut(other);
                meet(&mut left[one], &mut right[0], &mut errors);
            }
        }
    }
    let contents = honest.iter().map(T::contents).collect::<Result<Vec<_>>>()?;
    let reported = if errors.is_empty() {
        "no"
    } else {
        "only by these errors"
    };
    Ok(outcome(&contents, errors, reported.to_owned()))
}

/// Judges what the three hold at the end.
pub fn outcome(
    contents: &[BTreeMap<String, String>],
    errors: Vec<String>,
    reported: String,
) -> Outcome {
    let honest = |held: &BTreeMap<String, String>| held.values().filter(|v| *v == "honest").count();
    Outcome {
        equal: contents.windows(2).all(|pair| pair[0] == pair[1]),
        errors,
        honest_edits: contents.iter().map(honest).sum(),
        reported,
        forked: contents
            .iter()
            .map(|held| {
                held.get("forked")
                    .cloned()
                    .unwrap_or_else(|| "–".to_owned())
            })
            .collect(),
    }
}

/// What one says does not keep the other from saying its part.
fn meet<T: Keys>(one: &mut T, other: &mut T, errors: &mut Vec<String>) {
    note(guarded(|| one.sync(other)), errors);
}

fn note(result: Result<()>, errors: &mut Vec<String>) {
    if let Err(error) = result {
        let text = format!("{error:#}");
        if !errors.contains(&text) {
            errors.push(text);
        }
    }
}

/// A panic is an error too.
fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("of unknown cause");
        Err(anyhow!("panic: {text}"))
    })
}
