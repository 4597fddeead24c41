//! Runs simulated worlds and checks that their replicas converge. `cargo xtask sim` builds and
//! runs it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program reports on its standard streams"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use clap::Parser;
use dxos_keys::{HashDomain, Hasher};
use dxos_sim::{Counts, Options, Report, run};
use serde_json::json;

/// Run simulated worlds: whole clients under virtual time, with faults that follow from a seed.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
struct Arguments {
    /// How many worlds to run, with the seeds from --seed on
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; alone, run this one world, twice
    #[arg(long)]
    seed: Option<u64>,
    /// Peers in a world
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    peers: u32,
    /// Steps that a world takes before it must come to rest
    #[arg(long, default_value_t = 60)]
    steps: u32,
    /// Run every world twice and compare the traces
    #[arg(long)]
    twice: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let first = arguments.seed.unwrap_or(1);
    let count = arguments.seeds.unwrap_or(1);
    let twice = arguments.twice || arguments.seeds.is_none();
    let options = Options {
        peers: arguments.peers,
        steps: arguments.steps,
    };
    let start = Instant::now();
    let reports = all(first, count, options, twice);
    let wall = start.elapsed();
    let mut hasher = Hasher::new(HashDomain::Trace);
    let mut counts = Counts::default();
    let mut virtual_ms = 0;
    for report in &reports {
        hasher.part(report.trace.as_bytes());
        counts += report.counts;
        virtual_ms += report.virtual_ms;
    }
    let trace: String = match reports.as_slice() {
        [report] => report.trace.clone(),
        _ => hasher
            .finish()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    let failed: Vec<&Report> = reports
        .iter()
        .filter(|report| report.failure.is_some())
        .collect();
    for report in &failed {
        eprintln!(
            "seed {}: {}",
            report.seed,
            report.failure.as_deref().unwrap_or_default()
        );
        eprintln!(
            "replay: cargo xtask sim --seed {} --peers {} --steps {}",
            report.seed, options.peers, options.steps
        );
    }
    let ratio = virtual_ms as f64 / 1000.0 / wall.as_secs_f64().max(f64::EPSILON);
    if arguments.json {
        let json = json!({
            "seeds": count, "first_seed": first, "peers": options.peers, "steps": options.steps,
            "failed": failed.iter().map(|r| json!({"seed": r.seed, "failure": r.failure})).collect::<Vec<_>>(),
            "trace": trace, "counts": counts,
            "virtual_s": virtual_ms / 1000, "wall_s": wall.as_secs_f64(), "ratio": ratio,
        });
        println!("{json}");
    } else {
        println!(
            "{} of {count} worlds converged, {} peers each",
            count - failed.len() as u64,
            options.peers
        );
        println!(
            "{} commits, {} crashes ({} batches lost), {} restarts, {} partitions, {} times offline, {} connections lost, {} frames",
            counts.commits,
            counts.crashes,
            counts.batches_lost,
            counts.restarts,
            counts.partitions,
            counts.offline,
            counts.connections_lost,
            counts.frames
        );
        println!(
            "{} s of virtual time in {:.1} s, {ratio:.0} x",
            virtual_ms / 1000,
            wall.as_secs_f64()
        );
        println!("trace {trace}");
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs all worlds, one a core at a time; reports come in the order of seeds.
fn all(first: u64, count: u64, options: Options, twice: bool) -> Vec<Report> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let report = one(first.saturating_add(number), options, twice);
                    if sender.send(report).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut reports: Vec<Report> = receiver.iter().collect();
        reports.sort_by_key(|report| report.seed);
        reports
    })
}

/// One world. A panic in it is its failure.
fn one(seed: u64, options: Options, twice: bool) -> Report {
    let caught = std::panic::catch_unwind(|| {
        let mut report = run(seed, options);
        if twice && report.failure.is_none() {
            let again = run(seed, options);
            if again != report {
                report.failure = Some(format!(
                    "the same seed gave another world: {} and {}",
                    report.trace, again.trace
                ));
            }
        }
        report
    });
    caught.unwrap_or_else(|_| Report {
        seed,
        trace: String::new(),
        failure: Some("it panicked; see above".to_owned()),
        counts: Counts::default(),
        virtual_ms: 0,
    })
}
