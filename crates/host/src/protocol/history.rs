//! The past of a space.

use serde_json::Value;

use super::object::{CommittedInfo, ObjectInfo, Properties};

wire! {
    /// Who wrote something.
    #[derive(Eq)]
    pub struct AuthorInfo {
        /// The device that signed it.
        pub device: String,
        /// For whom the device acts, when that is known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity: Option<String>,
        /// What the identity is called now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display_name: Option<String>,
    }

    /// The place of a transaction in the order of all.
    #[derive(Eq)]
    pub struct StampInfo {
        /// Logical time.
        pub lamport: u64,
        /// The feed.
        pub feed: String,
        /// Its number there.
        pub seq: u64,
    }

    /// Values of one property that lost against concurrent ones.
    pub struct ConflictInfo {
        /// The property.
        pub path: String,
        /// The values, the latest first.
        pub losers: Vec<LoserInfo>,
    }

    /// A value that lost against a concurrent one.
    pub struct LoserInfo {
        /// The value.
        #[cfg_attr(test, ts(type = "EchoValue"))]
        pub value: Value,
        /// Who assigned it.
        pub author: AuthorInfo,
        /// Its place in the order.
        pub stamp: StampInfo,
        /// Milliseconds since 1970 by its author's clock: for display only.
        pub time_ms: u64,
    }

    /// A part of the history.
    pub struct HistoryPageInfo {
        /// The transactions, the newest first.
        pub entries: Vec<HistoryEntryInfo>,
        /// Where the next page begins, none when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<StampInfo>,
    }

    /// One transaction of the past.
    pub struct HistoryEntryInfo {
        /// Where it was written: what `echo.undo` takes.
        pub committed: CommittedInfo,
        /// Who wrote it.
        pub author: AuthorInfo,
        /// Milliseconds since 1970 by its author's clock: for display only.
        pub time_ms: u64,
        /// What it did, in its own order.
        pub changes: Vec<ChangeInfo>,
    }

    /// One change of the past.
    pub struct ChangeInfo {
        /// The object.
        pub object: String,
        /// The property, none for the object as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
        /// What was done.
        pub change: ChangeKindInfo,
    }

    /// A time to come back to: of each feed how many blocks it covers.
    pub struct TimeframeInfo {
        /// The counts by feed.
        pub feeds: std::collections::BTreeMap<String, u64>,
    }

    /// An object that differs between two times.
    pub struct ObjectDiff {
        /// The object.
        pub object: String,
        /// As it was in the one, null when it did not show.
        pub before: Option<ObjectInfo>,
        /// As it is in the other, null when it does not show.
        pub after: Option<ObjectInfo>,
        /// What differs when it shows in both.
        pub properties: Vec<PropertyDiff>,
    }

    /// A property that differs between two times. Of `before` and `after` the one is missing
    /// where there was or is no such property.
    pub struct PropertyDiff {
        /// The property.
        pub path: String,
        /// Its value before.
        #[cfg_attr(test, ts(type = "EchoValue", optional))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub before: Option<Value>,
        /// Its value after.
        #[cfg_attr(test, ts(type = "EchoValue", optional))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<Value>,
    }

    /// What undoing did.
    pub struct UndoneInfo {
        /// The new transaction, null when nothing was left to undo. Undoing it does it again.
        pub committed: Option<CommittedInfo>,
        /// What was undone.
        pub undone: Vec<UndoPartInfo>,
        /// What was left as it is.
        pub kept: Vec<KeptPartInfo>,
    }

    /// One thing that a transaction had changed.
    pub struct UndoPartInfo {
        /// The object.
        pub object: String,
        /// The property, none for the object's being there at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
    }

    /// One thing that was not undone.
    pub struct KeptPartInfo {
        /// The object.
        pub object: String,
        /// The property, none for the object's being there at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
        /// Why: `overwritten`, `in-use` or `unsupported`.
        pub reason: String,
    }
}

kinds! {
    /// What a change of the past did.
    #[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
    pub enum ChangeKindInfo {
        /// The object was made.
        Created {
            /// Its type.
            #[serde(rename = "type")]
            type_name: String,
            /// Its first properties.
            #[cfg_attr(test, ts(type = "EchoProperties"))]
            properties: Properties,
        },
        /// The object was deleted.
        Deleted,
        /// The object was restored.
        Restored,
        /// A property was assigned this value.
        Assigned {
            /// The value.
            #[cfg_attr(test, ts(type = "EchoValue"))]
            value: Value,
        },
        /// A property was taken out.
        Unset,
        /// So much was counted on a number.
        Counted {
            /// How much.
            by: i64,
        },
        /// Members were added to a set.
        Added {
            /// The members.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            values: Vec<Value>,
        },
        /// Members were taken out of a set.
        Removed {
            /// The members.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            values: Vec<Value>,
        },
        /// A text was edited.
        TextEdited {
            /// What was put in, piece by piece.
            inserted: Vec<String>,
            /// How many characters were taken out.
            deleted: u64,
            /// The names of marks that were put on or taken off.
            marked: Vec<String>,
        },
        /// The items of a list were changed.
        ListEdited {
            /// Items that were put in.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            inserted: Vec<Value>,
            /// How many items were taken out.
            deleted: u64,
            /// How many items were moved.
            moved: u64,
        },
        /// It was edited in a way that this host does not know.
        Edited,
    }
}

params! {
    /// Reads the history of a space, or of one object.
    pub struct ReadHistory {
        /// The space.
        pub space: String,
        /// Only what touched this object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub object: Option<String>,
        /// Only what is before: `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub before: Option<StampInfo>,
        /// How many transactions at most, up to 1,000.
        pub limit: u32,
    }

    /// Undoes a transaction by a new one.
    pub struct Undo {
        /// The space.
        pub space: String,
        /// The transaction.
        pub committed: CommittedInfo,
        /// Also when somebody else wrote it.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub any: bool,
    }

    /// Names an object as it was.
    pub struct ObjectAt {
        /// The space.
        pub space: String,
        /// When.
        pub timeframe: TimeframeInfo,
        /// The object.
        pub object: String,
    }

    /// Runs a query over the objects as they were.
    pub struct QueryAt {
        /// The space.
        pub space: String,
        /// When.
        pub timeframe: TimeframeInfo,
        /// The query.
        pub query: super::QuerySpec,
        /// Where to begin: `next` of the page before.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub from: u32,
    }

    /// Compares two times.
    pub struct Diff {
        /// The space.
        pub space: String,
        /// The one.
        pub from: TimeframeInfo,
        /// The other, mostly the later one.
        pub until: TimeframeInfo,
    }
}
