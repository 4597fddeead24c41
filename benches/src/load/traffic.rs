//! Writes on schedule, and what readers see of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dxos_client::{Filter, LiveQuery, ObjectId, Space, Transaction};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::schedule::Schedule;
use crate::figures::float;
use crate::setup::{properties, within};
use crate::{Figure, Latencies, Unit};

/// The type of objects whose latency is not taken.
const PLAIN: &str = "load";
/// The type of those whose latency is.
const SAMPLE: &str = "load-sample";

/// When each sample was due.
type Due = Arc<Mutex<BTreeMap<ObjectId, Instant>>>;

pub(crate) async fn run(
    schedule: Schedule,
    writers: &[Space],
    readers: &[Space],
) -> Result<Vec<Figure>> {
    let due = Due::default();
    let bar = bar(schedule)?;
    let before = objects(readers).await?;
    let mut reading = JoinSet::new();
    for reader in readers {
        let live = reader.db().query(Filter::type_name(SAMPLE)).subscribe();
        let live = live.await?;
        reading.spawn(read(live, schedule.samples(), Arc::clone(&due)));
    }
    let start = Instant::now() + Duration::from_millis(50);
    let acknowledged = write(schedule, writers, start, &due, &bar).await?;
    let written = start.elapsed();
    bar.set_message("waiting until all is visible");
    let mut visible = Latencies::new();
    while let Some(latencies) = within("visibility", reading.join_next()).await? {
        visible.add(&latencies??);
    }
    for (reader, before) in readers.iter().zip(before) {
        let all = before + schedule.total();
        let complete = reader.wait_until(move |report| report.objects >= all);
        within("visibility", complete).await??;
    }
    let seen = start.elapsed();
    bar.finish_and_clear();

    let total = usize::try_from(schedule.total())?;
    let mut figures = vec![
        Figure::rate("written and acknowledged", total, written),
        Figure::rate("visible at every reader", total, seen),
    ];
    figures.extend(visible.figures("due to visible beyond dx serve", Duration::ZERO));
    figures.extend(acknowledged.figures("due to acknowledged", Duration::ZERO));
    let samples = float(visible.count());
    figures.push(Figure::new("latencies taken", samples, Unit::Count));
    Ok(figures)
}

async fn objects(spaces: &[Space]) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    for space in spaces {
        counts.push(space.report().await?.objects);
    }
    Ok(counts)
}

fn bar(schedule: Schedule) -> Result<ProgressBar> {
    let bar = ProgressBar::new(schedule.total());
    let template = "{bar:32} {pos}/{len} objects, {per_sec}, {eta} left  {msg}";
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

/// Writes every object when it is due, without waiting for those before it.
async fn write(
    schedule: Schedule,
    writers: &[Space],
    start: Instant,
    due: &Due,
    bar: &ProgressBar,
) -> Result<Latencies> {
    let (pace, mut paced) = mpsc::unbounded_channel();
    // A thread sleeps far more precisely than the timers of the runtime, which round up to
    // whole milliseconds.
    std::thread::Builder::new()
        .name("pace".to_owned())
        .spawn(move || {
            for number in 0..schedule.total() {
                let when = start + schedule.due(number);
                std::thread::sleep(when.saturating_duration_since(Instant::now()));
                if pace.send((number, when)).is_err() {
                    return;
                }
            }
        })?;
    let mut writing = JoinSet::new();
    let mut acknowledged = Latencies::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = writing.join_next() => {
                acknowledged.record(done??);
                bar.inc(1);
                if acknowledged.count().is_multiple_of(256) {
                    bar.set_message(format!("p50 {:.0?}", acknowledged.quantile(0.5)));
                }
            }
            next = paced.recv() => {
                let Some((number, when)) = next else { break };
                let writer = usize::try_from(number)? % writers.len();
                let space = writers.get(writer).context("no writer")?.clone();
                writing.spawn(put(space, schedule, number, when, Arc::clone(due)));
            }
        }
    }
    while let Some(done) = writing.join_next().await {
        acknowledged.record(done??);
        bar.inc(1);
    }
    Ok(acknowledged)
}

/// Writes one object; how long after it was due that was acknowledged.
async fn put(
    space: Space,
    schedule: Schedule,
    number: u64,
    when: Instant,
    due: Due,
) -> Result<Duration> {
    let object = space.db().new_id()?;
    let type_name = if schedule.is_sample(number) {
        let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
        due.insert(object, when);
        SAMPLE
    } else {
        PLAIN
    };
    let properties = properties(usize::try_from(number)?);
    let transaction = Transaction::new().create(object, type_name, properties);
    space.db().commit(transaction).await?;
    Ok(when.elapsed())
}

/// Takes the latency of every sample that a reader sees.
async fn read(mut live: LiveQuery, samples: u64, due: Due) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    while latencies.count() < samples {
        let difference = live.next().await.context("the live query ended")?;
        let now = Instant::now();
        let due = due.lock().unwrap_or_else(PoisonError::into_inner);
        for added in difference.added {
            if let Some(when) = due.get(&added.object.id()) {
                latencies.record(now.saturating_duration_since(*when));
            }
        }
    }
    Ok(latencies)
}
