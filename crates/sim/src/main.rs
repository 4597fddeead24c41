//! The program `sim`: runs worlds and tells how they went.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Parser;
use dxos_keys::{HashDomain, Hasher};
use dxos_sim::{Counts, Options, Report, Violation, run};
use serde_json::{Value as Json, json};

/// How long, in real time, a world may take before it counts as hanging.
const WALL_MAX: Duration = Duration::from_secs(300);
/// The seeds of a run without arguments.
const SEEDS: u64 = 20;
/// Bytes of stack for one world.
const STACK_BYTES: usize = 16 << 20;

/// Run simulated worlds and check that their replicas converge.
///
/// A world is several whole clients in one thread under virtual time, with a network and disks
/// that fail. The same seed on the same commit gives the same world and the same hash, always.
#[derive(Debug, Parser)]
#[command(
    name = "sim",
    version,
    after_help = "\
Examples:
  sim --seeds 200              the worlds 1 to 200
  sim --seed 7                 the world 7, twice: both runs must be the same
  sim --seed 7 --peers 5       the same seed with more peers
  sim --seed 7 --timeline FILE what happens in it when, to open in the console"
)]
struct Arguments {
    /// Run N worlds, with the seeds from --seed on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: Option<u64>,
    /// The first seed; alone, run this one world
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Peers in a world
    #[arg(long, value_name = "P", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=64))]
    peers: u64,
    /// Steps that a world takes before it must come to rest
    #[arg(long, value_name = "N", default_value_t = 100)]
    steps: u64,
    /// Run every world twice and compare (always so for a single one)
    #[arg(long)]
    twice: bool,
    /// How many worlds run at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write what happens in the one world when, for the console to show
    #[arg(long, value_name = "FILE", requires = "seed", conflicts_with = "seeds")]
    timeline: Option<PathBuf>,
}

/// One world, and how long it took.
struct Outcome {
    report: Report,
    wall: Duration,
}

enum News {
    Began(u64),
    Ended(Box<Outcome>),
}

fn main() -> ExitCode {
    match simulate(&Arguments::parse()) {
        Ok(code) => code,
        // Whoever read the output has gone, and hears no more of it.
        Err(error) => {
            drop(writeln!(io::stderr(), "sim: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> io::Result<ExitCode> {
    let first = arguments.seed.unwrap_or(1);
    let single = arguments.seed.is_some() && arguments.seeds.is_none();
    let number = if single {
        1
    } else {
        arguments.seeds.unwrap_or(SEEDS)
    };
    let twice = arguments.twice || single;
    let options = Options {
        peers: usize::try_from(arguments.peers).unwrap_or(3),
        steps: arguments.steps,
        ..Options::default()
    };
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let (news, inbox) = mpsc::channel();
    let mut summary = Summary::new(arguments, single);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.min(number) {
            let (news, next, options) = (news.clone(), &next, &options);
            let work = move || {
                loop {
                    let offset = next.fetch_add(1, Ordering::Relaxed);
                    if offset >= number {
                        return;
                    }
                    let seed = first.wrapping_add(offset);
                    let outcome = || {
                        news.send(News::Began(seed)).ok()?;
                        let outcome = Box::new(world(seed, options, twice));
                        news.send(News::Ended(outcome)).ok()
                    };
                    if outcome().is_none() {
                        return;
                    }
                }
            };
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)?;
        }
        drop(news);
        summary.collect(&inbox, first)
    })?;
    summary.finish(began.elapsed())
}

/// Runs one world.
fn world(seed: u64, options: &Options, twice: bool) -> Outcome {
    let began = Instant::now();
    let mut report = run(seed, options);
    let wall = began.elapsed();
    if twice {
        let second = run(seed, options);
        if second != report {
            report.violation = Some(Violation::NotReplayed {
                first: outline(&report),
                second: outline(&second),
            });
        }
    }
    Outcome { report, wall }
}

/// How a run went, in a few words.
fn outline(report: &Report) -> String {
    match &report.violation {
        Some(violation) => format!("{} ({violation})", report.hash),
        None => report.hash.clone(),
    }
}

/// What is told, in the order of the seeds.
struct Summary<'a> {
    arguments: &'a Arguments,
    single: bool,
    counts: Counts,
    trace: Hasher,
    worlds: u64,
    failed: u64,
    virtual_time: Duration,
    converged_max: Duration,
    wall: Duration,
    documents: Vec<Json>,
}

impl<'a> Summary<'a> {
    fn new(arguments: &'a Arguments, single: bool) -> Self {
        Self {
            arguments,
            single,
            counts: Counts::default(),
            trace: Hasher::new(HashDomain::Trace),
            worlds: 0,
            failed: 0,
            virtual_time: Duration::ZERO,
            converged_max: Duration::ZERO,
            wall: Duration::ZERO,
            documents: Vec::new(),
        }
    }

    /// Takes what the threads tell, until they have ended.
    fn collect(&mut self, inbox: &mpsc::Receiver<News>, first: u64) -> io::Result<()> {
        let mut waiting = BTreeMap::new();
        let mut running = BTreeMap::new();
        let mut next = first;
        loop {
            match inbox.recv_timeout(Duration::from_secs(1)) {
                Ok(News::Began(seed)) => {
                    running.insert(seed, Instant::now());
                }
                Ok(News::Ended(outcome)) => {
                    running.remove(&outcome.report.seed);
                    waiting.insert(outcome.report.seed, outcome);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Some(outcome) = waiting.remove(&next) {
                self.take(&outcome)?;
                next = next.wrapping_add(1);
            }
            let late = |(_, began): &(&u64, &Instant)| began.elapsed() > WALL_MAX;
            if let Some((seed, _)) = running.iter().find(late) {
                let mut out = io::stderr().lock();
                writeln!(
                    out,
                    "seed {seed} hangs: virtual time stands still or the world is too large for {} s",
                    WALL_MAX.as_secs()
                )?;
                writeln!(out, "  replay: {}", self.replay(*seed))?;
                // Its thread cannot be ended otherwise.
                std::process::exit(1);
            }
        }
    }

    fn replay(&self, seed: u64) -> String {
        let Arguments { peers, steps, .. } = self.arguments;
        format!("cargo xtask sim --seed {seed} --peers {peers} --steps {steps}")
    }

    fn take(&mut self, outcome: &Outcome) -> io::Result<()> {
        let Outcome { report, wall } = outcome;
        if let Some(file) = &self.arguments.timeline {
            write_timeline(report, file)?;
        }
        self.worlds += 1;
        self.failed += u64::from(report.violation.is_some());
        self.counts.add(&report.counts);
        self.trace.part(report.hash.as_bytes());
        self.virtual_time += report.virtual_time;
        self.converged_max = self.converged_max.max(report.converged_after);
        self.wall += *wall;
        if self.arguments.json {
            self.documents.push(json!({
                "seed": report.seed,
                "hash": report.hash,
                "counts": report.counts,
                "virtual_ms": millis(report.virtual_time),
                "converged_after_ms": millis(report.converged_after),
                "wall_ms": millis(*wall),
                "violation": report.violation.as_ref().map(ToString::to_string),
                "replay": self.replay(report.seed),
            }));
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if let Some(violation) = &report.violation {
            writeln!(out, "seed {} FAILED: {violation}", report.seed)?;
            writeln!(out, "  replay: {}", self.replay(report.seed))?;
        } else {
            writeln!(
                out,
                "seed {:>6}  {}  {:>4} commits  {:>2} crashes  {:>7.1} s virtual  one state after {:>5.1} s  {:>5} ms",
                report.seed,
                report.hash,
                report.counts.commits,
                report.counts.kills + report.counts.power_losses,
                report.virtual_time.as_secs_f64(),
                report.converged_after.as_secs_f64(),
                wall.as_millis(),
            )?;
        }
        Ok(())
    }

    fn finish(self, wall: Duration) -> io::Result<ExitCode> {
        let hash: String = (self.trace.finish().iter().take(16))
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // A few short worlds may well miss some.
        let enough = self.worlds >= 20 && self.arguments.steps >= 50 && self.arguments.peers >= 2;
        let missing = if enough {
            self.counts.missing_faults()
        } else {
            Vec::new()
        };
        let ok = self.failed == 0 && missing.is_empty();
        let ratio = self.virtual_time.as_secs_f64() / wall.as_secs_f64().max(0.001);
        let mut out = io::stdout().lock();
        if self.arguments.json {
            let document = json!({
                "ok": ok,
                "hash": hash,
                "peers": self.arguments.peers,
                "steps": self.arguments.steps,
                "counts": self.counts,
                "faults_missing": missing,
                "virtual_ms": millis(self.virtual_time),
                "wall_ms": millis(wall),
                "ratio": ratio,
                "worlds": self.documents,
            });
            writeln!(out, "{document:#}")?;
        } else {
            writeln!(out)?;
            for (name, count) in self.counts.list() {
                writeln!(out, "  {:<24}{count:>12}", name.replace('_', " "))?;
            }
            if !missing.is_empty() {
                let names = missing.join(", ").replace('_', " ");
                writeln!(
                    out,
                    "\nFAILED: these never happened, so nothing was proven of them: {names}"
                )?;
            }
            writeln!(
                out,
                "\n{} of {} worlds held; {:.0} s of virtual time in {:.1} s, {ratio:.0} times as fast; longest way to one state {:.1} s",
                self.worlds - self.failed,
                self.worlds,
                self.virtual_time.as_secs_f64(),
                wall.as_secs_f64(),
                self.converged_max.as_secs_f64(),
            )?;
            if !self.single {
                writeln!(out, "hash of all: {hash}")?;
            }
        }
        Ok(if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Writes what the console shows of a world.
fn write_timeline(report: &Report, file: &Path) -> io::Result<()> {
    let document = json!({
        "format": "dxos-sim-timeline/1",
        "seed": report.seed,
        "hash": report.hash,
        "virtualMs": millis(report.virtual_time),
        "violation": report.violation.as_ref().map(ToString::to_string),
        "timeline": report.timeline,
    });
    let failed = |error: io::Error| {
        let text = format!("cannot write {}: {error}", file.display());
        io::Error::new(error.kind(), text)
    };
    std::fs::write(file, format!("{document}\n")).map_err(failed)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
