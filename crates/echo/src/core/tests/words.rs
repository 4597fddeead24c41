//! Indexes of words: what they read, and what typing costs them.

use std::collections::BTreeSet;

use dxos_document::{Deleted, Filter, Query, Text, Transaction, Value};
use dxos_keys::ObjectId;
use dxos_protocol::echo::LiveQuery;
use dxos_schema::TypeSchema;
use dxos_store::{CrashPlan, Direction, KeyRange, Read, StoreError};
use proptest::prelude::*;
use serde_json::json;

use super::super::layout::{INDEX, in_space};
use super::{Net, Replica, object};

fn nth_note(number: u32) -> ObjectId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    ObjectId::from_bytes(id)
}

/// Notes of a type all of whose texts are indexed.
fn notes(texts: impl IntoIterator<Item = String>) -> Net {
    let mut net = Net::new(1);
    let schema = TypeSchema::new("note@1", json!({"x-echo-text": true})).unwrap();
    let texts = texts.into_iter().zip(0_u32..);
    let all = texts.fold(Transaction::new(), |all, (text, number)| {
        let body = Value::Text(Text::new(&text));
        all.create(nth_note(number), "note@1", [("body", body)])
    });
    net.edit(0, vec![schema.create()]);
    if !all.ops.is_empty() {
        net.edit(0, all.ops);
    }
    net.replicas[0].build_all();
    net
}

fn search(words: &str) -> Query {
    Query::new(Filter::text(words)).by_relevance()
}

fn rows(replica: &Replica) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let range = KeyRange::prefix(&in_space(replica.space.record.number, b""));
    let rows = replica.store.scan(INDEX, range, Direction::Forward);
    rows.map(|row| Ok(row?.0.to_vec())).collect()
}

fn type_into(net: &mut Net, number: u8, text: &'static str) {
    net.transact(0, move |tx| {
        tx.text(object(number), "body")?.insert(0, text).map(drop)
    });
}

#[test]
fn a_search_reads_the_rows_of_its_words_and_what_it_shows() {
    let words = ["apple", "pear", "plum", "fig"];
    let texts = (0..400).map(|n| {
        let rare = if n % 100 == 0 { " zebra" } else { "" };
        format!("{} {}{rare}", words[n % 4], words[n / 4 % 4])
    });
    let net = notes(texts);
    let replica = &net.replicas[0];
    let explain = |query: &Query| {
        replica.check(query);
        replica.space.explain(query, &replica.store).unwrap()
    };
    let best = explain(&search("fig").limit(10));
    assert_eq!(best.index.as_deref(), Some("all by words"));
    assert!(best.in_order && best.rows < 250, "{best:?}");
    // What it shows, and the schema, which has no words.
    assert_eq!((best.results, best.objects), (10, 11));
    let of_type = Filter::type_name("note").and(Filter::text("z*"));
    let of_type = explain(&Query::new(of_type).by_relevance());
    assert_eq!((of_type.results, of_type.objects, of_type.rows), (4, 4, 4));
    // Whatever else is asked: the rarest word leads.
    let both = Filter::type_name("note").and(Filter::text("apple zebra"));
    let both = explain(&Query::new(both));
    assert_eq!(both.index.as_deref(), Some("note by words"));
    assert_eq!((both.results, both.objects), (4, 4));
    let none = explain(&search("nothing"));
    assert_eq!((none.results, none.objects), (0, 1));
    let elsewhere = Filter::type_name("note").and(Filter::text_at("body", "zebra"));
    let elsewhere = explain(&Query::new(elsewhere));
    assert_eq!((elsewhere.results, elsewhere.objects), (4, 4));
}

#[test]
fn typing_leaves_the_rows_of_words_until_they_are_put_right_at_once() {
    let mut net = notes(Vec::new());
    let long = "one two three".to_owned();
    let body = Value::Text(Text::new(&long));
    let create = Transaction::new().create(object(1), "note@1", [("body", body)]);
    net.edit(0, create.ops);
    type_into(&mut net, 1, "zebra ");
    let first = rows(&net.replicas[0]).unwrap();
    for _ in 0..20 {
        type_into(&mut net, 1, "x");
        let replica = &net.replicas[0];
        replica.check(&search("xzebra OR zebra"));
        replica.check(&search("two"));
        replica.check(&search("x*"));
        // But for the time of the change.
        let now = rows(replica).unwrap();
        assert_eq!(now.difference(&first).count(), 1);
    }
    assert!(!net.replicas[0].space.has_urgent_index_work());
    // Nothing is known but what the store has.
    net.reopen(0, |disk| {
        disk.crash(CrashPlan::power_loss(usize::MAX));
    });
    let replica = &mut net.replicas[0];
    replica.check(&search("x*"));
    replica.check(&search("three"));
    assert!(replica.space.has_index_work());
    replica.build_all();
    replica.check_rows();
    replica.check(&search("x*"));
}

#[test]
fn what_is_typed_into_many_objects_at_once_is_bounded() {
    let mut net = notes(Vec::new());
    for number in 1..9 {
        let body = Value::Text(Text::new("one two"));
        let create = Transaction::new().create(object(number), "note@1", [("body", body)]);
        net.edit(0, create.ops);
    }
    for number in 1..9 {
        type_into(&mut net, number, "three ");
        net.replicas[0].check(&search("three"));
    }
    // Deleted, changed otherwise, and retyped while its rows are behind.
    net.edit(0, Transaction::new().delete(object(1)).ops);
    net.edit(0, Transaction::new().set(object(2), "title", "four").ops);
    for query in [search("three"), search("four three"), search("one")] {
        net.replicas[0].check(&query);
        net.replicas[0].check(&query.deleted(Deleted::Include));
    }
    net.replicas[0].build_all();
    net.replicas[0].check_rows();
}

#[test]
fn an_object_with_too_many_words_is_found_all_the_same() {
    let many: Vec<_> = (0..50).map(|n| format!("word{n}")).collect();
    let net = notes([many.join(" "), "word7 alone".to_owned(), "none".to_owned()]);
    let replica = &net.replicas[0];
    for words in ["word7", "word4*", "word7 word9", "none"] {
        replica.check(&search(words));
        replica.check(&Query::new(Filter::text(words)));
    }
    replica.check_rows();
    assert!(rows(replica).unwrap().len() < 50);
}

fn stored_counts(replica: &Replica) -> usize {
    let counts = in_space(replica.space.record.number, &[0, 0, 0, 10]);
    let rows = rows(replica).unwrap().into_iter();
    rows.filter(|row| row.starts_with(&counts)).count()
}

#[test]
fn the_best_of_many_are_found_without_reading_all_rows_of_their_words() {
    let texts = (0..300).map(|n| {
        let often = "fig ".repeat(n % 3);
        let rare = if n % 10 == 7 { "zebra" } else { "" };
        format!("apple {often}{rare}")
    });
    let mut net = notes(texts);
    let replica = &mut net.replicas[0];
    let of_type = |words: &str| Filter::type_name("note").and(Filter::text(words));
    let explain = |replica: &Replica, words: &str| {
        let query = Query::new(of_type(words)).by_relevance().limit(5);
        replica.check(&query);
        replica.space.explain(&query, &replica.store).unwrap()
    };
    for words in ["apple", "fig", "apple zebra", "fig zebra apple"] {
        let best = explain(replica, words);
        assert!(best.rows < 100 && best.objects <= 6, "{words}: {best:?}");
    }
    // What was counted is known once it is stored.
    replica.build_all();
    assert_eq!(stored_counts(replica), 3);
    replica.check_rows();
    net.reopen(0, |disk| {
        disk.crash(CrashPlan::power_loss(usize::MAX));
    });
    let replica = &mut net.replicas[0];
    replica.build_all();
    assert_eq!(stored_counts(replica), 3);
    explain(replica, "apple");
    // What is gone leaves no word behind.
    let zebras = (0..300_u32).filter(|n| n % 10 == 7).map(nth_note);
    let ops = zebras.flat_map(|zebra| Transaction::new().delete(zebra).ops);
    let ops: Vec<_> = ops.collect();
    net.edit(0, ops);
    let replica = &mut net.replicas[0];
    replica.build_all();
    assert_eq!(stored_counts(replica), 2);
    replica.check_rows();
    // An index that is declared no more takes its counts along.
    let schema = TypeSchema::new("note@1", json!({})).unwrap();
    net.edit(0, vec![schema.create()]);
    net.replicas[0].build_all();
    net.replicas[0].check_rows();
    assert_eq!(stored_counts(&net.replicas[0]), 0);
}

/// A live query by relevance, and everything that it was told, folded.
fn watch(net: &mut Net, query: &Query) -> (Query, LiveQuery) {
    let replica = &mut net.replicas[0];
    let live = replica.space.subscribe(query.clone(), &replica.store);
    (query.clone(), live.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn live_queries_by_relevance_are_what_running_them_again_gives_once_words_are_weighed_again(
        is_indexed: bool,
        edits in prop::collection::vec((0..8_u8, 0..5_usize, any::<bool>(), any::<bool>()), 1..30),
    ) {
        const TEXTS: [&str; 5] = [
            "apple", "apple apple pear", "pear", "plum apple fig plum pear", "a fig",
        ];
        let mut net = if is_indexed { notes(Vec::new()) } else { Net::new(1) };
        let create = |number| {
            let body = Value::Text(Text::new(TEXTS[usize::from(number) % 5]));
            Transaction::new().create(object(number), "note@1", [("body", body)]).ops
        };
        for number in 0..8 {
            net.edit(0, create(number));
        }
        net.replicas[0].build_all();
        let fruit = Filter::text("apple").or(Filter::text("pear")).or(Filter::text("fig"));
        let any = Query::new(fruit).by_relevance();
        let first = net.replicas[0].space.query(&any, &net.replicas[0].store).unwrap();
        let behind = any.clone().after(any.cursor_after(&first[2]));
        let mut watches: Vec<_> = [any.clone(), any.limit(3), search("apple"), behind.clone(),
            behind.limit(2)].iter().map(|query| watch(&mut net, query)).collect();
        let mut now_ms = 10_000;
        for (number, text, deletes, weighs) in edits {
            if deletes {
                net.edit(0, Transaction::new().delete(object(number)).ops);
            } else {
                let body = Value::Text(Text::new(TEXTS[text]));
                net.edit(0, Transaction::new().set(object(number), "body", body).ops);
            }
            if !weighs {
                continue;
            }
            now_ms += 5_000;
            let replica = &mut net.replicas[0];
            replica.space.tick(now_ms, &replica.store).unwrap();
            for (query, live) in &mut watches {
                while let Ok(change) = live.changes.try_recv() {
                    change.fold(&mut live.initial);
                    replica.space.retry_live();
                }
                let again = replica.space.query(query, &replica.store).unwrap();
                prop_assert_eq!(&live.initial, &again, "{}", query);
            }
            // Nothing is weighed again when nothing changed.
            replica.space.tick(now_ms + 2_000, &replica.store).unwrap();
            prop_assert!(watches.iter_mut().all(|(_, live)| live.changes.try_recv().is_err()));
        }
    }

    #[test]
    fn the_best_are_those_that_a_look_at_every_object_finds(
        texts in prop::collection::vec(prop::collection::vec(0..6_usize, 0..24), 8..40),
        edits in prop::collection::vec((0..8_u8, 0..8_u8), 0..12),
        searches in prop::collection::vec((prop::collection::vec(0..6_usize, 1..4), any::<bool>(), 0..8_usize), 1..6),
    ) {
        const WORDS: [&str; 6] = ["apple", "pear", "plum", "fig", "apple", "apple"];
        let text = |words: &[usize]| {
            words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ")
        };
        let searches: Vec<_> = searches.iter().map(|(words, is_phrase, limit)| {
            let words = text(words);
            let words = if *is_phrase { format!("\"{words}\"") } else { words };
            Query::new(Filter::type_name("note").and(Filter::text(words))).by_relevance().limit(*limit)
        }).collect();
        let mut net = notes(texts.iter().map(|words| text(words)));
        for number in 0..8 {
            let body = Value::Text(Text::new(text(&texts[usize::from(number)])));
            net.edit(0, Transaction::new().create(object(number), "note@1", [("body", body)]).ops);
        }
        net.replicas[0].build_all();
        let check = |net: &Net| {
            for query in &searches {
                for deleted in [Deleted::Exclude, Deleted::Include, Deleted::Only] {
                    net.replicas[0].check(&query.clone().deleted(deleted));
                }
            }
        };
        check(&net);
        for (number, what) in edits {
            match what {
                0 => net.edit(0, Transaction::new().delete(object(number)).ops),
                1 => net.edit(0, Transaction::new().restore(object(number)).ops),
                2 => net.replicas[0].build(),
                3 => net.reopen(0, |disk| {
                    disk.crash(CrashPlan::power_loss(number.into()));
                }),
                4 => {
                    let body = Value::Text(Text::new(text(&texts[usize::from(7 - number)])));
                    net.edit(0, Transaction::new().set(object(number), "body", body).ops);
                }
                _ => net.transact(0, move |tx| match tx.text(object(number), "body") {
                    Ok(mut body) => body.insert(0, "fig apple ").map(drop),
                    Err(_) => Ok(()),
                }),
            }
            check(&net);
        }
        net.replicas[0].build_all();
        net.replicas[0].check_rows();
        check(&net);
    }
}
