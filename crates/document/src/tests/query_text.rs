//! The text form and the JSON form of queries.

use proptest::prelude::*;

use super::{any_path, any_value, id};
use crate::{Comparison, Deleted, Filter, ForeignKey, ObjectRef, Path, Query, Value};

fn filter(text: &str) -> Filter {
    text.parse().unwrap()
}

#[test]
fn every_sign_means_what_the_table_says() {
    let one = id(1);
    let day = Value::Timestamp(1_796_083_200_000);
    for (text, expected) in [
        ("", Filter::all()),
        ("*", Filter::all()),
        ("NONE", Filter::Or(vec![])),
        ("done:false", Filter::eq("done", false)),
        ("done=false", Filter::eq("done", false)),
        ("size>=10", Filter::ge("size", 10)),
        ("size<10", Filter::lt("size", 10)),
        ("size>-1.5", Filter::gt("size", -1.5)),
        ("due<=2026-12-01T00:00:00Z", Filter::le("due", day.clone())),
        (
            "due:2026-12-01T01:00:00+01:00",
            Filter::eq("due", day.clone()),
        ),
        (
            "due<=2026-12-01",
            Filter::le("due", day.clone()).or(Filter::le("due", "2026-12-01")),
        ),
        (
            "due!=2026-12-01",
            Filter::ne("due", day.clone()).and(Filter::ne("due", "2026-12-01")),
        ),
        (
            "days~2026-12-01",
            Filter::contains("days", day.clone()).or(Filter::contains("days", "2026-12-01")),
        ),
        (
            "due:(2026-12-01, 2026-12-01T00:00:00Z)",
            Filter::any_of("due", [day.clone(), "2026-12-01".into(), day]),
        ),
        ("due<\"2026-12-01\"", Filter::lt("due", "2026-12-01")),
        ("due<\"2026-13-45\"", Filter::lt("due", "2026-13-45")),
        ("name:2026-12-01-b", Filter::eq("name", "2026-12-01-b")),
        ("name:1-2-3", Filter::eq("name", "1-2-3")),
        ("number:123-45-67", Filter::eq("number", "123-45-67")),
        (
            "i:18446744073709551616",
            Filter::eq("i", "18446744073709551616"),
        ),
        ("title!=x", Filter::ne("title", "x")),
        ("title:\"x y\"", Filter::eq("title", "x y")),
        ("title:\"10\"", Filter::eq("title", "10")),
        ("title:a=b:c", Filter::eq("title", "a=b:c")),
        ("größe:ä", Filter::eq("größe", "ä")),
        ("a.b:1", Filter::eq("a.b", 1)),
        ("a:null", Filter::eq("a", Value::Null)),
        (
            "a:[1, \"x\"]",
            Filter::eq("a", vec![Value::Int(1), "x".into()]),
        ),
        (
            "a:(1, x,\"y z\")",
            Filter::any_of("a", [Value::Int(1), "x".into(), "y z".into()]),
        ),
        ("a:()", Filter::any_of("a", Vec::<Value>::new())),
        ("a^=10", Filter::prefix("a", "10")),
        ("a~x", Filter::contains("a", "x")),
        ("text:x", Filter::text("x")),
        ("text:\"quick bro*\"", Filter::text("quick bro*")),
        ("text=x", Filter::eq("text", "x")),
        ("title~~\"a b\"", Filter::text_at("title", "a b")),
        ("title~\"~x\"", Filter::contains("title", "~x")),
        ("has:a", Filter::exists("a")),
        ("has:@parent", Filter::exists(Path::about("parent"))),
        ("\"has\":a", Filter::eq("has", "a")),
        ("has=a", Filter::eq("has", "a")),
        ("type:task", Filter::type_name("task")),
        ("type:task@1.0", Filter::type_name("task@1.0")),
        ("type-exact:task", Filter::type_exact("task")),
        ("tag:a=b", Filter::tag("a=b")),
        ("key:x.org/i#1", Filter::foreign_key("x.org/i", "1")),
        ("key:\"a#b\"#\"c d\"", Filter::foreign_key("a#b", "c d")),
        ("key:x#\"c d\"", Filter::foreign_key("x", "c d")),
        (&format!("id:{one}"), Filter::ids([one])),
        (&format!("id:({one}, {})", id(2)), Filter::ids([one, id(2)])),
        (&format!("child-of:{one}"), Filter::children_of(one)),
        ("is:child", Filter::has_parent()),
        (&format!("references:{one}"), Filter::references(one)),
        (
            &format!("references:{one}/a.b"),
            Filter::references_at("a.b", one),
        ),
        (&format!("referenced-by:{one}"), Filter::referenced_by(one)),
        (
            &format!("referenced-by:{one}/\"a b\""),
            Filter::referenced_by_at(one, "a b"),
        ),
        (&format!("relation-from:{one}"), Filter::relations_from(one)),
        (&format!("relation-to:{one}"), Filter::relations_to(one)),
        (&format!("relations-of:{one}"), Filter::relations_of(one)),
        (
            "@updated>=1970-01-01",
            Filter::ge(Path::about("updated"), Value::Timestamp(0)),
        ),
        ("\"@updated\":1", Filter::eq("@updated", 1)),
        ("NOT a:1", Filter::eq("a", 1).not()),
        ("a:1 b:2", Filter::eq("a", 1).and(Filter::eq("b", 2))),
        ("a:1 AND b:2", Filter::eq("a", 1).and(Filter::eq("b", 2))),
        ("a:1 OR b:2", Filter::eq("a", 1).or(Filter::eq("b", 2))),
        (
            "c:3 (a:1 OR NOT b:2)",
            Filter::eq("c", 3).and(Filter::eq("a", 1).or(Filter::eq("b", 2).not())),
        ),
        (
            "a:1 b:2 OR c:3",
            (Filter::eq("a", 1).and(Filter::eq("b", 2))).or(Filter::eq("c", 3)),
        ),
        ("OR:1", Filter::eq("OR", 1)),
    ] {
        assert_eq!(filter(text), expected, "{text}");
    }
}

#[test]
fn options_stand_anywhere_in_the_row() {
    let query: Query = "limit:20 type:task order:-due,title done:false deleted:include"
        .parse()
        .unwrap();
    let expected = Query::new(Filter::type_name("task").and(Filter::eq("done", false)))
        .descending("due")
        .order_by("title")
        .deleted(Deleted::Include)
        .limit(20);
    assert_eq!(query, expected);
    assert_eq!(
        query.to_string(),
        "type:task done:false order:-due,title deleted:include limit:20"
    );
}

#[test]
fn an_error_says_where_and_what_is_expected() {
    for (text, column, reason) in [
        ("task", 1, "expected a condition"),
        ("type:task done", 11, "expected a condition"),
        ("größe: x", 7, "expected a value"),
        ("a!b", 1, "expected a condition"),
        ("=1", 1, "expected a condition"),
        ("(a:1", 1, "not closed"),
        ("a:1)", 4, "closes none"),
        ("a:1 OR", 7, "OR stands between"),
        ("a:(1 2)", 6, "comma"),
        ("a:\"x", 3, "JSON"),
        ("id:xyz", 4, ""),
        ("limit:many", 7, "such as 20"),
        ("(limit:1)", 2, "as a whole"),
        ("NOT limit:1", 5, "as a whole"),
        ("deleted:yes", 9, "include"),
        ("after:x", 7, "cursor"),
        ("key:x", 5, "github.com#7"),
        ("due<2026-13-45", 5, "no day or time"),
        ("due<2026-12-1", 5, "no day or time"),
        ("due:2026-12-01T10:30", 5, "no day or time"),
        ("due:(2026-12-01, 2026-02-30)", 18, "no day or time"),
        ("a:1 @updted>2026-01-01", 5, "@updated"),
        ("order:@relevence", 7, "@updated"),
        ("has:@foo", 5, "@parent"),
        ("@relevance>1", 1, "order"),
        ("@created>yesterday", 10, "2026-12-01"),
        ("@updated<\"2026-01-01\"", 10, "2026-12-01"),
        ("limit:1 a:1 limit:2", 13, "twice"),
        ("n==1", 3, "n:1 or n=1"),
        ("n:=1", 3, "n:1 or n=1"),
        ("n=>1", 3, "n>=1"),
        ("n=<1", 3, "n<=1"),
        ("n<>1", 3, "n!=1"),
        ("n=!1", 3, "n!=1"),
        ("n:>1", 3, "n>1"),
        ("n=~one", 3, "n~one"),
        ("n~~~one", 4, "n~one"),
        ("n^==x", 4, "double quotes"),
        ("e:'cat'", 3, "double quotes"),
        ("e:(cat, 'dog')", 9, "double quotes"),
        ("'two words':1", 1, "double quotes"),
        ("text:'two words'", 6, "double quotes"),
        ("type:'em'", 6, "double quotes"),
        ("key:'x'#7", 5, "double quotes"),
        ("order:'v'", 7, "double quotes"),
        ("type:em or e:cat", 9, "in capitals"),
        ("not e:cat", 1, "in capitals"),
        ("(a:1 And b:2)", 6, "in capitals"),
    ] {
        let error = text.parse::<Query>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
    assert!("a:1 limit:1".parse::<Filter>().is_err());
    for text in ["=1", ">1", "'cat'", "~x", ":", "!x"] {
        let quoted = filter(&format!("e:{text:?}"));
        assert_eq!(quoted, Filter::eq("e", text));
        assert_eq!(filter(&quoted.to_string()), quoted);
    }
    assert_eq!(
        filter("or:1 e:a'b"),
        Filter::eq("or", 1).and(Filter::eq("e", "a'b"))
    );
    let deep = "(".repeat(10_000);
    assert!(deep.parse::<Query>().unwrap_err().reason.contains("deeper"));
    let deep = "NOT ".repeat(10_000);
    assert!(deep.parse::<Query>().unwrap_err().reason.contains("deeper"));
    let deep = format!("a:{}", "[".repeat(10_000));
    assert!(deep.parse::<Query>().is_err());
}

fn any_field() -> impl Strategy<Value = Path> {
    prop_oneof![
        4 => any_path(),
        1 => "\\PC{0,5}".prop_map(|part| Path::of([part])),
        1 => "parent|tags|type".prop_map(|name| Path::about(&name)),
        1 => "has|type|limit|order|OR|NOT|\\*|-a".prop_map(|name| Path::of([name])),
    ]
}

fn any_reference() -> impl Strategy<Value = ObjectRef> {
    (0..3_u8, any::<bool>()).prop_map(|(number, is_far)| {
        if is_far {
            ObjectRef::across(dxos_keys::SpaceKey::from_bytes([9; 32]), id(number))
        } else {
            ObjectRef::local(id(number))
        }
    })
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-c]{1,3}|[a-c]@1\\.0|\\PC{0,6}|true|10|2026-12-01|[=<>~:!'][a=>'~]?"
}

pub(super) fn any_filter() -> impl Strategy<Value = Filter> {
    let comparison = proptest::sample::select(vec![
        Comparison::Eq,
        Comparison::Ge,
        Comparison::Gt,
        Comparison::Le,
        Comparison::Lt,
        Comparison::Ne,
    ]);
    let values = proptest::collection::vec(any_value(), 0..3);
    let keys = proptest::collection::btree_set(
        (any_name(), any_name()).prop_map(|(source, id)| ForeignKey::new(source, id)),
        0..3,
    );
    let properties = prop_oneof![
        (any_field(), comparison, any_value()).prop_map(|(path, comparison, value)| {
            Filter::Compare {
                path,
                comparison,
                value,
            }
        }),
        (any_field(), any_value()).prop_map(|(path, value)| Filter::Contains { path, value }),
        (any_field(), values).prop_map(|(path, values)| Filter::In { path, values }),
        (any_field(), any_name()).prop_map(|(path, prefix)| Filter::Prefix { path, prefix }),
        any_field().prop_map(Filter::Exists),
        (proptest::option::of(any_field()), any_name()).prop_map(|(path, words)| Filter::Text {
            path,
            words: words.into()
        }),
    ];
    let others = prop_oneof![
        (0..3_u8).prop_map(|number| Filter::ChildOf(id(number))),
        keys.prop_map(Filter::ForeignKeys),
        Just(Filter::HasParent),
        proptest::collection::btree_set((0..3_u8).prop_map(id), 0..3).prop_map(Filter::Ids),
        (0..3_u8, proptest::option::of(any_field())).prop_map(|(source, path)| {
            Filter::ReferencedBy {
                source: id(source),
                path,
            }
        }),
        (any_reference(), proptest::option::of(any_field()))
            .prop_map(|(target, path)| Filter::References { path, target }),
        any_reference().prop_map(Filter::RelationFrom),
        any_reference().prop_map(Filter::RelationTo),
        any_name().prop_map(Filter::Tag),
        any_name().prop_map(|name| Filter::TypeExact(name.into())),
        any_name().prop_map(Filter::TypeAnyVersion),
    ];
    prop_oneof![properties, others].prop_recursive(3, 12, 3, |inner| {
        let many = proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            many.clone().prop_map(Filter::And),
            many.prop_map(Filter::Or),
            inner.prop_map(Filter::not),
        ]
    })
}

fn any_query() -> impl Strategy<Value = Query> {
    let order = proptest::collection::vec((any_field(), any::<bool>()), 0..3);
    let deleted = proptest::sample::select(vec![Deleted::Exclude, Deleted::Include, Deleted::Only]);
    let limit = proptest::option::of(any::<usize>());
    (any_filter(), order, deleted, limit, any::<bool>()).prop_map(
        |(filter, order, deleted, limit, is_behind)| {
            let mut query = Query::new(filter).deleted(deleted);
            for (path, is_ascending) in order {
                query = if is_ascending {
                    query.order_by(path)
                } else {
                    query.descending(path)
                };
            }
            query.limit = limit;
            if is_behind {
                let mut replica = super::Replica::new(1);
                replica.commit(crate::Transaction::new().create(id(1), "t", [("a", 1)]));
                query.after = Some(query.cursor_after(&replica.object(id(1))));
            }
            query
        },
    )
}

/// A row of one condition is that condition.
fn plain(filter: Filter) -> Filter {
    let one = |mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter| {
        parts = parts.into_iter().map(plain).collect();
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts)
            }
        }
    };
    match filter {
        Filter::And(parts) => one(parts, Filter::And),
        Filter::Or(parts) => one(parts, Filter::Or),
        Filter::Not(inner) => plain(*inner).not(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_text_form_is_read_as_it_was_written(query in any_query()) {
        let text = query.to_string();
        let read = text.parse::<Query>();
        prop_assert!(read.is_ok(), "{}: {}", text, read.unwrap_err());
        let expected = Query { filter: plain(query.filter.clone()), ..query };
        prop_assert_eq!(read.unwrap(), expected, "{}", text);
    }

    #[test]
    fn the_json_form_is_read_as_it_was_written(query in any_query()) {
        let json = serde_json::to_string(&query).unwrap();
        prop_assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ab:=<>!^~()\"\\\\#/,@*\\-0-9 .{}\\[\\]]{0,24}|\\PC{0,24}|(NOT |OR |\\(|a:1 |order:|limit:|key:|has:){0,6}") {
        let _ = text.parse::<Query>();
        let _ = text.parse::<Filter>();
    }
}
