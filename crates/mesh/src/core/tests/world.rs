//! Worlds of several cores whose events arrive in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;

/// Cores with a network between them that delivers in an order drawn from a seed.
struct World {
    now: Duration,
    rng: ChaCha20Rng,
    cores: Vec<Core<ChaCha20Rng>>,
    /// Undelivered inputs: to whom, and what.
    events: Vec<(usize, Input)>,
    /// The ends of every connection, by the connection's number.
    wires: BTreeMap<u64, (usize, usize)>,
    open: BTreeSet<u64>,
    /// Handshakes by their initiator's stream: who began it, and the two sides' numbers.
    streams: BTreeMap<u64, (usize, AuthId, u64)>,
    next: u64,
}

impl World {
    fn new(seed: u64, count: u8) -> Self {
        Self {
            now: ms(0),
            rng: rng(seed),
            cores: (0..count).map(|number| core(number + 1)).collect(),
            events: Vec::new(),
            wires: BTreeMap::new(),
            open: BTreeSet::new(),
            streams: BTreeMap::new(),
            next: 0,
        }
    }

    fn input(&mut self, at: usize, input: Input) {
        let mut out = Vec::new();
        self.cores[at].step(self.now, input, &mut out);
        for output in out {
            self.carry_out(at, output);
        }
    }

    fn other_end(&self, at: usize, connection: ConnectionId) -> Option<usize> {
        let (a, b) = self.wires[&connection.0];
        self.open
            .contains(&connection.0)
            .then_some(if a == at { b } else { a })
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Dial { device, .. } => {
                let to = usize::from(device.as_bytes()[0]) - 1;
                self.next += 1;
                let connection = ConnectionId(self.next);
                self.wires.insert(self.next, (at, to));
                self.open.insert(self.next);
                self.events.push((
                    at,
                    Input::Connected {
                        connection,
                        device,
                        outgoing: true,
                    },
                ));
                self.events.push((
                    to,
                    Input::Connected {
                        connection,
                        device: self.cores[at].own,
                        outgoing: false,
                    },
                ));
            }
            Output::Close { connection, reason } => {
                if let Some(to) = self.other_end(at, connection) {
                    self.open.remove(&connection.0);
                    self.events
                        .push((to, Input::Disconnected { connection, reason }));
                }
            }
            Output::Authenticate {
                auth,
                connection,
                topic,
            } => match self.other_end(at, connection) {
                Some(to) => {
                    self.next += 1;
                    let stream = self.next;
                    self.streams.insert(stream, (at, auth, connection.0));
                    self.events.push((
                        to,
                        Input::Hello {
                            connection,
                            topic,
                            stream,
                        },
                    ));
                }
                None => self.ended(at, auth, AuthOutcome::Broken),
            },
            Output::Serve { auth, stream, .. } => {
                let (from, theirs, wire) = self.streams[&stream];
                let alive =
                    self.open.contains(&wire) && self.cores[from].auths.contains_key(&theirs);
                let outcome = if alive {
                    AuthOutcome::Admitted
                } else {
                    AuthOutcome::Broken
                };
                self.ended(at, auth, outcome);
                self.ended(from, theirs, outcome);
            }
            Output::Decline { stream } => {
                let (from, theirs, _) = self.streams[&stream];
                self.ended(from, theirs, AuthOutcome::RefusedByPeer);
            }
            Output::Ignore { stream } => {
                let (from, theirs, _) = self.streams[&stream];
                self.ended(from, theirs, AuthOutcome::Broken);
            }
            Output::EndSession { .. }
            | Output::OpenSession { .. }
            | Output::Abandon { .. }
            | Output::Accept { .. }
            | Output::Discover { .. }
            | Output::Forget { .. } => {}
        }
    }

    fn ended(&mut self, at: usize, auth: AuthId, outcome: AuthOutcome) {
        self.events.push((at, Input::AuthEnded { auth, outcome }));
    }

    /// A session lives on both sides or on none: one whose other end is gone hears of it.
    fn orphans(&mut self) {
        let mut ends: BTreeMap<(u64, Topic), Vec<(usize, SessionId)>> = BTreeMap::new();
        for (at, core) in self.cores.iter().enumerate() {
            for (id, session) in &core.sessions {
                ends.entry((session.connection.0, session.topic))
                    .or_default()
                    .push((at, *id));
            }
        }
        for sides in ends.values() {
            if let [(at, session)] = sides[..] {
                let end = SessionEnd::Closed;
                self.events.push((at, Input::SessionEnded { session, end }));
            }
        }
    }

    fn run(&mut self, until: Duration) {
        loop {
            while !self.events.is_empty() {
                let pick = self.rng.next_u64() % self.events.len() as u64;
                // An event of a connection must not overtake the connection itself.
                let (at, input) = self.events.remove(usize::try_from(pick).unwrap());
                let early = match &input {
                    Input::Hello { connection, .. } | Input::Disconnected { connection, .. } => {
                        self.events.iter().any(|(to, other)| {
                            *to == at
                                && matches!(other, Input::Connected { connection: of, .. }
                                    if of == connection)
                        })
                    }
                    _ => false,
                };
                if early {
                    self.events.push((at, input));
                    continue;
                }
                self.input(at, input);
            }
            self.orphans();
            if !self.events.is_empty() {
                continue;
            }
            let Some(next) = self.cores.iter().filter_map(Core::wake_at).min() else {
                return;
            };
            if next > until {
                return;
            }
            self.now = self.now.max(next);
            for at in 0..self.cores.len() {
                self.input(at, Input::Tick);
            }
        }
    }

    /// Every two share one connection and one session in every topic.
    fn assert_complete(&self, topics: &[Topic]) {
        for (at, core) in self.cores.iter().enumerate() {
            for (to, other) in self.cores.iter().enumerate() {
                if at == to {
                    continue;
                }
                let links: Vec<u64> = core
                    .links
                    .iter()
                    .filter(|(_, link)| link.device == other.own)
                    .map(|(id, _)| id.0)
                    .collect();
                assert_eq!(links.len(), 1, "{at} to {to}");
                assert!(other.links.contains_key(&ConnectionId(links[0])));
                for topic in topics {
                    assert!(
                        core.session_with(topic, &other.own).is_some(),
                        "{at} to {to}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_order_every_two_end_with_one_connection_and_all_sessions(
        seed: u64,
        count in 2_u8..6,
        cuts in 0_usize..4,
        toggles in 0_usize..3,
    ) {
        let mut world = World::new(seed, count);
        let topics = [TOPIC, OTHER];
        let all = usize::from(count);
        for topic in topics {
            for at in 0..all {
                world.input(at, Input::Join { topic });
            }
            for at in 0..all {
                for number in 1..=count {
                    world.events.push((at, known(topic, number)));
                }
            }
        }
        world.run(ms(120_000));
        world.assert_complete(&topics);

        for _ in 0..cuts {
            let open: Vec<u64> = world.open.iter().copied().collect();
            if open.is_empty() {
                break;
            }
            let cut = open[usize::try_from(world.rng.next_u64()).unwrap() % open.len()];
            world.open.remove(&cut);
            let (a, b) = world.wires[&cut];
            let connection = ConnectionId(cut);
            let reason = CloseReason::Lost;
            world.events.push((a, Input::Disconnected { connection, reason }));
            world.events.push((b, Input::Disconnected { connection, reason }));
        }
        for _ in 0..toggles {
            let at = usize::try_from(world.rng.next_u64()).unwrap() % all;
            world.input(at, Input::SetState(ConnectionState::Offline));
            world.run(world.now + ms(5_000));
            world.input(at, Input::SetState(ConnectionState::Online));
        }
        world.run(world.now + ms(300_000));
        world.assert_complete(&topics);

        // And nothing is left of what went on.
        for core in &world.cores {
            prop_assert!(core.auths.is_empty());
            prop_assert_eq!(core.sessions.len(), (all - 1) * topics.len());
            prop_assert_eq!(core.wake_at(), None);
        }
    }
}
