//! An invitation as text: what a host hands to a guest.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use dxos_keys::{DeviceKey, HashDomain, Hasher, InvitationId, Topic};
use dxos_protocol::invitation::Authentication;
use dxos_wire::limits::{ADDRESSES_MAX, INVITATION_TEXT_BYTES_MAX};
use serde::{Deserialize, Serialize};

const PREFIX: &str = "dx1_";
const CHECKSUM_BYTES: usize = 4;
const VERSION: u8 = 1;

/// An invitation to a space: which swarm, which device hosts it, and how to reach that device.
/// Its text form is URL-safe and carries a checksum, so that a garbled copy is found out.
///
/// It is no secret by itself where a code is asked for; without one, whoever has it can join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The name by which the host knows it.
    pub id: InvitationId,
    /// The swarm of the space.
    pub topic: Topic,
    /// The device that hosts it.
    pub host: DeviceKey,
    /// Where the host listens, in text form.
    pub addresses: Vec<String>,
    /// Rendezvous servers at which the host can be found, each `<device key>@host:port`.
    pub signal: Vec<String>,
    /// How the guest proves that it was meant.
    pub authentication: Authentication,
    /// When it ends, in milliseconds since 1970 by the host's clock.
    pub expires_ms: u64,
}

/// Why a text is no invitation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInvitationError {
    /// It does not begin like one. Check that it was copied whole, from its beginning.
    #[error("this is not an invitation: it does not begin with {PREFIX:?}; copy all of it")]
    Prefix,
    /// It was cut or altered on the way.
    #[error("the invitation is garbled; copy all of it again")]
    Garbled,
    /// A newer program made it.
    #[error("the invitation was made by a newer version of this program; update to use it")]
    Newer,
    /// It is far too long.
    #[error("the invitation is longer than the {INVITATION_TEXT_BYTES_MAX} bytes allowed")]
    TooLong,
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = Hasher::new(HashDomain::Invitation).update(bytes).finish();
    [a, b, c, d]
}

impl fmt::Display for Invitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = dxos_wire::encode(VERSION, self).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        write!(formatter, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Invitation {
    type Err = ParseInvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > INVITATION_TEXT_BYTES_MAX {
            return Err(ParseInvitationError::TooLong);
        }
        let text = text
            .strip_prefix(PREFIX)
            .ok_or(ParseInvitationError::Prefix)?;
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| ParseInvitationError::Garbled)?;
        let (bytes, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(ParseInvitationError::Garbled)?;
        if *sum != checksum(bytes) {
            return Err(ParseInvitationError::Garbled);
        }
        let invitation: Self = dxos_wire::decode(VERSION, bytes).map_err(|error| match error {
            dxos_wire::DecodeError::Version { found, known } if found > known => {
                ParseInvitationError::Newer
            }
            _ => ParseInvitationError::Garbled,
        })?;
        if invitation.addresses.len() > ADDRESSES_MAX || invitation.signal.len() > ADDRESSES_MAX {
            return Err(ParseInvitationError::Garbled);
        }
        Ok(invitation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            id: InvitationId::from_bytes([1; 16]),
            topic: Topic::from_bytes([2; 32]),
            host: DeviceKey::from_bytes([3; 32]),
            addresses: vec!["127.0.0.1:4433".into()],
            signal: Vec::new(),
            authentication: Authentication::SharedSecret,
            expires_ms: 1_800_000_000_000,
        }
    }

    #[test]
    fn text_round_trips_and_is_url_safe() {
        let text = invitation().to_string();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        );
        assert_eq!(text.parse(), Ok(invitation()));
        assert_eq!(format!("  {text}\r\n").parse(), Ok(invitation()));
    }

    #[test]
    fn every_garbled_character_is_found() {
        let text = invitation().to_string();
        for at in 0..text.len() {
            let mut garbled = text.clone().into_bytes();
            garbled[at] = if garbled[at] == b'A' { b'B' } else { b'A' };
            assert!(
                String::from_utf8(garbled)
                    .unwrap()
                    .parse::<Invitation>()
                    .is_err()
            );
            assert!(text[..at].parse::<Invitation>().is_err());
        }
        assert_eq!(
            "приглашение".parse::<Invitation>(),
            Err(ParseInvitationError::Prefix)
        );
    }
}
