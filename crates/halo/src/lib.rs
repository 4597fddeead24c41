//! HALO: who this profile is. One device key, made when a profile is first opened; an identity,
//! made when the user says so, that this device then signs for.
//!
//! It keeps secrets, signs, and proves; it knows no space and no network. The keyring is
//! encrypted at rest as the [`Protection`](dxos_keys::Protection) says.
//!
//! ```
//! use std::sync::Arc;
//! use dxos_actors::{Failures, SeedTree, Spawner};
//! use dxos_credentials::Profile;
//! use dxos_halo::{Halo, HaloConfig};
//! use dxos_keys::Protection;
//! use dxos_protocol::halo::{CreateIdentity, SignPresentation};
//! use dxos_store::{MemDisk, MemStore};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let spawner = Spawner::thread("halo", &Failures::new()).unwrap();
//! let store = Arc::new(MemStore::open(&MemDisk::new()).unwrap());
//! let config = HaloConfig { protection: Protection::None };
//! let halo = Halo::start(&spawner.handle(), store, &config, &SeedTree::from_seed(1)).unwrap();
//! let ann = spawner.handle().run({
//!     let create = halo.create_identity();
//!     move || async move { create.ask(CreateIdentity { profile: Profile::named("Ann") }).await }
//! }).await.unwrap().unwrap().unwrap();
//! assert_eq!(ann.profile.display_name.as_deref(), Some("Ann"));
//! # });
//! ```

mod actor;
mod api;
mod core;

pub use api::{Halo, HaloConfig, OpenHaloError};
