//! Random histories: replicas that saw the same operations are equal, byte for byte, whatever
//! the order, and show what the reference model shows.

use proptest::prelude::*;

use super::{KEYS, Replica, Sent, any_lie, any_op, id, model};
use crate::{ElementId, Expand, Key, ObjectState, Op, Path, Text, Tx, TxError, Value};

#[derive(Clone, Debug)]
enum Step {
    /// A replica commits these.
    Commit(usize, Vec<Op>),
    /// A replica edits the text or the list that it sees there, or makes one.
    Edit(usize, Path, Edit),
    /// A replica counts where it sees something.
    Count(usize, Path, i64),
    /// One replica takes from another what it is missing, at most so many.
    Pull(usize, usize, usize),
}

#[derive(Clone, Debug)]
enum Edit {
    Splice(usize, usize, String),
    Mark(usize, usize, &'static str, i64, Expand),
    Insert(usize, Vec<Value>),
    Delete(usize),
    Move(usize, usize),
    Assign(usize, Value),
    Count(usize, i64),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let at = || 0_usize..12;
    let expand = proptest::sample::select(
        [Expand::After, Expand::Before, Expand::Both, Expand::None].as_slice(),
    );
    let name = proptest::sample::select(["bold", "link"].as_slice());
    prop_oneof![
        6 => (at(), 0_usize..3, "[a-zé😀]{0,4}").prop_map(|(at, len, text)| {
            Edit::Splice(at, len, text)
        }),
        2 => (at(), at(), name, 0_i64..3, expand).prop_map(|(from, to, name, value, expand)| {
            Edit::Mark(from, to, name, value, expand)
        }),
        4 => (at(), proptest::collection::vec(small_value(), 1..3))
            .prop_map(|(at, values)| Edit::Insert(at, values)),
        2 => at().prop_map(Edit::Delete),
        4 => (at(), at()).prop_map(|(from, to)| Edit::Move(from, to)),
        2 => (at(), small_value()).prop_map(|(at, value)| Edit::Assign(at, value)),
        1 => (at(), -3_i64..4).prop_map(|(at, by)| Edit::Count(at, by)),
    ]
}

fn edit(tx: &mut Tx<'_>, path: &Path, edit: &Edit) -> Result<(), TxError> {
    let object = id(0);
    if let Edit::Splice(..) | Edit::Mark(..) = edit {
        if tx.text(object, path).is_err() {
            tx.set(object, path, Text::new("on"))?;
        }
        let mut text = tx.text(object, path)?;
        let len = text.len();
        match edit {
            Edit::Splice(at, delete, insert) => {
                let at = at % (len + 1);
                text.splice(at, (*delete).min(len - at), insert)?;
            }
            Edit::Mark(from, to, name, value, expand) if len > 0 => {
                let from = from % len;
                let to = from + 1 + to % (len - from);
                let value = if *value == 0 {
                    Value::Null
                } else {
                    Value::Int(*value)
                };
                text.mark((from, to), *name, value, *expand)?;
            }
            _ => {}
        }
        return Ok(());
    }
    if tx.list(object, path).is_err() {
        tx.set(
            object,
            path,
            Value::List(vec![Value::Int(1), Value::Int(2)]),
        )?;
    }
    let mut list = tx.list(object, path)?;
    let len = list.len()?;
    match edit {
        Edit::Insert(at, values) => list.insert(at % (len + 1), values.iter().cloned()),
        _ if len == 0 => Ok(()),
        Edit::Delete(at) => list.delete(at % len, 1),
        Edit::Move(from, to) => list.move_item(from % len, to % len),
        Edit::Assign(at, value) => list.set(at % len, value.clone()),
        Edit::Count(at, by) => {
            let path = list.item(at % len)?;
            tx.increment(object, path, *by)
        }
        Edit::Splice(..) | Edit::Mark(..) => Ok(()),
    }
}

fn small_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0_i64..3).prop_map(Value::Int),
        (0_i64..3).prop_map(Value::Counter),
        "[x-z]".prop_map(Value::String),
        "[x-z]{0,2}".prop_map(|text| Value::Text(Text::new(text))),
        proptest::collection::vec((0_i64..3).prop_map(Value::Int), 0..3).prop_map(Value::List),
        proptest::collection::btree_set((0_i64..3).prop_map(Value::Int), 0..3).prop_map(Value::Set),
    ];
    let map = |values: BoxedStrategy<Value>| {
        let key = proptest::sample::select(&KEYS[..2]).prop_map(Key::from);
        proptest::collection::btree_map(key, values, 0..3)
            .prop_map(Value::Map)
            .boxed()
    };
    let leaf = leaf.boxed();
    prop_oneof![3 => leaf.clone(), 2 => map(leaf.clone()), 1 => map(map(leaf))]
}

/// Few paths and values, so that operations meet.
fn meeting_op() -> impl Strategy<Value = Op> {
    let path = prop_oneof![
        3 => proptest::sample::select(["a", "a.a", "a.b"].as_slice()).prop_map(Path::from),
        1 => proptest::collection::vec(proptest::sample::select(&KEYS[..2]), 1..4)
            .prop_map(Path::of),
    ];
    let numbers = proptest::collection::vec((0_i64..3).prop_map(Value::Int), 0..3);
    prop_oneof![
        6 => (path.clone(), small_value()).prop_map(|(path, value)| Op::Set {
            object: id(0),
            path,
            value
        }),
        5 => path.clone().prop_map(|path| Op::Unset { object: id(0), path }),
        3 => (path.clone(), -3_i64..4).prop_map(|(path, by)| Op::Increment {
            object: id(0),
            path,
            by
        }),
        3 => (path.clone(), numbers.clone()).prop_map(|(path, values)| Op::SetAdd {
            object: id(0),
            path,
            values
        }),
        3 => (path, numbers).prop_map(|(path, values)| Op::SetRemove {
            object: id(0),
            path,
            values
        }),
        1 => any_op(),
    ]
}

fn steps(replicas: usize) -> impl Strategy<Value = Vec<Step>> {
    let path = proptest::sample::select(["a", "a.a", "b"].as_slice()).prop_map(Path::from);
    let place = path.clone();
    let step = prop_oneof![
        3 => (0..replicas, proptest::collection::vec(meeting_op(), 1..4))
            .prop_map(|(replica, ops)| Step::Commit(replica, ops)),
        2 => (0..replicas, path, -3_i64..4).prop_map(|(replica, path, by)| {
            Step::Count(replica, path, by)
        }),
        4 => (0..replicas, place, any_edit()).prop_map(|(replica, path, edit)| {
            Step::Edit(replica, path, edit)
        }),
        2 => (0..replicas, 0..replicas, 1_usize..6).prop_map(|(to, from, most)| {
            Step::Pull(to, from, most)
        }),
    ];
    proptest::collection::vec(step, 1..36)
}

/// Has a lie be about a text or list that there is.
fn aim(lie: &Op, replica: &Replica) -> Op {
    let Some(state) = replica.states.get(&id(0)) else {
        return lie.clone();
    };
    for path in ["a", "a.a", "b"].map(Path::from) {
        match lie {
            Op::Text { edits, .. } if state.text(&path).is_some() => {
                let mut probe = state.clone();
                let (_, of, _) = probe.edit_text(&path).unwrap();
                return Op::Text {
                    object: id(0),
                    path,
                    of,
                    edits: edits.clone(),
                };
            }
            Op::List { edits, .. } => {
                if let Some(of) = state.list(&path) {
                    return Op::List {
                        object: id(0),
                        path,
                        of,
                        edits: edits.clone(),
                    };
                }
            }
            _ => {}
        }
    }
    lie.clone()
}

/// Plays the steps; gives all that was sent, causes before effects, and the replicas.
fn play(steps: &[Step], replicas: usize) -> (Vec<Sent>, Vec<Replica>) {
    let mut replicas: Vec<_> = (0..u8::try_from(replicas).unwrap())
        .map(|number| Replica::new(number + 1))
        .collect();
    let mut history: Vec<Sent> = Vec::new();
    for step in steps {
        play_step(step, &mut replicas, &mut history);
    }
    (history, replicas)
}

fn play_step(step: &Step, replicas: &mut [Replica], history: &mut Vec<Sent>) {
    match step {
        Step::Commit(replica, ops) => history.push(replicas[*replica].commit(ops.clone())),
        Step::Edit(replica, path, change) => {
            match replicas[*replica].try_write(|tx| edit(tx, path, change)) {
                Ok(sent) => history.push(sent),
                // A lie of its own feed may have used up the numbers of elements.
                Err(error) => assert_eq!(error, TxError::TooLong),
            }
        }
        Step::Count(replica, path, by) => {
            let replica = &mut replicas[*replica];
            let state = replica.states.entry(id(0)).or_default();
            let op = state.increment(id(0), path.clone(), *by);
            history.push(replica.commit(vec![op]));
        }
        Step::Pull(to, from, most) => {
            let known = replicas[*from].timeframe.clone();
            let mut taken = 0;
            for sent in &*history {
                let is_there = known.get(&sent.stamp.feed) > sent.stamp.seq;
                if taken < *most && is_there && replicas[*to].is_ready_for(sent) {
                    replicas[*to].apply(sent);
                    taken += 1;
                }
            }
        }
    }
}

/// Applies everything in an order that `choices` picks among those that are causal.
fn deliver(replica: &mut Replica, history: &[Sent], choices: &[u8]) {
    let mut waiting: Vec<_> = history
        .iter()
        .filter(|sent| replica.timeframe.get(&sent.stamp.feed) <= sent.stamp.seq)
        .collect();
    let mut choices = choices.iter().cycle();
    while !waiting.is_empty() {
        let ready: Vec<_> = (0..waiting.len())
            .filter(|place| replica.is_ready_for(waiting[*place]))
            .collect();
        let choice = usize::from(*choices.next().unwrap()) % ready.len();
        replica.apply(waiting.remove(ready[choice]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_converge_whatever_the_order(
        steps in steps(5),
        orders in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 40), 3),
    ) {
        let (history, mut replicas) = play(&steps, 5);
        for order in &orders {
            let mut observer = Replica::new(99);
            deliver(&mut observer, &history, order);
            replicas.push(observer);
        }
        for (replica, order) in replicas.iter_mut().zip(orders.iter().cycle()) {
            deliver(replica, &history, order);
        }
        let expected = replicas[0].bytes();
        for replica in &replicas {
            // `Count` may have left an untouched state behind.
            prop_assert_eq!(&replica.bytes(), &expected);
            prop_assert_eq!(&replica.states, &replicas[0].states);
        }
        for (id, state) in &replicas[0].states {
            prop_assert_eq!(&ObjectState::decode(&expected[id]).unwrap(), state);
            prop_assert_eq!(state.properties(), model::properties(&history, *id));
        }
    }

    /// Whatever somebody says of texts and lists, replicas make the same of it.
    #[test]
    fn liars_do_not_part_replicas(
        steps in steps(3),
        lies in proptest::collection::vec((0_usize..36, 0_usize..3, any_lie(), any::<bool>()), 1..8),
        orders in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 40), 3),
    ) {
        let mut replicas: Vec<_> = (1..4).map(Replica::new).collect();
        let mut history = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            play_step(step, &mut replicas, &mut history);
            for (at, by, lie, aimed) in &lies {
                if *at == place {
                    let replica = &mut replicas[*by];
                    let lie = if *aimed { aim(lie, replica) } else { lie.clone() };
                    history.push(replica.commit(vec![lie]));
                }
            }
        }
        for order in &orders {
            let mut observer = Replica::new(99);
            deliver(&mut observer, &history, order);
            replicas.push(observer);
        }
        for replica in &mut replicas {
            deliver(replica, &history, &[0]);
        }
        let expected = replicas[0].bytes();
        for replica in &replicas {
            prop_assert_eq!(&replica.bytes(), &expected);
        }
    }

    #[test]
    fn a_state_read_back_goes_on_as_the_one_that_was_written(
        steps in steps(3),
        order in proptest::collection::vec(any::<u8>(), 40),
    ) {
        let (history, _) = play(&steps, 3);
        let (mut kept, mut reread) = (Replica::new(99), Replica::new(99));
        deliver(&mut kept, &history, &order);
        for (place, sent) in history.iter().enumerate() {
            reread.apply(sent);
            // At every step, not only at the end: what is wrong for a moment is covered later.
            for (id, state) in &reread.states {
                let expected = model::properties(&history[..=place], *id);
                prop_assert_eq!(state.properties(), expected);
            }
            for state in reread.states.values_mut() {
                *state = ObjectState::decode(&state.encode()).unwrap();
            }
        }
        prop_assert_eq!(reread.bytes(), kept.bytes());
    }

    #[test]
    fn what_is_shown_from_bytes_is_what_shows(steps in steps(2)) {
        for replica in play(&steps, 2).1 {
            for (id, state) in &replica.states {
                let shown = ObjectState::show(&state.encode(), *id);
                prop_assert_eq!(shown, Ok(state.object(*id)));
                prop_assert_eq!(state.clone().into_object(*id), state.object(*id));
            }
        }
    }

    #[test]
    fn what_is_read_in_place_is_what_shows(steps in steps(2)) {
        for replica in play(&steps, 2).1 {
            for (id, state) in &replica.states {
                let Some(plain) = state.plain() else { continue };
                let object = state.object(*id).unwrap();
                prop_assert!(object.meta().is_none());
                prop_assert_eq!(object.all_conflicts().count(), 0);
                prop_assert!(object.references().is_empty());
                prop_assert_eq!(
                    (plain.type_name(), plain.is_deleted(), plain.created(), plain.updated()),
                    (object.type_name(), object.is_deleted(), object.created(), object.updated())
                );
                for (key, value) in object.properties() {
                    let found = plain.get(key);
                    prop_assert_eq!(found.as_deref(), Some(value));
                }
                prop_assert_eq!(plain.get(&"nowhere".into()), None);
            }
        }
    }

    #[test]
    fn an_operation_applied_twice_in_a_row_counts_once(steps in steps(2)) {
        let (history, _) = play(&steps, 2);
        let (mut once, mut twice) = (Replica::new(99), Replica::new(99));
        for sent in &history {
            once.apply(sent);
            for (index, op) in sent.ops.iter().enumerate() {
                let state = twice.states.entry(op.object()).or_default();
                state.apply(op, &sent.context(), index).unwrap();
                state.apply(op, &sent.context(), index).unwrap();
            }
        }
        prop_assert_eq!(once.bytes(), twice.bytes());
    }
}

/// What becomes empty in the middle of concurrent changes is gone in every order: those that find
/// nothing there leave no trace, and take none away.
#[test]
fn a_place_that_became_empty_leaves_no_trace_in_any_order() {
    let object = id(1);
    let (path, below) = (Path::from("a"), Path::from("a").child("b"));
    let feed = Replica::new(7).feed;
    let item = below.child(Key::item(ElementId { feed, n: 0 }));
    let value = || vec![Value::Int(1)];
    let set = |path: &Path| Op::Set {
        object,
        path: path.clone(),
        value: Value::Null,
    };
    let made_and_emptied = [
        (
            Op::SetAdd {
                object,
                path: path.clone(),
                values: value(),
            },
            Op::SetRemove {
                object,
                path: path.clone(),
                values: value(),
            },
        ),
        // The item is of no list, so that its list's place is left without anything.
        (set(&path), set(&item)),
    ];
    let finds_nothing = [
        Op::Unset {
            object,
            path: path.clone(),
        },
        Op::Increment {
            object,
            path,
            by: 1,
        },
    ];
    for (made, emptied) in made_and_emptied {
        for nothing in &finds_nothing {
            let (mut first, mut other) = (Replica::new(1), Replica::new(2));
            let made = first.commit(vec![made.clone()]);
            let emptied = first.commit(vec![emptied.clone()]);
            let nothing = other.commit(vec![nothing.clone()]);
            let mut orders = [Replica::new(3), Replica::new(4)];
            orders[0].apply_all([&made, &emptied, &nothing]);
            orders[1].apply_all([&made, &nothing, &emptied]);
            other.apply_all([&made, &emptied]);
            assert_eq!(orders[0].bytes(), orders[1].bytes(), "{nothing:?}");
            assert_eq!(orders[0].bytes(), other.bytes(), "{nothing:?}");
        }
    }
}
