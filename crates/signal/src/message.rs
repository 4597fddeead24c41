//! What client and server say to each other, one message a frame.

use dxos_keys::{DeviceKey, Topic};
use dxos_transport::PeerAddress;
use serde::{Deserialize, Serialize};

pub(crate) const VERSION: u8 = 1;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClientMessage {
    /// It is in the topic, at these addresses; said again when they change.
    Join {
        topic: Topic,
        addresses: Vec<PeerAddress>,
    },
    /// It has left the topic.
    Leave { topic: Topic },
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerMessage {
    /// A device is in the topic, at these addresses in place of earlier ones.
    Found {
        topic: Topic,
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    },
    /// A device has left the topic.
    Lost { topic: Topic, device: DeviceKey },
    /// Everyone who was there when the client joined has been named.
    Complete { topic: Topic },
    /// The topic cannot be joined: the server, or the device's share of it, is full.
    Full { topic: Topic },
}
