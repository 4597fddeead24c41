//! Structs as properties, changes to them, and schemas.

use std::collections::BTreeMap;

use dxos_document::{Map, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Any, Bytes, Counter, EchoObject, JsonSchema, Ref, Set, Text, Timestamp, TypeSchema,
    from_properties, from_value, to_properties, to_value, tree,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[echo(crate = "crate")]
struct Place {
    city: String,
    #[serde(default)]
    zip: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[echo(crate = "crate")]
enum Shape {
    Dot,
    Circle(f64),
    Line(i64, i64),
    Box { width: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[echo(crate = "crate")]
enum Tagged {
    Note { text: String },
    Alarm { at: Timestamp },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[echo(crate = "crate")]
enum Loose {
    Number(i64),
    When(Timestamp),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Everything", version = "2.0", crate = "crate")]
struct Everything {
    flag: bool,
    small: i8,
    large: u64,
    single: f32,
    double: f64,
    letter: char,
    text: String,
    nothing: (),
    maybe: Option<String>,
    place: Place,
    pair: (i64, String),
    places: Vec<Place>,
    by_number: BTreeMap<i32, Option<String>>,
    shapes: Vec<Shape>,
    tagged: Vec<Tagged>,
    loose: Vec<Loose>,
    bytes: Bytes,
    due: Timestamp,
    views: Counter,
    tags: Set<String>,
    body: Text,
    friend: Option<Ref<Self>>,
    anything: Any,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[echo(crate = "crate")]
struct Rest {
    later: Option<Timestamp>,
    hits: Counter,
    raw: Bytes,
}

fn everything() -> Everything {
    Everything {
        flag: true,
        small: -7,
        large: 1 << 40,
        single: 0.5,
        double: f64::INFINITY,
        letter: 'ß',
        text: "a/b ~ c".into(),
        nothing: (),
        maybe: None,
        place: Place {
            city: "Riga".into(),
            zip: Some(1010),
        },
        pair: (1, "one".into()),
        places: vec![Place {
            city: "Oslo".into(),
            zip: None,
        }],
        by_number: [(-3, Some("x".into())), (4, None)].into(),
        shapes: vec![
            Shape::Dot,
            Shape::Circle(1.5),
            Shape::Line(1, 2),
            Shape::Box { width: 3 },
        ],
        tagged: vec![
            Tagged::Note { text: "n".into() },
            Tagged::Alarm {
                at: Timestamp::from_ms(5),
            },
        ],
        loose: vec![
            Loose::Number(1),
            Loose::When(Timestamp::from_ms(2)),
            Loose::Text("t".into()),
        ],
        bytes: Bytes::from([0, 255]),
        due: Timestamp::from_ms(-1),
        views: Counter::new(3),
        tags: ["a".to_owned(), "b".to_owned()].into(),
        body: Text::new("Hello"),
        friend: Some(Ref::new(dxos_keys::ObjectId::from_bytes([7; 16]))),
        anything: Any(Value::set([Value::Timestamp(9), Value::from(f64::NAN)])),
        rest: Rest {
            later: Some(Timestamp::from_ms(8)),
            hits: Counter::new(1),
            raw: Bytes::from([1]),
        },
    }
}

#[test]
fn everything_that_serde_knows_is_read_as_it_was_written() {
    let written = everything();
    let properties = to_properties(&written).unwrap();
    assert_eq!(properties.get("due"), Some(&Value::Timestamp(-1)));
    assert_eq!(properties.get("views"), Some(&Value::Counter(3)));
    assert_eq!(properties.get("bytes"), Some(&Value::Bytes(vec![0, 255])));
    assert_eq!(properties.get("tags"), Some(&Value::set(["a", "b"])));
    // With a flattened part in it, serde writes a struct as it writes a map.
    assert_eq!(properties.get("maybe"), Some(&Value::Null));
    assert_eq!(properties.get("later"), Some(&Value::Timestamp(8)));
    assert_eq!(from_properties::<Everything>(&properties), Ok(written));
}

#[test]
fn what_is_written_fits_the_schema_and_json_is_the_same() {
    let properties = to_properties(&everything()).unwrap();
    let schema = TypeSchema::of::<Everything>();
    assert_eq!(schema.violations(&properties), []);
    let mut finite = everything();
    finite.double = 0.1;
    let json = serde_json::to_value(&finite).unwrap();
    assert_eq!(json["due"], json!({ "@time": -1 }));
    assert_eq!(serde_json::from_value::<Everything>(json).unwrap(), finite);
}

#[test]
fn nothing_is_null_where_something_has_to_be() {
    let list = to_value(&[Some(1), None]).unwrap();
    assert_eq!(list, Value::List(vec![1.into(), Value::Null]));
    assert_eq!(to_value(&Some(None::<i64>)), Ok(Value::Null));
    let properties = to_properties(&Defaulted::default()).unwrap();
    assert_eq!(properties.get("due"), None);
    assert_eq!(from_value(&list), Ok(vec![Some(1), None]));
}

#[test]
fn a_number_beyond_64_bits_names_its_place() {
    let value = BTreeMap::from([("list", vec![0, u64::MAX])]);
    let error = to_value(&value).unwrap_err();
    assert_eq!(error.pointer(), "/list/1");
    assert_eq!(
        error.to_string(),
        "/list/1: the number 18446744073709551615 does not fit into 64 bits with sign; \
         keep it as text"
    );
}

#[test]
fn an_error_of_reading_names_its_place() {
    let mut properties = to_properties(&everything()).unwrap();
    properties.insert(
        "places".into(),
        Value::List(vec![Value::map([("city", 5)])]),
    );
    let error = from_properties::<Everything>(&properties).unwrap_err();
    assert_eq!(error.pointer(), "/places/0/city");
    let mut properties = to_properties(&everything()).unwrap();
    properties.insert("due".into(), "x".into());
    let error = from_properties::<Everything>(&properties).unwrap_err();
    assert_eq!(error.to_string(), "/due: \"x\" is not a timestamp");
}

#[test]
fn counters_and_sets_read_plain_numbers_and_lists() {
    assert_eq!(from_value(&Value::from(4)), Ok(Counter::new(4)));
    assert_eq!(from_value(&Value::Counter(4)), Ok(4_i64));
    let list = Value::List(vec!["a".into(), "a".into()]);
    assert_eq!(from_value(&list), Ok(Set::from(["a".to_owned()])));
    assert_eq!(from_value(&Value::set(["a"])), Ok(vec!["a".to_owned()]));
}

#[test]
fn of_two_variants_at_once_every_replica_reads_the_same() {
    let both = Value::map([
        ("Line", Value::List(vec![1.into(), 2.into()])),
        ("Circle", 1.5.into()),
        ("Unknown", Value::Null),
    ]);
    assert_eq!(from_value(&both), Ok(Shape::Circle(1.5)));
}

/// A change of a struct, carried over to properties.
fn change<T: Serialize + serde::de::DeserializeOwned>(
    found: &Map,
    change: impl FnOnce(&mut T),
) -> tree::Carried {
    let mut value: T = from_properties(found).unwrap();
    let before = crate::object::entries(&value).unwrap();
    change(&mut value);
    tree::carry(found, &before, &crate::object::entries(&value).unwrap())
}

#[derive(Serialize, Deserialize)]
struct Old {
    title: String,
    place: Place,
    places: Vec<Place>,
    shape: Shape,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    views: Counter,
}

fn newer() -> Map {
    let place = |city: &str| {
        let zip = i64::try_from(city.len()).unwrap();
        Value::map([
            ("city", city.into()),
            ("zip", zip.into()),
            ("floor", Value::from(2)),
        ])
    };
    Map::from([
        ("title".into(), "Write".into()),
        ("colour".into(), "red".into()),
        ("place".into(), place("Riga")),
        (
            "places".into(),
            Value::List(vec![place("Oslo"), place("Vienna"), place("Minsk")]),
        ),
        ("shape".into(), Value::map([("Circle", 1.5)])),
        ("views".into(), 5.into()),
    ])
}

#[test]
fn what_an_older_program_does_not_know_survives_its_changes() {
    let carried = change::<Old>(&newer(), |old| {
        old.title = "Read".into();
        old.place.city = "Tartu".into();
        old.places.remove(0);
        old.places[0].city = "Wien".into();
        old.places.push(Place {
            city: "Graz".into(),
            zip: None,
        });
    });
    let json = Value::Map(carried.properties).to_json();
    assert_eq!(
        json,
        json!({
            "title": "Read", "colour": "red", "views": 5, "shape": { "Circle": 1.5 },
            "place": { "city": "Tartu", "zip": 4, "floor": 2 },
            "places": [
                { "city": "Wien", "zip": 6, "floor": 2 },
                { "city": "Minsk", "zip": 5, "floor": 2 },
                { "city": "Graz" },
            ],
        })
    );
}

#[test]
fn what_a_struct_only_read_is_not_written() {
    let carried = change::<Old>(&newer(), |_| {});
    assert_eq!(carried.properties, newer());
    assert_eq!(carried.counted, []);
}

#[test]
fn a_plain_number_is_counted_on() {
    let carried = change::<Old>(&newer(), |old| old.views += 2);
    assert_eq!(carried.properties, newer());
    assert_eq!(carried.counted, [("views".into(), 2)]);
}

#[test]
fn another_variant_takes_all_others_out() {
    let mut found = newer();
    found.insert(
        "shape".into(),
        Value::map([("Circle", Value::from(1.5)), ("Line", Value::List(vec![]))]),
    );
    let carried = change::<Old>(&found, |old| old.shape = Shape::Box { width: 1 });
    let shape = carried.properties.get("shape").unwrap();
    assert_eq!(shape.to_json(), json!({ "Box": { "width": 1 } }));
}

#[derive(Serialize, Deserialize, EchoObject)]
#[serde(default, rename_all = "camelCase")]
#[echo(crate = "crate")]
struct Defaulted {
    /// What to do.
    the_title: String,
    #[schemars(range(min = 1, max = 5))]
    stars: u8,
    due: Option<Timestamp>,
    owner: Option<Ref<Everything>>,
    shape: Shape,
}

impl Default for Defaulted {
    fn default() -> Self {
        Self {
            the_title: "?".into(),
            stars: 3,
            due: None,
            owner: None,
            shape: Shape::Dot,
        }
    }
}

#[test]
fn names_and_versions_have_defaults() {
    assert_eq!(Defaulted::type_name(), "dxos-schema/Defaulted@0.1.0");
    assert_eq!(Everything::type_name(), "example.com/type/Everything@2.0");
}

#[test]
fn the_attributes_of_serde_and_schemars_shape_the_schema() {
    let schema = TypeSchema::of::<Defaulted>();
    let json = schema.schema();
    assert_eq!(json["title"], "Defaulted");
    assert_eq!(json["properties"]["theTitle"]["description"], "What to do.");
    assert_eq!(json["properties"]["theTitle"]["default"], "?");
    assert_eq!(json["properties"]["stars"]["maximum"], 5);
    assert_eq!(json.get("required"), None);
    let owner = json["properties"]["owner"].to_string();
    assert!(owner.contains("example.com/type/Everything"), "{owner}");
}

fn violations(properties: serde_json::Value) -> Vec<String> {
    let Ok(Value::Map(properties)) = Value::from_json(&properties) else {
        panic!("not properties: {properties}");
    };
    let found = TypeSchema::of::<Defaulted>().violations(&properties);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_violation_names_its_place_and_what_is_wrong() {
    assert_eq!(
        violations(json!({ "due": { "@time": 3 }, "more": 1 })),
        [""; 0]
    );
    for (properties, expected) in [
        (json!({ "due": "x" }), "/due: \"x\" is not a timestamp"),
        (json!({ "theTitle": 5 }), "/theTitle: 5 is not a string"),
        (json!({ "stars": 6 }), "/stars: 6 is above 5"),
        (json!({ "stars": 1.5 }), "/stars: 1.5 is not a whole number"),
        (json!({ "owner": [] }), "/owner: a list is not a reference"),
        (
            json!({ "shape": { "Box": { "width": 300 } } }),
            "/shape/Box/width: 300 is above 255",
        ),
        (
            json!({ "shape": { "Box": {} } }),
            "/shape/Box/width: it is missing",
        ),
    ] {
        assert_eq!(violations(properties), [expected]);
    }
}

#[test]
fn a_hostile_schema_ends() {
    let deep = json!({ "$ref": "#" });
    let wide = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "not": { "$ref": "#" } }] });
    for schema in [deep, wide] {
        let schema = TypeSchema::new("x", schema).unwrap();
        assert_eq!(schema.violations(&newer()), []);
    }
    let long = TypeSchema::new("x", json!({ "properties": { "n": { "const": 1 } } })).unwrap();
    let many = Map::from([("n".into(), "y".repeat(1 << 20).into())]);
    assert!(long.violations(&many)[0].to_string().len() < 100);
}

#[test]
fn a_schema_is_read_from_the_object_that_keeps_it() {
    let schema = TypeSchema::of::<Everything>();
    assert_eq!(schema.id(), TypeSchema::id_of(&Everything::type_name()));
    assert_ne!(schema.id(), TypeSchema::of::<Defaulted>().id());
}

proptest::proptest! {
    /// Whatever a peer writes: reading it as a struct and checking it ends without a panic, and
    /// what can be read and is written again is what was read.
    #[test]
    fn any_properties_are_read_or_refused(
        key in "flag|small|text|place|shapes|due|views|tags|later|anything",
        json in proptest::prop_oneof![
            proptest::strategy::Just(json!(null)),
            proptest::strategy::Just(json!([{ "Box": { "width": 1 } }, "Dot", {}])),
            proptest::strategy::Just(json!({ "@time": 5 })),
            proptest::strategy::Just(json!({ "@set": ["a", 1] })),
            proptest::strategy::Just(json!({ "city": "x", "zip": -1 })),
            proptest::strategy::Just(json!(-200)),
            proptest::strategy::Just(json!("x")),
        ],
    ) {
        let mut properties = to_properties(&everything()).unwrap();
        properties.insert(key.as_str().into(), Value::from_json(&json).unwrap());
        let read = from_properties::<Everything>(&properties);
        let fits = TypeSchema::of::<Everything>().violations(&properties).is_empty();
        proptest::prop_assert_eq!(read.is_ok(), fits, "{:?}", read);
        if let Ok(read) = read {
            let again = to_properties(&read).unwrap();
            proptest::prop_assert_eq!(from_properties::<Everything>(&again), Ok(read));
        }
    }
}
