//! Handshakes and the sessions that come of them.

use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::replicate::SessionId;
use dxos_transport::CloseReason;
use rand_core::Rng;

use super::types::{AuthId, AuthOutcome, ConnectionId, Output, SessionEnd};
use super::{Core, Known, Session, Slot};

/// A session that ends sooner counts against the peer, so that opening and ending sessions in a
/// loop is no way to keep this device busy.
const SHORT_SESSION: Duration = Duration::from_secs(1);

impl<R: Rng> Core<R> {
    pub(super) fn hello(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        topic: Topic,
        stream: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&connection) else {
            out.push(Output::Ignore { stream });
            return;
        };
        let welcome = self.state == ConnectionState::Online
            && self.swarms.get(&topic).is_some_and(|swarm| {
                swarm
                    .known
                    .get(&link.device)
                    .is_none_or(|known| known.penalized_until <= now)
            });
        if !welcome {
            self.refused += 1;
            out.push(Output::Decline { stream });
            self.strike(now, connection, out);
            return;
        }
        match link.slots.get(&topic) {
            // Both began at once: that of the connection's initiator goes on.
            Some(Slot::Ours(auth)) if !link.outgoing => {
                let auth = *auth;
                self.abandon(auth, out);
            }
            None => {}
            Some(_) => {
                out.push(Output::Ignore { stream });
                return;
            }
        }
        let auth = self.begin(connection, topic, Slot::Theirs);
        out.push(Output::Serve {
            auth,
            connection,
            topic,
            stream,
        });
    }

    /// Gives a handshake its number and its slot.
    pub(super) fn begin(
        &mut self,
        connection: ConnectionId,
        topic: Topic,
        slot: impl FnOnce(AuthId) -> Slot,
    ) -> AuthId {
        let auth = AuthId(self.next_auth);
        self.next_auth += 1;
        self.auths.insert(auth, (connection, topic));
        if let Some(link) = self.links.get_mut(&connection) {
            link.slots.insert(topic, slot(auth));
        }
        auth
    }

    pub(super) fn auth_ended(
        &mut self,
        now: Duration,
        auth: AuthId,
        outcome: AuthOutcome,
        out: &mut Vec<Output>,
    ) {
        let Some((connection, topic)) = self.auths.remove(&auth) else {
            return;
        };
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        let device = link.device;
        let ours = match link.slots.remove(&topic) {
            Some(Slot::Ours(id)) if id == auth => true,
            Some(Slot::Theirs(id)) if id == auth => false,
            Some(other) => {
                link.slots.insert(topic, other);
                return;
            }
            None => return,
        };
        if ours && outcome != AuthOutcome::Admitted {
            let cost = self.rules.refusal_decay;
            link.attempts.add(now, cost, Duration::MAX);
        }
        match outcome {
            AuthOutcome::Admitted => {
                self.open_session(now, connection, topic, device, ours, out);
            }
            AuthOutcome::RefusedByUs => {
                self.refused += 1;
                self.put_off(now, &topic, &device, true);
                if !ours {
                    self.strike(now, connection, out);
                }
            }
            AuthOutcome::RefusedByPeer => self.put_off(now, &topic, &device, true),
            AuthOutcome::Broken => {
                self.put_off(now, &topic, &device, false);
                if !ours {
                    self.strike(now, connection, out);
                }
            }
        }
    }

    fn put_off(&mut self, now: Duration, topic: &Topic, device: &DeviceKey, refused: bool) {
        let again = self.rules.reauth;
        let Some(known) = self
            .swarms
            .get_mut(topic)
            .and_then(|swarm| swarm.known.get_mut(device))
        else {
            return;
        };
        known.next_auth = now + known.backoff.fail(again, &mut self.rng);
        known.refused |= refused;
    }

    /// What was refused may be admitted now, on either side. Members may change as often as one
    /// of them likes, so that the handshakes that come of it keep a distance.
    pub(super) fn members_changed(&mut self, now: Duration, topic: &Topic) {
        let pause = self.rules.reconsider;
        let dial_pause = self.rules.redial.base.saturating_mul(4);
        let Some(swarm) = self.swarms.get_mut(topic) else {
            return;
        };
        let at = match swarm.reconsidered {
            // One is on its way, and serves for this change as well.
            Some(at) if at > now => at,
            Some(at) => now.max(at + pause),
            None => now,
        };
        swarm.reconsidered = Some(at);
        for (device, known) in &mut swarm.known {
            if known.penalized_until > at {
                continue;
            }
            // Also for a handshake that is under way, with what was true before.
            known.backoff.reset();
            known.next_auth = known.next_auth.min(at);
            if let Some(peer) = self.peers.get_mut(device) {
                let chance = at.max(peer.last_dial + dial_pause);
                peer.next_dial = peer.next_dial.min(chance);
            }
        }
    }

    fn open_session(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        topic: Topic,
        device: DeviceKey,
        opener: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(swarm) = self.swarms.get_mut(&topic) else {
            return;
        };
        let known = swarm.known.entry(device).or_insert_with(|| Known::new(now));
        known.present = true;
        known.refused = false;
        // The newer session is the live one.
        if let Some(older) = self.session_with(&topic, &device) {
            self.end_session(now, older, out);
        }
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(
            session,
            Session {
                topic,
                connection,
                device,
                since: now,
            },
        );
        if let Some(link) = self.links.get_mut(&connection) {
            link.slots.insert(topic, Slot::Open(session));
        }
        out.push(Output::OpenSession {
            session,
            connection,
            topic,
            device,
            opener,
        });
        // The peer went through the handshake here, so this is the connection it keeps.
        let others: Vec<ConnectionId> = self
            .links
            .iter()
            .filter(|(id, link)| link.device == device && **id != connection)
            .map(|(id, _)| *id)
            .collect();
        for other in others {
            self.close(now, other, CloseReason::Duplicate, out);
        }
    }

    /// The shell says that a session ended.
    pub(super) fn session_ended(
        &mut self,
        now: Duration,
        id: SessionId,
        end: SessionEnd,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (topic, device, connection) = (session.topic, session.device, session.connection);
        let lived = now.saturating_sub(session.since);
        self.end_session(now, id, out);
        let penalty = self.rules.penalty;
        match end {
            SessionEnd::Closed => {
                self.put_off(now, &topic, &device, false);
                if lived < SHORT_SESSION {
                    self.strike(now, connection, out);
                }
            }
            SessionEnd::Unwelcome => self.put_off(now, &topic, &device, true),
            SessionEnd::Offence => {
                self.put_off(now, &topic, &device, true);
                if let Some(known) = self.known_mut(&topic, &device) {
                    known.penalized_until = now + penalty;
                    known.next_auth = known.next_auth.max(now + penalty);
                }
            }
        }
    }

    /// Forgets a session and tells the shell to end it.
    pub(super) fn end_session(&mut self, now: Duration, id: SessionId, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        if let Some(link) = self.links.get_mut(&session.connection) {
            if link.slots.get(&session.topic) == Some(&Slot::Open(id)) {
                link.slots.remove(&session.topic);
            }
            link.unused_since = now;
        }
        if now.saturating_sub(session.since) >= self.rules.settled {
            if let Some(peer) = self.peers.get_mut(&session.device) {
                peer.backoff.reset();
            }
            if let Some(known) = self.known_mut(&session.topic, &session.device) {
                known.backoff.reset();
            }
        }
        out.push(Output::EndSession { session: id });
    }
}
