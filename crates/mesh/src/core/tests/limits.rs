//! Limits, connections that nobody uses, and other topologies.

use super::*;

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
