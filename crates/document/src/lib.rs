//! Objects that many edit at once: what a transaction is, how its operations apply to objects,
//! how concurrent operations merge, and what a query finds.
//!
//! It is pure data and functions. It knows nothing of feeds, signatures, storage or networks:
//! the position of a transaction, and what its writer had seen, are passed in.
//!
//! ```
//! use dxos_document::{Context, ObjectState, Op, Stamp, Timeframe, Value};
//! use dxos_keys::{FeedId, ObjectId};
//!
//! let task = ObjectId::from_bytes([1; 16]);
//! let (ann, ben) = (FeedId::from_bytes([1; 32]), FeedId::from_bytes([2; 32]));
//! let mut state = ObjectState::default();
//! let mut apply = |feed, seq, lamport, past: &Timeframe, op: Op| {
//!     let stamp = Stamp { lamport, feed, seq };
//!     state.apply(&op, &Context { stamp, past, time_ms: 0 }, 0).unwrap();
//! };
//! let title = |text: &str| Op::Set { object: task, path: "title".into(), value: text.into() };
//!
//! // Ann creates a task; Ben sees it. Then both name it without seeing each other.
//! let nothing = Timeframe::new();
//! let first = Timeframe::from(crdts::Dot::new(ann, 1));
//! let properties = [("title".into(), "?".into())].into();
//! apply(ann, 0, 1, &nothing, Op::Create { object: task, type_name: "task".into(), properties });
//! apply(ann, 1, 2, &first, title("Write"));
//! apply(ben, 0, 2, &first, title("Read"));
//!
//! let object = state.object(task).unwrap();
//! assert_eq!(object.get("title"), Some(&Value::from("Read")));
//! assert_eq!(object.conflicts("title")[0].value, Value::from("Write"));
//! ```
//!
//! # How concurrent operations merge
//!
//! Everything rests on one relation. A write is **covered** by an operation at the same place
//! whose writer had seen it ([`Context::past`]); a write that nothing covers is **live**. What is
//! live depends only on which operations there are, never on the order in which they arrive, as
//! long as causes come before effects. Of all that is live at one place the **latest** shows, by
//! (`lamport`, `feed`, index in the transaction); what loses stays readable as a [`Conflict`]
//! until someone who has seen it assigns again.
//!
//! - **Properties** are such registers. Equal values assigned concurrently are no conflict.
//! - **Maps merge by leaf.** Assigning a map assigns each of its leaves, after covering what the
//!   writer had seen there and below. Entries that others put into it concurrently stay. A map
//!   that was assigned stays when it has no entries left; one that came to be because something
//!   was assigned below it is gone with its last entry.
//! - **A value against a map.** Assigning below a place covers what its writer had seen there
//!   other than a map. If both are live because they are concurrent, the latest shows, where a
//!   map is as late as the latest thing in it; the other is a conflict, the map as a whole.
//! - **Unsetting** covers what its writer had seen at the place and below, and leaves nothing
//!   behind: a concurrent edit inside survives it, and so shows.
//! - **Texts and lists** are made by assigning one; two that are made concurrently at one place are
//!   a conflict like any other. From then on their characters and items are inserted, deleted,
//!   marked and moved one by one, next to elements that the writer saw: a tree of elements read in
//!   order (Fugue, Weidner and Kleppmann 2023), so that what two people type at one place does not
//!   interleave. A deletion is for good. An edit of a text that was concurrently replaced is lost
//!   with it from sight, as the history of the object tells.
//! - **Moving** an item of a list makes a new place for it, and of concurrent moves the latest
//!   counts: it is there once, where one of them put it.
//! - **Marks** on a text (bold, a link) are anchored to characters and reach, as their writer says,
//!   over what is typed at their ends or not (Peritext, Litt and others 2022); of all marks of one
//!   name on a character the latest shows.
//! - **What does not count any more**, because its writer was removed or forked its feed, leaves
//!   its neighbours where they are: what was typed next to it goes next to the nearest before it
//!   that the same feed inserted.
//! - **Counters.** An increment counts on every number, assigned or counter, that its writer had
//!   seen at the path; of several that are live it shows once in their sum. Concurrently started
//!   counters add up. Assigning over a number covers it with everything that was counted on it,
//!   increments that the writer had not seen included. Per feed and in sum a counter stops at its
//!   bounds instead of overflowing, the same way on every replica.
//! - **Sets.** A removal takes out the additions that its writer had seen: a concurrent addition
//!   wins. Unsetting a set, or assigning over it, does the same with all its members; adding
//!   covers anything but a set at the path.
//! - **Deletion and restoration** are a register of their own. Edits to a deleted object are kept
//!   and show when it is restored; they do not restore it.
//! - **Tags, foreign keys, parent and the ends of a relation** are kept in the map under
//!   [`META`], which objects do not show among their properties, and merge as properties do.
//! - **Creation.** Two concurrent creations of one object merge: the latest type shows, and
//!   properties merge as if they were assigned. An object whose creation was never applied keeps
//!   what was assigned to it and shows nowhere.

mod branch;
mod codec;
mod context;
mod counter;
mod cursor;
mod diff;
mod difference;
mod edit_codec;
mod element;
mod erase;
mod field;
mod filter;
mod footprint;
mod group;
mod json;
mod key;
mod limits;
mod list;
mod meta;
mod names;
mod node;
mod object;
mod op;
mod order_place;
mod path;
mod plain;
mod query;
mod query_text;
mod queue;
mod queue_codec;
mod reference;
mod register;
mod relation;
mod search;
mod sequence;
mod set;
mod small_map;
mod state;
mod state_decode;
mod state_encode;
mod state_tables;
mod text;
mod transaction_codec;
mod tree;
mod tx;
mod value;
mod view;

pub use codec::DecodeError;
pub use context::{Context, Moment, OpId, Stamp, Timeframe};
pub use cursor::{Cursor, CursorError};
pub use difference::{Difference, LiveResults, Placed};
pub use element::{ElementId, Place, WriteId};
pub use filter::{Comparison, Filter};
pub use group::{Group, Groups};
pub use json::JsonError;
pub use key::{Key, TypeName};
pub use limits::{LimitError, Limits};
pub use list::{ListEdit, ListEditor};
pub use meta::{ForeignKey, META, Meta, MetaError};
pub use object::{Conflict, Object};
pub use op::{Op, Transaction};
pub use order_place::OrderPlace;
pub use path::Path;
pub use plain::PlainObject;
pub use query::{Deleted, Direction, OrderBy, Page, Query, QueryError};
pub use query_text::{QueryTextError, parse_time, time_text};
pub use queue::{
    QUEUE_ITEM_BYTES_MAX, QUEUE_NAME_BYTES_MAX, QueueOp, Retention, check_queue_name, queue_item_id,
};
pub use reference::{Dangling, ParseRefError};
pub use relation::Relation;
pub use search::{
    Clause, Highlight, Profile, Relevance, TERM_BYTES_MAX, Term, TextLength, TextStats, TextTerms,
    Weighing, Words, WordsError,
};
pub use state::{ApplyError, ObjectState, state_hash};
pub use state_decode::StateDecoder;
pub use state_encode::StateEncoder;
pub use text::{Anchor, Expand, Span, Text, TextEdit, TextEditor};
pub use text::{CommittedBatch, TextBatch, TextChange, TextDelta, TextDraft, TextSnapshot};
pub use tree::{Location, Move, Tree};
pub use tx::{Objects, Tx, TxError};
pub use value::{Map, ObjectRef, Value};

#[cfg(test)]
mod tests;
