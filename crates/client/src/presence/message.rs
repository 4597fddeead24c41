//! Ephemeral messages of applications, on named channels of a space.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::broadcast;

use crate::{ClientError, DeviceKey, IdentityKey};

/// Bytes of a message at most.
pub const MESSAGE_BYTES_MAX: usize = 60 * 1024;
/// Bytes of the name of a channel at most.
pub const CHANNEL_BYTES_MAX: usize = 255;
/// Messages that wait for one listener; more drop the oldest.
const WAITING_MAX: usize = 64;

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The name of the channel is too long.
    #[error("channel name of {found} bytes, more than the {CHANNEL_BYTES_MAX} allowed")]
    ChannelTooLong {
        /// Its length.
        found: usize,
    },
    /// The message is too large. Write it into an object, or send it in parts.
    #[error(
        "message of {found} bytes, more than the {MESSAGE_BYTES_MAX} allowed; send it in parts, \
         or keep it in an object"
    )]
    TooLarge {
        /// Its length.
        found: usize,
    },
}

/// A message that another device sent with [`Space::post_message`](crate::Space::post_message).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The device that sent it.
    pub device: DeviceKey,
    /// Whose device that is.
    pub identity: IdentityKey,
    /// What it says.
    pub payload: Bytes,
}

/// The messages of one channel, from when it was made. See
/// [`Space::listen`](crate::Space::listen).
#[derive(Debug)]
pub struct Messages {
    pub(super) receiver: broadcast::Receiver<Message>,
    missed: u64,
}

impl Messages {
    /// The next message; `None` when the client has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match self.receiver.recv().await {
                Ok(message) => return Some(message),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    self.missed = self.missed.saturating_add(count);
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// How many messages were dropped because they were not asked for soon enough.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

/// Who listens in one space.
#[derive(Debug, Default)]
pub(super) struct Channels(BTreeMap<String, broadcast::Sender<Message>>);

impl Channels {
    pub(super) fn listen(&mut self, channel: &str) -> Messages {
        self.0.retain(|_, sender| sender.receiver_count() > 0);
        let sender = self.0.entry(channel.to_owned());
        let sender = sender.or_insert_with(|| broadcast::channel(WAITING_MAX).0);
        Messages {
            receiver: sender.subscribe(),
            missed: 0,
        }
    }

    /// Whether anybody listens at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|sender| sender.receiver_count() == 0)
    }

    pub(super) fn deliver(&self, channel: &str, message: Message) {
        if let Some(sender) = self.0.get(channel) {
            drop(sender.send(message));
        }
    }
}

/// The channel's name behind its length, and the message.
pub(super) fn pack(channel: &str, payload: &[u8]) -> Result<Bytes, ClientError> {
    let found = channel.len();
    let length = u8::try_from(found).map_err(|_| MessageError::ChannelTooLong { found })?;
    let found = payload.len();
    if found > MESSAGE_BYTES_MAX {
        return Err(MessageError::TooLarge { found }.into());
    }
    let mut bytes = BytesMut::with_capacity(1 + channel.len() + payload.len());
    bytes.put_u8(length);
    bytes.put_slice(channel.as_bytes());
    bytes.put_slice(payload);
    Ok(bytes.freeze())
}

/// What was packed; `None` for what nobody packs.
pub(super) fn unpack(mut bytes: Bytes) -> Option<(String, Bytes)> {
    let length = usize::from(*bytes.first()?);
    if bytes.len() <= length {
        return None;
    }
    let payload = bytes.split_off(1 + length);
    let channel = std::str::from_utf8(bytes.get(1..)?).ok()?.to_owned();
    Some((channel, payload))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(channel in ".{0,60}", payload: Vec<u8>) {
            let packed = pack(&channel, &payload).unwrap();
            prop_assert_eq!(unpack(packed), Some((channel, payload.into())));
        }

        #[test]
        fn no_bytes_harm(bytes: Vec<u8>) {
            let _ = unpack(bytes.into());
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(pack(&"x".repeat(256), b"").is_err());
        assert!(pack(&"x".repeat(255), &vec![0; MESSAGE_BYTES_MAX]).is_ok());
        assert!(pack("", &vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }

    #[tokio::test]
    async fn who_listens_too_slowly_misses_the_oldest_and_is_told_how_many() {
        let mut channels = Channels::default();
        let mut messages = channels.listen("c");
        for n in 0..70_u8 {
            let message = Message {
                device: DeviceKey::from_bytes([1; 32]),
                identity: IdentityKey::from_bytes([2; 32]),
                payload: vec![n].into(),
            };
            channels.deliver("c", message.clone());
            channels.deliver("other", message);
        }
        assert_eq!(messages.next().await.unwrap().payload, vec![6]);
        assert_eq!(messages.missed(), 6);
        drop(messages);
        assert!(channels.is_empty());
    }
}
