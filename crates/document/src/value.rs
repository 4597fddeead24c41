//! What a property can be.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use dxos_keys::{ObjectId, SpaceKey};

use crate::limits::{LimitError, Limits};
use crate::{Key, Text};

/// Properties by name.
pub type Map = BTreeMap<Key, Value>;

/// The value of a property.
///
/// Values have one total order: null, booleans, numbers, timestamps, strings and texts, bytes,
/// references, lists, sets, maps. Numbers of all three kinds are compared as numbers, exactly; of two equal
/// ones the integer comes before the float, and the float before the counter.
///
/// **Floats**: there is one NaN, equal to itself and after every other number. `-0.0` is `0.0`.
/// Infinities are kept.
///
/// Its JSON form (see [`Value::to_json`]) is what `serde` writes to human-readable formats.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// Nothing, said explicitly.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number, assigned as one: of two concurrent assignments the later one shows.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A number that is counted up and down: concurrent increments all count, and so do
    /// counters that were started concurrently at one path.
    Counter(i64),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A string, assigned as a whole.
    String(String),
    /// A text that many write at once, character by character; see
    /// [`Tx::text`](crate::Tx::text). Assigning one makes a new text.
    Text(Text),
    /// Bytes, assigned as a whole.
    Bytes(Vec<u8>),
    /// Another object.
    Reference(ObjectRef),
    /// A list whose items are inserted, deleted and moved one by one; see
    /// [`Tx::list`](crate::Tx::list). Assigning one makes a new list.
    List(Vec<Value>),
    /// A set that members are added to and removed from: an addition wins over a concurrent
    /// removal.
    Set(BTreeSet<Value>),
    /// Properties, merged leaf by leaf.
    Map(Map),
}

/// The name of an object, in this space or in another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    // Boxed to keep every value small: most references stay within their space.
    space: Option<Box<SpaceKey>>,
    object: ObjectId,
}

impl ObjectRef {
    /// An object of the same space.
    pub const fn local(object: ObjectId) -> Self {
        Self {
            space: None,
            object,
        }
    }

    /// An object of another space.
    pub fn across(space: SpaceKey, object: ObjectId) -> Self {
        Self {
            space: Some(Box::new(space)),
            object,
        }
    }

    /// The space, `None` when it is the one the reference is in.
    pub fn space(&self) -> Option<&SpaceKey> {
        self.space.as_deref()
    }

    /// The object.
    pub const fn object(&self) -> ObjectId {
        self.object
    }
}

/// The one NaN for every NaN, `0.0` for `-0.0`, everything else as it is.
pub(crate) fn canonical(float: f64) -> f64 {
    if float.is_nan() {
        f64::NAN
    } else if float == 0.0 {
        0.0
    } else {
        float
    }
}

impl Value {
    /// A map of these properties.
    pub fn map<K: Into<Key>, V: Into<Self>>(properties: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(properties_of(properties))
    }

    /// A set of these members.
    pub fn set<V: Into<Self>>(members: impl IntoIterator<Item = V>) -> Self {
        Self::Set(members.into_iter().map(Into::into).collect())
    }

    /// Whether this is [`Value::Null`].
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The characters, if it is a string or a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(string) => Some(string),
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is an integer or a counter.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Counter(value) => Some(*value),
            _ => None,
        }
    }

    /// The properties, if it is a map.
    pub const fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// How two values of one family (numbers, texts, timestamps, ...) compare; `None` when they
    /// are of different families. Numbers are compared as numbers, whatever their kind, exactly,
    /// inside lists, sets and maps too: equal is what [`Value::is_same`] says.
    pub fn compare_within_family(&self, other: &Self) -> Option<Ordering> {
        (self.family() == other.family()).then(|| self.compare_amounts(other))
    }

    /// Whether two values are equal to a reader: as [`Eq`], but numbers are equal when their
    /// amounts are, whatever their kind, inside lists, sets and maps too.
    pub fn is_same(&self, other: &Self) -> bool {
        self.compare_amounts(other).is_eq()
    }

    /// The order in which the kinds of numbers and of texts do not matter, at any depth.
    fn compare_amounts(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::List(one), Self::List(two)) => compare_items(one, two),
            (Self::Set(one), Self::Set(two)) => {
                // Among themselves members are in the order in which kinds do matter.
                let (mut one, mut two) = (Vec::from_iter(one), Vec::from_iter(two));
                one.sort_by(|one, two| one.compare_amounts(two));
                two.sort_by(|one, two| one.compare_amounts(two));
                compare_items(one, two)
            }
            (Self::Map(one), Self::Map(two)) => {
                let mut pairs = one.iter().zip(two).map(|(one, two)| {
                    let keys = one.0.cmp(two.0);
                    keys.then_with(|| one.1.compare_amounts(two.1))
                });
                let differing = pairs.find(|ordering| ordering.is_ne());
                differing.unwrap_or_else(|| one.len().cmp(&two.len()))
            }
            _ if self.family() != other.family() => self.family().cmp(&other.family()),
            _ => match self.family() {
                NUMBERS => self.compare_numbers(other),
                STRINGS => self.as_str().cmp(&other.as_str()),
                _ => self.cmp(other),
            },
        }
    }

    /// Refuses a value that is nested deeper than `left` levels or has too long a key.
    pub(crate) fn check(&self, limits: &Limits, left: usize) -> Result<(), LimitError> {
        match self {
            Self::List(items) => {
                let left = limits.descend(left, 1)?;
                items.iter().try_for_each(|item| item.check(limits, left))
            }
            Self::Set(members) => {
                let left = limits.descend(left, 1)?;
                members.iter().try_for_each(|item| item.check(limits, left))
            }
            Self::Map(map) => {
                let left = limits.descend(left, 1)?;
                map.iter().try_for_each(|(key, value)| {
                    limits.name(key)?;
                    value.check(limits, left)
                })
            }
            Self::Text(text) => text.spans().iter().try_for_each(|span| {
                limits.name(&span.name)?;
                span.value.check(limits, limits.descend(left, 1)?)
            }),
            _ => Ok(()),
        }
    }

    const fn family(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) | Self::Counter(_) => NUMBERS,
            Self::Timestamp(_) => 3,
            Self::String(_) | Self::Text(_) => STRINGS,
            Self::Bytes(_) => 5,
            Self::Reference(_) => 6,
            Self::List(_) => 7,
            Self::Set(_) => 8,
            Self::Map(_) => 9,
        }
    }

    const fn number_kind(&self) -> u8 {
        match self {
            Self::Int(_) => 0,
            Self::Float(_) => 1,
            _ => 2,
        }
    }

    fn compare_numbers(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one) | Self::Counter(one), Self::Int(two) | Self::Counter(two)) => {
                one.cmp(two)
            }
            (Self::Int(one) | Self::Counter(one), Self::Float(two)) => compare_exactly(*one, *two),
            (Self::Float(one), Self::Int(two) | Self::Counter(two)) => {
                compare_exactly(*two, *one).reverse()
            }
            (Self::Float(one), Self::Float(two)) => one
                .partial_cmp(two)
                .unwrap_or_else(|| one.is_nan().cmp(&two.is_nan())),
            _ => Ordering::Equal,
        }
    }
}

/// Compares the first items that differ, or else how many there are.
fn compare_items<'a>(
    one: impl IntoIterator<Item = &'a Value, IntoIter: ExactSizeIterator>,
    two: impl IntoIterator<Item = &'a Value, IntoIter: ExactSizeIterator>,
) -> Ordering {
    let (one, two) = (one.into_iter(), two.into_iter());
    let lengths = one.len().cmp(&two.len());
    let mut pairs = one.zip(two).map(|(one, two)| one.compare_amounts(two));
    let differing = pairs.find(|ordering| ordering.is_ne());
    differing.unwrap_or(lengths)
}

const NUMBERS: u8 = 2;
const STRINGS: u8 = 4;

/// Compares without rounding: `i64::MAX` is below 2^63, though converted to a float it is equal.
fn compare_exactly(int: i64, float: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || float >= BEYOND {
        Ordering::Less
    } else if float < -BEYOND {
        Ordering::Greater
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the range of i64, and the fraction is compared next"
        )]
        let whole = float.trunc() as i64;
        int.cmp(&whole).then_with(|| {
            0.0_f64
                .partial_cmp(&float.fract())
                .unwrap_or(Ordering::Equal)
        })
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            (Self::Timestamp(one), Self::Timestamp(two)) => one.cmp(two),
            (Self::String(one), Self::String(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::String(one), Self::Text(two)) => {
                one.as_str().cmp(two.as_str()).then(Ordering::Less)
            }
            (Self::Text(one), Self::String(two)) => {
                one.as_str().cmp(two.as_str()).then(Ordering::Greater)
            }
            (Self::Bytes(one), Self::Bytes(two)) => one.cmp(two),
            (Self::Reference(one), Self::Reference(two)) => one.cmp(two),
            (Self::List(one), Self::List(two)) => one.cmp(two),
            (Self::Set(one), Self::Set(two)) => one.cmp(two),
            (Self::Map(one), Self::Map(two)) => one.cmp(two),
            _ => self.family().cmp(&other.family()).then_with(|| {
                self.compare_numbers(other)
                    .then_with(|| self.number_kind().cmp(&other.number_kind()))
            }),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.family().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) | Self::Counter(value) => {
                self.number_kind().hash(state);
                value.hash(state);
            }
            Self::Float(value) => {
                self.number_kind().hash(state);
                canonical(*value).to_bits().hash(state);
            }
            Self::Timestamp(value) => value.hash(state),
            Self::String(value) => value.hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Reference(value) => value.hash(state),
            Self::List(value) => value.hash(state),
            Self::Set(value) => value.hash(state),
            Self::Map(value) => value.hash(state),
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $result:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $result
            }
        }
    )*};
}

from! {
    bool => |value| Self::Bool(value);
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    f64 => |value| Self::Float(canonical(value));
    &str => |value| Self::String(value.to_owned());
    String => |value| Self::String(value);
    ObjectRef => |value| Self::Reference(value);
    Text => |value| Self::Text(value);
    Vec<Self> => |value| Self::List(value);
    BTreeSet<Self> => |value| Self::Set(value);
    Map => |value| Self::Map(value);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Properties from anything that pairs names with values.
pub(crate) fn properties_of<K: Into<Key>, V: Into<Value>>(
    properties: impl IntoIterator<Item = (K, V)>,
) -> Map {
    properties
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}
