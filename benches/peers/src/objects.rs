//! Objects: created, updated, saved, read, and edited apart.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::figures::Figures;

/// Objects of a library, on one replica.
pub trait Objects: Sized {
    /// No objects yet.
    fn new(agent: u8) -> Result<Self>;

    /// One transaction that creates objects with these numbers.
    fn create(&mut self, numbers: Range<usize>) -> Result<()>;

    /// One transaction that assigns `done` of these objects.
    fn finish(&mut self, numbers: Range<usize>) -> Result<()>;

    /// One transaction that assigns the title of one object.
    fn rename(&mut self, number: usize, title: &str) -> Result<()>;

    /// What is written to a file.
    fn save(&mut self) -> Result<Vec<u8>>;

    /// Reads that file.
    fn load(bytes: &[u8], agent: u8) -> Result<Self>;

    /// Reads every property of every object.
    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()>;

    /// Exchanges what each of two replicas lacks; returns how many bytes that took.
    fn sync(&mut self, other: &mut Self) -> Result<usize>;
}

/// An object as it was read.
pub struct Item<'a> {
    /// `title`
    pub title: &'a str,
    /// `done`
    pub done: bool,
    /// The length of `tags`
    pub tags: usize,
}

/// The id of an object.
pub fn id(number: usize) -> String {
    format!("object-{number:08}")
}

/// The title of a new object.
pub fn title(number: usize) -> String {
    format!("Object number {number} of many")
}

/// Its tags.
pub fn tags(number: usize) -> [String; 2] {
    [
        format!("tag-{}", number % 100),
        format!("tag-{}", number % 7),
    ]
}

/// How many objects a transaction has.
#[derive(Clone, Copy, Debug)]
enum Batch {
    One,
    Thousand,
    All,
}

const BATCHES: [Batch; 3] = [Batch::One, Batch::Thousand, Batch::All];

impl Batch {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "one each",
            Self::Thousand => "1,000 each",
            Self::All => "one transaction",
        }
    }

    fn of(self, size: usize) -> impl Iterator<Item = Range<usize>> {
        let step = match self {
            Self::One => 1,
            Self::Thousand => 1000,
            Self::All => size,
        };
        (0..size)
            .step_by(step)
            .map(move |from| from..size.min(from + step))
    }
}

/// What reading all objects found: titles, bytes of titles, how many are done, tags.
fn read<T: Objects>(objects: &T) -> Result<[usize; 4]> {
    let mut found = [0; 4];
    objects.read(&mut |item| {
        found[0] += 1;
        found[1] += item.title.len();
        found[2] += usize::from(item.done);
        found[3] += item.tags;
    })?;
    Ok(found)
}

/// Everything on one replica.
pub fn single<T: Objects>(size: usize) -> Result<Figures> {
    let mut figures = Figures::new();
    let titles = (0..size).map(|number| title(number).len()).sum();
    let expected = [size, titles, size, 2 * size];
    for what in ["create/s", "update/s"] {
        figures.best_rate(what, 0, Duration::ZERO);
    }
    let mut kept = None;
    for batch in BATCHES {
        drop(kept.take());
        let mut objects = T::new(1)?;
        let begin = Instant::now();
        for numbers in batch.of(size) {
            objects.create(numbers)?;
        }
        let create = begin.elapsed();
        let begin = Instant::now();
        for numbers in batch.of(size) {
            objects.finish(numbers)?;
        }
        let update = begin.elapsed();
        for (what, took) in [("create", create), ("update", update)] {
            figures.rate(&format!("{what}/s, {}", batch.name()), size, took);
            figures.best_rate(&format!("{what}/s"), size, took);
        }
        ensure!(
            read(&objects)? == expected,
            "the objects are not what was written"
        );
        kept = Some(objects);
    }
    let saved = kept.take().map(|mut objects| objects.save()).transpose()?;
    let saved = saved.unwrap_or_default();
    figures.count("saved bytes", saved.len());
    let begin = Instant::now();
    let loaded = T::load(&saved, 2)?;
    figures.millis("load ms", begin.elapsed());
    let begin = Instant::now();
    let found = read(&loaded)?;
    figures.millis("read all ms", begin.elapsed());
    ensure!(found == expected, "loading gave other objects");
    Ok(figures)
}

/// The objects that two replicas share before they are edited apart.
const SHARED: usize = 1000;

/// Two replicas that each made `edits` edits, one a transaction, without the other.
pub fn apart<T: Objects>(edits: usize) -> Result<Figures> {
    let mut first = T::new(0)?;
    first.create(0..SHARED)?;
    let saved = first.save()?;
    let mut replicas = [T::load(&saved, 1)?, T::load(&saved, 2)?];
    for (side, replica) in replicas.iter_mut().enumerate() {
        for edit in 0..edits {
            // Another order on each side: some objects meet, at different times.
            let number = edit * [7, 11][side] % SHARED;
            replica.rename(number, &format!("edit {edit} of side {side}"))?;
        }
    }
    let [left, right] = &mut replicas;
    let begin = Instant::now();
    let bytes = left.sync(right)?;
    let took = begin.elapsed();
    let contents = |replica: &T| -> Result<Vec<String>> {
        let mut titles = Vec::new();
        replica.read(&mut |item| titles.push(item.title.to_owned()))?;
        titles.sort();
        Ok(titles)
    };
    let (left, right) = (contents(left)?, contents(right)?);
    ensure!(left.len() == SHARED && left == right, "the replicas differ");
    let mut figures = Figures::new();
    figures.count("sent bytes", bytes);
    figures.millis("sync ms", took);
    Ok(figures)
}
