//! Full text: what is found, how well it fits, and where it is.

use proptest::prelude::*;

use super::{Replica, id};
use crate::{Filter, LiveResults, Map, Object, Path, Query, Text, Transaction, Value};

fn note(number: u8, properties: impl IntoIterator<Item = (&'static str, Value)>) -> Object {
    let mut replica = Replica::new(1);
    let properties: Map = super::super::value::properties_of(properties);
    replica.commit(Transaction::new().create(id(number), "note", properties));
    replica.object(id(number))
}

fn titled(number: u8, title: &str) -> Object {
    note(number, [("title", title.into())])
}

#[test]
fn words_are_found_in_strings_texts_lists_sets_and_maps() {
    let object = note(
        1,
        [
            ("title", "Der große Brief".into()),
            ("body", Value::Text(Text::new("Sehr geehrte Frau Ångström"))),
            ("tags", Value::List(vec!["Erste Fassung".into(), 7.into()])),
            ("to", Value::map([("city", Value::set(["Genève"]))])),
        ],
    );
    let holds = |filter: Filter| filter.matches(&object);
    for words in [
        "GROSSE brief",
        "angstrom",
        "fassung",
        "geneve",
        "gen* erste",
    ] {
        assert!(holds(Filter::text(words)), "{words}");
    }
    assert!(holds(Filter::text_at("to", "genève")));
    assert!(holds(Filter::text_at("to.city", "genève")));
    assert!(!holds(Filter::text_at("title", "genève")));
    assert!(!holds(Filter::text("7")));
    // In a row means in one text.
    assert!(!holds(Filter::text("\"brief sehr\"")));
    assert!(holds(Filter::text("nothing").not()));
    assert!(holds(Filter::text("")));
}

#[test]
fn highlights_tell_where_words_are_in_the_text_as_it_is_written() {
    let object = note(
        1,
        [
            (
                "body",
                Value::Text(Text::new("Ein GROẞER Brief, großer Bär")),
            ),
            ("tags", Value::List(vec!["x".into(), "Brief".into()])),
        ],
    );
    let filter = Filter::text("grosse* brief").and(Filter::text("dog").not());
    let found = filter.highlights(&object);
    let body = object.get("body").unwrap().as_str().unwrap();
    let words: Vec<_> = found[0]
        .ranges
        .iter()
        .map(|range| &body[range.clone()])
        .collect();
    assert_eq!(words, ["GROẞER", "Brief", "großer"]);
    assert_eq!(found[1].path, Path::of(["tags", "1"]));
    assert_eq!(object.text_at(&found[1].path), Some("Brief"));
    assert_eq!((found.len(), &found[1].ranges[0]), (2, &(0..5)));
    let many = note(2, [("body", "a ".repeat(10_000).as_str().into())]);
    assert_eq!(Filter::text("a").highlights(&many)[0].ranges.len(), 256);
}

#[test]
fn an_empty_text_finds_everything_and_one_of_symbols_nothing() {
    let smile = titled(1, "😀 -- Fox");
    for (words, is_found) in [
        ("", true),
        (" ", true),
        ("😀", false),
        ("--", false),
        ("--fox", true),
    ] {
        let query: Query = format!("text:{words:?}").parse().unwrap();
        let json = serde_json::to_string(&query).unwrap();
        let read: Query = serde_json::from_str(&json).unwrap();
        let at = Filter::text_at("title", words);
        for filter in [&query.filter, &read.filter, &Filter::text(words), &at] {
            assert_eq!(filter.matches(&smile), is_found, "{words:?}");
            let highlights = filter.highlights(&smile);
            assert_eq!(highlights.is_empty(), words != "--fox", "{words:?}");
        }
    }
}

fn ranked(query: &Query, objects: &[Object]) -> Vec<(u8, f64)> {
    let relevance = query.relevance(objects);
    let found = query.run_ranked(relevance.as_ref(), objects.iter().cloned());
    let scored = found.iter();
    scored
        .map(|object| (object.id().as_bytes()[0], object.score().unwrap()))
        .collect()
}

#[test]
fn what_is_rare_frequent_and_in_short_texts_comes_first() {
    let objects = [
        titled(1, "the cat and the dog and the bird and the fish"),
        titled(2, "the cat"),
        titled(3, "the cat cat"),
        titled(4, "the zebra and other animals that are not so well known"),
        titled(5, "the dog"),
    ];
    let order = |words: &str| {
        let found = ranked(&Query::new(Filter::text(words)).by_relevance(), &objects);
        found
            .into_iter()
            .map(|(number, _)| number)
            .collect::<Vec<_>>()
    };
    assert_eq!(order("cat"), [3, 2, 1]);
    let either = Filter::text("dog").or(Filter::text("zebra"));
    let found = ranked(&Query::new(either).by_relevance(), &objects);
    assert_eq!(
        found.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        [5, 4, 1]
    );
    // By hand: five objects with 11, 2, 3, 11 and 2 words, a dog in two of them.
    let weight = (1.0 + (5.0 - 2.0 + 0.5) / (2.0 + 0.5_f64)).ln();
    let norm = 1.2 * (0.25 + 0.75 * 2.0 / (29.0 / 5.0));
    let score = weight * (2.2 / (1.0 + norm));
    assert!((found[0].1 - score).abs() < 1e-9, "{found:?}");
}

#[test]
fn pages_in_the_order_of_relevance_follow_one_another() {
    let objects: Vec<_> = (1..30)
        .map(|number| titled(number, &"word ".repeat(usize::from(number % 7) + 1)))
        .collect();
    let query = Query::new(Filter::text("word")).by_relevance();
    let relevance = query.relevance(&objects);
    let whole = query.run_ranked(relevance.as_ref(), objects.clone());
    let mut paged = Vec::new();
    let mut next = query;
    loop {
        let found = next.clone().for_page(4);
        let found = found.run_ranked(relevance.as_ref(), objects.clone());
        let page = next.page(found, 4);
        paged.extend(page.objects);
        match page.next {
            Some(cursor) => next = next.after(cursor.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(paged, whole);
}

proptest! {
    #[test]
    fn a_live_query_by_relevance_keeps_the_order_of_its_weights(
        first in proptest::collection::vec("[abc]( [abc]){0,3}", 1..8),
        changes in proptest::collection::vec((1..8_u8, proptest::option::of("[abc]( [abc]){0,3}")), 1..12),
    ) {
        let mut all: std::collections::BTreeMap<_, _> = (1..)
            .zip(&first)
            .map(|(number, title)| (id(number), titled(number, title)))
            .collect();
        let query = Query::new(Filter::text("a b*").or(Filter::text("c"))).by_relevance().limit(3);
        let relevance = query.relevance(all.values());
        let mut live = LiveResults::ranked(query.clone(), relevance.clone(), all.values().cloned());
        let mut folded = live.results().to_vec();
        for (number, title) in changes {
            let object = title.map(|title| titled(number, &title));
            match &object {
                Some(object) => drop(all.insert(id(number), object.clone())),
                None => drop(all.remove(&id(number))),
            }
            live.update([(id(number), object)]).fold(&mut folded);
            let again = query.run_ranked(relevance.as_ref(), all.values().cloned());
            prop_assert_eq!(&folded, &again);
        }
    }
}
