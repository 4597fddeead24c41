//! Epochs: whoever has the blocks, whoever has the snapshot and whoever writes late agree.

use std::collections::BTreeSet;

use dxos_credentials::Role;
use dxos_document::{Op, Path, Transaction, Value};
use dxos_protocol::echo::{EchoError, EpochState};
use dxos_store::{Direction, KeyRange, Read};

use super::super::epoch::EpochPolicy;
use super::super::layout::{BLOCKS, SNAPSHOTS};
use super::{Net, object, task};

impl Net {
    pub(super) fn try_epoch(&mut self, number: usize) -> Result<(), EchoError> {
        self.now_ms += 1;
        let replica = &mut self.replicas[number];
        let parts = (&replica.store as _, &mut self.rng as _);
        let (report, outcome) = replica
            .space
            .create_epoch((true, false), self.now_ms, parts)?;
        assert_eq!(report.state, EpochState::Current);
        self.carry_out(number, outcome);
        Ok(())
    }

    fn epoch(&mut self, number: usize) {
        self.try_epoch(number).unwrap();
    }

    pub(super) fn try_trim(&mut self, number: usize, force: bool) -> Result<u64, EchoError> {
        let (blocks, outcome) = self.replicas[number].space.trim(force)?;
        self.carry_out(number, outcome);
        let replica = &mut self.replicas[number];
        while replica.space.tidy(&replica.store).unwrap() {}
        Ok(blocks)
    }

    fn trim(&mut self, number: usize) {
        self.try_trim(number, false).unwrap();
    }

    pub(super) fn rows(&self, number: usize, keyspace: dxos_store::Keyspace) -> usize {
        let store = &self.replicas[number].store;
        store
            .scan(keyspace, KeyRange::all(), Direction::Forward)
            .count()
    }

    pub(super) fn data_blocks(&self, number: usize) -> usize {
        let replica = &self.replicas[number];
        let data = replica
            .space
            .dag
            .feeds()
            .filter(|(_, state)| state.descriptor.designation == dxos_feed::Designation::Data);
        let data: BTreeSet<Vec<u8>> = data.map(|(feed, _)| feed.as_bytes().to_vec()).collect();
        let rows = replica
            .store
            .scan(BLOCKS, KeyRange::all(), Direction::Forward);
        rows.filter(|row| data.contains(&row.as_ref().unwrap().0[..32]))
            .count()
    }

    pub(super) fn epoch_state(&self, number: usize) -> Option<(u64, EpochState)> {
        let epochs = self.replicas[number].space.list_epochs();
        epochs.first().map(|epoch| (epoch.number, epoch.state))
    }
}

fn set(number: u8, key: &str, value: i64) -> Vec<Op> {
    vec![Op::Set {
        object: object(number),
        path: Path::from(key),
        value: Value::Int(value),
    }]
}

fn count(number: u8, by: i64) -> Vec<Op> {
    vec![Op::Increment {
        object: object(number),
        path: Path::from("count"),
        by,
    }]
}

#[test]
fn an_epoch_is_on_the_disk_before_anybody_hears_of_it() {
    let mut net = Net::of(1, &[Role::Editor]);
    for number in 1..9 {
        net.edit(0, task(number, number.into()));
    }
    net.connect(0, 1);
    net.settle();
    net.epoch(0);
    // The other one hears of it, and has not loaded it when the power goes.
    for _ in 0..4 {
        net.step();
    }
    net.reopen(0, |disk| {
        disk.crash(dxos_store::CrashPlan::power_loss(0));
    });
    net.connect(0, 1);
    net.settle_duties();
    for number in 0..2 {
        let state = net.epoch_state(number);
        assert_eq!(state, Some((1, EpochState::Current)), "{number}");
    }
    net.assert_same(&[0, 1]);
}

#[test]
fn a_new_member_loads_the_snapshot_and_the_tail() {
    let mut net = Net::of(1, &[]);
    for number in 1..40 {
        net.edit(0, task(number, number.into()));
    }
    net.epoch(0);
    net.trim(0);
    assert_eq!(net.data_blocks(0), 1, "the last one");
    net.edit(0, set(3, "title", 77));
    net.edit(0, task(50, 50));
    let joined = net.join(0, Role::Editor);
    net.connect(0, joined);
    net.settle();
    assert_eq!(net.epoch_state(joined), Some((1, EpochState::Current)));
    assert_eq!(net.data_blocks(joined), 2);
    assert_eq!(net.replicas[joined].objects().len(), 40);
    net.assert_same(&[0, joined]);
    // And both go on writing.
    net.edit(joined, set(3, "title", 78));
    net.edit(0, set(4, "title", 79));
    net.settle_duties();
    net.assert_same(&[0, joined]);
}

#[test]
fn whoever_has_all_blocks_makes_the_snapshot_itself() {
    let mut net = Net::of(2, &[Role::Editor, Role::Reader]);
    net.connect(0, 1);
    net.connect(1, 2);
    for number in 1..20 {
        net.edit(usize::from(number % 2), task(number, number.into()));
    }
    net.settle();
    let blocks = net.data_blocks(2);
    net.epoch(0);
    net.edit(1, task(100, 1));
    net.settle();
    for number in 0..3 {
        assert_eq!(net.epoch_state(number), Some((1, EpochState::Current)));
        assert!(net.replicas[number].space.epochs.base.is_some());
        assert_eq!(net.data_blocks(number), blocks + 1);
    }
    assert_eq!(net.rows(1, SNAPSHOTS), net.rows(0, SNAPSHOTS));
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn who_was_away_across_two_epochs_and_wrote_loses_nothing() {
    let mut net = Net::of(3, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(0, task(1, 1));
    net.edit(
        1,
        vec![Op::Set {
            object: object(1),
            path: Path::from("count"),
            value: Value::Counter(0),
        }],
    );
    net.edit(2, task(2, 2));
    net.settle_duties();
    net.disconnect(0, 2);
    // Away, it edits what others edit, too.
    net.edit(2, set(1, "title", 22));
    net.edit(2, count(1, 5));
    net.edit(2, task(3, 3));
    for round in 0..2_u8 {
        for number in 10..20 {
            net.edit(0, task(number + 20 * round, 1));
            net.edit(1, count(1, 1));
        }
        net.edit(1, set(1, "title", 11));
        net.settle_duties();
        net.epoch(0);
        net.settle_duties();
        net.trim(0);
        net.trim(1);
        net.edit(2, count(1, 1));
    }
    assert!(net.data_blocks(0) <= 3, "the last one of each feed");
    let kept = net.replicas[0].space.dag.timeframe();
    net.connect(0, 2);
    net.settle_duties();
    assert_ne!(kept, net.replicas[0].space.dag.timeframe());
    for number in 0..3 {
        assert_eq!(net.epoch_state(number), Some((2, EpochState::Current)));
    }
    let one = net.replicas[0].objects();
    let one = one.iter().find(|o| o.id() == object(1)).unwrap().clone();
    assert_eq!(one.properties().get("count"), Some(&Value::Counter(27)));
    assert!(net.replicas[0].has(3));
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn blocks_are_kept_while_another_admin_may_contest_the_epoch() {
    let mut net = Net::of(4, &[Role::Admin]);
    net.edit(0, task(1, 1));
    net.connect(0, 1);
    net.settle_duties();
    net.disconnect(0, 1);
    net.epoch(0);
    let refused = net.try_trim(0, false);
    assert!(matches!(
        refused,
        Err(EchoError::EpochContestable { number: 1, .. })
    ));
    assert_eq!(net.data_blocks(0), 1);
    net.connect(0, 1);
    net.settle_duties();
    assert_eq!(net.try_trim(0, false), Ok(1));
    net.assert_same(&[0, 1]);
}

#[test]
fn of_two_epochs_that_did_not_know_of_each_other_one_wins_everywhere() {
    let mut net = Net::of(5, &[Role::Admin, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(0, task(1, 1));
    net.edit(2, task(2, 1));
    net.settle_duties();
    net.disconnect(0, 1);
    net.disconnect(0, 2);
    net.edit(0, task(3, 1));
    net.edit(1, task(4, 1));
    net.edit(2, task(5, 1));
    net.epoch(0);
    net.epoch(1);
    net.connect(0, 1);
    net.connect(1, 2);
    net.settle_duties();
    let names: BTreeSet<_> = (0..3)
        .map(|number| {
            net.replicas[number]
                .space
                .epochs
                .base
                .as_ref()
                .unwrap()
                .epoch
        })
        .collect();
    assert_eq!(names.len(), 1);
    net.trim(0);
    net.trim(1);
    net.assert_same(&[0, 1, 2]);
    net.epoch(1);
    net.settle_duties();
    net.trim(0);
    let joined = net.join(0, Role::Reader);
    net.connect(0, joined);
    net.settle_duties();
    net.assert_same(&[0, 1, 2, joined]);
}

#[test]
fn what_an_epoch_stands_for_is_settled_when_a_removal_comes_later() {
    let mut net = Net::of(6, &[Role::Admin, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(0, task(1, 1));
    net.settle_duties();
    net.disconnect(0, 1);
    // The other admin removes the editor and does not know of what it wrote.
    let editor = net.replicas[2].space.identity();
    net.control(1, |space, now_ms, parts| {
        space.remove_member(editor, now_ms, parts)
    })
    .unwrap();
    net.edit(2, task(2, 1));
    net.settle_duties();
    net.epoch(0);
    net.try_trim(0, true).unwrap();
    net.edit(2, task(3, 1));
    net.settle_duties();
    assert!(net.replicas[0].has(3));
    net.connect(0, 1);
    net.settle_duties();
    for number in [0, 1] {
        assert!(net.replicas[number].has(2), "what it stands for stays");
        assert!(!net.replicas[number].has(3), "what came after it does not");
    }
    net.ended.clear();
    net.assert_same(&[0, 1]);
}

#[test]
fn the_past_before_an_epoch_is_gone_and_says_so() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    let mut net = Net::of(7, &[]);
    net.edit(0, task(1, 1));
    let early = net.replicas[0].space.timeframe();
    net.edit(0, set(1, "title", 2));
    net.epoch(0);
    let past = |net: &Net| net.replicas[0].space.past(Arc::new(AtomicBool::new(false)));
    let at = |net: &Net, time: &dxos_document::Timeframe| {
        past(net).object(&net.replicas[0].store, time.clone(), object(1))
    };
    assert!(
        at(&net, &early).unwrap().is_some(),
        "as long as the blocks are here"
    );
    net.trim(0);
    let then = net.replicas[0].space.timeframe();
    net.edit(0, set(1, "title", 3));
    net.edit(0, task(2, 2));
    assert_eq!(at(&net, &early), Err(EchoError::BeforeEpoch { number: 1 }));
    let title =
        |object: Option<dxos_document::Object>| object.unwrap().properties()["title"].clone();
    assert_eq!(title(at(&net, &then).unwrap()), Value::Int(2));
    let now = net.replicas[0].space.timeframe();
    assert_eq!(title(at(&net, &now).unwrap()), Value::Int(3));
    let store = net.replicas[0].store.clone();
    let page = past(&net).history(&store, None, None, 100).unwrap();
    assert_eq!((page.entries.len(), page.before_epoch), (2, Some(1)));
    let changed = past(&net).compare(&store, (&then, &now), None, 10).unwrap();
    assert_eq!(changed.objects.len(), 2);
    // Undoing what came after works, what came before does not.
    let feed = page.entries[0].committed.feed;
    let gone = past(&net).plan_undo(&store, (feed, 0), None).map(|_| ());
    assert_eq!(gone, Err(EchoError::BeforeEpoch { number: 1 }));
    let plan = past(&net)
        .plan_undo(&store, (feed, page.entries[1].committed.seq), None)
        .unwrap();
    let past = past(&net);
    net.control(0, |space, now_ms, parts| {
        let (_, outcome) = space.undo(plan, &past, now_ms, parts)?;
        Ok(((), outcome))
    })
    .unwrap();
    let now = net.replicas[0].space.timeframe();
    assert_eq!(title(at(&net, &now).unwrap()), Value::Int(2));
}

#[test]
fn a_replica_that_was_killed_while_it_loaded_goes_on() {
    let mut net = Net::of(8, &[]);
    for number in 1..200 {
        let text = "x".repeat(4_000);
        net.edit(
            0,
            Transaction::new()
                .create(
                    object(number),
                    "note",
                    [("text", format!("{text}{number}"))],
                )
                .ops,
        );
    }
    net.epoch(0);
    net.trim(0);
    let joined = net.join(0, Role::Editor);
    for round in 0..200 {
        net.connect(0, joined);
        for _ in 0..40 + round {
            net.step();
        }
        net.reopen(joined, |_| {});
    }
    net.connect(0, joined);
    net.settle();
    net.assert_same(&[0, joined]);
}

#[test]
fn a_false_snapshot_is_refused_by_whoever_has_the_blocks() {
    let mut net = Net::of(9, &[Role::Admin]);
    net.connect(0, 1);
    net.edit(0, task(1, 1));
    net.edit(1, task(2, 2));
    net.settle_duties();
    // Its own state is tampered with, and then signed.
    let id = object(1);
    let replica = &mut net.replicas[1];
    let state = super::super::cache::read(&replica.store, super::NUMBER, &object(2));
    let mut batch = dxos_store::Batch::new();
    let key = super::super::layout::object_key(super::NUMBER, &id);
    batch.put(
        super::super::layout::OBJECTS,
        key,
        state.unwrap().unwrap().encode(),
    );
    dxos_store::Store::commit(&replica.store, batch, dxos_store::Durability::Buffered).unwrap();
    net.epoch(1);
    let before = net.replicas[0].hash();
    net.settle_duties();
    assert_eq!(net.epoch_state(0), Some((1, EpochState::Refused)));
    assert_eq!(net.replicas[0].hash(), before);
    assert!(matches!(net.try_trim(0, true), Err(EchoError::NoEpoch)));
}

#[test]
fn no_bytes_that_claim_to_be_parts_of_a_snapshot_harm() {
    use dxos_protocol::replicate::{Message, SessionId};
    let mut net = Net::of(10, &[Role::Editor]);
    for number in 1..30 {
        net.edit(0, task(number, 1));
    }
    net.epoch(0);
    net.trim(0);
    net.connect(0, 1);
    // Until it has asked for the list, and for the chunk.
    for _ in 0..40 {
        net.step();
    }
    let name = net.replicas[0].space.list_epochs()[0].snapshot;
    let before = net.replicas[1].hash();
    for part in [0, 1, 2, u32::MAX] {
        for bytes in [None, Some(bytes::Bytes::from(vec![7; 3]))] {
            let message = Message::Part {
                snapshot: name,
                part,
                bytes,
            };
            let replica = &mut net.replicas[1];
            // An answer to a question that was not asked is nothing; a wrong one an offence.
            let received = replica
                .space
                .receive(SessionId(0), message, net.now_ms, &replica.store);
            net.carry_out(1, received.unwrap());
        }
    }
    assert!(net.ended.len() <= 1);
    net.ended.clear();
    net.disconnect(0, 1);
    assert_eq!(net.replicas[1].hash(), before);
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
}

#[test]
fn who_asks_for_more_of_a_snapshot_than_it_reads_is_let_go() {
    use dxos_protocol::replicate::{Message, SessionError, SessionId};
    let mut net = Net::of(11, &[Role::Editor]);
    net.edit(0, task(1, 1));
    net.epoch(0);
    net.connect(0, 1);
    let snapshot = net.replicas[0].space.list_epochs()[0].snapshot;
    let mut ended = false;
    for part in 0..100 {
        let replica = &mut net.replicas[0];
        let message = Message::WantPart { snapshot, part };
        let received = replica
            .space
            .receive(SessionId(1), message, 1, &replica.store)
            .unwrap();
        ended |= matches!(
            received.effects.end.first(),
            Some((_, SessionError::Offence { .. }))
        );
        if ended {
            break;
        }
    }
    assert!(ended);
}

#[test]
fn an_epoch_is_due_by_age_when_something_was_written_since_and_by_the_first_admin_alone() {
    let policy = EpochPolicy {
        blocks: None,
        age: Some(std::time::Duration::from_secs(1)),
    };
    let mut net = Net::of(13, &[Role::Admin, Role::Editor]);
    let is_due = |net: &Net, number: usize, now_ms| {
        let replica = &net.replicas[number];
        let due = |now_ms| {
            replica
                .space
                .is_epoch_due_by(&policy, now_ms, &replica.store)
        };
        // A clock that was set back makes nothing due.
        assert!(!due(0));
        due(now_ms)
    };
    assert!(!is_due(&net, 0, 1_000_000), "nothing was written");
    net.edit(0, task(1, 1));
    assert!(!is_due(&net, 0, 1_000) && is_due(&net, 0, 1_001));
    net.connect(0, 1);
    net.connect(1, 2);
    net.settle_duties();
    let due = [0, 1, 2].map(|number| is_due(&net, number, net.now_ms + 1_000));
    assert_eq!(due.iter().filter(|due| **due).count(), 1);
    assert!(!due[2], "an editor signs none");
    let first = usize::from(due[1]);
    net.epoch(first);
    let made_ms = net.now_ms;
    net.settle_duties();
    assert!(
        !is_due(&net, first, made_ms + 1_000_000),
        "nothing was written"
    );
    net.edit(2, task(2, 2));
    net.settle_duties();
    assert!(is_due(&net, first, made_ms + 1_000));
    assert!(!is_due(&net, first, made_ms + 990));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]

    #[test]
    fn a_list_that_was_altered_is_another_one_or_none(at: usize, byte: u8, cut in 0..200_usize) {
        use super::super::epoch::snapshot::{Snapshot, hash_part};
        let mut net = Net::of(12, &[]);
        for number in 1..5 {
            net.edit(0, task(number, 1));
        }
        net.epoch(0);
        let base = net.replicas[0].space.epochs.base.clone().unwrap();
        let key = super::super::epoch::stream::part_key(super::NUMBER, &base.snapshot.name);
        let list = net.replicas[0].store.get(SNAPSHOTS, &key).unwrap().unwrap();
        let mut bytes = list.to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..bytes.len().saturating_sub(cut)]] {
            if let Ok(read) = Snapshot::read(&net.key, bytes) {
                proptest::prop_assert_eq!(read.name == base.snapshot.name, bytes == &list[..]);
                proptest::prop_assert_eq!(read.name, hash_part(bytes));
                let _ = read.is_plausible(&net.replicas[0].space.dag);
            }
        }
    }
}
