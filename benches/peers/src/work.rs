//! The work that every library does.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::figures::Figures;
use crate::library::{
    AutomergeKeys, AutomergeObjects, AutomergeText, CrdtsKeys, CrdtsMap, CrdtsRegisters, CrdtsText,
    DiamondTypes, DocumentObjects, DocumentText, Library, LoroKeys, LoroObjects, LoroText, YrsKeys,
    YrsObjects, YrsText, echo,
};
use crate::trace::Trace;
use crate::{forks, heap, objects, text};

/// Whole clients hold caches and threads: `cargo xtask bench echo` tells what they take.
const NOT_COUNTED: &str = "the memory of whole clients is not counted here";

/// One piece of work, done by a process of its own.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Work {
    /// Type a recording
    Text {
        /// The recording
        trace: PathBuf,
    },
    /// Create, update, save, load and read objects
    Objects {
        /// How many
        size: usize,
    },
    /// Bring two replicas together that were edited apart
    Apart {
        /// How many edits on each side
        edits: usize,
    },
    /// Fork, and go on
    Forks,
}

impl Work {
    /// Whether a library has what this needs.
    pub fn suits(&self, library: Library) -> bool {
        match self {
            // Over a network nobody says when something is delivered, as a recording of two people
            // asks for: `dx trace` replays those.
            Self::Text { trace } => {
                library != Library::CrdtsMap && !(library == Library::Echo && by_two(trace))
            }
            Self::Objects { .. } | Self::Apart { .. } => library != Library::DiamondTypes,
            // Forks are the business of feeds: objects alone know nothing of them.
            Self::Forks => matches!(
                library,
                Library::Echo | Library::Automerge | Library::Yrs | Library::Loro | Library::Crdts
            ),
        }
    }

    /// Whether memory is counted too, by the program that does.
    pub fn counts_heap(&self, library: Library) -> bool {
        match self {
            Self::Text { trace } => library != Library::Echo && !by_two(trace),
            Self::Objects { .. } => library != Library::Echo,
            Self::Apart { .. } | Self::Forks => false,
        }
    }

    /// Does it, and returns the figures.
    pub fn measure(&self, library: Library) -> Result<Figures> {
        match self {
            Self::Text { trace } => {
                let trace = Trace::read(trace)?;
                match library {
                    Library::Document => typed::<DocumentText>(&trace),
                    Library::Echo => echo::sequential(&trace),
                    Library::Automerge => typed::<AutomergeText>(&trace),
                    Library::Yrs => typed::<YrsText>(&trace),
                    Library::Loro => typed::<LoroText>(&trace),
                    Library::DiamondTypes => typed::<DiamondTypes>(&trace),
                    Library::Crdts | Library::CrdtsMap => typed::<CrdtsText>(&trace),
                }
            }
            Self::Objects { size } => match library {
                Library::Document => objects::single::<DocumentObjects>(*size),
                Library::Echo => echo::objects(*size),
                Library::Automerge => objects::single::<AutomergeObjects>(*size),
                Library::Yrs => objects::single::<YrsObjects>(*size),
                Library::Loro => objects::single::<LoroObjects>(*size),
                Library::Crdts => objects::single::<CrdtsRegisters>(*size),
                Library::CrdtsMap => objects::single::<CrdtsMap>(*size),
                Library::DiamondTypes => bail!("diamond-types has no objects"),
            },
            Self::Apart { edits } => match library {
                Library::Document => objects::apart::<DocumentObjects>(*edits),
                Library::Echo => echo::apart(*edits),
                Library::Automerge => objects::apart::<AutomergeObjects>(*edits),
                Library::Yrs => objects::apart::<YrsObjects>(*edits),
                Library::Loro => objects::apart::<LoroObjects>(*edits),
                Library::Crdts => objects::apart::<CrdtsRegisters>(*edits),
                Library::CrdtsMap => objects::apart::<CrdtsMap>(*edits),
                Library::DiamondTypes => bail!("diamond-types has no objects"),
            },
            Self::Forks => bail!("a fork is not measured"),
        }
    }

    /// Does it, and returns what it holds in memory.
    pub fn weigh(&self, library: Library) -> Result<Figures> {
        match self {
            Self::Text { trace } => {
                let trace = Trace::read(trace)?;
                match library {
                    Library::Document => heap::text::<DocumentText>(&trace),
                    Library::Echo => bail!(NOT_COUNTED),
                    Library::Automerge => heap::text::<AutomergeText>(&trace),
                    Library::Yrs => heap::text::<YrsText>(&trace),
                    Library::Loro => heap::text::<LoroText>(&trace),
                    Library::DiamondTypes => heap::text::<DiamondTypes>(&trace),
                    Library::Crdts | Library::CrdtsMap => heap::text::<CrdtsText>(&trace),
                }
            }
            Self::Objects { size } => match library {
                Library::Document => heap::objects::<DocumentObjects>(*size),
                Library::Echo => bail!(NOT_COUNTED),
                Library::Automerge => heap::objects::<AutomergeObjects>(*size),
                Library::Yrs => heap::objects::<YrsObjects>(*size),
                Library::Loro => heap::objects::<LoroObjects>(*size),
                Library::Crdts => heap::objects::<CrdtsRegisters>(*size),
                Library::CrdtsMap => heap::objects::<CrdtsMap>(*size),
                Library::DiamondTypes => bail!("diamond-types has no objects"),
            },
            Self::Apart { .. } | Self::Forks => bail!("memory is not counted here"),
        }
    }
}

fn by_two(trace: &Path) -> bool {
    Trace::read(trace).is_ok_and(|trace| trace.concurrent())
}

/// The experiment with a fork.
pub fn fork(library: Library) -> Result<forks::Outcome> {
    match library {
        Library::Echo => echo::forks(),
        Library::Automerge => forks::run::<AutomergeKeys>(),
        Library::Yrs => forks::run::<YrsKeys>(),
        Library::Loro => forks::run::<LoroKeys>(),
        Library::Crdts => forks::run::<CrdtsKeys>(),
        _ => bail!("there is no such experiment"),
    }
}

fn typed<T: text::Text>(trace: &Trace) -> Result<Figures> {
    if trace.concurrent() {
        text::concurrent::<T>(trace)
    } else {
        text::sequential::<T>(trace)
    }
}
