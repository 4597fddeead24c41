//! Local writes against the schemas that the space has for the types of its objects.
//!
//! What others wrote is never checked: every replica has to apply it alike. So an object may be
//! off its schema already, and a write is refused only for what is off where it writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_document::{Key, ObjectRef, ObjectState, Op, Path, TypeName};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_schema::{Checked, Required, TypeSchema, Violation};
use dxos_store::Read;

use super::space::{Space, is_visible, store_failed};

/// Schemas that are kept as they were read.
const SCHEMAS_MAX: usize = 256;

/// Schemas that were read lately, with the texts that they were read from.
#[derive(Debug, Default)]
pub(crate) struct Schemas(BTreeMap<ObjectId, (String, Option<Arc<TypeSchema>>)>);

/// Where a transaction writes into one object.
enum Written<'op> {
    /// All of it.
    Everywhere,
    At(Vec<&'op Path>),
}

impl Written<'_> {
    fn touches(&self, place: &[Key]) -> bool {
        match self {
            Self::Everywhere => true,
            Self::At(paths) => paths.iter().any(|path| meet(path, place)),
        }
    }
}

/// Whether one of two paths leads through the other. Which item of a list a path means is not
/// looked up.
fn meet(path: &Path, violation: &[Key]) -> bool {
    let parts = path.parts().iter();
    let parts = parts.take_while(|part| part.as_item().is_none());
    parts.zip(violation).all(|(one, two)| one == two)
}

impl Space {
    /// Refuses operations, applied already, that put an object off its schema.
    pub(super) fn check_schemas(&mut self, ops: &[Op], store: &dyn Read) -> Result<(), EchoError> {
        let mut known: BTreeMap<TypeName, Option<Arc<TypeSchema>>> = BTreeMap::new();
        // Most types have no schema, and what is written to such objects need not be gathered.
        let mut checked = Vec::new();
        let mut unchecked: Option<TypeName> = None;
        for op in ops {
            let Some(type_name) = self.load(op.object(), store)?.type_name() else {
                continue;
            };
            if unchecked.as_ref() == Some(type_name) {
                continue;
            }
            let type_name = type_name.clone();
            if !known.contains_key(&type_name) {
                let schema = self.schema(&type_name, store)?;
                known.insert(type_name.clone(), schema);
            }
            if known.get(&type_name).is_some_and(Option::is_some) {
                checked.push(op);
            } else {
                unchecked = Some(type_name);
            }
        }
        for (object, written) in written(checked) {
            let type_name = self.load(object, store)?.type_name().cloned();
            let Some(type_name) = type_name else {
                continue;
            };
            let Some(schema) = known.get(&type_name).and_then(Option::as_ref) else {
                continue;
            };
            let properties = self.load(object, store)?.properties();
            let Checked {
                violations,
                required,
            } = schema.check(&properties);
            let mut violation = violations
                .into_iter()
                .find(|violation| written.touches(&violation.path));
            for Required { path, target } in required {
                if violation.is_none() && written.touches(&path) {
                    violation = self.missing(path, &target, store)?;
                }
            }
            if let Some(violation) = violation {
                return Err(EchoError::SchemaViolated {
                    object,
                    type_name,
                    violation: violation.to_string(),
                });
            }
        }
        Ok(())
    }

    /// What is wrong with a reference whose target has to exist, if it does not. One into
    /// another space is not looked at: that space may not be on this device.
    fn missing(
        &mut self,
        path: Vec<Key>,
        target: &ObjectRef,
        store: &dyn Read,
    ) -> Result<Option<Violation>, EchoError> {
        let Some(object) = target.object_in(&self.key()) else {
            return Ok(None);
        };
        let exists =
            is_visible(self.load(object, store)?) && !self.tree_ahead(store)?.is_hidden(object);
        Ok((!exists).then(|| Violation {
            path,
            reason: format!(
                "object {object} was never created here or is deleted; refer to one that exists"
            ),
        }))
    }

    fn load(&mut self, object: ObjectId, store: &dyn Read) -> Result<&ObjectState, EchoError> {
        let number = self.record.number;
        match self.cache.load(store, number, object) {
            Ok(state) => Ok(state),
            Err(error) => Err(store_failed(&error)),
        }
    }

    /// The schema of a type, `None` when the space has none that can be read.
    fn schema(
        &mut self,
        type_name: &TypeName,
        store: &dyn Read,
    ) -> Result<Option<Arc<TypeSchema>>, EchoError> {
        let id = TypeSchema::id_of(type_name);
        let state = self.load(id, store)?;
        if state.is_deleted() {
            return Ok(None);
        }
        let Some(object) = state.object(id) else {
            return Ok(None);
        };
        let text = object.get("schema").and_then(|text| text.as_str());
        let text = text.unwrap_or_default();
        if let Some((known, schema)) = self.schemas.0.get(&id)
            && known == text
        {
            return Ok(schema.clone());
        }
        let schema = match TypeSchema::read(&object) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                tracing::warn!(%error, "a schema cannot be read; what is written is not checked");
                None
            }
        };
        if self.schemas.0.len() >= SCHEMAS_MAX {
            self.schemas.0.clear();
        }
        self.schemas.0.insert(id, (text.to_owned(), schema.clone()));
        Ok(schema)
    }
}

/// What operations write, by object. Typing into a text is left out: whatever is typed, it stays
/// a text.
fn written(ops: Vec<&Op>) -> BTreeMap<ObjectId, Written<'_>> {
    let mut found: BTreeMap<ObjectId, Written<'_>> = BTreeMap::new();
    for op in ops {
        let path = match op {
            Op::Create { object, .. } => {
                found.insert(*object, Written::Everywhere);
                continue;
            }
            Op::Increment { path, .. }
            | Op::List { path, .. }
            | Op::Set { path, .. }
            | Op::SetAdd { path, .. }
            | Op::SetRemove { path, .. }
            | Op::Unset { path, .. } => path,
            _ => continue,
        };
        let written = found
            .entry(op.object())
            .or_insert_with(|| Written::At(Vec::new()));
        if let Written::At(paths) = written {
            paths.push(path);
        }
    }
    found
}
