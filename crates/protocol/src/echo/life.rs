//! Opening, closing and deleting spaces.

use dxos_keys::SpaceKey;

use super::{EchoError, SpaceReport};
use crate::request;

/// Closes a space: it is neither read nor written nor replicated, takes no memory, and stays
/// closed when the program is started again. Closing one that is closed does nothing.
#[derive(Clone, Copy, Debug)]
pub struct CloseSpace {
    /// The space.
    pub space: SpaceKey,
}

/// Opens a space that was closed. Opening one that is open does nothing.
#[derive(Clone, Copy, Debug)]
pub struct OpenSpace {
    /// The space.
    pub space: SpaceKey,
}

/// Deletes a space on this device: its blocks, objects and keys. Nobody else is told, and the
/// identity stays a member. Answered when everything is removed; after a kill in the middle the
/// rest is removed when the program is started again.
#[derive(Clone, Copy, Debug)]
pub struct DeleteSpace {
    /// The space.
    pub space: SpaceKey,
}

request! {
    CloseSpace => Result<(), EchoError>,
    OpenSpace => Result<SpaceReport, EchoError>,
    DeleteSpace => Result<(), EchoError>,
}
