//! Objects whose states are large: what is written is small, and nothing of it is lost.

use dxos_credentials::Role;
use dxos_document::{Text, Transaction, Tx, TxError, Value};
use dxos_protocol::echo::{Aborted, Work};
use dxos_store::{Batch, Direction, Durability, KeyRange, Read as _, Store as _};
use proptest::prelude::*;

use super::super::layout::{OBJECTS, TALLIES, derived_key};
use super::{NUMBER, Net, object};

fn edit(
    net: &mut Net,
    number: usize,
    run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError> + Send + 'static,
) {
    let work = Work::new(|tx| run(tx).map_err(|_| Aborted));
    net.now_ms += 1;
    let replica = &mut net.replicas[number];
    let parts = (&replica.store as _, &mut net.rng as _);
    let (done, outcome) = replica.space.transact(work, net.now_ms, parts).unwrap();
    done.unwrap();
    net.carry_out(number, outcome);
}

fn content(net: &Net, number: usize) -> String {
    let objects = net.replicas[number].objects();
    let page = objects.iter().find(|page| page.id() == object(1)).unwrap();
    page.get("body").unwrap().as_str().unwrap().to_owned()
}

fn page(length: usize) -> Vec<dxos_document::Op> {
    let body = Value::Text(Text::new("abcdefgh".repeat(length / 8)));
    Transaction::new()
        .create(object(1), "page", [("body", body)])
        .ops
}

#[test]
fn a_keystroke_in_a_large_text_writes_little() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(0, page(100_000));
    let mut most = 0;
    for key in 0..400_usize {
        let work = Work::new(move |tx| {
            let mut body = tx.text(object(1), "body").map_err(|_| Aborted)?;
            body.insert(50_000 + key, "x").map_err(|_| Aborted)
        });
        net.now_ms += 1;
        let replica = &mut net.replicas[0];
        let parts = (&replica.store as _, &mut net.rng as _);
        let (_, outcome) = replica.space.transact(work, net.now_ms, parts).unwrap();
        let state = outcome.batch.bytes();
        most += state;
        net.carry_out(0, outcome);
    }
    // Whole states are 100 KiB each: of 400 edits hardly one in a hundred writes one.
    assert!(most < 400 * 4_000, "{most} bytes");
    let typed = format!("abcdefgh{}", "x".repeat(400));
    assert!(content(&net, 0).contains(&typed));
    net.reopen(0, |_| {});
    assert!(content(&net, 0).contains(&typed));
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
}

/// Rows of the only object that is large.
fn rows(net: &Net, number: usize) -> usize {
    let prefix = super::super::layout::object_key(NUMBER, &object(1));
    let range = KeyRange::prefix(&prefix);
    let rows = (net.replicas[number].store).scan(OBJECTS, range, Direction::Forward);
    rows.count()
}

#[test]
fn a_large_text_is_written_whole_when_it_is_quiet_and_when_the_space_is_closed() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(0, page(100_000));
    let commit = |net: &Net, batch: Option<Batch>| {
        let disk = &net.replicas[0].store;
        disk.commit(batch.unwrap(), Durability::Buffered).unwrap();
    };
    for is_closing in [false, true] {
        for key in 0..5 {
            edit(&mut net, 0, move |tx| {
                tx.text(object(1), "body")?.insert(50_000 + key, "x")
            });
        }
        assert_eq!(rows(&net, 0), 6);
        let before = content(&net, 0);
        let space = &mut net.replicas[0].space;
        if is_closing {
            let batch = space.compact_at_close();
            commit(&net, batch);
        } else {
            let now_ms = net.now_ms;
            assert!(space.compact(now_ms).is_none());
            assert!(space.compact(now_ms + 4_000).is_none());
            let batch = space.compact(now_ms + 6_000);
            commit(&net, batch);
        }
        assert_eq!(rows(&net, 0), 1);
        assert!(net.replicas[0].space.compact_at_close().is_none());
        net.reopen(0, |_| {});
        assert_eq!(content(&net, 0), before);
        let shown = net.replicas[0]
            .space
            .object(&object(1), &net.replicas[0].store);
        let shown = shown.unwrap().unwrap();
        assert_eq!(shown.get("body").unwrap().as_str(), Some(before.as_str()));
    }
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
}

#[test]
fn a_state_in_another_form_is_made_anew() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(0, page(80));
    let before = content(&net, 0);
    let disk = &net.replicas[0].store;
    let mut batch = Batch::new();
    batch.delete(TALLIES, derived_key(NUMBER));
    batch.put(
        OBJECTS,
        super::super::layout::object_key(NUMBER, &object(1)),
        vec![1, 2, 3],
    );
    disk.commit(batch, Durability::Synced).unwrap();
    net.reopen(0, |_| {});
    assert_eq!(content(&net, 0), before);
}

#[derive(Clone, Debug)]
enum Step {
    Type(usize, usize, String),
    Delete(usize, usize),
    Rename(usize),
    Exchange,
    Compact(usize),
    Reopen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_usize, 0_usize..20_000, "[a-z€]{1,40}").prop_map(|(by, at, text)| {
            Step::Type(by, at, text)
        }),
        2 => (0..2_usize, 0_usize..20_000).prop_map(|(by, at)| Step::Delete(by, at)),
        1 => (0..2_usize).prop_map(Step::Rename),
        2 => Just(Step::Exchange),
        1 => (0..2_usize).prop_map(Step::Compact),
        1 => (0..2_usize).prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read back from the store is what was written, however it was written.
    #[test]
    fn large_states_survive(seed: u64, steps in steps()) {
        let mut net = Net::of(seed, &[Role::Editor]);
        net.edit(0, page(12_000));
        net.connect(0, 1);
        net.settle();
        for step in steps {
            match step {
                Step::Type(by, at, text) => edit(&mut net, by, move |tx| {
                    let mut body = tx.text(object(1), "body")?;
                    let at = at % (body.len() + 1);
                    body.insert(at, &text)
                }),
                Step::Delete(by, at) => edit(&mut net, by, move |tx| {
                    let mut body = tx.text(object(1), "body")?;
                    let at = at % body.len();
                    let len = (body.len() - at).min(30);
                    body.delete(at, len)
                }),
                Step::Rename(by) => net.edit(by, Transaction::new().set(object(1), "name", 1).ops),
                Step::Exchange => net.settle(),
                Step::Compact(by) => {
                    let replica = &mut net.replicas[by];
                    if let Some(batch) = replica.space.compact_at_close() {
                        replica.store.commit(batch, Durability::Buffered).unwrap();
                    }
                }
                Step::Reopen(by) => {
                    net.disconnect(0, 1);
                    net.reopen(by, |_| {});
                    net.connect(0, 1);
                }
            }
            let cached = net.replicas[0].space.object(&object(1), &net.replicas[0].store).unwrap();
            let stored = net.replicas[0].objects().into_iter().find(|page| page.id() == object(1));
            prop_assert_eq!(cached, stored);
        }
        net.settle();
        net.assert_same(&[0, 1]);
    }
}
