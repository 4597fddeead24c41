//! What adding a device asks of whoever keeps the identity.

use std::fmt;

use async_trait::async_trait;
use dxos_credentials::{DeviceChain, Profile};
use dxos_keys::{DeviceKey, IdentityKey, SealingKey, SpaceKey};
use dxos_protocol::echo::AdmissionTicket;

use crate::ClientError;

/// A device that wants to be one of this profile's identity. TLS has shown that it has the key,
/// and the invitation that it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewDevice {
    /// The device.
    pub(crate) device: DeviceKey,
    /// Its encryption key.
    pub(crate) sealing: SealingKey,
    /// What is shown of it: `display_name` and the field `platform`. It has been checked.
    pub(crate) profile: Profile,
}

/// What a new device gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceAdmission {
    /// How it belongs to the identity.
    pub(crate) chain: DeviceChain,
    /// The space in which the identity keeps its devices.
    pub(crate) ticket: AdmissionTicket,
    /// What others are shown of the identity.
    pub(crate) profile: Profile,
}

/// Brings devices into an identity, on both sides.
#[async_trait]
pub(crate) trait DeviceAuthority: fmt::Debug + Send + Sync {
    /// The space in which the identity of this profile keeps its devices: where they meet.
    async fn space(&self) -> Result<SpaceKey, ClientError>;

    /// Makes a device one of this profile's identity. Asking again for the same device gives the
    /// same: the answer may have been lost on the way.
    async fn authorize(&self, device: NewDevice) -> Result<DeviceAdmission, ClientError>;

    /// Makes this device one of the identity that admitted it; the profile has none so far. The
    /// chain ends in this device. The host and its addresses are remembered with it.
    async fn adopt(
        &self,
        admission: DeviceAdmission,
        host: (DeviceKey, Vec<String>),
    ) -> Result<IdentityKey, ClientError>;
}
