//! The rules alone, and worlds of several cores whose events arrive in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::replicate::SessionId;
use dxos_transport::{CloseReason, PeerAddress};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::topology::{FullyConnected, Star, Topology};
use super::*;

const TOPIC: Topic = Topic::from_bytes([1; 32]);
const OTHER: Topic = Topic::from_bytes([2; 32]);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn rules() -> Rules {
    crate::MeshConfig::default().rules()
}

fn device(number: u8) -> DeviceKey {
    DeviceKey::from_bytes([number; 32])
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn core_with(number: u8, rules: Rules, topology: Arc<dyn Topology>) -> Core<ChaCha20Rng> {
    Core::new(
        device(number),
        rules,
        topology,
        ConnectionState::Online,
        rng(u64::from(number)),
    )
}

fn core(number: u8) -> Core<ChaCha20Rng> {
    core_with(number, rules(), Arc::new(FullyConnected))
}

fn step(core: &mut Core<ChaCha20Rng>, now: Duration, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    core.step(now, input, &mut out);
    out
}

fn known(topic: Topic, number: u8) -> Input {
    Input::Known {
        topic,
        device: device(number),
        addresses: vec![PeerAddress::Memory(u64::from(number))],
    }
}

fn connected(id: u64, number: u8, outgoing: bool) -> Input {
    Input::Connected {
        connection: ConnectionId(id),
        device: device(number),
        outgoing,
    }
}

fn is_dial(output: &Output) -> bool {
    matches!(output, Output::Dial { .. })
}

fn auth_of(out: &[Output]) -> AuthId {
    out.iter()
        .find_map(|output| match output {
            Output::Authenticate { auth, .. } | Output::Serve { auth, .. } => Some(*auth),
            _ => None,
        })
        .expect("a handshake")
}

fn session_of(out: &[Output]) -> SessionId {
    out.iter()
        .find_map(|output| match output {
            Output::OpenSession { session, .. } => Some(*session),
            _ => None,
        })
        .expect("a session")
}

/// A core with a session over connection 1, which it dialed.
fn with_session(own: u8, peer: u8, now: Duration) -> (Core<ChaCha20Rng>, SessionId) {
    let mut core = core(own);
    step(&mut core, now, Input::Join { topic: TOPIC });
    step(&mut core, now, known(TOPIC, peer));
    let auth = auth_of(&step(&mut core, now, connected(1, peer, true)));
    let outcome = AuthOutcome::Admitted;
    let session = session_of(&step(&mut core, now, Input::AuthEnded { auth, outcome }));
    (core, session)
}

#[test]
fn the_smaller_key_dials_at_once_and_the_greater_after_a_grace() {
    let mut smaller = core(1);
    step(&mut smaller, ms(0), Input::Join { topic: TOPIC });
    assert!(
        step(&mut smaller, ms(0), known(TOPIC, 2))
            .iter()
            .any(is_dial)
    );

    let mut greater = core(3);
    step(&mut greater, ms(0), Input::Join { topic: TOPIC });
    assert!(
        !step(&mut greater, ms(0), known(TOPIC, 2))
            .iter()
            .any(is_dial)
    );
    let at = greater.wake_at().unwrap();
    assert_eq!(at, rules().dial_grace);
    assert!(step(&mut greater, at, Input::Tick).iter().any(is_dial));
}

#[test]
fn oneself_and_devices_of_swarms_not_joined_are_not_dialed() {
    let mut core = core(1);
    assert!(step(&mut core, ms(0), known(TOPIC, 2)).is_empty());
    step(&mut core, ms(0), Input::Join { topic: TOPIC });
    assert!(step(&mut core, ms(0), known(TOPIC, 1)).is_empty());
    assert_eq!(
        step(&mut core, ms(0), connected(1, 1, false)),
        [Output::Close {
            connection: ConnectionId(1),
            reason: CloseReason::Done
        }]
    );
}

#[test]
fn failed_dials_back_off_and_a_new_address_is_a_new_chance() {
    let mut core = core(1);
    step(&mut core, ms(0), Input::Join { topic: TOPIC });
    let mut out = step(&mut core, ms(0), known(TOPIC, 2));
    let mut now = ms(0);
    for _ in 0..12 {
        assert_eq!(out.iter().filter(|output| is_dial(output)).count(), 1);
        assert!(step(&mut core, now, Input::DialFailed { device: device(2) }).is_empty());
        let at = core.wake_at().unwrap();
        assert!(at >= now + ms(125) && at <= now + ms(30_000));
        assert!(step(&mut core, at - ms(1), Input::Tick).is_empty());
        now = at;
        out = step(&mut core, now, Input::Tick);
    }
    step(&mut core, now, Input::DialFailed { device: device(2) });
    assert!(core.wake_at().unwrap() > now + ms(10_000));
    now += ms(1_000);
    let new = Input::Known {
        topic: TOPIC,
        device: device(2),
        addresses: vec![PeerAddress::Memory(99)],
    };
    let out = step(&mut core, now, new);
    let Some(Output::Dial { addresses, .. }) = out.iter().find(|output| is_dial(output)) else {
        panic!("{out:?}");
    };
    assert_eq!(
        addresses,
        &[PeerAddress::Memory(99), PeerAddress::Memory(2)]
    );
}

#[test]
fn a_session_that_lived_makes_the_next_dial_quick() {
    let (mut core, _) = with_session(1, 2, ms(0));
    let gone = Input::Disconnected {
        connection: ConnectionId(1),
        reason: CloseReason::Lost,
    };
    let out = step(&mut core, ms(20_000), gone);
    assert!(matches!(out[..], [Output::EndSession { .. }]), "{out:?}");
    let at = core.wake_at().unwrap();
    assert!(at <= ms(20_250));
    assert!(step(&mut core, at, Input::Tick).iter().any(is_dial));
}

#[test]
fn a_newer_connection_replaces_an_older_one_but_not_a_simultaneous_one() {
    let (mut core, session) = with_session(1, 2, ms(0));
    let duplicate = CloseReason::Duplicate;
    assert_eq!(
        step(&mut core, ms(500), connected(2, 2, false)),
        [Output::Close {
            connection: ConnectionId(2),
            reason: duplicate
        }]
    );
    assert_eq!(
        step(&mut core, ms(60_000), connected(3, 2, false)),
        [
            Output::EndSession { session },
            Output::Close {
                connection: ConnectionId(1),
                reason: duplicate
            },
            Output::Accept {
                connection: ConnectionId(3)
            },
        ]
    );
}

#[test]
fn the_greater_key_keeps_both_until_a_session_shows_which() {
    let (mut core, session) = with_session(3, 2, ms(0));
    let out = step(&mut core, ms(100), connected(2, 2, false));
    assert!(
        !out.iter().any(|o| matches!(o, Output::Close { .. })),
        "{out:?}"
    );
    let hello = Input::Hello {
        connection: ConnectionId(2),
        topic: TOPIC,
        stream: 7,
    };
    let auth = auth_of(&step(&mut core, ms(200), hello));
    let outcome = AuthOutcome::Admitted;
    let out = step(&mut core, ms(300), Input::AuthEnded { auth, outcome });
    assert_eq!(out[0], Output::EndSession { session });
    assert!(matches!(out[1], Output::OpenSession { opener: false, .. }));
    assert_eq!(
        out[2],
        Output::Close {
            connection: ConnectionId(1),
            reason: CloseReason::Duplicate
        }
    );
}

#[test]
fn handshakes_that_cross_leave_that_of_the_connections_initiator() {
    // This side accepted the connection and began after its grace; then the other's arrives.
    let mut acceptor = core(3);
    step(&mut acceptor, ms(0), Input::Join { topic: TOPIC });
    step(&mut acceptor, ms(0), connected(1, 2, false));
    step(&mut acceptor, ms(0), known(TOPIC, 2));
    let grace = acceptor.wake_at().unwrap();
    let ours = auth_of(&step(&mut acceptor, grace, Input::Tick));
    let hello = Input::Hello {
        connection: ConnectionId(1),
        topic: TOPIC,
        stream: 7,
    };
    let out = step(&mut acceptor, grace, hello.clone());
    assert_eq!(out[0], Output::Abandon { auth: ours });
    assert!(matches!(out[1], Output::Serve { stream: 7, .. }));

    // This side dialed: its own goes on.
    let mut dialer = core(1);
    step(&mut dialer, ms(0), Input::Join { topic: TOPIC });
    step(&mut dialer, ms(0), known(TOPIC, 2));
    step(&mut dialer, ms(0), connected(1, 2, true));
    assert_eq!(
        step(&mut dialer, ms(10), hello),
        [Output::Ignore { stream: 7 }]
    );
}

#[test]
fn an_unknown_topic_is_declined_and_too_many_end_the_connection() {
    let mut core = core(1);
    step(&mut core, ms(0), Input::Join { topic: TOPIC });
    step(&mut core, ms(0), connected(1, 9, false));
    let mut closed = 0;
    for attempt in 0..u64::from(rules().refusals_max) {
        let out = step(
            &mut core,
            ms(attempt),
            Input::Hello {
                connection: ConnectionId(1),
                topic: OTHER,
                stream: attempt,
            },
        );
        assert_eq!(out[0], Output::Decline { stream: attempt });
        closed += out.len() - 1;
    }
    assert_eq!(closed, 1);
    assert_eq!(core.refused(), u64::from(rules().refusals_max));
    // It does not come back at once, and is not dialed.
    assert_eq!(
        step(&mut core, ms(100), connected(2, 9, false)),
        [Output::Close {
            connection: ConnectionId(2),
            reason: CloseReason::Refused
        }]
    );
    assert!(
        !step(&mut core, ms(200), known(TOPIC, 9))
            .iter()
            .any(is_dial)
    );
    let later = ms(200) + rules().penalty;
    assert!(step(&mut core, later, Input::Tick).iter().any(is_dial));
}

#[test]
fn an_honest_opener_stays_below_what_others_put_up_with() {
    let rules = rules();
    let mut opener = core(1);
    let mut responder = core(2);
    step(&mut responder, ms(0), Input::Join { topic: OTHER });
    step(&mut responder, ms(0), connected(1, 1, false));
    for number in 0..100 {
        let topic = Topic::from_bytes([number + 10; 32]);
        step(&mut opener, ms(0), Input::Join { topic });
        step(&mut opener, ms(0), known(topic, 2));
    }
    let mut queue: VecDeque<Output> = step(&mut opener, ms(0), connected(1, 2, true)).into();
    let mut now = ms(0);
    let mut asked = 0;
    while now < rules.idle.saturating_mul(2) {
        while let Some(output) = queue.pop_front() {
            match output {
                Output::Authenticate { auth, topic, .. } => {
                    asked += 1;
                    let hello = Input::Hello {
                        connection: ConnectionId(1),
                        topic,
                        stream: auth.0,
                    };
                    assert_eq!(
                        step(&mut responder, now, hello),
                        [Output::Decline { stream: auth.0 }]
                    );
                    let outcome = AuthOutcome::RefusedByPeer;
                    queue.extend(step(&mut opener, now, Input::AuthEnded { auth, outcome }));
                }
                Output::Close { reason, .. } => {
                    assert_eq!(reason, CloseReason::Done);
                    assert!(asked > 5);
                    return;
                }
                _ => {}
            }
        }
        now = opener.wake_at().unwrap().max(now);
        queue.extend(step(&mut opener, now, Input::Tick));
    }
    panic!("an unused connection stayed open");
}

#[test]
fn a_change_of_members_asks_those_who_refused_again_though_not_without_pause() {
    let mut core = core(1);
    step(&mut core, ms(0), Input::Join { topic: TOPIC });
    step(&mut core, ms(0), known(TOPIC, 2));
    let mut out = step(&mut core, ms(0), connected(1, 2, true));
    let (connection, held) = (ConnectionId(1), true);
    step(&mut core, ms(0), Input::Held { connection, held });
    let asks = |out: &[Output]| out.iter().any(|o| matches!(o, Output::Authenticate { .. }));
    let refuse = |core: &mut Core<_>, now, out: &[Output]| {
        let (auth, outcome) = (auth_of(out), AuthOutcome::RefusedByPeer);
        step(core, now, Input::AuthEnded { auth, outcome });
    };
    let changed = Input::MembersChanged { topic: TOPIC };
    let mut now = ms(0);
    loop {
        if asks(&out) {
            refuse(&mut core, now, &out);
        }
        let next = core.wake_at().expect("it is asked again");
        if next > now + ms(60_000) {
            break;
        }
        now = next;
        out = step(&mut core, now, Input::Tick);
    }
    // At once, as soon as what was tried before allows it; and never more often than it does.
    let begin = now;
    let mut attempts = 0;
    while now < begin + ms(100_000) {
        out = step(&mut core, now, changed.clone());
        if asks(&out) {
            attempts += 1;
            refuse(&mut core, now, &out);
        }
        now += ms(100);
    }
    assert!((8..=18).contains(&attempts), "{attempts} in 100 s");
}

#[test]
fn a_change_of_members_does_not_bring_back_who_broke_the_rules() {
    let (mut core, session) = with_session(1, 2, ms(0));
    let end = SessionEnd::Offence;
    step(&mut core, ms(5_000), Input::SessionEnded { session, end });
    let penalty = rules().penalty;
    let mut now = ms(5_000);
    while now < ms(5_000) + penalty {
        let out = step(&mut core, now, Input::MembersChanged { topic: TOPIC });
        let spoken = out
            .iter()
            .any(|o| matches!(o, Output::Authenticate { .. } | Output::Dial { .. }));
        assert!(!spoken, "{out:?} at {now:?}");
        now += ms(500);
    }
}

#[test]
fn an_offence_ends_one_session_and_nothing_else() {
    let (mut core, session) = with_session(1, 2, ms(0));
    step(&mut core, ms(0), Input::Join { topic: OTHER });
    let auth = auth_of(&step(&mut core, ms(0), known(OTHER, 2)));
    let outcome = AuthOutcome::Admitted;
    step(&mut core, ms(0), Input::AuthEnded { auth, outcome });
    let end = SessionEnd::Offence;
    let out = step(&mut core, ms(50), Input::SessionEnded { session, end });
    assert_eq!(out, [Output::EndSession { session }]);
    let hello = Input::Hello {
        connection: ConnectionId(1),
        topic: TOPIC,
        stream: 1,
    };
    let out = step(&mut core, ms(60), hello);
    assert_eq!(out, [Output::Decline { stream: 1 }]);
    let at = core.wake_at().unwrap();
    assert_eq!(at, ms(50) + rules().penalty);
    assert!(matches!(
        step(&mut core, at, Input::Tick)[..],
        [Output::Authenticate { topic: TOPIC, .. }]
    ));
}

#[test]
fn offline_closes_everything_and_online_dials_at_once() {
    let (mut core, session) = with_session(1, 2, ms(0));
    let out = step(&mut core, ms(10), Input::SetState(ConnectionState::Offline));
    assert_eq!(
        out,
        [
            Output::Forget { topic: TOPIC },
            Output::EndSession { session },
            Output::Close {
                connection: ConnectionId(1),
                reason: CloseReason::ShuttingDown
            }
        ]
    );
    assert_eq!(core.wake_at(), None);
    assert_eq!(
        step(&mut core, ms(20), connected(2, 2, false)),
        [Output::Close {
            connection: ConnectionId(2),
            reason: CloseReason::ShuttingDown
        }]
    );
    let out = step(&mut core, ms(30), Input::SetState(ConnectionState::Online));
    assert_eq!(out[0], Output::Discover { topic: TOPIC });
    assert!(is_dial(&out[1]));
}

#[test]
fn limits_hold_and_strangers_make_room_for_newcomers() {
    let rules = Rules {
        connections_max: 3,
        dials_max: 2,
        known_max: 5,
        ..rules()
    };
    let mut core = core_with(1, rules, Arc::new(FullyConnected));
    step(&mut core, ms(0), Input::Join { topic: TOPIC });
    let mut dials = 0;
    for number in 2..20 {
        dials += step(&mut core, ms(0), known(TOPIC, number))
            .iter()
            .filter(|output| is_dial(output))
            .count();
    }
    assert_eq!(dials, 2);
    assert_eq!(core.swarms().collect::<Vec<_>>(), [(TOPIC, 5)]);
    for (id, number) in [(1, 50), (2, 51), (3, 52)] {
        let out = step(&mut core, ms(id), connected(id, number, false));
        assert!(out.iter().all(|o| matches!(o, Output::Accept { .. })));
    }
    step(
        &mut core,
        ms(4),
        Input::Held {
            connection: ConnectionId(1),
            held: true,
        },
    );
    let out = step(&mut core, ms(5), connected(4, 53, false));
    assert_eq!(
        out[0],
        Output::Close {
            connection: ConnectionId(2),
            reason: CloseReason::Overloaded
        }
    );
    assert_eq!(core.links.len(), 3);
}

#[test]
fn an_unused_connection_is_closed_and_a_held_one_is_not() {
    let mut core = core(1);
    step(&mut core, ms(0), connected(1, 2, false));
    let hold = |held| Input::Held {
        connection: ConnectionId(1),
        held,
    };
    step(&mut core, ms(0), hold(true));
    assert_eq!(core.wake_at(), None);
    step(&mut core, ms(100), hold(false));
    let at = core.wake_at().unwrap();
    assert_eq!(at, ms(100) + rules().idle);
    assert_eq!(
        step(&mut core, at, Input::Tick),
        [Output::Close {
            connection: ConnectionId(1),
            reason: CloseReason::Done
        }]
    );
}

#[test]
fn another_topology_chooses_whom_to_dial() {
    let star: Arc<dyn Topology> = Arc::new(Star { center: device(5) });
    let mut leaf = core_with(1, rules(), Arc::clone(&star));
    step(&mut leaf, ms(0), Input::Join { topic: TOPIC });
    assert!(step(&mut leaf, ms(0), known(TOPIC, 2)).is_empty());
    assert!(step(&mut leaf, ms(0), known(TOPIC, 5)).iter().any(is_dial));
}

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
