//! The libraries, each behind the same traits.

mod automerge;
mod crdts;
mod diamond_types;
mod document;
pub mod echo;
mod loro;
mod yrs;

pub use automerge::{AutomergeKeys, AutomergeObjects, AutomergeText};
pub use crdts::{CrdtsKeys, CrdtsMap, CrdtsRegisters, CrdtsText};
pub use diamond_types::DiamondTypes;
pub use document::{DocumentObjects, DocumentText};
pub use loro::{LoroKeys, LoroObjects, LoroText};
pub use yrs::{YrsKeys, YrsObjects, YrsText};

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Library {
    /// This project's objects alone, as the others are: in memory
    Document,
    /// This project's ECHO: signed, sealed, checked and persisted, over QUIC
    Echo,
    /// automerge
    Automerge,
    /// yrs
    Yrs,
    /// loro
    Loro,
    /// diamond-types: text only
    DiamondTypes,
    /// crdts, with what is fastest there
    Crdts,
    /// crdts, with objects as maps of multi-value registers
    CrdtsMap,
}

impl Library {
    /// How it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "dxos-document",
            Self::Echo => "ECHO",
            Self::Automerge => "automerge",
            Self::Yrs => "yrs",
            Self::Loro => "loro",
            Self::DiamondTypes => "diamond-types",
            Self::Crdts => "crdts",
            Self::CrdtsMap => "crdts Map",
        }
    }

    /// Whether it is this project's.
    pub const fn ours(self) -> bool {
        matches!(self, Self::Document | Self::Echo)
    }

    /// Its version, from the lockfile that the program was built with.
    pub fn version(self) -> Option<&'static str> {
        let package = match self {
            Self::CrdtsMap => "crdts",
            Self::Echo => "dxos-client",
            library => library.name(),
        };
        let lock = include_str!("../../Cargo.lock");
        let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
        entry.split_once('"').map(|(version, _)| version)
    }
}
