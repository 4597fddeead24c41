//! Objects as they show.

use dxos_keys::ObjectId;
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value as Json};

use crate::context::{Moment, Stamp};
use crate::json::map_to_json;
use crate::meta::Meta;
use crate::search::Score;
use crate::view::Conflicts;
use crate::{Map, Path, TypeName, Value};

/// A value that lost against a concurrent one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The value.
    pub value: Value,
    /// Who wrote it, and when.
    pub stamp: Stamp,
}

/// An object as it shows at one moment: a copy, that later operations do not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    pub(crate) id: ObjectId,
    pub(crate) type_name: TypeName,
    pub(crate) is_deleted: bool,
    pub(crate) is_hidden: bool,
    pub(crate) properties: Map,
    // Boxed, as most objects have none.
    pub(crate) meta: Option<Box<Meta>>,
    pub(crate) conflicts: Conflicts,
    pub(crate) created: Moment,
    pub(crate) updated: Moment,
    // Of an object that a query found which orders by it.
    pub(crate) score: Option<Score>,
}

impl Object {
    /// Its name in its space.
    pub const fn id(&self) -> ObjectId {
        self.id
    }

    /// Its type.
    pub const fn type_name(&self) -> &TypeName {
        &self.type_name
    }

    /// Whether it is deleted. It keeps its properties, and edits, for when it is restored.
    pub const fn is_deleted(&self) -> bool {
        self.is_deleted
    }

    /// All its properties. Tags, foreign keys, parent and ends are not among them.
    pub const fn properties(&self) -> &Map {
        &self.properties
    }

    /// The property at `path`, such as `"address.city"`.
    pub fn get(&self, path: impl Into<Path>) -> Option<&Value> {
        self.at(&path.into())
    }

    /// The property at `path`.
    pub fn at(&self, path: &Path) -> Option<&Value> {
        let (first, rest) = path.parts().split_first()?;
        let mut value = self.properties.get(first)?;
        for part in rest {
            value = value.as_map()?.get(part)?;
        }
        Some(value)
    }

    /// The values that were assigned at `path` concurrently with the one that shows and differ
    /// from it, the latest first. The next assignment by someone who has seen them ends them.
    pub fn conflicts(&self, path: impl Into<Path>) -> &[Conflict] {
        self.conflicts.get(&path.into()).map_or(&[], Vec::as_slice)
    }

    /// All paths that have conflicts, with them.
    pub fn all_conflicts(&self) -> impl Iterator<Item = (&Path, &[Conflict])> {
        let conflicts = self.conflicts.iter();
        conflicts.map(|(path, conflicts)| (path, conflicts.as_slice()))
    }

    /// Its first creation.
    pub const fn created(&self) -> Moment {
        self.created
    }

    /// Its latest change.
    pub const fn updated(&self) -> Moment {
        self.updated
    }

    /// How well it fits what was searched for: the greater, the better. Known of what a query
    /// found that orders by relevance, and to be compared within its answer only.
    pub fn score(&self) -> Option<f64> {
        self.score.map(|score| score.0)
    }

    /// This object as JSON: `id`, `type`, `properties` (as [`Value::to_json`] writes them),
    /// `created_ms`, `updated_ms`; `deleted` and `hidden` when it is; `conflicts` by path when there are any;
    /// `meta` with `tags`, `keys` (each with `source` and `id`), `parent`, and the ends of a
    /// relation as `source` and `target`, when there are any; `score` when it is known.
    pub fn to_json(&self) -> Json {
        let mut json = JsonMap::new();
        json.insert("id".into(), self.id.to_string().into());
        json.insert("type".into(), self.type_name.as_str().into());
        json.insert("properties".into(), map_to_json(&self.properties));
        json.insert("created_ms".into(), self.created.time_ms.into());
        json.insert("updated_ms".into(), self.updated.time_ms.into());
        if self.is_deleted {
            json.insert("deleted".into(), true.into());
        }
        if self.is_hidden {
            json.insert("hidden".into(), true.into());
        }
        if let Some(score) = self.score() {
            json.insert("score".into(), score.into());
        }
        if let Some(meta) = &self.meta {
            json.insert("meta".into(), meta.to_json());
        }
        if !self.conflicts.is_empty() {
            let conflicts = self.conflicts.iter().map(|(path, conflicts)| {
                let conflicts = conflicts.iter().map(|conflict| {
                    Json::Object(JsonMap::from_iter([
                        ("value".to_owned(), conflict.value.to_json()),
                        ("feed".to_owned(), conflict.stamp.feed.to_string().into()),
                        ("seq".to_owned(), conflict.stamp.seq.into()),
                    ]))
                });
                (path.to_string(), Json::Array(conflicts.collect()))
            });
            json.insert("conflicts".into(), Json::Object(conflicts.collect()));
        }
        Json::Object(json)
    }
}
