//! Values as bytes that are ordered as the values are.

use dxos_document::{Comparison, ObjectRef, Value};

/// Bytes of an entry at most: a longer one is cut, and then says less than the value.
pub(crate) const ENTRY_BYTES_MAX: usize = 256;

const NULL: u8 = 0x10;
const BOOL: u8 = 0x11;
const NUMBER: u8 = 0x12;
const TIMESTAMP: u8 = 0x13;
const STRING: u8 = 0x14;
const BYTES: u8 = 0x15;
const REFERENCE: u8 = 0x16;
const LIST: u8 = 0x17;
const SET: u8 = 0x18;
const MAP: u8 = 0x19;
const OTHER: u8 = 0x1a;

/// Writes bytes so that the order stays and none is the beginning of another.
pub(crate) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_open(text, out);
    out.extend_from_slice(&[0, 0]);
}

/// The same without an end: what begins with these bytes begins with it.
pub(crate) fn put_open(text: &[u8], out: &mut Vec<u8>) {
    for (place, part) in text.split(|byte| *byte == 0).enumerate() {
        if place > 0 {
            out.extend_from_slice(&[0, 0xff]);
        }
        out.extend_from_slice(part);
    }
}

/// Reads what [`put_text`] wrote, `None` if it was cut.
pub(crate) fn take_text(entry: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    let mut rest = entry;
    loop {
        match rest {
            [0, 0, rest @ ..] => return Some((text, rest)),
            [0, 0xff, after @ ..] => {
                text.push(0);
                rest = after;
            }
            [byte, after @ ..] if *byte != 0 => {
                text.push(*byte);
                rest = after;
            }
            _ => return None,
        }
    }
}

/// A whole number as the greatest float that is not above it, and what is missing.
fn split(int: i64) -> (f64, u16) {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "what is lost is the second part"
    )]
    let (near, back) = (int as f64, |float: f64| float as i128);
    let float = if back(near) > i128::from(int) {
        near.next_down()
    } else {
        near
    };
    let missing = i128::from(int) - back(float);
    (float, u16::try_from(missing).unwrap_or(u16::MAX))
}

fn put_amount(float: f64, missing: u16, out: &mut Vec<u8>) {
    let float = if float.is_nan() {
        f64::NAN
    } else if float == 0.0 {
        0.0
    } else {
        float
    };
    let bits = float.to_bits();
    let sign = 1 << 63;
    let ordered = if bits & sign == 0 || float.is_nan() {
        bits | sign
    } else {
        !bits
    };
    out.push(NUMBER);
    out.extend_from_slice(&ordered.to_be_bytes());
    out.extend_from_slice(&missing.to_be_bytes());
}

/// A time in the order of times.
pub(crate) const fn time_bytes(ms: i64) -> [u8; 8] {
    (ms.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

/// The entry of a time.
pub(crate) fn put_time(ms: i64, out: &mut Vec<u8>) {
    out.push(TIMESTAMP);
    out.extend_from_slice(&time_bytes(ms));
}

/// What is referred to.
pub(crate) fn put_reference(reference: &ObjectRef, out: &mut Vec<u8>) {
    match reference.space() {
        None => out.push(0),
        Some(space) => {
            out.push(1);
            out.extend_from_slice(space.as_bytes());
        }
    }
    out.extend_from_slice(reference.object().as_bytes());
}

/// The part of an entry that all values share that are equal to a reader.
fn put_shared(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(value) => out.extend_from_slice(&[BOOL, u8::from(*value)]),
        Value::Int(value) | Value::Counter(value) => {
            let (float, missing) = split(*value);
            put_amount(float, missing, out);
        }
        Value::Float(value) => put_amount(*value, 0, out),
        Value::Timestamp(ms) => put_time(*ms, out),
        Value::String(text) => {
            out.push(STRING);
            put_text(cut(text), out);
        }
        Value::Text(text) => {
            out.push(STRING);
            put_text(cut(text.as_str()), out);
        }
        Value::Bytes(bytes) => {
            out.push(BYTES);
            put_text(bytes.get(..ENTRY_BYTES_MAX).unwrap_or(bytes), out);
        }
        Value::Reference(reference) => {
            out.push(REFERENCE);
            put_reference(reference, out);
        }
        Value::List(_) => out.push(LIST),
        Value::Set(_) => out.push(SET),
        Value::Map(_) => out.push(MAP),
        // A kind that came later is ordered when it is read.
        _ => out.push(OTHER),
    }
}

/// As much of a text as can matter: what is longer makes an entry that is cut anyway.
fn cut(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    bytes.get(..ENTRY_BYTES_MAX).unwrap_or(bytes)
}

/// The entry of a value: entries are ordered as values are, as far as they go.
pub(crate) fn entry(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_shared(value, &mut out);
    match value {
        Value::Int(_) | Value::String(_) => out.push(0),
        Value::Float(_) | Value::Text(_) => out.push(1),
        Value::Counter(_) => out.push(2),
        _ => {}
    }
    out.truncate(ENTRY_BYTES_MAX);
    out
}

/// Whether all values with this entry are equal, so that it says all of their order.
pub(crate) fn is_exact(entry: &[u8]) -> bool {
    entry.len() < ENTRY_BYTES_MAX
        && match entry.first() {
            Some(&STRING) => entry.last() == Some(&0),
            Some(first) => *first < LIST,
            None => false,
        }
}

/// Entries in a row: the first, and where they end, `None` for nowhere.
pub(crate) type Entries = (Vec<u8>, Option<Vec<u8>>);

/// All entries that begin with `prefix`.
pub(crate) fn beginning_with(prefix: Vec<u8>) -> Entries {
    let end = after(&prefix);
    (prefix, end)
}

/// The end of what begins with `prefix`.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn shared(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_shared(value, &mut out);
    out.truncate(ENTRY_BYTES_MAX);
    out
}

/// Where the values are that are equal to `value`; others may be there too.
pub(crate) fn equal_to(value: &Value) -> Entries {
    beginning_with(shared(value))
}

/// Where the texts are that begin with `prefix`; others may be there too.
pub(crate) fn texts_with(prefix: &str) -> Entries {
    let mut out = vec![STRING];
    put_open(cut(prefix), &mut out);
    out.truncate(ENTRY_BYTES_MAX);
    beginning_with(out)
}

/// Where the values are that compare so with `value`; others may be there too. `None` when they
/// are not in one row, or nowhere.
pub(crate) fn compared(comparison: Comparison, value: &Value) -> Option<Entries> {
    if comparison == Comparison::Eq {
        return Some(equal_to(value));
    }
    if comparison == Comparison::Ne || value.is_null() {
        return None;
    }
    let here = shared(value);
    let family = here.first().copied()?;
    let is_cut = here.len() >= ENTRY_BYTES_MAX;
    let (first, end) = (vec![family], Some(vec![family + 1]));
    if family >= LIST {
        return Some((first, end));
    }
    Some(match comparison {
        Comparison::Gt if !is_cut => (after(&here)?, end),
        Comparison::Ge | Comparison::Gt => (here, end),
        Comparison::Lt if !is_cut => (first, Some(here)),
        Comparison::Lt | Comparison::Le => (first, after(&here)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_keys::{ObjectId, SpaceKey};
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            any::<i64>(),
            -2_i64..3,
            (0..63_u32, -2_i64..3).prop_map(|(bits, by)| (1_i64 << bits).wrapping_add(by)),
            (0..2_i64).prop_map(|by| i64::MAX - by),
            (0..2_i64).prop_map(|by| i64::MIN + by),
        ];
        let text = prop_oneof!["[a\\x00\\xff]{0,3}", "a{250,260}[ab]?", "\\PC{0,4}"];
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number.clone().prop_map(Value::Int),
            number.clone().prop_map(Value::Counter),
            number.clone().prop_map(|int| Value::Float(split(int).0)),
            any::<f64>().prop_map(Value::Float),
            prop_oneof![
                Just(f64::NAN),
                Just(-0.0),
                Just(f64::INFINITY),
                Just(f64::MIN)
            ]
            .prop_map(Value::Float),
            number.prop_map(Value::Timestamp),
            text.prop_map(Value::String),
            "[ab]{0,3}".prop_map(|text| Value::Text(dxos_document::Text::new(text))),
            proptest::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 0..4)
                .prop_map(Value::Bytes),
            (any::<bool>(), any::<[u8; 16]>()).prop_map(|(is_far, object)| {
                let object = ObjectId::from_bytes(object);
                Value::Reference(if is_far {
                    ObjectRef::across(SpaceKey::from_bytes([7; 32]), object)
                } else {
                    ObjectRef::local(object)
                })
            }),
            (0..2_i64).prop_map(|int| Value::List(vec![Value::Int(int)])),
            (0..3_i32).prop_map(|half| Value::List(vec![Value::Float(f64::from(half) / 2.0)])),
            (0..2_i64).prop_map(|int| Value::set([Value::Int(int)])),
            (0..2_i64).prop_map(|int| Value::map([("a", int)])),
        ]
    }

    fn holds(entries: &Entries, entry: &[u8]) -> bool {
        let (start, end) = entries;
        entry >= start.as_slice() && end.as_ref().is_none_or(|end| entry < end.as_slice())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn entries_are_ordered_as_values_are(one in any_value(), two in any_value()) {
            let (first, second) = (entry(&one), entry(&two));
            if first == second {
                prop_assert!(!is_exact(&first) || one == two);
            } else {
                prop_assert_eq!(first.cmp(&second), one.cmp(&two));
            }
        }

        #[test]
        fn what_a_condition_finds_is_where_it_looks(
            value in any_value(),
            than in any_value(),
            which in 0..5_usize,
        ) {
            let comparison = [
                Comparison::Eq, Comparison::Ge, Comparison::Gt, Comparison::Le, Comparison::Lt,
            ][which];
            let entry = entry(&value);
            if comparison.holds(Some(&value), &than) {
                let entries = compared(comparison, &than);
                prop_assert!(entries.is_some_and(|entries| holds(&entries, &entry)));
            }
            if let (Some(text), Some(prefix)) = (value.as_str(), than.as_str())
                && text.starts_with(prefix)
            {
                prop_assert!(holds(&texts_with(prefix), &entry));
            }
        }

        #[test]
        fn a_text_is_read_as_it_was_written(text in proptest::collection::vec(0..3_u8, 0..6)) {
            let mut out = Vec::new();
            put_text(&text, &mut out);
            out.push(9);
            prop_assert_eq!(take_text(&out), Some((text, &[9_u8][..])));
        }
    }
}
