//! Changes to objects.

use serde_json::Value;

use super::{ForeignKeyInfo, Properties};

params! {
    /// Runs a transaction: all of it or nothing, one block.
    pub struct Apply {
        /// The space.
        pub space: String,
        /// The operations, in order: a later one sees the earlier ones.
        pub ops: Vec<ObjectOp>,
        /// When it is acknowledged.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub durability: DurabilitySpec,
        /// The same key again in one session gives the answer of the first time and writes
        /// nothing: for a request whose answer was lost with the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
    }
}

kinds! {
    /// When a transaction is acknowledged.
    #[derive(Copy, Default, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum DurabilitySpec {
        /// When the operating system has it.
        #[default]
        Interval,
        /// When it is on the disk.
        Synced,
    }

    /// One change of a transaction. A path is text, its parts joined with dots; a dot or
    /// backslash inside a part is written after a backslash.
    #[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
    pub enum ObjectOp {
        /// Makes an object.
        Create {
            /// Its id, 16 random bytes as z-base-32; one is made when there is none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            object: Option<String>,
            /// Its type.
            #[serde(rename = "type")]
            type_name: String,
            /// Its first properties.
            #[cfg_attr(test, ts(type = "EchoProperties", optional))]
            #[serde(default)]
            properties: Properties,
        },
        /// Hides an object until it is restored.
        Delete {
            /// The object.
            object: String,
        },
        /// Shows a deleted object again.
        Restore {
            /// The object.
            object: String,
        },
        /// Assigns a value, a whole subtree if it is a map. `{"@text": ".."}` makes a text,
        /// a list makes a list.
        Set {
            /// The object.
            object: String,
            /// The property.
            path: String,
            /// Its new value.
            #[cfg_attr(test, ts(type = "EchoValue"))]
            value: Value,
        },
        /// Takes a property out.
        Unset {
            /// The object.
            object: String,
            /// The property.
            path: String,
        },
        /// Turns the value at a path, or all properties, into this one by as little as it takes:
        /// items of lists are inserted, deleted and moved, texts are edited where they differ.
        Merge {
            /// The object.
            object: String,
            /// The property; none for all properties.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            path: Option<String>,
            /// What it was when the user began to edit it; what shows now when there is none.
            #[cfg_attr(test, ts(type = "EchoValue", optional))]
            #[serde(default, skip_serializing_if = "Option::is_none")]
            base: Option<Value>,
            /// What it is to be.
            #[cfg_attr(test, ts(type = "EchoValue"))]
            value: Value,
        },
        /// Counts on a number; starts a counter where there is none.
        Increment {
            /// The object.
            object: String,
            /// The number.
            path: String,
            /// How much, negative to take away.
            by: i64,
        },
        /// Adds members to a set, which is made if there is none.
        SetAdd {
            /// The object.
            object: String,
            /// The set.
            path: String,
            /// The members.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            values: Vec<Value>,
        },
        /// Takes members out of a set.
        SetRemove {
            /// The object.
            object: String,
            /// The set.
            path: String,
            /// The members.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            values: Vec<Value>,
        },
        /// Puts items into a list.
        ListInsert {
            /// The object.
            object: String,
            /// The list.
            path: String,
            /// The number that the first of them gets; none for the end.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            at: Option<u32>,
            /// The items.
            #[cfg_attr(test, ts(type = "EchoValue[]"))]
            values: Vec<Value>,
        },
        /// Takes items out of a list.
        ListDelete {
            /// The object.
            object: String,
            /// The list.
            path: String,
            /// The first of them.
            at: u32,
            /// How many.
            #[cfg_attr(test, ts(optional, as = "Option<_>"))]
            #[serde(default = "one")]
            len: u32,
        },
        /// Moves an item of a list.
        ListMove {
            /// The object.
            object: String,
            /// The list.
            path: String,
            /// The item.
            from: u32,
            /// The number that it gets.
            to: u32,
        },
        /// Assigns an item of a list.
        ListSet {
            /// The object.
            object: String,
            /// The list.
            path: String,
            /// The item.
            at: u32,
            /// Its new value.
            #[cfg_attr(test, ts(type = "EchoValue"))]
            value: Value,
        },
        /// Edits a text that no editor is bound to: for one see the topic `text`.
        TextSplice {
            /// The object.
            object: String,
            /// The text.
            path: String,
            /// What is changed, each as of the text after those before it.
            changes: Vec<super::TextSplice>,
        },
        /// Puts tags onto an object.
        Tag {
            /// The object.
            object: String,
            /// The tags.
            tags: Vec<String>,
        },
        /// Takes tags off an object.
        Untag {
            /// The object.
            object: String,
            /// The tags.
            tags: Vec<String>,
        },
        /// Puts an object under a parent, or under none.
        SetParent {
            /// The object.
            object: String,
            /// The parent.
            #[cfg_attr(test, ts(optional = nullable))]
            #[serde(default)]
            parent: Option<String>,
        },
        /// Notes what another system calls an object.
        AddKey {
            /// The object.
            object: String,
            /// The key.
            key: ForeignKeyInfo,
        },
        /// Forgets what another system calls an object.
        RemoveKey {
            /// The object.
            object: String,
            /// The key.
            key: ForeignKeyInfo,
        },
        /// Makes an object that relates two others.
        Relate {
            /// The type of the relation.
            #[serde(rename = "type")]
            type_name: String,
            /// Where it comes from.
            source: String,
            /// Where it leads to.
            target: String,
            /// Its properties.
            #[cfg_attr(test, ts(type = "EchoProperties", optional))]
            #[serde(default)]
            properties: Properties,
        },
    }
}

const fn one() -> u32 {
    1
}
