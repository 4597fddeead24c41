//! All libraries, in turn, several times.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::child::{Program, ask};
use crate::figures::Figures;
use crate::forks::Outcome;
use crate::library::Library;
use crate::report::{Compared, Forks, Report};
use crate::trace::Trace;
use crate::work::Work;

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Run only this kind of work; can be given several times
    #[arg(long, value_enum)]
    only: Vec<Kind>,
    /// Only show what a fork does
    #[arg(long, conflicts_with = "only")]
    forks: bool,
    /// Measure only this library; can be given several times
    #[arg(long, value_enum)]
    library: Vec<Library>,
    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    runs: u8,
    /// How many objects
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    size: u32,
    /// One run, 10,000 objects and the shortest recordings: to see that it works
    #[arg(long, conflicts_with_all = ["runs", "size"])]
    quick: bool,
    /// Where the recordings lie [default: benches/data/editing-traces]
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Recordings of people typing
    Text,
    /// Objects on one replica
    Objects,
    /// Two replicas that were edited apart
    Apart,
    /// What a fork does
    Forks,
}

/// Edits on each side of two replicas.
const APART: [usize; 2] = [1000, 10_000];
/// Recordings that are left out when it is to be quick.
const LONG: usize = 50_000;

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        if self.forks {
            kind == Kind::Forks
        } else {
            self.only.is_empty() || self.only.contains(&kind)
        }
    }

    fn libraries(&self) -> Vec<Library> {
        if self.library.is_empty() {
            Library::value_variants().to_vec()
        } else {
            self.library.clone()
        }
    }

    /// The works, with how each is called.
    fn works(&self) -> Result<Vec<(String, Work)>> {
        let mut works = Vec::new();
        if self.wants(Kind::Text) {
            for path in traces(self.traces.as_deref())? {
                let trace = Trace::read(&path)?;
                let edits = trace.edits().count();
                if self.quick && edits > LONG {
                    continue;
                }
                let how = if trace.concurrent() {
                    "two people"
                } else {
                    "one person"
                };
                let name = format!("text: {}, {edits} edits by {how}", trace.name);
                works.push((name, Work::Text { trace: path }));
            }
        }
        if self.wants(Kind::Objects) {
            let size = if self.quick {
                10_000
            } else {
                self.size as usize
            };
            works.push((format!("objects: {size}"), Work::Objects { size }));
        }
        if self.wants(Kind::Apart) {
            for edits in APART
                .into_iter()
                .take(if self.quick { 1 } else { APART.len() })
            {
                let name = format!("two replicas, {edits} edits apart on each side");
                works.push((name, Work::Apart { edits }));
            }
        }
        Ok(works)
    }
}

fn traces(directory: Option<&Path>) -> Result<Vec<PathBuf>> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/editing-traces");
    let directory = directory.unwrap_or(&default);
    let told = || format!("cannot list the recordings in {}", directory.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(told)? {
        let path = entry.with_context(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".json") || name.ends_with(".json.gz") {
            found.push(path);
        }
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        "there are no recordings in {}",
        directory.display()
    );
    Ok(found)
}

/// Measures, and prints.
pub fn run(options: &Options) -> Result<()> {
    let libraries = options.libraries();
    let runs = if options.quick { 1 } else { options.runs };
    let mut report = Report::new(runs, &libraries);
    for (name, work) in options.works()? {
        let mut compared = Compared::new(name);
        for run in 1..=runs {
            for &library in libraries.iter().filter(|library| work.suits(**library)) {
                progress(&format!(
                    "{} ({run}/{runs}): {}",
                    compared.work,
                    library.name()
                ));
                let mut measured = ask::<Figures>(Program::Timing, library, &work);
                // What is counted is the same every time.
                if run == 1 && work.counts_heap(library) {
                    let held = ask::<Figures>(Program::Heap, library, &work);
                    measured = measured.and_then(|mut figures| {
                        figures.0.extend(held?.0);
                        Ok(figures)
                    });
                }
                compared.note(library, measured);
            }
        }
        report.works.push(compared.finish());
    }
    if options.wants(Kind::Forks) {
        let work = Work::Forks;
        for &library in libraries.iter().filter(|library| work.suits(**library)) {
            progress(&format!("a fork: {}", library.name()));
            let outcome = ask::<Outcome>(Program::Timing, library, &work);
            report.forks.push(Forks::new(library, outcome));
        }
    }
    report.print(options.json)
}

fn progress(text: &str) {
    eprintln!("{text}");
}
