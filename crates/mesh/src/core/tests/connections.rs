//! Whom to dial, and which of two connections stays.

use super::*;

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
fn who_was_told_of_before_a_swarm_was_joined_or_known_when_it_was_left_is_dialed_then() {
    let mut core = core(1);
    assert!(step(&mut core, ms(0), known(TOPIC, 2)).is_empty());
    assert!(step(&mut core, ms(0), known(OTHER, 3)).is_empty());
    let out = step(&mut core, ms(10), Input::Join { topic: TOPIC });
    let dialed = |out: &[Output]| {
        let dials = out.iter().filter_map(|output| match output {
            Output::Dial { device, addresses } => Some((*device, addresses.clone())),
            _ => None,
        });
        dials.collect::<Vec<_>>()
    };
    let at = |number: u64| vec![PeerAddress::Memory(number)];
    assert_eq!(dialed(&out), [(device(2), at(2))]);
    step(&mut core, ms(20), Input::DialFailed { device: device(2) });
    step(&mut core, ms(30), Input::Leave { topic: TOPIC });
    assert!(core.wake_at().is_none());
    // Nobody speaks of it again, and it is not forgotten.
    let out = step(&mut core, ms(60_000), Input::Join { topic: TOPIC });
    assert_eq!(dialed(&out), [(device(2), at(2))]);
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
