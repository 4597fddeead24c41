//! A peer that speaks the protocol by hand, as far and as well as a test wants.

use std::sync::Arc;

use bytes::Bytes;
use dxos_keys::{DeviceKey, DeviceSecret, Topic};
use dxos_protocol::auth::{Evidence, Hello, HelloReply, Judgement, Side, SwarmSecret};
use dxos_transport::mem::MemTransport;
use dxos_transport::{Connection, Stream, StreamError, Transport};
use dxos_wire::StreamKind;

use super::{Net, Node, address_of, evidence};
use crate::handshake::BINDING_LABEL;

pub(crate) struct Raw {
    pub(crate) transport: Arc<MemTransport>,
    pub(crate) device: DeviceKey,
}

impl Raw {
    pub(crate) fn new(net: &Net, number: u8) -> Self {
        let secret: DeviceSecret = net.secret(number);
        Self {
            transport: net.network.endpoint(&secret),
            device: secret.device(),
        }
    }

    pub(crate) async fn connect(&self, node: &Node) -> Arc<dyn Connection> {
        let connected = self.transport.connect(node.device, &address_of(node)).await;
        connected.unwrap()
    }

    pub(crate) fn hello(
        &self,
        connection: &dyn Connection,
        topic: Topic,
        secret: &SwarmSecret,
    ) -> Hello {
        let binding = connection.binding(BINDING_LABEL);
        let proof = secret.proof(&topic, Side::Initiator, &self.device, &binding);
        Hello { topic, proof }
    }

    /// Goes through the handshake as a member does.
    pub(crate) async fn authenticate(
        &self,
        connection: &dyn Connection,
        topic: Topic,
        secret: &SwarmSecret,
    ) -> Judgement {
        let mut stream = connection.open(StreamKind::Auth).await.unwrap();
        let hello = self.hello(connection, topic, secret);
        send(&mut stream, hello.encode().unwrap()).await;
        let reply = HelloReply::decode(&receive(&mut stream).await).unwrap();
        if reply == HelloReply::Refused {
            return Judgement::Refused;
        }
        send(&mut stream, evidence(false).encode().unwrap()).await;
        Evidence::decode(&receive(&mut stream).await).unwrap();
        send(&mut stream, Judgement::Admitted.encode().unwrap()).await;
        Judgement::decode(&receive(&mut stream).await).unwrap()
    }

    /// A stream that belongs to a session.
    pub(crate) async fn open(
        &self,
        connection: &dyn Connection,
        kind: StreamKind,
        topic: Topic,
    ) -> Stream {
        let mut stream = connection.open(kind).await.unwrap();
        send(&mut stream, Bytes::copy_from_slice(topic.as_bytes())).await;
        stream
    }

    /// Everything up to an open session: its replicate and its gossip stream.
    pub(crate) async fn session(
        &self,
        connection: &dyn Connection,
        topic: Topic,
        secret: &SwarmSecret,
    ) -> (Stream, Stream) {
        let judgement = self.authenticate(connection, topic, secret).await;
        assert_eq!(judgement, Judgement::Admitted);
        let replicate = self.open(connection, StreamKind::Replicate, topic).await;
        (
            replicate,
            self.open(connection, StreamKind::Gossip, topic).await,
        )
    }
}

pub(crate) async fn send(stream: &mut Stream, frame: Bytes) {
    stream.sender.send(frame).await.unwrap();
}

pub(crate) async fn receive(stream: &mut Stream) -> Bytes {
    stream.receiver.receive().await.unwrap().expect("a frame")
}

/// Every frame until the stream ends, and how it did.
pub(crate) async fn drain(stream: &mut Stream) -> (Vec<Bytes>, Option<StreamError>) {
    let mut frames = Vec::new();
    loop {
        match stream.receiver.receive().await {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}
