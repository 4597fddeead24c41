use dxos_document::{Context, META, Map, Meta, Object, ObjectState, Op, Stamp, Timeframe, Value};
use dxos_keys::{FeedId, ObjectId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::read;

fn object(id: u8, type_name: &str, properties: Map) -> Object {
    let mut state = ObjectState::default();
    let object = ObjectId::from_bytes([id; 16]);
    let stamp = Stamp {
        lamport: 1,
        feed: FeedId::from_bytes([1; 32]),
        seq: 0,
    };
    let past = Timeframe::new();
    let context = Context {
        stamp,
        past: &past,
        time_ms: 7,
    };
    let op = Op::Create {
        object,
        type_name: type_name.into(),
        properties,
    };
    state.apply(&op, &context, 0).unwrap();
    state.object(object).unwrap()
}

/// The same, deleted.
fn deleted(id: u8) -> Object {
    let mut state = ObjectState::default();
    let object = ObjectId::from_bytes([id; 16]);
    let past = Timeframe::new();
    for (seq, op) in [
        Op::Create {
            object,
            type_name: "task".into(),
            properties: Map::from([("n".into(), 1.into())]),
        },
        Op::Delete { object },
    ]
    .iter()
    .enumerate()
    {
        let stamp = Stamp {
            lamport: seq as u64 + 1,
            feed: FeedId::from_bytes([1; 32]),
            seq: seq as u64,
        };
        let context = Context {
            stamp,
            past: &past,
            time_ms: 7,
        };
        state.apply(op, &context, 0).unwrap();
    }
    let object = state.object(object).unwrap();
    assert!(object.is_deleted());
    object
}

#[test]
fn what_is_deleted_is_read_as_deleted() {
    assert_reads_back(&[object(1, "task", Map::new()), deleted(2)]);
}

fn written(format: Format, objects: &[Object]) -> String {
    let mut columns = Columns::default();
    for object in objects {
        columns.add(object).unwrap();
    }
    let mut writer = Writer::begin(format, columns, Vec::new()).unwrap();
    for object in objects {
        writer.write(object).unwrap();
    }
    assert_eq!(writer.objects(), objects.len() as u64);
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

fn assert_reads_back(objects: &[Object]) {
    for format in [Format::Csv, Format::Json, Format::Jsonl] {
        let text = written(format, objects);
        let records: Vec<_> = read(text.as_bytes(), format).unwrap().collect();
        assert_eq!(records.len(), objects.len(), "{text}");
        for (record, object) in records.into_iter().zip(objects) {
            let content = record.unwrap().content.unwrap();
            let exported = content.exported.unwrap();
            assert_eq!(
                (exported.id, &exported.type_name, exported.is_deleted),
                (object.id(), object.type_name(), object.is_deleted())
            );
            assert_eq!(&content.properties, object.properties(), "{text}");
            assert_eq!(content.meta.as_ref(), object.meta(), "{text}");
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        "[0-9.e+-]{1,6}",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("\"x\"".to_owned()),
        Just("{\"@ref\":1}".to_owned()),
        Just("line\r\nline, \"quoted\"".to_owned()),
        Just("=1+1".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::Timestamp),
        vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        any::<[u8; 16]>().prop_map(|id| ObjectId::from_bytes(id).into()),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(key(), inner, 0..4).prop_map(Value::map),
            btree_set(text(), 0..4).prop_map(Value::set),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        "@{0,3}[a-z]{0,2}",
        Just("@id".to_owned()),
        Just(" a ".to_owned()),
    ]
    .prop_filter("reserved", |key| key != META)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_reads_back_as_the_same_objects(
        all in vec((btree_map(key(), value(), 0..5), any::<bool>()), 0..4)
    ) {
        let objects: Vec<_> = (0..).zip(all).map(|(id, (properties, tagged))| {
            let mut properties: Map = properties
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect();
            if tagged {
                let mut meta = Meta::default();
                meta.tags.insert("ä, b".to_owned());
                properties.insert(META.into(), meta.to_value());
            }
            object(id, "example.com/type/Thing@0.1.0", properties)
        }).collect();
        assert_reads_back(&objects);
    }

    #[test]
    fn no_bytes_of_a_file_panic(bytes in vec(any::<u8>(), 0..64), start in 0..4_usize) {
        let start = ["", "[", "{\"a\":1}\n", "@id,@type\n"][start].as_bytes();
        let bytes = [start, &bytes].concat();
        for format in [Format::Csv, Format::Json, Format::Jsonl] {
            if let Ok(records) = read(bytes.as_slice(), format) {
                assert!(records.count() <= bytes.len() + 1);
            }
        }
    }
}

#[test]
fn no_objects_are_an_empty_table_an_empty_list_or_nothing() {
    assert_eq!(
        written(Format::Csv, &[]),
        "@id,@type,@created_ms,@updated_ms\n"
    );
    assert_eq!(written(Format::Json, &[]), "[\n]\n");
    assert_eq!(written(Format::Jsonl, &[]), "");
}

#[test]
fn plain_values_stand_in_a_table_as_people_write_them() {
    let properties = [
        ("title", "Küche, neu".into()),
        ("size", 3.into()),
        ("zip", "01234".into()),
        ("number", "12".into()),
    ];
    let properties = Value::map::<_, Value>(properties);
    let object = object(1, "note", properties.as_map().unwrap().clone());
    let text = written(Format::Csv, &[object]);
    let row = text.lines().nth(1).unwrap();
    assert!(
        row.ends_with(",7,7,\"\"\"12\"\"\",3,\"Küche, neu\",01234"),
        "{row}"
    );
}

#[test]
fn an_object_that_has_grown_since_the_columns_were_counted_is_told() {
    let mut writer = Writer::begin(Format::Csv, Columns::default(), Vec::new()).unwrap();
    let properties = Value::map([("a", 1)]).as_map().unwrap().clone();
    let error = writer.write(&object(1, "note", properties)).unwrap_err();
    assert!(matches!(error, WriteError::UnknownColumn { .. }), "{error}");
}

#[test]
fn more_properties_than_a_table_has_columns_are_refused() {
    let mut columns = Columns::default();
    for block in 0..5_u16 {
        let names = (0..1000).map(|name| (format!("p{}", block * 1000 + name), 1));
        let properties = Value::map(names).as_map().unwrap().clone();
        let added = columns.add(&object(1, "note", properties));
        assert_eq!(added.is_err(), block == 4);
    }
}
