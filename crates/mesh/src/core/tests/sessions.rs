//! Sessions: what is declined, taken up again and ended.

use std::collections::VecDeque;

use super::*;

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
