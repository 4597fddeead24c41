//! What the client says, as it goes over the wire.

mod care;
mod invitation;
mod past;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use data_encoding::BASE64;
use dxos_client::{
    Committed, ConnectionState, Contact, Departure, DeviceKind, DeviceReport, Filter, Identity,
    IdentityKey, Map, MemberReport, NetworkReport, Object, Profile, Role, SpaceCredential,
    SpaceKey, SpaceReport, SpaceState, Stamp, Topic, Value,
};
use dxos_credentials::Issuer;
use serde_json::Value as Json;

use crate::protocol::{
    CommittedInfo, ConnectionInfo, ConnectionStateInfo, ContactInfo, CredentialInfo, DepartureInfo,
    DeviceInfo, DeviceKindInfo, ErrorInfo, ForeignKeyInfo, ForkInfo, HighlightInfo, IdentityInfo,
    MemberInfo, MetaInfo, MomentInfo, NetworkInfo, ObjectInfo, PipelineInfo, ProfileInfo,
    ProfileParams, Properties, RoleInfo, SpaceInfo, SpaceStateInfo, SwarmInfo,
};

pub(crate) use care::{doctor, epoch, erasure, garbage, reason, stats, sync_status};
pub(crate) use invitation::{FlowTerms, authentication, flow, invitation, invitation_kind, stand};
pub(crate) use past::{
    author, difference, feed, history_entry, stamp, timeframe, to_stamp, to_timeframe, undone,
};

/// Reads a key, an id or another text form that a client sent.
pub(crate) fn parse<T>(name: &str, text: &str) -> Result<T, ErrorInfo>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse()
        .map_err(|error: T::Err| ErrorInfo::params(format!("{name}: {error}")))
}

pub(crate) fn properties(map: &Map) -> Properties {
    // A key of the user's own that begins with `@` is written with another in front.
    match Value::Map(map.clone()).to_json() {
        Json::Object(object) => object.into_iter().collect(),
        _ => Properties::new(),
    }
}

pub(crate) fn value(name: &str, json: &Json) -> Result<Value, ErrorInfo> {
    Value::from_json(json).map_err(|error| ErrorInfo::params(format!("{name}: {error}")))
}

pub(crate) fn map(name: &str, properties: &Properties) -> Result<Map, ErrorInfo> {
    let json = Json::Object(properties.clone().into_iter().collect());
    match value(name, &json)? {
        Value::Map(map) => Ok(map),
        _ => Err(ErrorInfo::params(format!(
            "{name}: properties are expected"
        ))),
    }
}

pub(crate) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn texts<T: Display>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

pub(crate) fn object(object: &Object) -> ObjectInfo {
    let moment = |moment: Stamp, time_ms| MomentInfo {
        lamport: moment.lamport,
        time_ms,
    };
    let (created, updated) = (object.created(), object.updated());
    ObjectInfo {
        id: object.id().to_string(),
        type_name: object.type_name().to_string(),
        properties: properties(object.properties()),
        meta: meta(object),
        deleted: object.is_deleted(),
        hidden: object.is_hidden(),
        conflicts: object
            .all_conflicts()
            .map(|(path, _)| path.to_string())
            .collect(),
        score: object.score(),
        highlights: Vec::new(),
        created: moment(created.stamp, created.time_ms),
        updated: moment(updated.stamp, updated.time_ms),
    }
}

/// An object that a query found, with where the words are that the filter looks for.
pub(crate) fn found(found: &Object, highlighter: Option<&Filter>) -> ObjectInfo {
    let mut info = object(found);
    let highlights = highlighter.map(|filter| filter.highlights(found));
    for highlight in highlights.unwrap_or_default() {
        let text = found.text_at(&highlight.path).unwrap_or_default();
        let units = |end: usize| {
            let before = text.get(..end).unwrap_or_default();
            small(before.encode_utf16().count())
        };
        let ranges = highlight.ranges.iter();
        info.highlights.push(HighlightInfo {
            ranges: ranges
                .map(|range| (units(range.start), units(range.end)))
                .collect(),
            path: highlight.path.to_string(),
        });
    }
    info
}

fn meta(object: &Object) -> Option<MetaInfo> {
    let relation = object.relation();
    let tags: Vec<String> = object.tags().map(str::to_owned).collect();
    let keys: Vec<_> = object
        .keys()
        .map(|key| ForeignKeyInfo {
            source: key.source.clone(),
            id: key.id.clone(),
        })
        .collect();
    let parent = object.parent();
    if tags.is_empty() && keys.is_empty() && parent.is_none() && relation.is_none() {
        return None;
    }
    Some(MetaInfo {
        tags,
        keys,
        parent: parent.map(|parent| parent.to_string()),
        source: relation
            .as_ref()
            .map(|relation| relation.source.to_string()),
        target: relation
            .as_ref()
            .map(|relation| relation.target.to_string()),
    })
}

pub(crate) fn committed(committed: &Committed) -> CommittedInfo {
    CommittedInfo {
        feed: committed.feed.to_string(),
        seq: committed.seq,
        hash: committed.hash.to_string(),
        lamport: committed.lamport,
    }
}

pub(crate) fn to_committed(info: &CommittedInfo) -> Result<Committed, ErrorInfo> {
    Ok(Committed {
        feed: parse("committed.feed", &info.feed)?,
        seq: info.seq,
        hash: parse("committed.hash", &info.hash)?,
        lamport: info.lamport,
    })
}

pub(crate) fn role(role: Role) -> RoleInfo {
    match role {
        Role::Replicator => RoleInfo::Replicator,
        Role::Reader => RoleInfo::Reader,
        Role::Editor => RoleInfo::Editor,
        Role::Admin => RoleInfo::Admin,
    }
}

pub(crate) const fn to_role(role: RoleInfo) -> Role {
    match role {
        RoleInfo::Replicator => Role::Replicator,
        RoleInfo::Reader => Role::Reader,
        RoleInfo::Editor => Role::Editor,
        RoleInfo::Admin => Role::Admin,
    }
}

pub(crate) fn space(report: &SpaceReport) -> SpaceInfo {
    let named: Map = report
        .properties
        .iter()
        .map(|(key, value)| (key.as_str().into(), value.clone()))
        .collect();
    SpaceInfo {
        key: report.space.to_string(),
        topic: report.topic.to_string(),
        state: match report.state {
            SpaceState::Closed => SpaceStateInfo::Closed,
            SpaceState::ControlOnly => SpaceStateInfo::ControlOnly,
            SpaceState::Deleted => SpaceStateInfo::Deleted,
            SpaceState::Inactive => SpaceStateInfo::Inactive,
            SpaceState::Ready => SpaceStateInfo::Ready,
            SpaceState::Error => SpaceStateInfo::Error,
            _ => SpaceStateInfo::Initializing,
        },
        reason: report.reason.as_ref().map(reason),
        error: report.error.clone(),
        properties: properties(&named),
        role: report.role.map(role),
        pipeline: PipelineInfo {
            objects: report.objects,
            blocks: report.blocks,
            missing_blocks: report.missing_blocks,
        },
        peers: texts(&report.peers),
        forks: report
            .forks
            .iter()
            .map(|fork| ForkInfo {
                device: fork.device.to_string(),
                feed: fork.feed.to_string(),
                seq: fork.seq,
            })
            .collect(),
        departure: report.departure.map(|departure| match departure {
            Departure::Left => DepartureInfo::Left,
            Departure::Removed { by } => DepartureInfo::Removed { by: by.to_string() },
            Departure::InvitationLost { invitation } => DepartureInfo::InvitationLost {
                invitation: invitation.to_string(),
            },
            _ => DepartureInfo::Unknown,
        }),
        revoked: report.revoked,
    }
}

pub(crate) fn profile(profile: &Profile) -> ProfileInfo {
    ProfileInfo {
        display_name: profile.display_name.clone(),
        avatar: profile.avatar.clone(),
        fields: profile.fields.clone(),
    }
}

pub(crate) fn to_profile(params: ProfileParams) -> Profile {
    Profile {
        display_name: params.display_name,
        avatar: params.avatar,
        fields: params.fields,
    }
}

pub(crate) fn identity(identity: &Identity) -> IdentityInfo {
    IdentityInfo {
        identity: identity.identity.to_string(),
        device: identity.device.to_string(),
        profile: profile(&identity.profile),
    }
}

pub(crate) fn member(report: &MemberReport, own: Option<IdentityKey>) -> MemberInfo {
    MemberInfo {
        identity: report.identity.to_string(),
        role: role(report.role),
        profile: profile(&report.profile),
        devices: texts(&report.devices),
        online: report.online,
        own: own == Some(report.identity),
    }
}

pub(crate) fn device(report: &DeviceReport) -> DeviceInfo {
    DeviceInfo {
        device: report.device.to_string(),
        kind: match report.kind {
            DeviceKind::RecoveryPhrase => DeviceKindInfo::RecoveryPhrase,
            _ => DeviceKindInfo::Device,
        },
        current: report.current,
        name: report.name.clone(),
        platform: report.platform.clone(),
        created_ms: report.created_ms,
        // While it is online that is now, which would change all the time.
        last_seen_ms: report.last_seen_ms.filter(|_| !report.online),
        online: report.online,
        recovered: report.recovered,
        revoked: report.revoked,
        preferences: report.preferences.clone(),
    }
}

pub(crate) fn contact(contact: &Contact) -> ContactInfo {
    ContactInfo {
        identity: contact.identity.to_string(),
        profile: profile(&contact.profile),
        spaces: texts(&contact.spaces),
        online: contact.online,
    }
}

pub(crate) fn credential(of: &SpaceCredential) -> CredentialInfo {
    let summary = of.credential.assertion().summary();
    CredentialInfo {
        kind: summary.kind.to_owned(),
        subject: summary.about,
        issuer: match of.credential.issuer() {
            Issuer::Space(key) => key.to_string(),
            Issuer::Identity(key) => key.to_string(),
            Issuer::Device(key) => key.to_string(),
        },
        detail: summary.detail,
        counts: of.counts,
        lamport: of.lamport,
        encoded: BASE64.encode(&of.credential.encode()),
    }
}

pub(crate) fn network(
    report: &NetworkReport,
    device: &str,
    spaces: &BTreeMap<Topic, SpaceKey>,
) -> NetworkInfo {
    NetworkInfo {
        state: match report.state {
            ConnectionState::Online => ConnectionStateInfo::Online,
            ConnectionState::Offline => ConnectionStateInfo::Offline,
        },
        device: device.to_owned(),
        addresses: report.addresses.clone(),
        swarms: report
            .swarms
            .iter()
            .map(|swarm| SwarmInfo {
                topic: swarm.topic.to_string(),
                space: spaces.get(&swarm.topic).map(SpaceKey::to_string),
                known: small(swarm.known),
                sessions: texts(&swarm.sessions),
            })
            .collect(),
        connections: report
            .connections
            .iter()
            .map(|connection| ConnectionInfo {
                device: connection.device.to_string(),
                address: connection.address.clone(),
                rtt_us: connection.rtt_us,
                bytes_sent: connection.bytes_sent,
                bytes_received: connection.bytes_received,
            })
            .collect(),
        refused: report.refused,
    }
}

/// The network of a client that has none.
pub(crate) fn no_network(device: &str) -> NetworkInfo {
    NetworkInfo {
        state: ConnectionStateInfo::Disabled,
        device: device.to_owned(),
        addresses: Vec::new(),
        swarms: Vec::new(),
        connections: Vec::new(),
        refused: 0,
    }
}
