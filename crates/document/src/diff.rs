//! From two versions of an object's properties to the operations between them.

use dxos_keys::ObjectId;

use crate::list::Change;
use crate::tx::{Tx, TxError};
use crate::{Map, Op, Path, Value};

/// Turns `old`, which an object shows, into `new`, leaf by leaf, so that only what changed can
/// conflict with what others change. See [`Tx::replace`].
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
        // An empty map is assigned: without its last entry a map that was never assigned as one
        // would be gone.
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
        (Value::Counter(old), Value::Counter(new)) if new.checked_sub(*old).is_some() => {
            tx.push(Op::Increment {
                object,
                path,
                by: new.saturating_sub(*old),
            })
        }
        (Value::Set(old), Value::Set(new)) => {
            let added: Vec<_> = new.difference(old).cloned().collect();
            let values: Vec<_> = old.difference(new).cloned().collect();
            if !values.is_empty() {
                let path = path.clone();
                tx.push(Op::SetRemove {
                    object,
                    path,
                    values,
                })?;
            }
            if added.is_empty() {
                return Ok(());
            }
            tx.push(Op::SetAdd {
                object,
                path,
                values: added,
            })
        }
        _ => tx.set(object, path, new.clone()),
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
