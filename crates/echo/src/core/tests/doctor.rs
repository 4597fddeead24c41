use dxos_credentials::Role;
use dxos_document::Transaction;
use dxos_protocol::echo::{Checkup, FindingKind};
use dxos_schema::TypeSchema;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store};

use serde_json::json;

use super::super::doctor::{Plan, Subject, check, empty, make_anew_given_up, mark, plan};
use super::super::garbage::collect;
use super::super::index::catalog_key;
use super::super::layout::{
    BLOCKS, DERIVED, FEEDS, INDEX, MOVES, OBJECTS, QUEUES, SPACES, TALLIES, Tally, block_value,
    in_space, object_key, split_block,
};
use super::super::memory::{DEFAULT_BYTES, Memory};
use super::super::purge::remove_rows;
use super::super::queue::rows::run_key;
use super::super::space::encode_row;
use super::{NUMBER, Net, Replica, object, task};

pub(super) fn looked_at(replica: &Replica, repair: bool) -> Checkup {
    let subject = Subject {
        record: &replica.space.record,
        authority: &replica.authority,
        memory: &Memory::new(DEFAULT_BYTES),
        store: &replica.store,
    };
    check(subject, repair)
}

fn kinds(checkup: &Checkup) -> Vec<FindingKind> {
    let mut kinds: Vec<_> = checkup.findings.iter().map(|f| f.kind).collect();
    kinds.dedup();
    kinds
}

fn rows(store: &dyn Read, keyspace: Keyspace) -> Vec<(bytes::Bytes, bytes::Bytes)> {
    let rows = store.scan(keyspace, KeyRange::all(), Direction::Forward);
    rows.map(|row| row.unwrap()).collect()
}

fn put(store: &dyn Store, keyspace: Keyspace, key: Vec<u8>, value: Option<Vec<u8>>) {
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(keyspace, key, value),
        None => batch.delete(keyspace, key),
    };
    store.commit(batch, Durability::Buffered).unwrap();
}

/// Two that have edited, deleted and moved the same objects at once.
fn net(seed: u64) -> Net {
    let mut net = Net::of(seed, &[Role::Editor]);
    net.connect(0, 1);
    net.settle();
    let schema = TypeSchema::new("note@1", json!({"x-echo-text": true})).unwrap();
    net.edit(0, vec![schema.create()]);
    for number in 0..8 {
        net.edit(usize::from(number % 2), task(number, 1));
    }
    for (number, body) in [(20, "one two"), (21, "two three three")] {
        let note = Transaction::new().create(object(number), "note@1", [("body", body)]);
        net.edit(0, note.ops);
    }
    for (number, parent) in [(5, 7), (6, 5)] {
        let parent = Some(object(parent));
        let moved = Transaction::new().set(object(number), "@meta.parent", parent);
        net.edit(0, moved.ops);
    }
    for replica in &mut net.replicas {
        replica.build_all();
    }
    for replica in 0..2 {
        let title = i64::try_from(replica).unwrap();
        let edits = Transaction::new()
            .set(object(1), "title", title)
            .delete(object(2 + u8::try_from(replica).unwrap()));
        net.edit(replica, edits.ops);
    }
    net.settle();
    net
}

#[test]
fn what_is_as_it_was_written_is_whole() {
    for seed in 0..4 {
        let net = net(seed);
        for replica in &net.replicas {
            let checkup = looked_at(replica, false);
            assert_eq!(checkup.findings, [], "{checkup:?}");
            assert!(checkup.is_whole() && checkup.blocks > 10 && checkup.objects >= 8);
            assert!(checkup.index_rows > checkup.objects);
        }
    }
}

/// What is derived is damaged; it is found, and is as it was after a repair.
fn repaired(damage: impl Fn(&Replica), wanted: FindingKind) {
    let mut net = net(7);
    let (hash, objects) = (
        net.replicas[0].hash(),
        rows(&net.replicas[0].store, OBJECTS),
    );
    damage(&net.replicas[0]);
    let found = looked_at(&net.replicas[0], false);
    assert!(kinds(&found).contains(&wanted), "{found:?}");
    assert!(!found.is_whole() && !found.repaired);
    let blocks = rows(&net.replicas[0].store, BLOCKS);
    let repaired = looked_at(&net.replicas[0], true);
    assert!(repaired.repaired && repaired.is_whole(), "{repaired:?}");
    net.reopen(0, |_| {});
    let replica = &net.replicas[0];
    assert_eq!(looked_at(replica, false).findings, []);
    assert_eq!(replica.hash(), hash);
    assert_eq!(rows(&replica.store, OBJECTS).len(), objects.len());
    assert_eq!(rows(&replica.store, BLOCKS), blocks);
}

#[test]
fn objects_that_are_not_what_their_blocks_say_are_found_and_made_anew() {
    let key = |number: u8| object_key(NUMBER, &object(number));
    let one_for_another = |replica: &Replica| {
        let other = replica.store.get(OBJECTS, &key(5)).unwrap().unwrap();
        put(&replica.store, OBJECTS, key(1), Some(other.to_vec()));
    };
    repaired(one_for_another, FindingKind::Object);
    let missing = |replica: &Replica| put(&replica.store, OBJECTS, key(4), None);
    repaired(missing, FindingKind::Object);
    let too_many = |replica: &Replica| {
        let other = replica.store.get(OBJECTS, &key(5)).unwrap().unwrap();
        put(&replica.store, OBJECTS, key(77), Some(other.to_vec()));
    };
    repaired(too_many, FindingKind::Object);
    let rubbish = |replica: &Replica| put(&replica.store, OBJECTS, key(4), Some(vec![0xff; 9]));
    repaired(rubbish, FindingKind::Object);
}

#[test]
fn rows_of_indexes_that_are_missing_or_too_many_are_found_and_made_anew() {
    let missing = |replica: &Replica| {
        let (key, _) = rows(&replica.store, INDEX).pop().unwrap();
        put(&replica.store, INDEX, key.to_vec(), None);
    };
    repaired(missing, FindingKind::Index);
    let too_many = |replica: &Replica| {
        put(
            &replica.store,
            INDEX,
            in_space(NUMBER, &[0; 40]),
            Some(Vec::new()),
        );
    };
    repaired(too_many, FindingKind::Index);
}

#[test]
fn any_row_of_an_index_that_is_missing_or_another_one_is_told() {
    let net = net(7);
    let replica = &net.replicas[0];
    let told = || {
        let findings = looked_at(replica, false).findings.into_iter();
        findings.map(|finding| finding.text).collect::<Vec<_>>()
    };
    let store = &replica.store;
    let all = rows(store, INDEX);
    assert!(all.len() > 20, "{}", all.len());
    for (key, value) in all {
        put(store, INDEX, key.to_vec(), None);
        let missing = told();
        assert!(!missing.is_empty(), "{key:?}");
        let mut other = key.to_vec();
        other.push(1);
        put(store, INDEX, other.clone(), Some(value.to_vec()));
        let both = told();
        assert_eq!(both.len(), missing.len() + 1, "{key:?}: {both:?}");
        assert!(
            both.iter()
                .any(|text| text.starts_with("1 rows of indexes are of nothing"))
        );
        put(store, INDEX, other, None);
        put(store, INDEX, key.to_vec(), Some(value.to_vec()));
        assert_eq!(told(), Vec::<String>::new());
    }
}

#[test]
fn counts_and_catalogs_that_are_wrong_are_found_and_made_anew() {
    let wrong = |replica: &Replica| {
        let tally = Tally {
            objects: 1234,
            ..replica.space.tally
        };
        let row = encode_row(&tally).unwrap();
        put(&replica.store, TALLIES, in_space(NUMBER, b""), Some(row));
    };
    repaired(wrong, FindingKind::Count);
    for key in [in_space(NUMBER, b""), catalog_key(NUMBER)] {
        let rubbish = |replica: &Replica| {
            put(&replica.store, TALLIES, key.clone(), Some(vec![0xff; 3]));
        };
        repaired(rubbish, FindingKind::Count);
    }
}

#[test]
fn moves_and_totals_of_words_that_are_wrong_are_found_and_made_anew() {
    let key = |number: u8| object_key(NUMBER, &object(number));
    let row = |replica: &Replica, number| replica.store.get(MOVES, &key(number)).unwrap();
    let missing = |replica: &Replica| put(&replica.store, MOVES, key(5), None);
    repaired(missing, FindingKind::Index);
    let one_for_another = |replica: &Replica| {
        let other = row(replica, 6).unwrap();
        put(&replica.store, MOVES, key(5), Some(other.to_vec()));
    };
    repaired(one_for_another, FindingKind::Index);
    let too_many = |replica: &Replica| {
        let other = row(replica, 6).unwrap();
        put(&replica.store, MOVES, key(1), Some(other.to_vec()));
    };
    repaired(too_many, FindingKind::Index);
    let rubbish = |replica: &Replica| put(&replica.store, MOVES, key(5), Some(vec![0xff; 9]));
    repaired(rubbish, FindingKind::Index);
    let totals = |replica: &Replica| {
        let keys = replica.space.indexes.rows_of_none(NUMBER);
        let wrong = std::collections::BTreeMap::<u32, (u64, u64)>::new();
        for key in keys {
            let row = encode_row(&wrong).unwrap();
            assert_ne!(replica.store.get(INDEX, &key).unwrap().unwrap(), row);
            put(&replica.store, INDEX, key, Some(row));
        }
    };
    repaired(totals, FindingKind::Count);
}

/// What nothing here can replace is damaged: it is told, and not touched.
fn told(damage: impl Fn(&Replica), wanted: FindingKind) {
    let net = net(9);
    let replica = &net.replicas[0];
    damage(replica);
    let all = || [BLOCKS, FEEDS, OBJECTS, TALLIES].map(|keyspace| rows(&replica.store, keyspace));
    let before = all();
    let found = looked_at(replica, true);
    assert!(kinds(&found).contains(&wanted), "{found:?}");
    assert!(!found.is_whole() && !found.repaired, "{found:?}");
    assert!(all() == before, "nothing is touched");
}

#[test]
fn damaged_blocks_and_feeds_are_told_and_never_touched() {
    let some = |replica: &Replica| rows(&replica.store, BLOCKS).into_iter().nth(5).unwrap();
    let flipped = |replica: &Replica| {
        let (key, value) = some(replica);
        let mut value = value.to_vec();
        *value.last_mut().unwrap() ^= 1;
        put(&replica.store, BLOCKS, key.to_vec(), Some(value));
    };
    told(flipped, FindingKind::Block);
    let missing = |replica: &Replica| {
        let (key, _) = some(replica);
        put(&replica.store, BLOCKS, key.to_vec(), None);
    };
    told(missing, FindingKind::Block);
    let forged = |replica: &Replica| {
        // With a hash that fits: only the signature tells.
        let mut all = rows(&replica.store, BLOCKS).into_iter();
        let (key, value) = all.rfind(|(key, _)| key[32..] == [0; 8]).unwrap();
        let (_, mut block) = split_block(&value).unwrap();
        block.time_ms += 1;
        let feed = dxos_keys::FeedId::from_slice(&key[..32]).unwrap();
        let hash = block.hash(&feed, 0, &dxos_keys::BlockHash::from_bytes([0; 32]));
        let value = block_value(&hash, &block);
        put(&replica.store, BLOCKS, key.to_vec(), Some(value.to_vec()));
    };
    told(forged, FindingKind::Block);
    let feed = |replica: &Replica| {
        let (key, _) = rows(&replica.store, FEEDS).pop().unwrap();
        put(&replica.store, FEEDS, key.to_vec(), Some(vec![0xff; 5]));
    };
    told(feed, FindingKind::Feed);
}

/// A keyspace of what is derived cannot be read, in all spaces of a store.
fn damaged(net: &Net, keyspace: Keyspace) {
    net.replicas[0].disk.damage(keyspace);
    let unreadable = looked_at(&net.replicas[0], true);
    assert!(!unreadable.is_whole(), "{keyspace}: {unreadable:?}");
}

fn planned(replica: &Replica, repair: bool) -> Plan {
    let records = std::slice::from_ref(&replica.space.record);
    let memory = Memory::new(DEFAULT_BYTES);
    plan(
        records,
        (&replica.authority, &memory),
        &replica.store,
        repair,
    )
    .unwrap()
}

#[test]
fn what_is_derived_and_cannot_be_read_is_made_anew_from_blocks() {
    for keyspace in DERIVED {
        let mut net = net(7);
        let hash = net.replicas[0].hash();
        damaged(&net, keyspace);
        let replica = &net.replicas[0];
        assert!(planned(replica, false).damaged.is_empty());
        let plan = planned(replica, true);
        assert_eq!(plan.damaged, [keyspace]);
        assert_eq!(plan.checkup.findings.len(), 1);
        empty(
            std::slice::from_ref(&replica.space.record),
            &plan.damaged,
            &replica.store,
        )
        .unwrap();
        // A kill here leaves marks: it is made anew by whoever comes next.
        if keyspace == INDEX {
            assert_eq!(rows(&replica.store, INDEX), []);
            net.reopen(0, |_| {});
            net.replicas[0].build_all();
        } else {
            let marked = looked_at(replica, false);
            assert_eq!(kinds(&marked), [FindingKind::Object], "{marked:?}");
            let repaired = looked_at(replica, true);
            assert!(repaired.repaired && repaired.is_whole(), "{repaired:?}");
            net.reopen(0, |_| {});
        }
        let replica = &net.replicas[0];
        assert_eq!(looked_at(replica, false).findings, [], "{keyspace}");
        assert!(planned(replica, false).checkup.findings.is_empty());
        assert_eq!(replica.hash(), hash);
    }
}

#[test]
fn what_a_store_has_given_up_is_made_anew_when_the_space_is_opened() {
    for keyspace in DERIVED {
        let mut net = net(7);
        let hash = net.replicas[0].hash();
        let replica = &net.replicas[0];
        let (store, record) = (&replica.store, &replica.space.record);
        let row = encode_row(record).unwrap();
        put(store, SPACES, record.space.as_bytes().to_vec(), Some(row));
        store.clear(keyspace).unwrap();
        // Twice, as after a kill in between.
        for _ in 0..2 {
            let told = make_anew_given_up(&[keyspace], store).unwrap();
            assert!(told.len() == 1 && told[0].kind.is_derived(), "{told:?}");
        }
        if keyspace == QUEUES {
            let beyond = store.get(QUEUES, &run_key(NUMBER)).unwrap().unwrap();
            let beyond: u64 = dxos_wire::decode(1, &beyond).unwrap();
            assert!(beyond >= replica.space.tally.blocks, "no number twice");
        }
        net.reopen(0, |_| {});
        if keyspace == INDEX {
            net.replicas[0].build_all();
        } else {
            let repaired = looked_at(&net.replicas[0], true);
            assert!(repaired.is_whole(), "{repaired:?}");
            net.reopen(0, |_| {});
        }
        let replica = &net.replicas[0];
        assert_eq!(looked_at(replica, false).findings, [], "{keyspace}");
        assert_eq!(replica.hash(), hash);
    }
}

#[test]
fn a_kill_before_damaged_rows_are_deleted_leaves_the_repair_to_be_done_again() {
    let mut net = net(7);
    let hash = net.replicas[0].hash();
    damaged(&net, INDEX);
    // The marks were written, and the keyspace is as it was.
    let mut marks = Batch::new();
    mark(NUMBER, &net.replicas[0].store, &mut marks).unwrap();
    let replica = &net.replicas[0];
    replica.store.commit(marks, Durability::Synced).unwrap();
    let objects = rows(&replica.store, OBJECTS);
    assert!(!looked_at(replica, true).is_whole());
    assert_eq!(rows(&replica.store, OBJECTS), objects, "nothing is dropped");
    let damaged = planned(replica, true).damaged;
    empty(
        std::slice::from_ref(&replica.space.record),
        &damaged,
        &replica.store,
    )
    .unwrap();
    assert!(looked_at(replica, true).is_whole());
    net.reopen(0, |_| {});
    assert_eq!(looked_at(&net.replicas[0], false).findings, []);
    assert_eq!(net.replicas[0].hash(), hash);
}

#[test]
fn nothing_is_deleted_to_be_made_anew_where_blocks_are_damaged() {
    let net = net(7);
    let replica = &net.replicas[0];
    let (key, _) = rows(&replica.store, BLOCKS).into_iter().nth(5).unwrap();
    put(&replica.store, BLOCKS, key.to_vec(), None);
    replica.disk.damage(MOVES);
    let plan = planned(replica, true);
    assert!(
        plan.damaged.is_empty() && plan.checkup.findings.len() == 2,
        "{plan:?}"
    );
    // Rows of indexes come from objects.
    replica.store.clear(MOVES).unwrap();
    replica.disk.damage(INDEX);
    assert_eq!(planned(replica, true).damaged, [INDEX]);
}

#[test]
fn a_space_is_deleted_past_what_is_derived_and_cannot_be_read() {
    let net = net(7);
    let replica = &net.replicas[0];
    replica.disk.damage(INDEX);
    assert!(remove_rows(NUMBER, &replica.store).unwrap() > 0);
    for keyspace in [BLOCKS, FEEDS, MOVES, OBJECTS, TALLIES] {
        assert_eq!(rows(&replica.store, keyspace), []);
    }
    assert_eq!(
        collect(
            &std::collections::BTreeSet::new(),
            99,
            false,
            &replica.store
        )
        .unwrap()
        .rows,
        0
    );
}
