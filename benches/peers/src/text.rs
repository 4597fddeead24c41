//! Text: one person typing, and two.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::figures::Figures;
use crate::trace::Trace;

/// A position, how many characters are deleted there, and what is inserted there.
pub type Edit<'a> = (usize, usize, &'a str);

/// Edits of a transaction when typing is coalesced.
const COALESCED: usize = 1000;

/// A text of a library, on one replica.
pub trait Text: Sized {
    /// After how many characters of a recording to stop, where all of it would take minutes.
    const CHARACTERS_MAX: usize = usize::MAX;

    /// An empty text that all replicas share.
    fn new(agent: u8) -> Result<Self>;

    /// Keep from now on what [`outgoing`](Self::outgoing) and [`updates`](Self::updates) need,
    /// where the library does not by itself.
    fn record(&mut self) {}

    /// Whether it has transactions; else every edit stands alone.
    const TRANSACTIONS: bool = true;

    /// One transaction; each edit deletes characters at a position, then inserts there.
    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()>;

    /// All of the text.
    fn text(&self) -> Result<String>;

    /// What is written to a file.
    fn save(&mut self) -> Result<Vec<u8>>;

    /// Reads that file.
    fn load(bytes: &[u8]) -> Result<Self>;

    /// What a replica that has nothing is sent.
    fn updates(&mut self) -> Result<Vec<u8>>;

    /// What was edited here since this was asked last.
    fn outgoing(&mut self) -> Result<Vec<u8>>;

    /// Takes in what another replica sent.
    fn receive(&mut self, bytes: &[u8]) -> Result<()>;
}

/// One person types; another replica takes it in.
pub fn sequential<T: Text>(trace: &Trace) -> Result<Figures> {
    let mut figures = Figures::new();
    let edits: Vec<Edit<'_>> = trace.first(T::CHARACTERS_MAX).collect();
    figures.count("edits", edits.len());
    let expected = trace.text_after(T::CHARACTERS_MAX);
    let work = Typing { edits, expected };
    work.measure::<T>(1, "", &mut figures)?;
    if T::TRANSACTIONS {
        work.measure::<T>(COALESCED, ", 1,000 a transaction", &mut figures)?;
    }
    Ok(figures)
}

/// What one person types.
struct Typing<'a> {
    edits: Vec<Edit<'a>>,
    expected: String,
}

impl Typing<'_> {
    fn measure<T: Text>(&self, batch: usize, how: &str, figures: &mut Figures) -> Result<()> {
        let took = median(|| {
            let mut typed = T::new(1)?;
            let begin = Instant::now();
            for edits in self.edits.chunks(batch) {
                typed.edit(edits)?;
            }
            let took = begin.elapsed();
            ensure!(
                typed.text()? == self.expected,
                "typing ended in another text"
            );
            Ok(took)
        })?;
        figures.rate(&format!("edits/s{how}"), self.edits.len(), took);

        let mut typed = T::new(1)?;
        typed.record();
        for edits in self.edits.chunks(batch) {
            typed.edit(edits)?;
        }
        let saved = typed.save()?;
        figures.count(&format!("saved bytes{how}"), saved.len());
        let took = median(|| {
            let begin = Instant::now();
            let loaded = T::load(&saved)?;
            let took = begin.elapsed();
            ensure!(loaded.text()? == self.expected, "loading gave another text");
            Ok(took)
        })?;
        figures.millis(&format!("load ms{how}"), took);
        let took = median(|| {
            let begin = Instant::now();
            let text = T::load(&saved)?.text()?;
            let took = begin.elapsed();
            ensure!(text == self.expected, "loading gave another text");
            Ok(took)
        })?;
        figures.millis(&format!("load and read ms{how}"), took);

        let updates = typed.updates()?;
        figures.count(&format!("sent bytes{how}"), updates.len());
        let took = median(|| {
            let mut other = T::new(2)?;
            let begin = Instant::now();
            other.receive(&updates)?;
            let text = other.text()?;
            let took = begin.elapsed();
            ensure!(text == self.expected, "merging gave another text");
            Ok(took)
        })?;
        figures.millis(&format!("merge into nothing ms{how}"), took);

        let mut concurrent = None;
        let took = median(|| {
            let mut other = T::new(2)?;
            other.record();
            other.edit(&[(0, 0, "concurrent")])?;
            let outgoing = other.outgoing()?;
            let begin = Instant::now();
            other.receive(&updates)?;
            let text = other.text()?;
            let took = begin.elapsed();
            concurrent = Some((outgoing, text));
            Ok(took)
        })?;
        figures.millis(&format!("merge with something concurrent ms{how}"), took);
        if let Some((outgoing, text)) = concurrent {
            typed.receive(&outgoing)?;
            ensure!(typed.text()? == text, "the two replicas differ");
            let length = self.expected.len() + "concurrent".len();
            ensure!(text.len() == length, "an edit is lost");
        }
        Ok(())
    }
}

/// Two people type, each into a replica of their own, and send to each other what they typed
/// as late as the recording allows.
pub fn concurrent<T: Text>(trace: &Trace) -> Result<Figures> {
    let deliveries = Deliveries::of(trace)?;
    let mut figures = Figures::new();
    figures.count("edits", trace.edits().count());
    figures.count("deliveries", deliveries.count());
    for (batch, how) in [(1, ""), (COALESCED, ", coalesced")] {
        if batch > 1 && !T::TRANSACTIONS {
            continue;
        }
        let mut sent = 0;
        let took = median(|| {
            let (replayed, bytes) = deliveries.replay::<T>(trace, batch)?;
            sent = bytes;
            Ok(replayed)
        })?;
        figures.rate(&format!("edits/s{how}"), trace.edits().count(), took);
        figures.millis(&format!("replay ms{how}"), took);
        figures.count(&format!("sent bytes{how}"), sent);
    }
    Ok(figures)
}

/// When each of two people received what from the other.
struct Deliveries {
    /// For each transaction, whether what was typed up to it is packed for the other after it.
    packed: Vec<bool>,
    /// For each transaction, how many of the packets of the other have to be there before it.
    needed: Vec<usize>,
}

impl Deliveries {
    fn of(trace: &Trace) -> Result<Self> {
        let length = trace.txns.len();
        // For each transaction the latest of each person that it has seen.
        let mut seen: Vec<[Option<usize>; 2]> = Vec::with_capacity(length);
        let mut packed = vec![false; length];
        let mut last = [None, None];
        for (index, typed) in trace.txns.iter().enumerate() {
            ensure!(typed.agent < 2, "the trace has more than two people");
            let mut latest = [None, None];
            for &parent in &typed.parents {
                ensure!(parent < index, "a parent comes later");
                for (latest, known) in latest.iter_mut().zip(seen[parent]) {
                    *latest = known.max(*latest);
                }
                let agent = trace.txns[parent].agent;
                latest[agent] = latest[agent].max(Some(parent));
            }
            let own = last[typed.agent];
            ensure!(
                latest[typed.agent] == own,
                "somebody went back to an earlier text"
            );
            let before = own.and_then(|own: usize| seen[own][1 - typed.agent]);
            if let Some(other) = latest[1 - typed.agent]
                && Some(other) != before
            {
                packed[other] = true;
            }
            last[typed.agent] = Some(index);
            seen.push(latest);
        }
        for last in last.into_iter().flatten() {
            packed[last] = true;
        }
        let needed = trace.txns.iter().zip(&seen).map(|(typed, latest)| {
            let until = latest[1 - typed.agent].map_or(0, |latest| latest + 1);
            (0..until)
                .filter(|&index| packed[index] && trace.txns[index].agent != typed.agent)
                .count()
        });
        let needed = needed.collect();
        Ok(Self { packed, needed })
    }

    fn count(&self) -> usize {
        self.packed.iter().filter(|packed| **packed).count()
    }

    /// Coalesced, what is typed up to the next delivery of either kind is one transaction.
    fn replay<T: Text>(&self, trace: &Trace, batch: usize) -> Result<(Duration, usize)> {
        let mut replicas = [T::new(1)?, T::new(2)?];
        for replica in &mut replicas {
            replica.record();
        }
        let mut packets = [Vec::new(), Vec::new()];
        let mut received = [0, 0];
        let mut pending: [Vec<Edit<'_>>; 2] = Default::default();
        let begin = Instant::now();
        for (index, typed) in trace.txns.iter().enumerate() {
            let agent = typed.agent;
            let (replica, pending) = (&mut replicas[agent], &mut pending[agent]);
            if received[agent] < self.needed[index] {
                commit(replica, pending)?;
            }
            while received[agent] < self.needed[index] {
                let packet: &Vec<u8> = &packets[1 - agent][received[agent]];
                replica.receive(packet)?;
                received[agent] += 1;
            }
            for (at, deleted, inserted) in &typed.patches {
                pending.push((*at, *deleted, inserted));
                if pending.len() >= batch {
                    commit(replica, pending)?;
                }
            }
            if self.packed[index] {
                commit(replica, pending)?;
                packets[agent].push(replica.outgoing()?);
            }
        }
        for (agent, replica) in replicas.iter_mut().enumerate() {
            for packet in &packets[1 - agent][received[agent]..] {
                replica.receive(packet)?;
            }
        }
        let texts = [replicas[0].text()?, replicas[1].text()?];
        let took = begin.elapsed();
        for text in &texts {
            ensure!(
                *text == trace.end_content,
                "the replicas end in another text"
            );
        }
        let bytes = packets.iter().flatten().map(Vec::len).sum();
        Ok((took, bytes))
    }
}

fn commit<T: Text>(replica: &mut T, pending: &mut Vec<Edit<'_>>) -> Result<()> {
    if !pending.is_empty() {
        replica.edit(pending)?;
        pending.clear();
    }
    Ok(())
}

/// The median of some times: of more where they are short.
pub fn median(mut measured: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = vec![measured()?];
    let more = if times[0] > Duration::from_millis(400) {
        0
    } else {
        6
    };
    for _ in 0..more {
        times.push(measured()?);
    }
    times.sort();
    Ok(times[times.len() / 2])
}
