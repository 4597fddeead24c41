//! An invitation as text and as a link: what a host hands to a guest.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use dxos_credentials::check_display_name;
use dxos_keys::{DeviceKey, HashDomain, Hasher, IdentityKey, InvitationId, Topic};
use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType};
use dxos_wire::DecodeError;
use dxos_wire::limits::{ADDRESSES_MAX, INVITATION_HOSTS_MAX, INVITATION_TEXT_BYTES_MAX};
use serde::{Deserialize, Serialize};

use super::InvitationKey;

const PREFIX: &str = "dx1_";
const LINK: &str = "dxos://join/";
const CHECKSUM_BYTES: usize = 4;
const VERSION: u8 = 2;
/// The form before kinds, delegated invitations and keys; it is still read.
const VERSION_ONE: u8 = 1;
/// What a link may have before the text.
const LINK_BYTES_MAX: usize = 2048;

/// An invitation: which swarm, which devices host it, and how to reach them.
/// Its text form is URL-safe and carries a checksum, so that a garbled copy is found out.
///
/// It is no secret by itself where a code or a known identity is asked for; else whoever has it
/// can join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The name by which its hosts know it.
    pub id: InvitationId,
    /// What it is to.
    pub kind: InvitationKind,
    /// Who may host it.
    pub invitation_type: InvitationType,
    /// The swarm of the space, or of the devices of the identity.
    pub topic: Topic,
    /// Devices that host it, at most 8, to be tried in this order.
    pub hosts: Vec<HostAddress>,
    /// Rendezvous servers at which hosts can be found, each `<device key>@host:port`.
    pub signal: Vec<String>,
    /// How the guest proves that it was meant.
    pub proof: InvitationProof,
    /// When it ends, in milliseconds since 1970 by the host's clock.
    pub expires_ms: u64,
    /// What it is to, for people.
    pub target: Option<String>,
}

/// A device that hosts an invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAddress {
    /// The device.
    pub device: DeviceKey,
    /// Where it listens, in text form; may be empty.
    pub addresses: Vec<String>,
}

/// How the guest of an invitation proves that it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum InvitationProof {
    /// By having the text.
    None,
    /// By a code of six digits that the host tells over another channel.
    Code,
    /// By a signature with this key.
    Key(InvitationKey),
    /// By being this identity.
    Identity(IdentityKey),
}

impl InvitationProof {
    /// What the host asks for.
    pub const fn authentication(&self) -> Authentication {
        match self {
            Self::None => Authentication::None,
            Self::Code => Authentication::SharedSecret,
            Self::Key(_) | Self::Identity(_) => Authentication::KnownPublicKey,
        }
    }
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

impl Invitation {
    /// How the guest proves that it was meant.
    pub const fn authentication(&self) -> Authentication {
        self.proof.authentication()
    }

    /// As a link: `dxos://join/` and the text. Every link that ends in the text is read again.
    pub fn to_link(&self) -> String {
        format!("{LINK}{self}")
    }

    /// Leaves out what guests can do without until the text is not too long.
    pub(super) fn shortened(mut self) -> Self {
        self.hosts.truncate(INVITATION_HOSTS_MAX);
        while self.to_string().len() > INVITATION_TEXT_BYTES_MAX {
            let several = self.hosts.len() > 1;
            let longest = self.hosts.iter_mut().max_by_key(|h| h.addresses.len());
            match longest {
                Some(host) if host.addresses.len() > 1 => drop(host.addresses.pop()),
                _ if several => drop(self.hosts.pop()),
                _ if self.signal.pop().is_some() => {}
                _ => break,
            }
        }
        self
    }

    fn is_sound(&self) -> bool {
        let hosts = &self.hosts;
        !hosts.is_empty()
            && hosts.len() <= INVITATION_HOSTS_MAX
            && hosts.iter().all(|h| h.addresses.len() <= ADDRESSES_MAX)
            && self.signal.len() <= ADDRESSES_MAX
            && self
                .target
                .as_ref()
                .is_none_or(|target| check_display_name(target).is_ok())
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = dxos_wire::encode(VERSION, self).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        write!(formatter, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

/// The text in a link, or the text itself.
fn text_of(text: &str) -> Result<&str, ParseInvitationError> {
    let text = text.trim();
    if text.len() > INVITATION_TEXT_BYTES_MAX + LINK_BYTES_MAX {
        return Err(ParseInvitationError::TooLong);
    }
    // No character of the text form can end the part before it.
    let last = if text.contains("://") {
        text.rsplit(['/', '#', '?', '=', '&']).next()
    } else {
        Some(text)
    };
    let text = last.unwrap_or_default();
    if text.len() > INVITATION_TEXT_BYTES_MAX {
        return Err(ParseInvitationError::TooLong);
    }
    text.strip_prefix(PREFIX)
        .ok_or(ParseInvitationError::Prefix)
}

impl FromStr for Invitation {
    type Err = ParseInvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64URL_NOPAD
            .decode(text_of(text)?.as_bytes())
            .map_err(|_| ParseInvitationError::Garbled)?;
        let (bytes, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(ParseInvitationError::Garbled)?;
        if *sum != checksum(bytes) {
            return Err(ParseInvitationError::Garbled);
        }
        let decoded = match dxos_wire::decode(VERSION, bytes) {
            Err(DecodeError::Version { found, .. }) if found == VERSION_ONE => {
                dxos_wire::decode(VERSION_ONE, bytes).map(VersionOne::into)
            }
            decoded => decoded,
        };
        let invitation: Self = decoded.map_err(|error| match error {
            DecodeError::Version { found, known } if found > known => ParseInvitationError::Newer,
            _ => ParseInvitationError::Garbled,
        })?;
        if !invitation.is_sound() {
            return Err(ParseInvitationError::Garbled);
        }
        Ok(invitation)
    }
}

/// What stands in a text of the first form.
#[derive(Serialize, Deserialize)]
struct VersionOne {
    id: InvitationId,
    topic: Topic,
    host: DeviceKey,
    addresses: Vec<String>,
    signal: Vec<String>,
    coded: bool,
    expires_ms: u64,
}

impl From<VersionOne> for Invitation {
    fn from(old: VersionOne) -> Self {
        let proof = if old.coded {
            InvitationProof::Code
        } else {
            InvitationProof::None
        };
        Self {
            id: old.id,
            kind: InvitationKind::Space,
            invitation_type: InvitationType::Interactive,
            topic: old.topic,
            hosts: vec![HostAddress {
                device: old.host,
                addresses: old.addresses,
            }],
            signal: old.signal,
            proof,
            expires_ms: old.expires_ms,
            target: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            id: InvitationId::from_bytes([1; 16]),
            kind: InvitationKind::Space,
            invitation_type: InvitationType::Interactive,
            topic: Topic::from_bytes([2; 32]),
            hosts: vec![HostAddress {
                device: DeviceKey::from_bytes([3; 32]),
                addresses: vec!["127.0.0.1:4433".into()],
            }],
            signal: Vec::new(),
            proof: InvitationProof::Code,
            expires_ms: 1_800_000_000_000,
            target: None,
        }
    }

    #[test]
    fn text_round_trips_and_is_url_safe() {
        let key = InvitationKey::from_secret(&dxos_keys::ContentKey::from_bytes([5; 32]));
        let identity = IdentityKey::from_bytes([6; 32]);
        for proof in [
            InvitationProof::None,
            InvitationProof::Code,
            InvitationProof::Key(key),
            InvitationProof::Identity(identity),
        ] {
            let invitation = Invitation {
                proof,
                kind: InvitationKind::Device,
                invitation_type: InvitationType::Delegated,
                target: Some("Сад 🌱".into()),
                ..invitation()
            };
            let text = invitation.to_string();
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            );
            assert_eq!(text.parse().as_ref(), Ok(&invitation));
            assert_eq!(format!("  {text}\r\n").parse().as_ref(), Ok(&invitation));
        }
    }

    #[test]
    fn every_link_that_ends_in_the_text_is_read() {
        let text = invitation().to_string();
        assert_eq!(invitation().to_link(), format!("dxos://join/{text}"));
        for link in [
            "dxos://join/",
            "https://example.com/join#",
            "https://example.com/#/join/",
            "https://example.com/?lang=en&invitation=",
        ] {
            assert_eq!(format!("{link}{text}").parse(), Ok(invitation()), "{link}");
        }
        let long = format!("https://{}/#{text}", "x".repeat(LINK_BYTES_MAX + 4096));
        assert_eq!(
            long.parse::<Invitation>(),
            Err(ParseInvitationError::TooLong)
        );
        for other in ["https://example.com/", "https://example.com/#dx2_x", "://"] {
            assert_eq!(
                other.parse::<Invitation>(),
                Err(ParseInvitationError::Prefix)
            );
        }
    }

    #[test]
    fn the_first_form_is_still_read_and_a_later_one_says_so() {
        let golden = "dx1_AQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgMDAwMDAwMDAw\
                      MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAQ4xMjcuMC4wLjE6NDQzMwABgKDxwrE0";
        let bytes = BASE64URL_NOPAD.decode(&golden.as_bytes()[4..]).unwrap();
        let text = |bytes: &[u8]| {
            let all = [bytes, &checksum(bytes)].concat();
            format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&all))
        };
        assert_eq!(text(&bytes).parse(), Ok(invitation()));
        let mut later = bytes.clone();
        later[0] = VERSION + 1;
        assert_eq!(
            text(&later).parse::<Invitation>(),
            Err(ParseInvitationError::Newer)
        );
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

    #[test]
    fn what_makes_a_text_too_long_is_left_out() {
        let host = |n: u8| HostAddress {
            device: DeviceKey::from_bytes([n; 32]),
            addresses: (0..16)
                .map(|p| format!("[2001:db8::{n}:{p}]:4433"))
                .collect(),
        };
        let long = Invitation {
            hosts: (0..12).map(host).collect(),
            signal: (0..8)
                .map(|n| format!("{}@host{n}:1", "k".repeat(64)))
                .collect(),
            ..invitation()
        };
        let short = long.shortened();
        assert!(short.to_string().len() <= INVITATION_TEXT_BYTES_MAX);
        assert_eq!(short.hosts.len(), INVITATION_HOSTS_MAX);
        assert!(short.hosts.iter().all(|host| !host.addresses.is_empty()));
        assert_eq!(short.to_string().parse(), Ok(short));
    }
}
