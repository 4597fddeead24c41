//! Streams that peers open.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use dxos_actors::{Context, Task};
use dxos_keys::Topic;
use dxos_protocol::auth::Hello;
use dxos_transport::{Connection, Stream};
use dxos_wire::StreamKind;
use tokio::sync::oneshot;

use crate::actor::{MeshActor, SessionEntry};
use crate::core::{ConnectionId, Input};

/// Streams of one connection that may wait for their first frame at once. A peer that follows
/// the rules needs fewer.
const OPENING_MAX: usize = 16;

/// Takes the streams of a connection, one after the other.
pub(crate) fn accept(
    id: ConnectionId,
    connection: Arc<dyn Connection>,
    ctx: &Context<MeshActor>,
) -> Task {
    let context = ctx.clone();
    ctx.spawn(async move {
        while let Ok((kind, stream)) = connection.accept().await {
            let (done, taken) = oneshot::channel();
            context.run(move |actor, ctx| {
                actor.incoming(id, kind, stream, ctx);
                let _ = done.send(());
            });
            if taken.await.is_err() {
                return;
            }
        }
    })
}

/// A stream that has not said yet what it is for.
struct Opening(Rc<Cell<usize>>);

impl Opening {
    fn begin(count: &Rc<Cell<usize>>) -> Option<Self> {
        if count.get() >= OPENING_MAX {
            return None;
        }
        count.set(count.get() + 1);
        Some(Self(Rc::clone(count)))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl MeshActor {
    fn incoming(
        &mut self,
        id: ConnectionId,
        kind: StreamKind,
        stream: Stream,
        ctx: &Context<Self>,
    ) {
        match kind {
            StreamKind::Invitation | StreamKind::Recovery => {
                self.invitation(id, kind, stream, ctx);
            }
            StreamKind::Auth | StreamKind::Gossip | StreamKind::Replicate => {
                self.first_frame(id, kind, stream, ctx);
            }
            // Not served here: dropping a stream refuses it.
            _ => drop(stream),
        }
    }

    /// Reads the frame that says which swarm a stream belongs to.
    fn first_frame(
        &mut self,
        id: ConnectionId,
        kind: StreamKind,
        mut stream: Stream,
        ctx: &Context<Self>,
    ) {
        let Some(entry) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(opening) = Opening::begin(&entry.opening) else {
            self.apply(Input::HelloBroken { connection: id }, ctx);
            return;
        };
        entry.tasks.retain(|task| !task.is_finished());
        let clock = self.clock.clone();
        let within = self.config.step_timeout;
        let first = async move {
            let frame = clock.timeout(within, stream.receiver.receive()).await;
            (frame, stream, opening)
        };
        let task = ctx.spawn_then(first, move |actor, (frame, stream, opening), ctx| {
            drop(opening);
            let Ok(Ok(Some(frame))) = frame else {
                actor.apply(Input::HelloBroken { connection: id }, ctx);
                return;
            };
            if kind == StreamKind::Auth {
                actor.hello(id, &frame, stream, ctx);
            } else if let Some(topic) = Topic::from_slice(&frame) {
                actor.attach(id, topic, kind, stream);
            } else {
                actor.apply(Input::HelloBroken { connection: id }, ctx);
            }
        });
        entry.tasks.push(task);
    }

    fn hello(&mut self, id: ConnectionId, frame: &[u8], stream: Stream, ctx: &Context<Self>) {
        let Ok(hello) = Hello::decode(frame) else {
            self.apply(Input::HelloBroken { connection: id }, ctx);
            return;
        };
        let number = self.next_stream();
        let topic = hello.topic;
        self.hellos.insert(number, (id, hello, stream));
        let input = Input::Hello {
            connection: id,
            topic,
            stream: number,
        };
        self.apply(input, ctx);
    }

    /// Gives a stream to the session it belongs to. It is refused unless the peer was
    /// authenticated for that swarm on this very connection, or is about to be.
    fn attach(&mut self, id: ConnectionId, topic: Topic, kind: StreamKind, stream: Stream) {
        let session = self
            .sessions
            .values_mut()
            .find(|session| session.connection == id && session.topic == topic);
        if let Some(session) = session {
            give(session, kind, stream);
            return;
        }
        let expected = self
            .auths
            .values()
            .any(|auth| auth.connection == id && auth.topic == topic);
        let [kind, _] = kind.to_bytes();
        if expected {
            // At most one of each kind: a second one is refused.
            self.parked.entry((id, topic, kind)).or_insert(stream);
        }
    }

    /// Hands a session the streams that came before it was there.
    pub(crate) fn attach_parked(&mut self, id: ConnectionId, topic: Topic) {
        for kind in [StreamKind::Replicate, StreamKind::Gossip] {
            let [byte, _] = kind.to_bytes();
            if let Some(stream) = self.parked.remove(&(id, topic, byte)) {
                self.attach(id, topic, kind, stream);
            }
        }
    }

    /// Refuses the streams that waited for a handshake which came to nothing.
    pub(crate) fn unpark(&mut self, id: ConnectionId, topic: Topic) {
        self.parked
            .retain(|(connection, of, _), _| (*connection, *of) != (id, topic));
    }

    fn invitation(
        &mut self,
        id: ConnectionId,
        kind: StreamKind,
        stream: Stream,
        ctx: &Context<Self>,
    ) {
        let Some(handler) = self.invitations.clone() else {
            return;
        };
        if self.invitations_served >= self.config.invitations_max {
            tracing::warn!("as many invitations are served as allowed: one more was refused");
            return;
        }
        let Some(connection) = self.lend(id, ctx) else {
            return;
        };
        self.invitations_served += 1;
        ctx.spawn_then(
            async move {
                match kind {
                    StreamKind::Recovery => handler.recovery(connection, stream).await,
                    _ => handler.accepted(connection, stream).await,
                }
            },
            |actor, (), _| actor.invitations_served = actor.invitations_served.saturating_sub(1),
        );
    }
}

fn give(session: &mut SessionEntry, kind: StreamKind, stream: Stream) {
    let slot = match kind {
        StreamKind::Replicate => session.replicate_slot.take(),
        StreamKind::Gossip => session.gossip_slot.take(),
        _ => None,
    };
    if let Some(slot) = slot {
        // When the session has just ended the stream is refused by dropping it.
        drop(slot.send(stream));
    }
}
