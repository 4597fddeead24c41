//! What an identity keeps for its own devices, as objects of its HALO space: what others are
//! shown of it, its devices, its spaces.

use std::collections::BTreeMap;

use dxos_credentials::Profile;
use dxos_document::{Filter, Key, Map, Object, Op, Path, Query, Tx, TxError, TypeName, Value};
use dxos_echo::Echo;
use dxos_keys::{DeviceKey, HashDomain, Hasher, ObjectId, SpaceKey};
use dxos_protocol::echo::{Aborted, Durability, EchoError, RunQuery, Transact, Work};

use crate::ClientError;

const PROFILE: &str = "dxos.org/halo/Profile";
const DEVICE: &str = "dxos.org/halo/Device";
const SPACE: &str = "dxos.org/halo/Space";
/// Devices of a space of which the addresses are told.
pub(super) const PEERS_MAX: usize = 16;

/// What is shown of a device to the others of its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceRecord {
    pub(crate) name: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) created_ms: Option<u64>,
    pub(crate) last_seen_ms: Option<u64>,
    pub(crate) preferences: BTreeMap<String, String>,
}

/// A space of the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpaceRecord {
    pub(crate) space: SpaceKey,
    /// Where devices of it were met: a new device has no other way to find them without a server.
    pub(crate) peers: Vec<(DeviceKey, Vec<String>)>,
}

/// Everything that the HALO space holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) profile: Option<Profile>,
    pub(crate) devices: BTreeMap<DeviceKey, DeviceRecord>,
    pub(crate) spaces: BTreeMap<SpaceKey, SpaceRecord>,
    /// The space that took the place of this one, when the identity was recovered.
    pub(crate) moved_to: Option<SpaceKey>,
}

/// A change of what is kept.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Profile(Profile),
    Name(DeviceKey, String),
    Platform(DeviceKey, String),
    Created(DeviceKey, u64),
    Seen(DeviceKey, u64),
    Preference(DeviceKey, String, Option<String>),
    Space(SpaceRecord),
    MovedTo(SpaceKey),
}

fn id(kind: &str, key: &[u8]) -> ObjectId {
    let hash = Hasher::new(HashDomain::ForeignKey)
        .part(b"halo")
        .part(kind.as_bytes())
        .part(key)
        .finish();
    let (front, _) = hash.split_at(ObjectId::LENGTH);
    ObjectId::from_slice(front).unwrap_or_else(|| ObjectId::from_bytes([0; ObjectId::LENGTH]))
}

impl Records {
    /// Reads everything; what cannot be read is left out.
    pub(crate) async fn read(echo: &Echo, halo: SpaceKey) -> Result<Self, ClientError> {
        let query = Query::new(Filter::all());
        let run = RunQuery { space: halo, query };
        let objects = echo.run_query().ask(run).await;
        let objects = objects.map_err(ClientError::unanswered("ECHO"))??;
        let mut records = Self::default();
        for object in &objects {
            records.take_in(object);
        }
        Ok(records)
    }

    fn take_in(&mut self, object: &Object) {
        match object.type_name().as_str() {
            PROFILE => {
                self.profile = Some(Profile {
                    display_name: text(object, "display_name"),
                    avatar: text(object, "avatar"),
                    fields: texts(object, "fields"),
                });
                self.moved_to = text(object, "moved_to").and_then(|key| key.parse().ok());
            }
            DEVICE => {
                let Some(device) = text(object, "device").and_then(|key| key.parse().ok()) else {
                    return;
                };
                let record = DeviceRecord {
                    name: text(object, "name"),
                    platform: text(object, "platform"),
                    created_ms: number(object, "created_ms"),
                    last_seen_ms: number(object, "last_seen_ms"),
                    preferences: texts(object, "preferences"),
                };
                self.devices.insert(device, record);
            }
            SPACE => {
                let Some(space) = text(object, "space").and_then(|key| key.parse().ok()) else {
                    return;
                };
                let peers = texts(object, "peers")
                    .into_iter()
                    .filter_map(|(device, list)| {
                        let addresses = list.split_whitespace().map(str::to_owned).collect();
                        Some((device.parse().ok()?, addresses))
                    });
                let peers = peers.take(PEERS_MAX).collect();
                self.spaces.insert(space, SpaceRecord { space, peers });
            }
            _ => {}
        }
    }
}

fn text(object: &Object, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(object: &Object, key: &str) -> Option<u64> {
    match object.get(key) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn texts(object: &Object, key: &str) -> BTreeMap<String, String> {
    let Some(Value::Map(map)) = object.get(key) else {
        return BTreeMap::new();
    };
    let texts = map
        .iter()
        .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())));
    texts.collect()
}

/// Writes changes in one transaction. What is so already is not written again.
pub(crate) async fn write(
    echo: &Echo,
    halo: SpaceKey,
    changes: Vec<Change>,
) -> Result<(), ClientError> {
    if changes.is_empty() {
        return Ok(());
    }
    let work = Work::new(move |tx| {
        for change in changes {
            apply(tx, change).map_err(|error| {
                tracing::warn!(%error, "what the identity keeps cannot be written");
                Aborted
            })?;
        }
        Ok(())
    });
    let transact = Transact {
        space: halo,
        work,
        durability: Durability::Synced,
    };
    let written = echo.transact().ask(transact).await;
    let written = written.map_err(ClientError::unanswered("ECHO"))?;
    match written {
        Ok(_) => Ok(()),
        Err(error) => Err(EchoError::into(error)),
    }
}

fn apply(tx: &mut Tx<'_>, change: Change) -> Result<(), TxError> {
    match change {
        Change::Profile(profile) => {
            let object = profile_object(tx)?;
            assign(
                tx,
                object,
                "display_name",
                profile.display_name.map(Value::from),
            )?;
            assign(tx, object, "avatar", profile.avatar.map(Value::from))?;
            let fields = profile.fields.into_iter();
            let fields: Map = fields
                .map(|(k, v)| (Key::from(k), Value::from(v)))
                .collect();
            assign(tx, object, "fields", Some(Value::Map(fields)))
        }
        Change::MovedTo(space) => {
            let object = profile_object(tx)?;
            assign(tx, object, "moved_to", Some(space.to_string().into()))
        }
        Change::Name(device, name) => {
            let object = device_object(tx, device)?;
            assign(tx, object, "name", Some(name.into()))
        }
        Change::Platform(device, platform) => {
            let object = device_object(tx, device)?;
            assign(tx, object, "platform", Some(platform.into()))
        }
        Change::Created(device, at_ms) => {
            let object = device_object(tx, device)?;
            assign(tx, object, "created_ms", Some(milliseconds(at_ms)))
        }
        Change::Seen(device, at_ms) => {
            let object = device_object(tx, device)?;
            assign(tx, object, "last_seen_ms", Some(milliseconds(at_ms)))
        }
        Change::Preference(device, key, value) => {
            let object = device_object(tx, device)?;
            let path = Path::of([Key::from("preferences"), Key::from(key)]);
            assign(tx, object, path, value.map(Value::from))
        }
        Change::Space(SpaceRecord { space, peers }) => {
            let object = id("space", space.as_bytes());
            let first = [("space".into(), Value::from(space.to_string()))];
            ensure(tx, object, SPACE, first.into_iter().collect())?;
            for (device, addresses) in peers.into_iter().take(PEERS_MAX) {
                let path = Path::of([Key::from("peers"), Key::from(device.to_string())]);
                assign(tx, object, path, Some(addresses.join(" ").into()))?;
            }
            Ok(())
        }
    }
}

fn milliseconds(at_ms: u64) -> Value {
    Value::Int(i64::try_from(at_ms).unwrap_or(i64::MAX))
}

fn profile_object(tx: &mut Tx<'_>) -> Result<ObjectId, TxError> {
    let object = id("profile", b"");
    ensure(tx, object, PROFILE, Map::new())?;
    Ok(object)
}

fn device_object(tx: &mut Tx<'_>, device: DeviceKey) -> Result<ObjectId, TxError> {
    let object = id("device", device.as_bytes());
    let first = [("device".into(), Value::from(device.to_string()))];
    ensure(tx, object, DEVICE, first.into_iter().collect())?;
    Ok(object)
}

/// Makes an object unless it is there. Two devices that make it at once make the same one.
fn ensure(
    tx: &mut Tx<'_>,
    object: ObjectId,
    type_name: &str,
    properties: Map,
) -> Result<(), TxError> {
    if tx.get(object)?.is_some() {
        return Ok(());
    }
    tx.push(Op::Create {
        object,
        type_name: TypeName::from(type_name),
        properties,
    })
}

fn assign(
    tx: &mut Tx<'_>,
    object: ObjectId,
    path: impl Into<Path>,
    value: Option<Value>,
) -> Result<(), TxError> {
    let path = path.into();
    let there = tx.get(object)?;
    let before = there.as_ref().and_then(|object| object.get(path.clone()));
    match value {
        Some(value) if before != Some(&value) => tx.set(object, path, value),
        None if before.is_some() => tx.unset(object, path),
        _ => Ok(()),
    }
}
