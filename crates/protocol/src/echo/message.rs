//! Ephemeral messages: sealed with the content key of a space like its blocks, and never stored.

use bytes::Bytes;
use dxos_keys::{DeviceKey, SpaceKey};

use super::EchoError;
use crate::request;

/// Which message it is: what is sealed for one cannot be passed off as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageContext {
    /// Who sends it.
    pub device: DeviceKey,
    /// Its number among all that the device sends.
    pub seq: u64,
}

/// Seals a message for those who may read the space.
#[derive(Clone, Debug)]
pub struct SealMessage {
    /// The space.
    pub space: SpaceKey,
    /// Which message it is.
    pub context: MessageContext,
    /// What it says.
    pub plain: Bytes,
}

/// Opens a message. `None` when it was not sealed with a key of the space that is here.
#[derive(Clone, Debug)]
pub struct OpenMessage {
    /// The space.
    pub space: SpaceKey,
    /// Which message it is.
    pub context: MessageContext,
    /// What came.
    pub sealed: Bytes,
}

request! {
    SealMessage => Result<Bytes, EchoError>,
    OpenMessage => Result<Option<Vec<u8>>, EchoError>,
}
