//! The client: one profile's identity (HALO), spaces (ECHO) and network (MESH), assembled.
//!
//! A [`Client`] is cheap to clone, `Send + Sync`, and works from any executor: its actors live on
//! threads of their own. Nothing is opened before [`Client::initialize`].
//!
//! ```
//! use dxos_client::{Client, ClientOptions, Filter, map};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let client = Client::new(ClientOptions::new().profile(directory.path()).offline());
//! client.initialize().await?;
//! client.halo().create_identity(Some("Ann")).await?;
//!
//! let space = client.echo().create_space(map! { "name" => "Home" }).await?;
//! let task = space.db().add("task", map! { "title" => "Water the plants", "done" => false }).await?;
//! space.db().update(task, |task| { task.insert("done".into(), true.into()); }).await?;
//!
//! let open = space.db().query(Filter::type_name("task").and(Filter::eq("done", false)));
//! assert!(open.run().await?.is_empty());
//! client.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: it holds no logic of objects, membership or connections; those are
//! `dxos-echo`, `dxos-halo` and `dxos-mesh`, each usable alone.

mod address_book;
mod assemble;
mod client;
mod config;
mod database;
mod echo;
mod error;
mod halo;
mod invitation;
mod mesh;
mod options;
mod profile;
mod query;
mod space;

pub use assemble::{NetworkFactory, NetworkParts, Node, NodeError, Parts, assemble};
pub use client::{Client, Confirm, Status};
pub use config::{
    Config, ConfigError, KeyringConfig, KeyringProtection, NetworkConfig, PathDisplay,
    StorageConfig,
};
pub use database::{Database, TransactionError, UpdateError};
pub use echo::EchoProxy;
pub use error::ClientError;
pub use halo::HaloProxy;
pub use invitation::{
    Invitation, InvitationCode, InvitationError, InvitationFlow, InvitationHost, InvitationOptions,
    InvitationState, InvitationStatus, ParseInvitationError,
};
pub use mesh::MeshProxy;
pub use options::ClientOptions;
pub use query::{LiveQuery, PendingQuery};
pub use space::Space;

pub use dxos_credentials::{Presentation, Role};
pub use dxos_document::{
    Comparison, Conflict, Difference, Filter, Key, Map, Object, ObjectRef, Op, Placed, Query,
    Transaction, Tx, TxError, TypeName, Value,
};
pub use dxos_keys::{
    BlockHash, DeviceKey, FeedId, IdentityKey, InvitationId, ObjectId, Protection, SpaceKey,
    StateHash, Topic,
};
pub use dxos_mesh::MeshConfig;
pub use dxos_protocol::echo::EchoError;
pub use dxos_protocol::echo::{
    Committed, Durability, ForkReport, MemberReport, SpaceReport, SpaceState,
};
pub use dxos_protocol::halo::{HaloError, Identity};
pub use dxos_protocol::invitation::{Authentication, Refusal};
pub use dxos_protocol::mesh::{ConnectionReport, ConnectionState, NetworkReport, SwarmReport};
pub use dxos_quic::BindError;
pub use dxos_store::StoreError;

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds a [`Map`] of properties: `map! { "title" => "Write", "done" => false }`.
#[macro_export]
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        $crate::Map::from([$(($crate::Key::from($key), $crate::Value::from($value))),*])
    };
}
