//! The binary form of transactions.
//!
//! A version, the number of operations, and the operations; in version 2 those on queues follow. Whatever repeats is written once
//! and then meant by number: objects, names, and the *shape* of created objects, which is their
//! type and the names of their properties. Creating a thousand objects of one type costs two or
//! three bytes each beside their ids and values.

use std::collections::BTreeMap;

use dxos_keys::ObjectId;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{DecodeError, Decoder, Encoder};
use crate::edit_codec::Feeds;
use crate::limits::{LimitError, Limits};
use crate::{Key, Map, Op, Path, Transaction, TypeName, queue_codec};

/// Without anything for queues.
const VERSION: u8 = 1;
/// With operations on queues behind those on objects.
const WITH_QUEUES: u8 = 2;

const CREATE: u8 = 1;
const SET: u8 = 2;
const UNSET: u8 = 3;
const INCREMENT: u8 = 4;
const SET_ADD: u8 = 5;
const SET_REMOVE: u8 = 6;
const DELETE: u8 = 7;
const RESTORE: u8 = 8;
const TEXT: u8 = 9;
const LIST: u8 = 10;

/// How many shapes the encoder looks through for one that it can use again.
const SHAPES_SEARCHED: usize = 32;

impl Transaction {
    /// This transaction as compact bytes, the same for the same operations. Fails when it is
    /// beyond `limits`.
    pub fn encode(&self, limits: &Limits) -> Result<Vec<u8>, LimitError> {
        limits.ops(self.ops.len())?;
        queue_codec::check(&self.queues, limits)?;
        let mut writer = Writer {
            to: Encoder::interning(64 + 48 * self.ops.len()),
            objects: BTreeMap::new(),
            shapes: Vec::new(),
            feeds: Feeds::default(),
        };
        let has_queues = !self.queues.is_empty();
        writer
            .to
            .byte(if has_queues { WITH_QUEUES } else { VERSION });
        writer.to.count(self.ops.len());
        for op in &self.ops {
            op.check(limits)?;
            writer.op(op);
        }
        if has_queues {
            queue_codec::put(&self.queues, &mut writer.to);
        }
        Ok(writer.to.out)
    }

    /// Reads what [`Transaction::encode`] wrote. Fails as [`DecodeError`] says; any bytes may be
    /// given, and memory stays proportional to their number.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut reader = Reader {
            from: Decoder::interning(bytes, limits),
            objects: Vec::new(),
            shapes: Vec::new(),
            feeds: Feeds::default(),
        };
        let has_queues = match reader.from.byte("a transaction")? {
            VERSION => false,
            WITH_QUEUES => true,
            found => {
                return Err(DecodeError::NewerProgram {
                    what: "transaction version",
                    found: found.into(),
                });
            }
        };
        let count = reader.from.count("a transaction")?;
        limits.ops(count)?;
        let mut ops = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            ops.push(reader.op()?);
        }
        let queues = if has_queues {
            queue_codec::get(&mut reader.from)?
        } else {
            Vec::new()
        };
        reader.from.end()?;
        Ok(Self { ops, queues })
    }
}

struct Writer<'a> {
    to: Encoder<'a>,
    objects: BTreeMap<ObjectId, u64>,
    shapes: Vec<(&'a TypeName, &'a Map)>,
    feeds: Feeds,
}

impl<'a> Writer<'a> {
    fn op(&mut self, op: &'a Op) {
        match op {
            Op::Create {
                object,
                type_name,
                properties,
            } => {
                self.head(CREATE, *object);
                self.shape(type_name, properties);
                self.to.values(properties.values());
            }
            Op::Delete { object } => self.head(DELETE, *object),
            Op::Increment { object, path, by } => {
                self.head(INCREMENT, *object);
                self.path(path);
                self.to.signed(*by);
            }
            Op::List {
                object,
                path,
                of,
                edits,
            } => {
                self.head(LIST, *object);
                self.path(path);
                self.feeds.put_write(of, &mut self.to);
                self.to.count(edits.len());
                for edit in edits {
                    self.feeds.put_list_edit(edit, &mut self.to);
                }
            }
            Op::Restore { object } => self.head(RESTORE, *object),
            Op::Set {
                object,
                path,
                value,
            } => {
                self.head(SET, *object);
                self.path(path);
                self.to.value(value);
            }
            Op::SetAdd {
                object,
                path,
                values,
            }
            | Op::SetRemove {
                object,
                path,
                values,
            } => {
                let is_add = matches!(op, Op::SetAdd { .. });
                self.head(if is_add { SET_ADD } else { SET_REMOVE }, *object);
                self.path(path);
                self.to.count(values.len());
                self.to.values(values);
            }
            Op::Text {
                object,
                path,
                of,
                edits,
            } => {
                self.head(TEXT, *object);
                self.path(path);
                self.feeds.put_write(of, &mut self.to);
                self.to.count(edits.len());
                for edit in edits {
                    self.feeds.put_text_edit(edit, &mut self.to);
                }
            }
            Op::Unset { object, path } => {
                self.head(UNSET, *object);
                self.path(path);
            }
        }
    }

    /// The kind, then 0 and the id of an object that is new here, or its number from 1.
    fn head(&mut self, kind: u8, object: ObjectId) {
        self.to.byte(kind);
        let next = self.objects.len() as u64 + 1;
        match self.objects.entry(object) {
            std::collections::btree_map::Entry::Occupied(known) => self.to.varint(*known.get()),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                unknown.insert(next);
                self.to.byte(0);
                self.to.raw(object.as_bytes());
            }
        }
    }

    fn path(&mut self, path: &'a Path) {
        self.to.count(path.parts().len());
        for part in path.parts() {
            self.to.name(part);
        }
    }

    fn shape(&mut self, type_name: &'a TypeName, properties: &'a Map) {
        let known = self
            .shapes
            .iter()
            .enumerate()
            .rev()
            .take(SHAPES_SEARCHED)
            .find(|(_, (other, keys))| {
                **other == *type_name
                    && keys.len() == properties.len()
                    && keys.keys().eq(properties.keys())
            });
        if let Some((number, _)) = known {
            self.to.count(number + 1);
        } else {
            self.shapes.push((type_name, properties));
            self.to.byte(0);
            self.to.name(type_name);
            self.to.count(properties.len());
            for key in properties.keys() {
                self.to.name(key);
            }
        }
    }
}

struct Shape {
    type_name: TypeName,
    keys: Vec<Key>,
}

struct Reader<'a> {
    from: Decoder<'a>,
    objects: Vec<ObjectId>,
    shapes: Vec<Shape>,
    feeds: Feeds,
}

impl Reader<'_> {
    fn op(&mut self) -> Result<Op, DecodeError> {
        let kind = self.from.byte("an operation")?;
        if !(CREATE..=LIST).contains(&kind) {
            return Err(DecodeError::NewerProgram {
                what: "operation kind",
                found: kind.into(),
            });
        }
        let object = self.object()?;
        Ok(match kind {
            CREATE => {
                let (type_name, properties) = self.created()?;
                Op::Create {
                    object,
                    type_name,
                    properties,
                }
            }
            DELETE => Op::Delete { object },
            RESTORE => Op::Restore { object },
            INCREMENT => Op::Increment {
                object,
                path: self.path()?.0,
                by: self.from.signed("an increment")?,
            },
            UNSET => Op::Unset {
                object,
                path: self.path()?.0,
            },
            SET => {
                let (path, left) = self.path()?;
                Op::Set {
                    object,
                    path,
                    value: self.from.value(left)?,
                }
            }
            TEXT => {
                let (path, left) = self.path()?;
                Op::Text {
                    object,
                    path,
                    of: self.feeds.get_write(&mut self.from)?,
                    edits: self.edits(|feeds, from| feeds.get_text_edit(from, left))?,
                }
            }
            LIST => {
                let (path, left) = self.path()?;
                Op::List {
                    object,
                    path,
                    of: self.feeds.get_write(&mut self.from)?,
                    edits: self.edits(|feeds, from| feeds.get_list_edit(from, left))?,
                }
            }
            _ => {
                let (path, left) = self.path()?;
                let values = self.from.values(left)?;
                if kind == SET_ADD {
                    Op::SetAdd {
                        object,
                        path,
                        values,
                    }
                } else {
                    Op::SetRemove {
                        object,
                        path,
                        values,
                    }
                }
            }
        })
    }

    fn edits<T>(
        &mut self,
        edit: impl Fn(&mut Feeds, &mut Decoder<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.from.count("edits")?;
        let mut edits = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            edits.push(edit(&mut self.feeds, &mut self.from)?);
        }
        Ok(edits)
    }

    fn object(&mut self) -> Result<ObjectId, DecodeError> {
        const WHAT: &str = "an object id";
        match self.from.varint(WHAT)? {
            0 => {
                let object = self.from.object(WHAT)?;
                self.objects.push(object);
                Ok(object)
            }
            number => usize::try_from(number - 1)
                .ok()
                .and_then(|number| self.objects.get(number))
                .copied()
                .ok_or(DecodeError::Malformed { what: WHAT }),
        }
    }

    /// A path, and the depth that is left for a value at it.
    fn path(&mut self) -> Result<(Path, usize), DecodeError> {
        const WHAT: &str = "a path";
        let count = self.from.count(WHAT)?;
        if count == 0 {
            return Err(DecodeError::Malformed { what: WHAT });
        }
        self.from.limits.parts(count)?;
        let left = self
            .from
            .limits
            .descend(self.from.limits.depth_max, count)?;
        let parts: Result<Vec<_>, _> = (0..count).map(|_| self.from.name(WHAT)).collect();
        Ok((Path::of(parts?), left))
    }

    fn created(&mut self) -> Result<(TypeName, Map), DecodeError> {
        const WHAT: &str = "the shape of an object";
        let number = match self.from.varint(WHAT)? {
            0 => {
                let type_name = TypeName::from(self.from.name(WHAT)?.as_str());
                let count = self.from.count(WHAT)?;
                let keys: Result<Vec<_>, _> = (0..count).map(|_| self.from.name(WHAT)).collect();
                let keys = keys?;
                if !keys.is_sorted_by(|one, two| one < two) {
                    return Err(DecodeError::Malformed { what: WHAT });
                }
                self.shapes.push(Shape { type_name, keys });
                self.shapes.len() - 1
            }
            number => {
                usize::try_from(number - 1).map_err(|_| DecodeError::Malformed { what: WHAT })?
            }
        };
        let shape = self
            .shapes
            .get(number)
            .ok_or(DecodeError::Malformed { what: WHAT })?;
        let left = self.from.limits.descend(self.from.limits.depth_max, 1)?;
        let from = &mut self.from;
        let properties: Result<Map, DecodeError> = shape
            .keys
            .iter()
            .map(|key| Ok((key.clone(), from.value(left)?)))
            .collect();
        Ok((shape.type_name.clone(), properties?))
    }
}

impl Serialize for Transaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.encode(&Limits::default()).map_err(S::Error::custom)?;
        if serializer.is_human_readable() {
            serializer.serialize_str(&data_encoding::BASE64.encode(&bytes))
        } else {
            serializer.serialize_bytes(&bytes)
        }
    }
}

impl<'de> Deserialize<'de> for Transaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let decode = |bytes: &[u8]| Self::decode(bytes, &Limits::default());
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = data_encoding::BASE64.decode(text.as_bytes());
            decode(&bytes.map_err(D::Error::custom)?).map_err(D::Error::custom)
        } else {
            crate::codec::deserialize_bytes(deserializer, decode)
        }
    }
}
