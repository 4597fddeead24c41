use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dxos_credentials::Role;
use dxos_document::{Op, Text, Transaction, Tx, TxError, Value};
use dxos_protocol::echo::{Committed, EchoError};
use dxos_protocol::history::{KeptReason, Undone};
use proptest::prelude::*;

use super::converge::edits;
use super::{Net, object, task};

/// The transaction that a replica wrote last.
fn last(net: &Net, number: usize) -> Committed {
    let replica = &net.replicas[number];
    let past = replica.space.past(Arc::new(AtomicBool::new(false)));
    let page = past.history(&replica.store, None, None, 1000).unwrap();
    let own = page
        .entries
        .iter()
        .find(|entry| entry.author.device == replica.space.device());
    own.unwrap().committed
}

fn undo(net: &mut Net, number: usize, committed: Committed) -> Result<Undone, EchoError> {
    let replica = &mut net.replicas[number];
    let past = || Arc::new(AtomicBool::new(false));
    let by = Some(replica.space.identity());
    let at = (committed.feed, committed.seq);
    let plan = replica
        .space
        .past(past())
        .plan_undo(&replica.store, at, by)?;
    let now = replica.space.past(past());
    let undone = replica
        .space
        .undo(plan, &now, 99, (&replica.store, &mut net.rng));
    let (undone, outcome) = undone.unwrap();
    net.carry_out(number, outcome);
    undone
}

fn value(net: &Net, number: usize, path: &str) -> Option<Value> {
    let objects = net.replicas[number].objects();
    let found = objects.iter().find(|found| found.id() == object(0));
    found.unwrap().get(path).cloned()
}

fn of_two(work: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError> + Send + 'static) -> Net {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, task(0, 1));
    net.transact(0, work);
    net.settle();
    net
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn undoing_the_last_one_leads_back_and_undoing_that_leads_forth(seed: u64, edits in edits(1)) {
        let mut net = Net::new(seed);
        for number in 0..6 {
            net.edit(0, task(number, 0));
        }
        for (_, _, ops) in edits {
            let shown = |net: &Net| -> Vec<_> {
                let objects = net.replicas[0].objects().into_iter();
                objects.map(|object| (object.id(), object.properties().clone())).collect()
            };
            let before = shown(&net);
            net.edit(0, ops);
            let after = shown(&net);
            let committed = last(&net, 0);
            let undone = undo(&mut net, 0, committed).unwrap();
            prop_assert_eq!(shown(&net), before.clone(), "{:?}", undone);
            prop_assert_eq!(&undone.kept, &[]);
            if let Some(committed) = undone.committed {
                undo(&mut net, 0, committed).unwrap();
            }
            prop_assert_eq!(shown(&net), after.clone());
        }
    }
}

#[test]
fn what_others_have_written_over_since_stays_theirs() {
    let mut net = of_two(|tx| {
        tx.set(object(0), "title", 2)?;
        tx.set(object(0), "mine", "x")
    });
    let committed = last(&net, 0);
    net.edit(1, Transaction::new().set(object(0), "title", 3).ops);
    net.settle();
    // Also when it is the same again.
    net.edit(1, Transaction::new().set(object(0), "title", 2).ops);
    net.settle();
    let undone = undo(&mut net, 0, committed).unwrap();
    assert_eq!(value(&net, 0, "title"), Some(2.into()));
    assert_eq!(value(&net, 0, "mine"), None);
    assert_eq!((undone.undone.len(), undone.kept.len()), (1, 1));
    assert_eq!(undone.kept[0].reason, KeptReason::Overwritten);
    // Nothing is left of it: no further block.
    let again = undo(&mut net, 0, committed).unwrap();
    assert_eq!((again.committed, again.undone), (None, Vec::new()));
    net.settle();
    net.assert_same(&[0, 1]);
}

#[test]
fn counts_and_members_of_others_stay() {
    let mut net = of_two(|tx| {
        tx.set(object(0), "n", Value::Counter(0))?;
        tx.set(object(0), "tags", Value::Set(["old".into()].into()))
    });
    let add = |values: &[&str]| Op::SetAdd {
        object: object(0),
        path: "tags".into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let ops = Transaction::new()
        .increment(object(0), "n", 5)
        .with(add(&["a", "b"]));
    net.edit(0, ops.set_remove(object(0), "tags", ["old"]).ops);
    let committed = last(&net, 0);
    net.settle();
    net.edit(
        1,
        Transaction::new()
            .increment(object(0), "n", 7)
            .with(add(&["b", "c"]))
            .ops,
    );
    net.settle();
    undo(&mut net, 0, committed).unwrap();
    net.settle();
    net.assert_same(&[0, 1]);
    assert_eq!(value(&net, 1, "n"), Some(Value::Counter(7)));
    let wanted: BTreeSet<Value> = ["b", "c", "old"].map(Value::from).into();
    assert_eq!(value(&net, 1, "tags"), Some(Value::Set(wanted)));
}

#[test]
fn a_concurrent_value_that_lost_shows_when_the_winner_is_undone() {
    let mut net = of_two(|tx| tx.set(object(0), "title", 1));
    net.disconnect(0, 1);
    for number in [0_usize, 1] {
        net.edit(
            number,
            Transaction::new()
                .set(object(0), "title", 10 + i64::try_from(number).unwrap())
                .ops,
        );
    }
    net.connect(0, 1);
    net.settle();
    let winner = usize::from(value(&net, 0, "title") != Some(10.into()));
    let loser = 1 - winner;
    let (won, lost) = (last(&net, winner), last(&net, loser));
    let undone = undo(&mut net, loser, lost).unwrap();
    assert_eq!(undone.committed, None);
    undo(&mut net, winner, won).unwrap();
    net.settle();
    net.assert_same(&[0, 1]);
    assert_eq!(
        value(&net, 0, "title"),
        Some((10 + i64::try_from(loser).unwrap()).into())
    );
}

#[test]
fn an_object_that_others_use_is_not_taken_away() {
    let mut net = of_two(|tx| tx.set(object(0), "title", 1));
    net.edit(0, task(1, 1));
    let committed = last(&net, 0);
    net.settle();
    net.edit(1, Transaction::new().set(object(1), "note", "mine").ops);
    net.settle();
    let undone = undo(&mut net, 0, committed).unwrap();
    assert_eq!(undone.kept[0].reason, KeptReason::InUse);
    assert!(net.replicas[0].has(1));
    net.edit(0, task(2, 1));
    let committed = last(&net, 0);
    undo(&mut net, 0, committed).unwrap();
    assert!(!net.replicas[0].has(2));
}

#[test]
fn a_text_is_edited_back_and_those_of_others_are_refused() {
    let mut net = of_two(|tx| tx.set(object(0), "text", Text::from("one two")));
    net.transact(0, |tx| tx.text(object(0), "text")?.splice(4, 3, "three"));
    let committed = last(&net, 0);
    net.settle();
    let refused = undo(&mut net, 1, committed);
    assert!(matches!(refused, Err(EchoError::OthersTransaction { .. })));
    undo(&mut net, 0, committed).unwrap();
    net.transact(1, |tx| tx.text(object(0), "text")?.insert(0, "zero "));
    net.settle();
    net.assert_same(&[0, 1]);
    assert_eq!(
        value(&net, 1, "text").unwrap().as_str(),
        Some("zero one two")
    );
    let unknown = Committed {
        seq: 1000,
        ..committed
    };
    let unknown = undo(&mut net, 0, unknown);
    assert!(matches!(unknown, Err(EchoError::UnknownTransaction { .. })));
}
