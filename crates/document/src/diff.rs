//! From two versions of an object's properties to the operations between them.

use dxos_keys::ObjectId;

use crate::list::Change;
use crate::tx::{Tx, TxError};
use crate::{Map, Op, Path, Value};

/// The operations that turn `old` into `new`, leaf by leaf, so that only what changed can
/// conflict with what others change.
///
/// A counter that became another counter is counted from the one to the other; a set is added to
/// and removed from; maps are compared inside. Anything else that differs is assigned: what texts
/// and lists look like does not tell which of their elements are which. [`Tx::replace`], which
/// sees the object itself, edits those too.
///
/// ```
/// use dxos_document::{Op, Path, Value, diff};
/// # use dxos_keys::ObjectId;
/// # let object = ObjectId::from_bytes([1; 16]);
/// let old = Value::map([("title", "Write"), ("city", "Riga")]);
/// let new = Value::map([("title", "Write"), ("city", "Oslo")]);
/// let ops = diff(object, old.as_map().unwrap(), new.as_map().unwrap());
/// assert_eq!(ops, [Op::Set { object, path: Path::from("city"), value: "Oslo".into() }]);
/// ```
pub fn diff(object: ObjectId, old: &Map, new: &Map) -> Vec<Op> {
    let mut ops = Vec::new();
    maps(object, None, old, new, &mut ops);
    ops
}

fn maps(object: ObjectId, above: Option<&Path>, old: &Map, new: &Map, ops: &mut Vec<Op>) {
    let path = |key: &crate::Key| {
        above.map_or_else(|| Path::from(key.clone()), |above| above.child(key.clone()))
    };
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        ops.push(Op::Unset {
            object,
            path: path(key),
        });
    }
    for (key, value) in new {
        match old.get(key) {
            Some(old) if old == value => {}
            Some(old) => values(object, path(key), old, value, ops),
            None => ops.push(Op::Set {
                object,
                path: path(key),
                value: value.clone(),
            }),
        }
    }
}

fn values(object: ObjectId, path: Path, old: &Value, new: &Value, ops: &mut Vec<Op>) {
    match (old, new) {
        // An empty map is assigned: without its last entry a map that was never assigned as one
        // would be gone.
        (Value::Map(old), Value::Map(new)) if !new.is_empty() => {
            maps(object, Some(&path), old, new, ops);
        }
        (Value::Counter(old), Value::Counter(new)) if new.checked_sub(*old).is_some() => {
            ops.push(Op::Increment {
                object,
                path,
                by: new.saturating_sub(*old),
            });
        }
        (Value::Set(old), Value::Set(new)) => {
            let added: Vec<_> = new.difference(old).cloned().collect();
            let removed: Vec<_> = old.difference(new).cloned().collect();
            if !removed.is_empty() {
                ops.push(Op::SetRemove {
                    object,
                    path: path.clone(),
                    values: removed,
                });
            }
            if !added.is_empty() {
                ops.push(Op::SetAdd {
                    object,
                    path,
                    values: added,
                });
            }
        }
        _ => ops.push(Op::Set {
            object,
            path,
            value: new.clone(),
        }),
    }
}

/// The same within a transaction, where texts and lists are edited element by element.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    object: ObjectId,
    above: Option<&Path>,
    old: &Map,
    new: &Map,
) -> Result<(), TxError> {
    let path = |key: &crate::Key| {
        above.map_or_else(|| Path::from(key.clone()), |above| above.child(key.clone()))
    };
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        tx.unset(object, path(key))?;
    }
    for (key, value) in new {
        match old.get(key) {
            Some(old) if old == value => {}
            Some(old) => replace_value(tx, object, path(key), old, value)?,
            None => tx.set(object, path(key), value.clone())?,
        }
    }
    Ok(())
}

fn replace_value(
    tx: &mut Tx<'_>,
    object: ObjectId,
    path: Path,
    old: &Value,
    new: &Value,
) -> Result<(), TxError> {
    match (old, new) {
        (Value::Map(old), Value::Map(new)) if !new.is_empty() => {
            replace(tx, object, Some(&path), old, new)
        }
        (Value::Text(old), Value::Text(new)) => {
            if let Ok(mut text) = tx.text(object, path.clone()) {
                return text.become_text(old, new);
            }
            tx.set(object, path, new.clone())
        }
        (Value::List(old), Value::List(new)) => replace_list(tx, object, path, old, new),
        _ => {
            let mut ops = Vec::new();
            values(object, path, old, new, &mut ops);
            ops.into_iter().try_for_each(|op| tx.push(op))
        }
    }
}

fn replace_list(
    tx: &mut Tx<'_>,
    object: ObjectId,
    path: Path,
    old: &[Value],
    new: &[Value],
) -> Result<(), TxError> {
    let is_list = tx
        .list(object, path.clone())
        .and_then(|mut list| list.len())
        .is_ok_and(|len| len == old.len());
    if !is_list {
        return tx.set(object, path, Value::List(new.to_vec()));
    }
    for change in crate::list::changes(old, new) {
        let mut list = tx.list(object, path.clone())?;
        match change {
            Change::Delete { at, len } => list.delete(at, len)?,
            Change::Insert { at, values } => list.insert(at, values.iter().cloned())?,
            Change::Move { from, to } => list.move_item(from, to)?,
            Change::Update { at, old, new } => {
                let path = list.item(at)?;
                replace_value(tx, object, path, old, new)?;
            }
        }
    }
    Ok(())
}
