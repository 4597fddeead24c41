//! Memory, counted by an allocator.

use anyhow::Result;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::figures::{Figures, float};
use crate::objects::Objects;
use crate::text::Text;
use crate::trace::Trace;

/// The allocator of the program that counts.
pub type Counting = StatsAlloc<std::alloc::System>;

fn held() -> f64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    float(stats.bytes_allocated) - float(stats.bytes_deallocated)
}

/// What a text holds after it was typed.
pub fn text<T: Text>(trace: &Trace) -> Result<Figures> {
    let before = held();
    let mut typed = T::new(1)?;
    for edit in trace.first(T::CHARACTERS_MAX) {
        typed.edit(&[edit])?;
    }
    let mut figures = Figures::new();
    figures.put("heap MiB", (held() - before) / f64::from(1 << 20));
    drop(typed);
    Ok(figures)
}

/// What objects hold after they were created and updated, 1,000 a transaction.
pub fn objects<T: Objects>(size: usize) -> Result<Figures> {
    let before = held();
    let mut objects = T::new(1)?;
    for from in (0..size).step_by(1000) {
        objects.create(from..size.min(from + 1000))?;
    }
    for from in (0..size).step_by(1000) {
        objects.finish(from..size.min(from + 1000))?;
    }
    let mut figures = Figures::new();
    figures.put("heap MiB", (held() - before) / f64::from(1 << 20));
    drop(objects);
    Ok(figures)
}
