//! The client: one profile's identity (HALO), spaces (ECHO) and network (MESH), assembled.
//!
//! A [`Client`] is cheap to clone, `Send + Sync`, and works from any executor: its actors live on
//! threads of their own. Nothing is opened before [`Client::initialize`].
//!
//! ```
//! use dxos_client::{Client, ClientOptions, EchoObject, Filter, Timestamp, map};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, EchoObject)]
//! #[echo(type = "example.com/type/Task", version = "0.1.0")]
//! struct Task { title: String, done: bool, due: Option<Timestamp> }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let client = Client::new(ClientOptions::new().profile(directory.path()).offline());
//! client.initialize().await?;
//! client.halo().create_identity("Ann").await?;
//!
//! let space = client.echo().create_space(map! { "name" => "Home" }).await?;
//! let db = space.db();
//! let task = db.add(Task { title: "Water the plants".into(), done: false, due: None }).await?;
//! db.update(task, |task| task.done = true).await?;
//! assert!(db.get(task).await?.unwrap().done);
//!
//! let open = db.objects::<Task>().filter(Filter::eq("done", false)).run().await?;
//! assert!(open.is_empty());
//!
//! // The same without a struct.
//! let note = db.add(("note", map! { "text" => "Ask Bob" })).await?;
//! db.update(note, |note| { note.insert("text".into(), "Ask Eve".into()); }).await?;
//! client.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Structs need `serde` with its `derive` feature in the `Cargo.toml`, and nothing else beside
//! this crate. What becomes what is in the documentation of `dxos-schema`.
//!
//! What it is not: it holds no logic of objects, membership or connections; those are
//! `dxos-echo`, `dxos-halo` and `dxos-mesh`, each usable alone.

mod address_book;
mod assemble;
mod care;
mod client;
mod config;
mod database;
mod draft;
mod echo;
mod epochs;
mod error;
mod forks;
mod graph;
mod halo;
mod history;
mod identity;
mod invitation;
mod life;
mod live;
mod mesh;
mod meta;
mod migration;
mod options;
mod pages;
mod presence;
mod profile;
mod protection;
mod query;
mod queue;
mod schema;
mod serializer;
mod space;
mod text;
mod transfer;
mod typed_query;

pub use assemble::{NetworkFactory, NetworkParts, Node, NodeError, Parts, assemble};
pub use care::{DoctorReport, GcReport};
pub use client::{Client, Confirm, Status};
pub use config::{
    Config, ConfigError, KeyringConfig, KeyringProtection, NetworkConfig, PathDisplay,
    StorageConfig,
};
pub use database::{Database, DatabaseError, TransactionError};
pub use draft::{Draft, Existing};
pub use echo::{EchoProxy, SpacesWatch};
pub use epochs::EpochOptions;
pub use error::ClientError;
pub use forks::Forks;
pub use graph::ResolveError;
pub use halo::{Contact, HaloProxy};
pub use history::{History, SpaceAt};
pub use identity::{DeviceKind, DeviceReport, RecoverError, RecoveryOptions};
pub use invitation::{
    HostAddress, Invitation, InvitationCode, InvitationError, InvitationFlow, InvitationHost,
    InvitationKey, InvitationOptions, InvitationProof, InvitationReport, InvitationState,
    InvitationStatus, InvitationWatch, ParseInvitationError,
};
pub use live::Live;
pub use mesh::MeshProxy;
pub use migration::{MigrationReport, RegisteredMigration};
pub use options::ClientOptions;
pub use pages::Pages;
pub use presence::{CHANNEL_BYTES_MAX, MESSAGE_BYTES_MAX, Message, MessageError, Messages};
pub use protection::NewProtection;
pub use query::{LiveQuery, PendingQuery};
pub use queue::{Queue, QueueSubscription};
pub use serializer::{
    ArchiveContents, ArchiveError, ArchiveProtection, RestoreAs, RestoreOptions, Serializer,
};
pub use space::{Space, SyncStatusWatch};
pub use text::{Mirrored, TextError, TextHandle, TextMirror, TextOptions, TextUpdate, TextUpdates};
pub use transfer::{
    ExportError, ExportOptions, ImportError, ImportEvent, ImportOptions, ImportReport,
};
pub use typed_query::{LiveObjects, TypedQuery, TypedResults};

pub use dxos_credentials::{
    Credential, Departure, DeviceChain, ParseProofError, Presentation, PresentationError, Profile,
    Role,
};
/// What a [`Text`] holds: its characters and marks.
pub use dxos_document::Text as TextContent;
pub use dxos_document::{
    Anchor, Comparison, Conflict, Cursor, CursorError, Dangling, Deleted, Difference, Direction,
    Expand, Filter, ForeignKey, Group, Highlight, Key, Map, Meta, MetaError, Object, ObjectRef, Op,
    OpId, OrderBy, Page, ParseRefError, Path, Placed, Query, QueryError, QueryTextError, Relation,
    Retention, Span, Stamp, TextDelta, TextEditor, Timeframe, Transaction, Tx, TxError, TypeName,
    Value, Words, WordsError, parse_time, time_text,
};
pub use dxos_echo::{EpochPolicy, Usage};
pub use dxos_feed::{Designation, FeedDescriptor};
pub use dxos_halo::OpenHaloError;
pub use dxos_keys::{
    BlockHash, DeviceKey, FeedId, IdentityKey, InvitationId, KeyPlace, KeyringError, ObjectId,
    PhraseError, Protection, ProtectionKind, QueueItemId, RecoveryPhrase, SpaceKey, StateHash,
    Topic,
};
pub use dxos_mesh::MeshConfig;
pub use dxos_protocol::echo::EchoError;
pub use dxos_protocol::echo::{
    Appended, Checkup, Committed, DerivedCheckup, DeviceSync, Durability, EpochReport, EpochState,
    ErasureReport, ErasureState, Explanation, Finding, FindingKind, ForkReport, Garbage,
    IndexReport, MemberReport, MissingRange, ParseCursorError, QueueCursor, QueueItem, QueuePage,
    QueueReport, SpaceBytes, SpaceCredential, SpaceReason, SpaceReport, SpaceState, SpaceStats,
    StoreFailure, SyncStatus, Transferred,
};
pub use dxos_protocol::halo::{HaloError, Identity};
pub use dxos_protocol::history::{
    Author, Change, ChangeKind, FeedReport, HISTORY_PAGE_MAX, HistoryEntry, HistoryPage, KeptPart,
    KeptReason, Loser, ObjectDifference, PropertyDifference, UndoPart, Undone,
};
pub use dxos_protocol::invitation::{Authentication, InvitationKind, InvitationType, Refusal};
pub use dxos_protocol::mesh::{ConnectionReport, ConnectionState, NetworkReport, SwarmReport};
pub use dxos_quic::BindError;
pub use dxos_records::{BadRecord, Format, ReadError, WriteError, number_out_of_range};
pub use dxos_schema::{
    Any, Bytes, Checked, ConvertError, Counter, DeclareError, EchoObject, IndexDeclaration,
    IntoObject, JsonSchema, Migration, MigrationError, MismatchError, ObjectError, ObjectKey, Ref,
    Referent, Required, SchemaError, Set, Text, Timestamp, TypeSchema, Typed, TypedTx, Violation,
    from_properties, from_value, to_properties, to_value,
};
pub use dxos_store::StoreError;

/// What the derive macros need. Not for use by hand.
#[doc(hidden)]
pub use dxos_schema::__private;

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds a [`Map`] of properties: `map! { "title" => "Write", "done" => false }`.
#[macro_export]
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        $crate::Map::from([$(($crate::Key::from($key), $crate::Value::from($value))),*])
    };
}
