//! Objects: read, queried, written.

use dxos_client::{
    Durability, ForeignKey, Map, ObjectId, ObjectRef, Path, Tx, TxError, TypeName, TypeSchema,
    Value,
};
use serde_json::Value as Json;

use super::{Answer, done, json, params, space_of, unknown};
use crate::convert::{self, parse};
use crate::limits::NAME_BYTES_MAX;
use crate::protocol::{
    Applied, Apply, DanglingInfo, DurabilitySpec, ErrorInfo, ForeignKeyInfo, ObjectOp,
    ObjectParams, PutSchema, ResolveRef, ResolvedRef, SchemaInfo, SpaceParams, TextSplice,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Json) -> Answer {
    match method {
        "echo.apply" => apply(caller, params(given)?).await,
        "echo.object" => {
            let of: ObjectParams = params(given)?;
            let space = space_of(caller, &of.space).await?;
            let id: ObjectId = parse("object", &of.object)?;
            json(&space.db().get(id).await?.as_ref().map(convert::object))
        }
        "echo.resolve" => resolve(caller, &params(given)?).await,
        "echo.dangling" => {
            let of: SpaceParams = params(given)?;
            let dangling = space_of(caller, &of.space).await?.db().dangling().await?;
            let info = |found: &dxos_client::Dangling| DanglingInfo {
                object: found.object.to_string(),
                path: found.path.to_string(),
                target: found.target.to_string(),
            };
            json(&dangling.iter().map(info).collect::<Vec<_>>())
        }
        "echo.schemas" => {
            let of: SpaceParams = params(given)?;
            let schemas = space_of(caller, &of.space).await?.db().schemas().await?;
            let info = |schema: &TypeSchema| SchemaInfo {
                type_name: schema.type_name().to_string(),
                schema: schema.schema().clone(),
            };
            json(&schemas.iter().map(info).collect::<Vec<_>>())
        }
        "echo.putSchema" => {
            let put: PutSchema = params(given)?;
            let space = space_of(caller, &put.space).await?;
            let schema = TypeSchema::new(put.type_name.as_str(), put.schema)
                .map_err(|error| ErrorInfo::params(error.to_string()))?;
            space.db().put_schema(schema).await?;
            done()
        }
        _ => Err(unknown(method)),
    }
}

async fn resolve(caller: &Caller, of: &ResolveRef) -> Answer {
    let space = space_of(caller, &of.space).await?;
    let reference: ObjectRef = parse("reference", &of.reference)?;
    let object = space.resolve(&reference).await?;
    let within = reference.space().copied().unwrap_or(space.key());
    json(&ResolvedRef {
        space: within.to_string(),
        object: convert::object(&object),
    })
}

async fn apply(caller: &Caller, apply: Apply) -> Answer {
    if apply
        .key
        .as_ref()
        .is_some_and(|key| key.len() > NAME_BYTES_MAX)
    {
        return Err(ErrorInfo::params("key: at most 64 bytes"));
    }
    // In the order in which they were sent.
    let _turn = caller.session.applying.lock().await;
    if let Some(answer) = apply
        .key
        .as_ref()
        .and_then(|key| caller.session.applied(key))
    {
        return Ok(answer);
    }
    let space = space_of(caller, &apply.space).await?;
    let ops: Result<Vec<Step>, ErrorInfo> = apply
        .ops
        .into_iter()
        .enumerate()
        .map(|(place, op)| {
            step(op).map_err(|error| ErrorInfo {
                message: format!("ops[{place}]: {}", error.message),
                ..error
            })
        })
        .collect();
    let ops = ops?;
    let durability = match apply.durability {
        DurabilitySpec::Interval => Durability::Interval,
        DurabilitySpec::Synced => Durability::Synced,
    };
    let run = move |tx: &mut Tx<'_>| -> Result<Vec<ObjectId>, ErrorInfo> {
        let mut created = Vec::new();
        for (place, op) in ops.into_iter().enumerate() {
            let done = op(tx).map_err(|error| {
                let error = ErrorInfo::from(error);
                ErrorInfo {
                    message: format!("ops[{place}]: {}", error.message),
                    ..error
                }
            });
            created.extend(done?);
        }
        Ok(created)
    };
    let (created, committed) = space.db().transaction_committed(durability, run).await?;
    let answer = json(&Applied {
        committed: committed.as_ref().map(convert::committed),
        created: created.iter().map(ObjectId::to_string).collect(),
    })?;
    if let Some(key) = apply.key {
        caller.session.remember(key, answer.clone());
    }
    Ok(answer)
}

/// An operation that has been read: what it does, and which object it makes.
type Step = Box<dyn FnOnce(&mut Tx<'_>) -> Result<Option<ObjectId>, TxError> + Send>;

/// One that makes no object.
fn plain(change: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError> + Send + 'static) -> Step {
    Box::new(move |tx| change(tx).map(|()| None))
}

fn values(given: &[Json]) -> Result<Vec<Value>, ErrorInfo> {
    given
        .iter()
        .map(|value| convert::value("values", value))
        .collect()
}

fn id_of(object: &str) -> Result<ObjectId, ErrorInfo> {
    parse("object", object)
}

fn key_of(key: ForeignKeyInfo) -> ForeignKey {
    ForeignKey::new(key.source, key.id)
}

fn step(op: ObjectOp) -> Result<Step, ErrorInfo> {
    match op {
        ObjectOp::Create {
            object,
            type_name,
            properties,
        } => create(
            object.as_deref(),
            type_name.into(),
            convert::map("properties", &properties)?,
        ),
        ObjectOp::Delete { object } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.existing(object)
                    .map(drop)
                    .and_then(|()| tx.remove(object))
            }))
        }
        ObjectOp::Restore { object } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.push(dxos_client::Op::Restore { object })
            }))
        }
        ObjectOp::Set {
            object,
            path,
            value,
        } => {
            let (object, value) = (id_of(&object)?, convert::value("value", &value)?);
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.set(object, path, value)
            }))
        }
        ObjectOp::Unset { object, path } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.unset(object, path)
            }))
        }
        ObjectOp::Merge {
            object,
            path,
            base,
            value,
        } => merge(id_of(&object)?, path, base.as_ref(), &value),
        ObjectOp::Increment { object, path, by } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.increment(object, path, by)
            }))
        }
        ObjectOp::SetAdd {
            object,
            path,
            values: given,
        } => {
            let (object, path, values) = (id_of(&object)?, path.into(), values(&given)?);
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.push(dxos_client::Op::SetAdd {
                    object,
                    path,
                    values,
                })
            }))
        }
        ObjectOp::SetRemove {
            object,
            path,
            values: given,
        } => {
            let (object, path, values) = (id_of(&object)?, path.into(), values(&given)?);
            Ok(plain(move |tx| {
                tx.existing(object)?;
                tx.push(dxos_client::Op::SetRemove {
                    object,
                    path,
                    values,
                })
            }))
        }
        other => more(other),
    }
}

/// The rest of the operations.
fn more(op: ObjectOp) -> Result<Step, ErrorInfo> {
    match op {
        ObjectOp::ListInsert {
            object,
            path,
            at,
            values: given,
        } => {
            let (object, values) = (id_of(&object)?, values(&given)?);
            Ok(plain(move |tx| {
                let mut list = tx.list(object, path)?;
                let at = match at {
                    Some(at) => at as usize,
                    None => list.len()?,
                };
                list.insert(at, values)
            }))
        }
        ObjectOp::ListDelete {
            object,
            path,
            at,
            len,
        } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.list(object, path)?.delete(at as usize, len as usize)
            }))
        }
        ObjectOp::ListMove {
            object,
            path,
            from,
            to,
        } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| {
                tx.list(object, path)?.move_item(from as usize, to as usize)
            }))
        }
        ObjectOp::ListSet {
            object,
            path,
            at,
            value,
        } => {
            let (object, value) = (id_of(&object)?, convert::value("value", &value)?);
            Ok(plain(move |tx| {
                tx.list(object, path)?.set(at as usize, value)
            }))
        }
        ObjectOp::TextSplice {
            object,
            path,
            changes,
        } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| splice(tx, object, &path, &changes)))
        }
        ObjectOp::Tag { object, tags } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| tx.tag(object, tags)))
        }
        ObjectOp::Untag { object, tags } => {
            let object = id_of(&object)?;
            Ok(plain(move |tx| tx.untag(object, tags)))
        }
        ObjectOp::SetParent { object, parent } => {
            let object = id_of(&object)?;
            let parent = parent.map(|parent| parse("parent", &parent)).transpose()?;
            Ok(plain(move |tx| tx.set_parent(object, parent)))
        }
        ObjectOp::AddKey { object, key } => {
            let (object, key) = (id_of(&object)?, key_of(key));
            Ok(plain(move |tx| tx.add_key(object, &key)))
        }
        ObjectOp::RemoveKey { object, key } => {
            let (object, key) = (id_of(&object)?, key_of(key));
            Ok(plain(move |tx| tx.remove_key(object, &key)))
        }
        ObjectOp::Relate {
            type_name,
            source,
            target,
            properties,
        } => {
            let source: ObjectRef = parse("source", &source)?;
            let target: ObjectRef = parse("target", &target)?;
            let properties = convert::map("properties", &properties)?;
            let type_name = TypeName::from(type_name);
            Ok(Box::new(move |tx| {
                tx.relate(type_name, source, target, properties).map(Some)
            }))
        }
        _ => Err(ErrorInfo::internal("an operation that is not served")),
    }
}

fn create(object: Option<&str>, type_name: TypeName, properties: Map) -> Result<Step, ErrorInfo> {
    let object = object.map(id_of).transpose()?;
    Ok(Box::new(move |tx| {
        let object = object.unwrap_or_else(|| tx.new_id());
        tx.push(dxos_client::Op::Create {
            object,
            type_name,
            properties,
        })?;
        Ok(Some(object))
    }))
}

fn merge(
    object: ObjectId,
    path: Option<String>,
    base: Option<&Json>,
    value: &Json,
) -> Result<Step, ErrorInfo> {
    let base = base.map(|base| convert::value("base", base)).transpose()?;
    let value = convert::value("value", value)?;
    let path = path.map(Path::from);
    let map = |value: Value| match value {
        Value::Map(map) => Ok(map),
        _ => Err(ErrorInfo::params(
            "properties are expected where there is no path",
        )),
    };
    let (old, new) = match &path {
        None => (base.map(map).transpose()?, map(value)?),
        Some(path) => (base.map(|base| nest(path, base)), nest(path, value)),
    };
    Ok(plain(move |tx| {
        let shown = tx.existing(object)?;
        let old = old.unwrap_or_else(|| match &path {
            None => shown.properties().clone(),
            Some(path) => shown
                .at(path)
                .map_or_else(Map::new, |value| nest(path, value.clone())),
        });
        tx.replace(object, &old, &new)
    }))
}

/// Properties that have nothing but a value at a path.
fn nest(path: &Path, value: Value) -> Map {
    let mut parts = path.parts().iter().rev();
    let last = parts.next().cloned().unwrap_or_else(|| "".into());
    parts.fold(Map::from([(last, value)]), |inner, part| {
        Map::from([(part.clone(), Value::Map(inner))])
    })
}

fn splice(
    tx: &mut Tx<'_>,
    object: ObjectId,
    path: &str,
    changes: &[TextSplice],
) -> Result<(), TxError> {
    let mut text = tx.text(object, path)?;
    for change in changes {
        let (at, len) = (change.at as usize, change.delete as usize);
        let units_end = at.saturating_add(len);
        let (start, end) = (text.from_utf16(at), text.from_utf16(units_end));
        // A place that is not there, or in the middle of a character, is read as another one.
        if text.to_utf16(start) != at || text.to_utf16(end) != units_end {
            let found = text.to_utf16(text.len());
            return Err(TxError::Range { at, len, found });
        }
        text.splice(start, end - start, &change.insert)?;
    }
    Ok(())
}
