//! What two processes say to each other, sealed.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dxos_actors::SeedTree;
use dxos_keys::ContentKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{KEY_BYTES, PATIENCE};

/// Bytes of a sealed frame at most.
const FRAME_BYTES_MAX: usize = 512 * 1024;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Asker,
    Server,
}

/// One conversation.
pub(super) struct Channel {
    pub(super) stream: TcpStream,
    pub(super) key: ContentKey,
    side: Side,
    /// The nonces of both, the asker's first.
    nonces: [u8; 2 * KEY_BYTES],
    sent: u64,
    received: u64,
}

impl Channel {
    /// Exchanges nonces. What proves the key is the first frame.
    pub(super) async fn open(mut stream: TcpStream, key: ContentKey, side: Side) -> Result<Self> {
        let mut nonces = [0; 2 * KEY_BYTES];
        let drawn = ContentKey::generate(&mut SeedTree::from_os()?.rng_of("control"));
        let exchange = async {
            let (asker, server) = nonces.split_at_mut(KEY_BYTES);
            let (own, other) = match side {
                Side::Asker => (asker, server),
                Side::Server => (server, asker),
            };
            own.copy_from_slice(drawn.expose());
            stream.set_nodelay(true)?;
            stream.write_all(own).await?;
            stream.read_exact(other).await
        };
        tokio::time::timeout(PATIENCE, exchange).await??;
        Ok(Self {
            stream,
            key,
            side,
            nonces,
            sent: 0,
            received: 0,
        })
    }

    pub(super) fn associated(&self, from: Side, number: u64) -> Vec<u8> {
        let mut bytes = self.nonces.to_vec();
        bytes.push(u8::from(from == Side::Server));
        bytes.extend(number.to_le_bytes());
        bytes
    }

    /// Sends a message. Whoever does not read it for a while, such as a pager, is waited for: what
    /// the other side has not taken is nowhere but in the buffers of the system.
    pub(super) async fn send(&mut self, message: &impl Serialize) -> Result<()> {
        self.send_with(message, &[]).await
    }

    /// The same with bytes behind it, as they are.
    pub(super) async fn send_with(&mut self, message: &impl Serialize, bytes: &[u8]) -> Result<()> {
        let plain = packed(message, bytes)?;
        let sealed = self
            .key
            .seal(&self.associated(self.side, self.sent), &plain);
        ensure!(
            sealed.len() <= FRAME_BYTES_MAX,
            "the command line is too long"
        );
        self.sent += 1;
        let length = u32::try_from(sealed.len())?.to_le_bytes();
        self.stream.write_all(&length).await?;
        self.stream.write_all(&sealed).await?;
        Ok(())
    }

    /// Waits until the other side has gone, or said something unasked.
    pub(super) async fn gone(&self) {
        drop(self.stream.peek(&mut [0]).await);
    }

    /// The next message. Whoever waits for something that takes time gives no `patience`.
    pub(super) async fn receive<T: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<T> {
        Ok(self.receive_with(patience).await?.0)
    }

    /// The same with the bytes behind it.
    pub(super) async fn receive_with<T: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<(T, Vec<u8>)> {
        let read = async {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).await?;
            let length = usize::try_from(u32::from_le_bytes(length))?;
            if length > FRAME_BYTES_MAX {
                bail!("a frame of {length} bytes is too long");
            }
            let mut sealed = vec![0; length];
            self.stream.read_exact(&mut sealed).await?;
            Ok(sealed)
        };
        let sealed = match patience {
            Some(patience) => tokio::time::timeout(patience, read).await??,
            None => read.await?,
        };
        let from = match self.side {
            Side::Asker => Side::Server,
            Side::Server => Side::Asker,
        };
        let associated = self.associated(from, self.received);
        self.received += 1;
        let plain = Zeroizing::new(self.key.open(&associated, &sealed)?);
        unpacked(&plain)
    }
}

/// A message and the bytes behind it, in one.
pub(super) fn packed(message: &impl Serialize, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let message = Zeroizing::new(serde_json::to_vec(message)?);
    let length = u32::try_from(message.len())?.to_le_bytes();
    let mut plain = Zeroizing::new(Vec::with_capacity(4 + message.len() + bytes.len()));
    plain.extend_from_slice(&length);
    plain.extend_from_slice(&message);
    plain.extend_from_slice(bytes);
    Ok(plain)
}

fn unpacked<T: DeserializeOwned>(plain: &[u8]) -> Result<(T, Vec<u8>)> {
    let what = "a frame cannot be read";
    let (length, rest) = plain.split_first_chunk().context(what)?;
    let length = usize::try_from(u32::from_le_bytes(*length))?;
    let (message, bytes) = rest.split_at_checked(length).context(what)?;
    let message = serde_json::from_slice(message).context(what)?;
    Ok((message, bytes.to_vec()))
}
