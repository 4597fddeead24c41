//! Objects, queries over them, and changes to them.

use std::collections::BTreeMap;

use dxos_client::{Filter, Query};
use serde_json::Value;

/// Properties by name, each as JSON.
pub type Properties = BTreeMap<String, Value>;

wire! {
    /// An object as it shows.
    pub struct ObjectInfo {
        /// Its name in its space.
        pub id: String,
        /// Its type, such as `example.com/type/Task@0.1.0`.
        #[serde(rename = "type")]
        pub type_name: String,
        /// Its properties.
        #[cfg_attr(test, ts(type = "EchoProperties"))]
        pub properties: Properties,
        /// Tags, keys in other systems, parent and ends of a relation, where there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub meta: Option<MetaInfo>,
        /// Whether it is deleted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub deleted: bool,
        /// Whether it is hidden, because an object above it is deleted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub hidden: bool,
        /// The paths that have concurrent values beside the one that shows: see
        /// `echo.conflicts`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub conflicts: Vec<String>,
        /// How well it fits what was searched for, when the query orders by `@meta.relevance`: the
        /// greater, the better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub score: Option<f64>,
        /// Where the words are that were searched for, when the query asks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub highlights: Vec<HighlightInfo>,
        /// Its first creation.
        pub created: MomentInfo,
        /// Its latest change. Once its `lamport` is at or above that of a transaction that
        /// changed the object, the object shows what that transaction did.
        pub updated: MomentInfo,
    }

    /// Where words that were searched for are in one text of an object.
    #[derive(Eq)]
    pub struct HighlightInfo {
        /// The property. Inside a list or a set the position, from 0, is a part of it.
        pub path: String,
        /// Where each begins and ends, in UTF-16 code units of the text, in order.
        pub ranges: Vec<(u32, u32)>,
    }

    /// When something was done.
    pub struct MomentInfo {
        /// Logical time: what orders.
        pub lamport: u64,
        /// Milliseconds since 1970 by its writer's clock: for display only.
        pub time_ms: u64,
    }

    /// What is known of an object besides its properties.
    pub struct MetaInfo {
        /// Its tags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub tags: Vec<String>,
        /// What other systems call it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub keys: Vec<ForeignKeyInfo>,
        /// Its parent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parent: Option<String>,
        /// Where the relation comes from, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub source: Option<String>,
        /// Where the relation leads to, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<String>,
    }

    /// What another system calls an object.
    #[derive(Eq)]
    pub struct ForeignKeyInfo {
        /// The other system, such as `github.com/issues`.
        pub source: String,
        /// Its name for the object.
        pub id: String,
    }

    /// A part of the answer to a query that is subscribed to: the answer comes in as many parts
    /// as it takes, and changes come once all are there. A part that begins at 0 begins anew.
    pub struct QueryPart {
        /// The objects.
        pub objects: Vec<ObjectInfo>,
        /// The position of the first of them.
        pub from: u32,
        /// How many there are in all.
        pub total: u32,
    }

    /// How the answer to a query changes: objects that are not named keep their order among
    /// themselves. Take out `removed` and the ids of `updated`, then put in all of `added` and
    /// `updated`, those with the smaller positions first.
    pub struct QueryChange {
        /// Objects that were not in the answer.
        pub added: Vec<PlacedInfo>,
        /// Objects that are in it no longer.
        pub removed: Vec<String>,
        /// Objects that have changed, or moved.
        pub updated: Vec<PlacedInfo>,
    }

    /// An object and where it is in the new answer.
    pub struct PlacedInfo {
        /// Its position, from 0.
        pub position: u32,
        /// The object.
        pub object: ObjectInfo,
    }

    /// A page of the answer to a query.
    pub struct QueryPage {
        /// The objects.
        pub objects: Vec<ObjectInfo>,
        /// Where the next page begins, none when this is the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u32>,
        /// How many there are in all.
        pub total: u32,
    }

    /// A page of the answer to a query, behind a cursor.
    pub struct CursorPage {
        /// The objects.
        pub objects: Vec<ObjectInfo>,
        /// A cursor: the `after` of the next page; none when there is nothing behind it now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }

    /// How many objects a query finds.
    pub struct CountInfo {
        /// How many, the limit of the query left aside.
        pub count: u64,
    }

    /// How many objects have one value.
    pub struct GroupInfo {
        /// The value, null also for objects that have none. Counters are numbers here, and texts
        /// strings.
        #[cfg_attr(test, ts(type = "EchoValue"))]
        pub value: Value,
        /// How many.
        pub count: u64,
    }

    /// How a query was answered.
    pub struct ExplanationInfo {
        /// The index that served it, such as `task by due`; null when every object was looked at.
        pub index: Option<String>,
        /// Whether the index gave the results in their order, so that the limit ended the reading.
        pub in_order: bool,
        /// Rows of the index that were read.
        pub rows: u64,
        /// Objects that were loaded and looked at.
        pub objects: u64,
        /// Objects that were found.
        pub results: u64,
        /// Indexes that are not complete and could not serve.
        pub building: Vec<IndexInfo>,
    }

    /// An index of a space.
    pub struct IndexInfo {
        /// What it is called.
        pub name: String,
        /// Whether queries use it.
        pub is_ready: bool,
        /// How many objects it has been built of so far.
        pub done: u64,
        /// How many objects there are.
        pub objects: u64,
    }

    /// What a transaction did.
    pub struct Applied {
        /// Where it was written, null when it changed nothing.
        pub committed: Option<CommittedInfo>,
        /// The ids of the objects that were created, in order.
        pub created: Vec<String>,
    }

    /// Where a transaction was written.
    pub struct CommittedInfo {
        /// The feed of this device.
        pub feed: String,
        /// The block.
        pub seq: u64,
        /// Its hash.
        pub hash: String,
        /// Its logical time.
        pub lamport: u64,
    }

    /// A reference that leads nowhere.
    pub struct DanglingInfo {
        /// The object that refers.
        pub object: String,
        /// From where.
        pub path: String,
        /// What it refers to.
        pub target: String,
    }

    /// The schema of a type.
    pub struct SchemaInfo {
        /// The type with its version.
        #[serde(rename = "type")]
        pub type_name: String,
        /// JSON Schema.
        #[cfg_attr(test, ts(type = "Json"))]
        pub schema: Value,
    }

    /// Where a reference leads.
    pub struct ResolvedRef {
        /// The space of the object.
        pub space: String,
        /// The object, deleted or not.
        pub object: ObjectInfo,
    }
}

params! {
    /// Names a space.
    pub struct SpaceParams {
        /// The space.
        pub space: String,
    }

    /// Names an object.
    pub struct ObjectParams {
        /// The space.
        pub space: String,
        /// The object.
        pub object: String,
    }

    /// A query.
    pub struct QuerySpec {
        /// Which objects; none: all.
        #[cfg_attr(test, ts(type = "EchoFilter", optional))]
        #[serde(default = "Filter::all")]
        pub filter: Filter,
        /// In what order, before that of their ids.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub order: Vec<OrderSpec>,
        /// How many at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub limit: Option<u32>,
        /// Whether deleted ones are found.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub deleted: DeletedSpec,
        /// Whether objects tell where the words are in them that are searched for.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub highlights: bool,
    }

    /// One key of an order.
    pub struct OrderSpec {
        /// The property; a missing one counts as null.
        pub path: String,
        /// Whether the greatest come first.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub descending: bool,
    }

    /// Runs a query once.
    pub struct RunQuery {
        /// The space.
        pub space: String,
        /// The query.
        pub query: QuerySpec,
        /// Where to begin: `next` of the page before.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub from: u32,
    }

    /// A question about a query.
    pub struct AskQuery {
        /// The space.
        pub space: String,
        /// The query.
        pub query: QuerySpec,
    }

    /// Counts what a query finds by value; its limit is left aside.
    pub struct GroupCount {
        /// The space.
        pub space: String,
        /// The query.
        pub query: QuerySpec,
        /// The property; `@meta.type`, `@meta.tags` and so on for what is known besides.
        pub path: String,
    }

    /// Runs a query for one page. What changes between two pages moves none of the others.
    pub struct ReadPage {
        /// The space.
        pub space: String,
        /// The query; its limit is left aside.
        pub query: QuerySpec,
        /// How many objects, up to 1,000.
        pub size: u32,
        /// Only what is behind this cursor: `next` of a page of the same order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<String>,
    }

    /// A query in its text form, as `dx query` takes it.
    pub struct QueryText {
        /// The text, such as `type:Task done:false text:"quick bro*" order:-@relevance`.
        pub text: String,
    }

    /// A query that is to be written as text.
    pub struct FormatQuery {
        /// The query.
        pub query: QuerySpec,
    }

    /// Follows a reference.
    pub struct ResolveRef {
        /// The space that the reference is in.
        pub space: String,
        /// The reference: an object id, or a space key, a colon and an object id.
        pub reference: String,
    }

    /// Writes a schema, in place of the one that the space has for this type and version.
    pub struct PutSchema {
        /// The space.
        pub space: String,
        /// The type with its version.
        #[serde(rename = "type")]
        pub type_name: String,
        /// JSON Schema.
        #[cfg_attr(test, ts(type = "Json"))]
        pub schema: Value,
    }
}

kinds! {
    /// Whether a query finds deleted objects.
    #[derive(Copy, Default, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum DeletedSpec {
        /// It does not.
        #[default]
        Exclude,
        /// It finds both.
        Include,
        /// It finds only them.
        Only,
    }
}

impl QuerySpec {
    /// What its objects tell of where words are.
    pub(crate) fn highlighter(&self) -> Option<Filter> {
        self.highlights.then(|| self.filter.clone())
    }

    /// What a query is in the protocol; where it is to go on behind is left out.
    pub fn of(query: &Query) -> Self {
        let order = query.order.iter().map(|key| OrderSpec {
            path: key.path.to_string(),
            descending: key.direction == dxos_client::Direction::Descending,
        });
        Self {
            filter: query.filter.clone(),
            order: order.collect(),
            limit: query
                .limit
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            deleted: match query.deleted {
                dxos_client::Deleted::Include => DeletedSpec::Include,
                dxos_client::Deleted::Only => DeletedSpec::Only,
                dxos_client::Deleted::Exclude => DeletedSpec::Exclude,
            },
            highlights: false,
        }
    }

    /// The query.
    pub fn to_query(&self) -> Query {
        let mut query = Query::new(self.filter.clone()).deleted(match self.deleted {
            DeletedSpec::Exclude => dxos_client::Deleted::Exclude,
            DeletedSpec::Include => dxos_client::Deleted::Include,
            DeletedSpec::Only => dxos_client::Deleted::Only,
        });
        for key in &self.order {
            let path = key.path.as_str();
            query = if key.descending {
                query.descending(path)
            } else {
                query.order_by(path)
            };
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit as usize);
        }
        query
    }
}
