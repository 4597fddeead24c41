//! A device with an address, as it stands in a configuration.

use std::fmt;
use std::str::FromStr;

use dxos_keys::DeviceKey;
use dxos_transport::PeerAddress;

/// A device and where it is to be reached, written `<device key>@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// The device that must answer there.
    pub device: DeviceKey,
    /// Where.
    pub address: PeerAddress,
}

/// Why a text is no [`ServerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseServerAddressError {
    /// The part behind the `@` is no address.
    #[error("{text:?} is not an address; expected host:port behind the @")]
    Address {
        /// What stands there.
        text: String,
    },
    /// The part before the `@` is no device key.
    #[error("{text:?} is not a device key ({reason}); copy it from where the device is shown")]
    Device {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no `@`.
    #[error("expected <device key>@host:port")]
    Form,
}

impl ServerAddress {
    /// Puts both together.
    pub const fn new(device: DeviceKey, address: PeerAddress) -> Self {
        Self { device, address }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.device, self.address)
    }
}

impl FromStr for ServerAddress {
    type Err = ParseServerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (device, address) = text
            .trim()
            .split_once('@')
            .ok_or(ParseServerAddressError::Form)?;
        let device = device
            .parse()
            .map_err(|error| ParseServerAddressError::Device {
                text: device.to_owned(),
                reason: format!("{error}"),
            })?;
        let address = address
            .parse()
            .map_err(|_| ParseServerAddressError::Address {
                text: address.to_owned(),
            })?;
        Ok(Self { device, address })
    }
}

#[cfg(test)]
mod tests {
    use super::ParseServerAddressError as Error;
    use super::*;

    #[test]
    fn text_round_trips_and_mistakes_are_named() {
        let device = DeviceKey::from_bytes([3; 32]);
        let address = ServerAddress::new(device, "signal.example.org:4430".parse().unwrap());
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!("nothing".parse::<ServerAddress>(), Err(Error::Form));
        let parsed = "rubbish@a:1".parse::<ServerAddress>();
        assert!(matches!(parsed, Err(Error::Device { .. })));
        let parsed = format!("{device}@nowhere").parse::<ServerAddress>();
        assert!(matches!(parsed, Err(Error::Address { .. })));
    }
}
