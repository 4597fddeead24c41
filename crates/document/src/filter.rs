//! Which objects a query finds.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use dxos_keys::ObjectId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ForeignKey, Object, ObjectRef, Path, TypeName, Value, Words};

/// How a property is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Comparison {
    /// Equal.
    Eq,
    /// At or after.
    Ge,
    /// After.
    Gt,
    /// At or before.
    Le,
    /// Before.
    Lt,
    /// Not equal.
    Ne,
}

/// A condition on an object; data only.
///
/// **What it looks at.** A path names a property, or with [`Path::about`] what is known of an
/// object besides: when it was created and changed, its type, its tags.
///
/// **Comparing.** Numbers are compared as numbers, whatever their kind and without rounding.
/// `eq` and `ne` compare any two values; `ne` is exactly what `eq` is not. A property that is
/// missing is equal to null. `lt`, `le`, `gt` and `ge` match only values of one family (numbers,
/// texts, timestamps, ...), never a missing property or null. NaN is after every number and
/// equal to itself.
///
/// **Looking at other objects.** [`Filter::referenced_by`] depends on what another object holds.
/// Spaces look that up before they answer, with [`Filter::resolve`]; by itself it holds for no
/// object.
///
/// ```
/// use dxos_document::Filter;
///
/// let filter = Filter::type_name("task")
///     .and(Filter::eq("done", false))
///     .and(Filter::gt("priority", 3));
/// # let json = serde_json::to_string(&filter).unwrap();
/// # assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filter {
    /// All of these hold; none at all: every object.
    And(Vec<Self>),
    /// It is a child of this object.
    ChildOf(ObjectId),
    /// The property at `path` compares so with `value`.
    Compare {
        /// The property.
        path: Path,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// The list or set at `path` has a member equal to `value`, or the text there contains it.
    Contains {
        /// The property.
        path: Path,
        /// The member, or part of the text.
        value: Value,
    },
    /// There is a property at `path`, null included.
    Exists(Path),
    /// Other systems call it by one of these keys.
    ForeignKeys(BTreeSet<ForeignKey>),
    /// It has a parent.
    HasParent,
    /// The object is one of these.
    Ids(BTreeSet<ObjectId>),
    /// The property at `path` is equal to one of `values`.
    In {
        /// The property.
        path: Path,
        /// The values.
        values: Vec<Value>,
    },
    /// This does not hold.
    Not(Box<Self>),
    /// One of these holds; none at all: no object.
    Or(Vec<Self>),
    /// The text at `path` begins with `prefix`.
    Prefix {
        /// The property.
        path: Path,
        /// How it begins.
        prefix: String,
    },
    /// The object `source` refers to it, at `path` or anywhere.
    ReferencedBy {
        /// The object that refers.
        source: ObjectId,
        /// Where it refers from, `None` for anywhere.
        #[serde(default)]
        path: Option<Path>,
    },
    /// It refers to `target`, at `path` or anywhere.
    References {
        /// Where it refers from, `None` for anywhere.
        #[serde(default)]
        path: Option<Path>,
        /// The object that is referred to.
        target: ObjectRef,
    },
    /// It is a relation that comes from this object.
    RelationFrom(ObjectRef),
    /// It is a relation that leads to this object.
    RelationTo(ObjectRef),
    /// It has this tag.
    Tag(String),
    /// All of `words` are found in the texts at `path` and below it, or in any property.
    Text {
        /// The property, `None` for all of them.
        #[serde(default)]
        path: Option<Path>,
        /// The words.
        words: Words,
    },
    /// The type has this name and version, or this name and no version.
    TypeExact(TypeName),
    /// The type has this name, in any version or none.
    TypeAnyVersion(String),
}

impl Filter {
    /// Every object.
    pub const fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Objects of a type: of exactly this version if the name has one (`task@1.0`), otherwise of
    /// any version.
    pub fn type_name(name: impl Into<TypeName>) -> Self {
        let name = name.into();
        if name.version().is_some() {
            Self::TypeExact(name)
        } else {
            Self::TypeAnyVersion(name.to_string())
        }
    }

    /// Objects whose type is exactly this: a name without version finds objects whose type has
    /// no version.
    pub fn type_exact(name: impl Into<TypeName>) -> Self {
        Self::TypeExact(name.into())
    }

    /// These objects.
    pub fn ids(ids: impl IntoIterator<Item = ObjectId>) -> Self {
        Self::Ids(ids.into_iter().collect())
    }

    /// Objects whose property at `path` compares so with `value`.
    pub fn compare(path: impl Into<Path>, comparison: Comparison, value: impl Into<Value>) -> Self {
        Self::Compare {
            path: path.into(),
            comparison,
            value: value.into(),
        }
    }

    /// Objects whose property is equal to `value`; to null also those that do not have it.
    pub fn eq(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Eq, value)
    }

    /// Objects that [`Filter::eq`] does not find.
    pub fn ne(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Ne, value)
    }

    /// Objects whose property is before `value`.
    pub fn lt(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Lt, value)
    }

    /// Objects whose property is at or before `value`.
    pub fn le(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Le, value)
    }

    /// Objects whose property is after `value`.
    pub fn gt(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Gt, value)
    }

    /// Objects whose property is at or after `value`.
    pub fn ge(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::compare(path, Comparison::Ge, value)
    }

    /// Objects that have a property at `path`, null included.
    pub fn exists(path: impl Into<Path>) -> Self {
        Self::Exists(path.into())
    }

    /// Objects whose property is equal to one of `values`.
    pub fn any_of<V: Into<Value>>(
        path: impl Into<Path>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::In {
            path: path.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// Objects whose property is a text that begins with `prefix`.
    pub fn prefix(path: impl Into<Path>, prefix: impl Into<String>) -> Self {
        Self::Prefix {
            path: path.into(),
            prefix: prefix.into(),
        }
    }

    /// Objects whose property is a list or set with the member `value`, or a text that contains
    /// the text `value`.
    pub fn contains(path: impl Into<Path>, value: impl Into<Value>) -> Self {
        Self::Contains {
            path: path.into(),
            value: value.into(),
        }
    }

    /// Objects in whose texts all these words are: in strings and texts, in lists, sets and maps
    /// of them, each word perhaps in another property. See [`Words`] for what they mean.
    ///
    /// ```
    /// use dxos_document::{Filter, Query};
    ///
    /// let best = Query::new(Filter::type_name("note").and(Filter::text("quick bro*")))
    ///     .by_relevance()
    ///     .limit(20);
    /// # assert_eq!(best.to_string(), "type:note text:\"quick bro*\" order:-@relevance limit:20");
    /// ```
    pub fn text(words: impl Into<Words>) -> Self {
        Self::Text {
            path: None,
            words: words.into(),
        }
    }

    /// Objects in whose texts at `path`, or below it, all these words are.
    pub fn text_at(path: impl Into<Path>, words: impl Into<Words>) -> Self {
        Self::Text {
            path: Some(path.into()),
            words: words.into(),
        }
    }

    /// Objects for which both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }

    /// Objects for which one of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut any) => {
                any.push(other);
                Self::Or(any)
            }
            one => Self::Or(vec![one, other]),
        }
    }

    /// Objects for which this does not hold.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as `and` and `or` do")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether it holds for `object`, deleted or not.
    pub fn matches(&self, object: &Object) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.matches(object)),
            Self::ChildOf(parent) => object.parent() == Some(*parent),
            Self::Compare {
                path,
                comparison,
                value,
            } => comparison.holds(object.field(path).as_deref(), value),
            Self::Contains { path, value } => {
                (object.field(path)).is_some_and(|found| contains(&found, value))
            }
            Self::Exists(path) => object.field(path).is_some(),
            Self::ForeignKeys(keys) => object.keys().any(|key| keys.contains(key)),
            Self::HasParent => object.parent().is_some(),
            Self::Ids(ids) => ids.contains(&object.id()),
            Self::In { path, values } => {
                let found = object.field(path);
                let found = found.as_deref().unwrap_or(&Value::Null);
                values.iter().any(|value| found.is_same(value))
            }
            Self::Not(filter) => !filter.matches(object),
            Self::Or(any) => any.iter().any(|filter| filter.matches(object)),
            Self::Prefix { path, prefix } => {
                let found = object.field(path);
                let text = found.as_deref().and_then(Value::as_str);
                text.is_some_and(|text| text.starts_with(prefix))
            }
            Self::ReferencedBy { .. } => false,
            Self::References { path, target } => object.refers_to(path.as_ref(), target),
            Self::RelationFrom(source) => {
                (object.relation()).is_some_and(|relation| relation.source == source)
            }
            Self::RelationTo(target) => {
                (object.relation()).is_some_and(|relation| relation.target == target)
            }
            Self::Tag(tag) => object.has_tag(tag),
            Self::Text { path, words } => words.are_in_object(object, path.as_ref()),
            Self::TypeExact(name) => object.type_name() == name,
            Self::TypeAnyVersion(name) => object.type_name().base() == name,
        }
    }
}

impl Comparison {
    /// Whether a property, `None` if it is missing, compares so with `value`.
    pub fn holds(self, property: Option<&Value>, value: &Value) -> bool {
        let ordered = |holds: fn(Ordering) -> bool| {
            property
                .filter(|property| !property.is_null())
                .and_then(|property| property.compare_within_family(value))
                .is_some_and(holds)
        };
        let is_equal = || property.unwrap_or(&Value::Null).is_same(value);
        match self {
            Self::Eq => is_equal(),
            Self::Ne => !is_equal(),
            Self::Ge => ordered(Ordering::is_ge),
            Self::Gt => ordered(Ordering::is_gt),
            Self::Le => ordered(Ordering::is_le),
            Self::Lt => ordered(Ordering::is_lt),
        }
    }
}

/// Filters come from other programs: reading one must not exhaust the stack.
const NESTING_MAX: u32 = 64;

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What is derived under `remote` stands beside the trait, not in it.
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        thread_local! {
            static NESTING: Cell<u32> = const { Cell::new(0) };
        }

        struct Leave;

        impl Drop for Leave {
            fn drop(&mut self) {
                NESTING.set(NESTING.get().saturating_sub(1));
            }
        }

        NESTING.set(NESTING.get() + 1);
        let _leave = Leave;
        if NESTING.get() > NESTING_MAX {
            return Err(D::Error::custom(
                "the filter is nested deeper than 64 levels",
            ));
        }
        Self::deserialize(deserializer)
    }
}

/// Whether a list or set has a member, or a text a part.
fn contains(found: &Value, value: &Value) -> bool {
    match found {
        Value::List(items) => items.iter().any(|item| item.is_same(value)),
        Value::Set(members) => members.iter().any(|member| member.is_same(value)),
        _ => (found.as_str().zip(value.as_str())).is_some_and(|(text, part)| text.contains(part)),
    }
}
