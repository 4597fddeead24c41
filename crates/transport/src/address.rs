//! Where a device can be reached.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a device may be reached. It proves nothing about who answers there: the handshake
/// does.
///
/// Its text form, also used in every serialized form, is `127.0.0.1:4433`, `[::1]:4433`,
/// `peer.example.org:4433` or `memory:7`.
///
/// ```
/// use dxos_transport::PeerAddress;
/// let address: PeerAddress = "127.0.0.1:4433".parse().unwrap();
/// assert_eq!(address, PeerAddress::Ip(([127, 0, 0, 1], 4433).into()));
/// assert!("127.0.0.1".parse::<PeerAddress>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// A name that is looked up when connecting, and a port.
    Host(HostName, u16),
    /// An IP address and a port.
    Ip(SocketAddr),
    /// An endpoint of an in-memory network.
    Memory(u64),
}

/// The longest text form of an address: a name of 253 bytes, a colon and a port.
const TEXT_BYTES_MAX: usize = 253 + 1 + 5;

/// A DNS name: at most 253 bytes of ASCII letters, digits, hyphens, underscores and dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Takes a name after checking it, `None` when it is none.
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let named = name.bytes().any(|byte| byte.is_ascii_alphabetic());
        (named && name.len() <= 253 && name.bytes().all(allowed)).then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address; write `127.0.0.1:4433`, `[::1]:4433` or `peer.example.org:4433`")]
pub struct ParseAddressError;

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name, port) => write!(formatter, "{}:{port}", name.as_str()),
            Self::Ip(address) => address.fmt(formatter),
            Self::Memory(number) => write!(formatter, "memory:{number}"),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseAddressError);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let (name, number) = text.rsplit_once(':').ok_or(ParseAddressError)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseAddressError);
        }
        if name == "memory" {
            return number
                .parse()
                .map(Self::Memory)
                .map_err(|_| ParseAddressError);
        }
        let port = number.parse().map_err(|_| ParseAddressError)?;
        let name = HostName::new(name).ok_or(ParseAddressError)?;
        Ok(Self::Host(name, port))
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl Serialize for PeerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "127.0.0.1:4433",
            "[::1]:1",
            "memory:18446744073709551615",
            "localhost:65535",
            "a-b.example.org:1",
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let bytes = postcard::to_allocvec(&address).unwrap();
            assert_eq!(
                postcard::from_bytes::<PeerAddress>(&bytes).as_ref(),
                Ok(&address)
            );
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(serde_json::from_str::<PeerAddress>(&json).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}:1", "a".repeat(254));
        for text in [
            "",
            ":",
            ":1",
            "host",
            "host:",
            "host:65536",
            "host:-1",
            "host:+1",
            "1.2.3.4",
            "300.1.1.1:1",
            "ho st:1",
            "memory:x",
            "хост:1",
            "a:b:1",
            &long,
        ] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }
}
