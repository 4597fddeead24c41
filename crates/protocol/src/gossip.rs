//! What the devices of a space tell each other by gossip, and nobody stores: that they are there,
//! and messages of applications.
//!
//! Each is signed by the device that sends it and passed on once by each that gets it, so that it
//! reaches those with no connection to the sender. Whoever passes it on can alter nothing, and
//! can hold it back or send it again later.

use bytes::Bytes;
use dxos_keys::{DeviceKey, Domain, HashDomain, Hasher, Signature, Signer, Topic};
use serde::{Deserialize, Serialize};

use crate::wire_message;

/// Something that a device tells all others of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gossip {
    device: DeviceKey,
    seq: u64,
    content: GossipContent,
    signature: Signature,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GossipContent {
    /// The device is online.
    Here,
    /// It is about to go offline.
    Leaving,
    /// A message of an application, sealed with the content key of the space.
    Message(Bytes),
}

wire_message!(Gossip, 1);

impl GossipContent {
    fn hash_into(&self, hasher: &mut Hasher) {
        match self {
            Self::Here => hasher.update(&[0]),
            Self::Leaving => hasher.update(&[1]),
            Self::Message(sealed) => hasher.update(&[2]).update(sealed),
        };
    }
}

/// Everything that is signed, for one space.
fn message(topic: &Topic, device: &DeviceKey, seq: u64, content: &GossipContent) -> [u8; 32] {
    let mut hasher = Hasher::new(HashDomain::Gossip);
    hasher
        .update(topic.as_bytes())
        .update(device.as_bytes())
        .update(&seq.to_le_bytes());
    content.hash_into(&mut hasher);
    hasher.finish()
}

impl Gossip {
    /// Signs something for the devices that meet at `topic`. `seq` counts up from message to
    /// message, over all spaces and restarts.
    pub fn sign(signer: &dyn Signer, topic: &Topic, seq: u64, content: GossipContent) -> Self {
        let device = signer.device();
        let signature = signer.sign(Domain::Gossip, &message(topic, &device, seq, &content));
        Self {
            device,
            seq,
            content,
            signature,
        }
    }

    /// Whether the device that it names signed it for this topic.
    pub fn verify(&self, topic: &Topic) -> bool {
        let message = message(topic, &self.device, self.seq, &self.content);
        let verified = self
            .device
            .verify(Domain::Gossip, &message, &self.signature);
        verified.is_ok()
    }

    /// The device that it names; check with [`Gossip::verify`].
    pub const fn device(&self) -> DeviceKey {
        self.device
    }

    /// Its number among all that the device sends.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What is told.
    pub const fn content(&self) -> &GossipContent {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_keys::{DeviceSecret, SpaceKey};

    #[test]
    fn it_holds_for_one_space_and_as_it_was_signed() {
        let topic = |byte| Topic::of_space(&SpaceKey::from_bytes([byte; 32]));
        let device = DeviceSecret::from_seed(&[1; 32]);
        let content = GossipContent::Message(Bytes::from_static(b"sealed"));
        let gossip = Gossip::sign(&device, &topic(1), 7, content);
        let read = Gossip::decode(&gossip.encode().unwrap()).unwrap();
        assert!(read.verify(&topic(1)));
        assert!(!read.verify(&topic(2)));
        let other = DeviceSecret::from_seed(&[2; 32]).device();
        let altered = [
            Gossip {
                device: other,
                ..gossip.clone()
            },
            Gossip {
                seq: 8,
                ..gossip.clone()
            },
            Gossip {
                content: GossipContent::Here,
                ..gossip.clone()
            },
            Gossip {
                content: GossipContent::Leaving,
                ..gossip
            },
        ];
        assert!(altered.iter().all(|altered| !altered.verify(&topic(1))));
    }
}
