// Written by `cargo xtask types` from crates/host/src/protocol. Do not edit.

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * A value of a property. What JSON has no word for is an object with one key: `{"@time": ms}`,
 * `{"@bytes": base64}`, `{"@ref": "object"}` or `{"@ref": "space:object"}`, `{"@text": "characters"}`
 * or `{"@text": {content, marks: [[from, to, name, value]]}}`, `{"@set": members}`,
 * `{"@counter": number}`, `{"@float": "NaN" | "Infinity" | "-Infinity"}`. A key of your own that
 * begins with `@` gets another `@` in front of it.
 */
export type EchoValue = null | boolean | number | string | EchoValue[] | { [key: string]: EchoValue };

/** Properties by name. */
export type EchoProperties = { [key: string]: EchoValue };

/** How a property is compared with a value. */
export type EchoComparison = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** A condition on an object. Paths are texts, their parts joined with dots. */
export type EchoFilter =
  | { and: EchoFilter[] }
  | { or: EchoFilter[] }
  | { not: EchoFilter }
  | { compare: { path: string; comparison: EchoComparison; value: EchoValue } }
  | { in: { path: string; values: EchoValue[] } }
  | { contains: { path: string; value: EchoValue } }
  | { prefix: { path: string; prefix: string } }
  | { exists: string }
  | { ids: string[] }
  | { type_exact: string }
  | { type_any_version: string }
  | { tag: string }
  | { text: { path?: string | null; words: string } }
  | { foreign_keys: { source: string; id: string }[] }
  | { child_of: string }
  | "has_parent"
  | { references: { path?: string | null; target: string } }
  | { referenced_by: { source: string; path?: string | null } }
  | { relation_from: string }
  | { relation_to: string };

/** The version of the protocol. */
export const PROTOCOL = 1;

/**
 * Why something was refused or failed: the `error` of an answer, also of a subscription
 * that ended or an invitation that failed.
 */
export type ErrorInfo = {
/** One of the stable codes of the protocol. */
code: number,
/** What happened, to what, and what to do; for people. */
message: string,
/** The same for programs. */
data: ErrorData, };

/** What programs need to know of an error. */
export type ErrorData = {
/** A stable name of what happened, such as `notPermitted`. */
kind: string,
/** What may help. */
action: ErrorAction, };

/** What may help after an error. */
export type ErrorAction = "correct" | "retry" | "authenticate" | "unlock" | "createIdentity" | "openSpace" | "askAdmin" | "report";

/** Takes nothing, gives nothing. */
export type Nothing = Record<symbol, never>;

/** The first message on a connection. */
export type Hello = {
/** The version of the protocol that the client speaks. */
protocol: number,
/** A one-time token from the printed address, or the token of a session. */
token: string,
/** The session to come back to. */
session?: string | null, };

/** What a host says to whom it knows. */
export type Welcome = {
/** The version of the protocol. */
protocol: number,
/** The version of the host. */
version: string,
/** The name of the session: what `hello` takes to come back to it. */
session: string,
/**
 * What `hello` takes as `token` from now on, in place of a one-time token. Keep it
 * where only this origin reads it.
 */
token: string,
/** When that token ends, in milliseconds since 1970. */
expiresMs: number,
/** Whether this is the session that was asked for, with its subscriptions. */
resumed: boolean,
/** What the host bounds. */
limits: SessionLimits, };

/** What the host bounds. */
export type SessionLimits = {
/** Bytes of one message to the host. A longer one ends the connection. */
frameBytes: number,
/** Requests that are not answered yet; further ones wait. */
requests: number,
/** Subscriptions of a session. */
subscriptions: number,
/** Credits that a subscription may have. */
credits: number,
/** How long a session is kept without a connection, in milliseconds. */
lingerMs: number, };

/**
 * Goes on with subscriptions on a new connection. Until it is called the host sends nothing
 * for subscriptions that were made before.
 */
export type Resume = {
/**
 * The subscriptions that the client still wants, each with the last number that it took
 * in; the others end.
 */
subscriptions: Array<ResumePoint>, };

/** Where a subscription stands. */
export type ResumePoint = {
/** The subscription. */
id: number,
/** The last number that was taken in, 0 for none. */
seq: number,
/**
 * How many notifications the client takes from now on, in place of the credits that
 * were left.
 */
credits: number, };

/** Which subscriptions go on. */
export type Resumed = {
/** Those that go on, with a fresh `value` where something was missed. */
resumed: Array<number>,
/** Those that the host does not know any more: subscribe again. */
gone: Array<number>, };

/** A token for one use. */
export type OneTimeToken = {
/** The token. */
token: string,
/** The address of the console with the token in its fragment. */
url: string,
/** When it ends, in milliseconds since 1970. */
expiresMs: number, };

/** What became of the session tokens of others. */
export type EndedSessions = {
/** How many were ended. */
ended: number, };

/** Follows a topic. */
export type Subscribe = {
/** Chosen by the client, and not in use in this session. */
id: number,
/** What to follow. */
topic: Topic,
/** How many notifications the client takes before it gives further credits. */
credits: number, };

/** Ends a subscription. Nothing of it is sent after the answer. */
export type Unsubscribe = {
/** The subscription. */
id: number, };

/** Gives a subscription credits: a request, or a notification without an answer. */
export type Credit = {
/** The subscription. */
id: number,
/** How many further notifications the client takes. */
n: number, };

/** What can be followed. */
export type Topic = { "topic": "status", } | { "topic": "identity", } | { "topic": "devices", } | { "topic": "contacts", } | { "topic": "credentials", } | { "topic": "spaces", } | { "topic": "space",
/** The space. */
space: string, } | { "topic": "members",
/** The space. */
space: string, } | { "topic": "syncStatus",
/** The space. */
space: string,
/** Only what this object may be made of. */
object?: string | null, } | { "topic": "epochs",
/** The space. */
space: string, } | { "topic": "erasure",
/** The space. */
space: string, } | { "topic": "queues",
/** The space. */
space: string, } | { "topic": "queue",
/** The space. */
space: string,
/** The name of the queue. */
queue: string, } | { "topic": "query",
/** The space. */
space: string,
/** The query. */
query: QuerySpec, } | { "topic": "object",
/** The space. */
space: string,
/** The object. */
object: string, } | { "topic": "text",
/** The space. */
space: string,
/** The object. */
object: string,
/** The text. */
path: string, } | { "topic": "cursors",
/** The subscription to the text, of the same session. */
text: number, } | { "topic": "spaceInvitations",
/** The space. */
space: string, } | { "topic": "haloInvitations", } | { "topic": "invitation",
/** The space, none for an invitation for a device. */
space?: string | null,
/** The invitation. */
invitation: string, } | { "topic": "flow",
/** The flow. */
flow: number, } | { "topic": "networkStatus", } | { "topic": "metrics", } | { "topic": "messages",
/** The space. */
space: string,
/** The channel. */
channel: string, };

/** The parameters of the notification `subscription`: what a topic shows. */
export type SubscriptionEvent = {
/** The subscription. */
id: number,
/** Counts the notifications of the subscription from 1. */
seq: number,
/** What it is. */
kind: EventKind,
/** Of `value` and `change`: what the topic says; see the table of topics. */
value: unknown,
/** Of `end`: why, if it did not end well. */
error?: ErrorInfo | null, };

/** What a notification of a subscription says. */
export type EventKind = "value" | "change" | "end";

/** The parameters of the notification `goodbye`: the host ends the connection. */
export type Goodbye = {
/** Why. */
error: ErrorInfo, };

/** Whether the client is usable. */
export type ClientInfo = {
/** Whether it is. */
status: ClientStatus,
/** The version of the client. */
version: string, };

/** Whether the client is usable. */
export type ClientStatus = "active" | "inactive" | "locked";

/** How many bytes of the store what takes, over all spaces. */
export type UsageInfo = {
/** Blocks of feeds. */
blocks: number,
/** Objects, which are made from blocks. */
objects: number,
/** Everything else. */
rest: number, };

/** What the host does, since it started unless said. */
export type Metrics = {
/** Milliseconds that it has run. */
uptimeMs: number,
/** Connections that are open now. */
connections: number,
/** Sessions that are kept now, with a connection or without. */
sessions: number,
/** Subscriptions of all sessions now. */
subscriptions: number,
/** Requests that were answered. */
requests: number,
/** Of them, those that were answered with an error. */
errors: number,
/** Notifications that were sent. */
notifications: number,
/** Connections that were refused or ended for what they sent. */
refused: number,
/** Bytes of messages received. */
bytesReceived: number,
/** Bytes of messages sent. */
bytesSent: number, };

/** Opens the profile with its passphrase. */
export type Unlock = {
/** The passphrase. It is not kept. */
passphrase: string, };

/**
 * Wipes the profile: identity, keys and what no other device has are gone for good. The
 * host ends.
 */
export type Reset = {
/** Has to be `wipe-profile`. */
confirm: string, };

/** An archive that can be read with `archive.read`. */
export type ArchiveInfo = {
/** How many bytes it has. */
bytes: number,
/** What it holds. */
contents: ArchiveContentsInfo, };

/** What an archive holds. */
export type ArchiveContentsInfo = {
/** The space that it is of. */
space: string,
/** The version of the program that wrote it. */
program: string,
/** When, by the clock of the device that wrote it, in milliseconds since 1970. */
timeMs: number,
/** How many blocks. */
blocks: number,
/** How many objects. */
objects: number,
/**
 * The bytes of the largest of them. One of more than 700 KiB keeps the space from being
 * cloned.
 */
largestObject: number, };

/** A part of an archive. */
export type ArchivePart = {
/** The bytes, as base64. */
bytes: string,
/** Where the next part begins, none when this is the last. */
next?: number | null, };

/** How much of an archive was taken in. */
export type ArchiveWritten = {
/** How many bytes: where the next part begins. */
bytes: number, };

/** Who may read an archive. */
export type ArchiveProtectionSpec = { "kind": "passphrase",
/** The passphrase. It is not kept. */
passphrase: string, } | { "kind": "plain", };

/** What an archive brings back. */
export type RestoreAsSpec = "same" | "clone";

/** Writes a space into an archive, to be read in parts. */
export type CreateArchive = {
/** How the archive is named from here on; unused in the session. */
archive: number,
/** The space. */
space: string,
/** Who may read it. */
protection: ArchiveProtectionSpec, };

/** Reads a part of an archive: up to 256 KiB. */
export type ReadArchive = {
/** The archive. */
archive: number,
/** Where the part begins: 0, or `next` of the part before. */
at: number, };

/** Hands in a part of an archive. */
export type WriteArchive = {
/** The archive. The first part, at 0, begins one of this name. */
archive: number,
/**
 * Where the part begins: behind the last one. One that was taken in already is not taken
 * in again.
 */
at: number,
/** The bytes, as base64; up to 512 KiB of them. */
bytes: string, };

/** Reads an archive that was handed in to its end. Nothing is written. */
export type InspectArchive = {
/** The archive. */
archive: number,
/** The passphrase, for one that was written under one. */
passphrase?: string | null, };

/** Brings a space back from an archive that was handed in. */
export type RestoreArchive = {
/** The archive. */
archive: number,
/** What becomes of it. */
as?: RestoreAsSpec,
/** The passphrase, for one that was written under one. */
passphrase?: string | null, };

/** Forgets an archive. */
export type ArchiveParams = {
/** The archive. */
archive: number, };

/** Who the profile is. */
export type IdentityInfo = {
/** The identity. */
identity: string,
/** This device. */
device: string,
/** What others are shown. */
profile: ProfileInfo, };

/** What others are shown of somebody. */
export type ProfileInfo = {
/** Its name. */
displayName?: string | null,
/** Where its picture is. */
avatar?: string | null,
/** Whatever else an application shows. */
fields: { [key in string]: string }, };

/** A device of the identity, or a recovery phrase. */
export type DeviceInfo = {
/** The device. */
device: string,
/** Which of both it is. */
kind: DeviceKindInfo,
/** Whether it is the one of this host. */
current: boolean,
/** What it is called. */
name?: string | null,
/** What it runs on. */
platform?: string | null,
/** When it became a device of the identity, in milliseconds since 1970. */
createdMs?: number | null,
/** When it was last known to be online, in milliseconds since 1970. */
lastSeenMs?: number | null,
/** Whether it is online. */
online: boolean,
/** Whether the identity came to it by a recovery phrase. */
recovered: boolean,
/** Whether it was revoked. */
revoked: boolean,
/** What applications keep for it. */
preferences: { [key in string]: string }, };

/** What a device is. */
export type DeviceKindInfo = "device" | "recovery-phrase";

/** Somebody with whom the identity shares a space. */
export type ContactInfo = {
/** The identity. */
identity: string,
/** What others are shown. */
profile: ProfileInfo,
/** The spaces that are shared. */
spaces: Array<string>,
/** Whether one of its devices is online. */
online: boolean, };

/** A credential. */
export type CredentialInfo = {
/** What it says, such as `space-member`. */
kind: string,
/** Whom or what it is about: an identity, a device or a space. */
subject?: string | null,
/** Who signed it: a device, an identity or a space. */
issuer: string,
/** What else it says, such as the role. */
detail?: string | null,
/** Whether it takes effect. */
counts: boolean,
/** Its logical time. */
lamport: number,
/** All of it, as base64: what `halo.presentCredentials` takes. */
encoded: string, };

/** A proof for a third party. */
export type PresentationInfo = {
/** The proof, as text. */
presentation: string, };

/** A recovery phrase. It is shown once. */
export type RecoveryPhraseInfo = {
/** The 24 words, with spaces between. */
phrase: string,
/** Its key, by which it is listed among the devices and revoked. */
device: string, };

/** What others are to be shown, all of it. */
export type ProfileParams = {
/** The name. */
displayName?: string | null,
/** Where the picture is. */
avatar?: string | null,
/** Whatever else. */
fields?: { [key in string]: string }, };

/** Names a device. */
export type DeviceParams = {
/** The device. */
device: string, };

/** Gives a device a name. */
export type RenameDevice = {
/** The device. */
device: string,
/** The name. */
name: string, };

/** Keeps something of an application for a device. */
export type SetDevicePreference = {
/** The device. */
device: string,
/** The name of what is kept. */
key: string,
/** What is kept; null forgets it. */
value?: string | null, };

/** Proves to a third party that this client acts for its identity. */
export type PresentCredentials = {
/** What the third party drew, as base64. */
challenge: string,
/** Whom it is for, such as a host name. */
audience: string,
/** Credentials to show with it, each as base64. */
credentials?: Array<string>, };

/** Brings an identity back with its recovery phrase. */
export type RecoverIdentity = {
/** The 24 words. */
phrase: string,
/** Devices to ask besides those that are found. */
peers?: Array<PeerSpec>,
/** How long to look, in milliseconds. */
patienceMs?: number | null, };

/** A device and where it is. */
export type PeerSpec = {
/** The device. */
device: string,
/** Its addresses, each `host:port`. */
addresses: Array<string>, };

/** A space. */
export type SpaceInfo = {
/** Its key. */
key: string,
/** Where its devices meet, which says nothing of the key. */
topic: string,
/** What it is doing. */
state: SpaceStateInfo,
/** Why it is not in the state `ready`. */
reason?: SpaceReasonInfo | null,
/** Why it is in the state `error`. */
error?: string | null,
/** Its properties, such as `name`. */
properties: EchoProperties,
/** What this identity may do in it; none when it is no member any more. */
role?: RoleInfo | null,
/** What is here and what is missing. */
pipeline: PipelineInfo,
/** Devices with which it is replicating. */
peers: Array<string>,
/** Feeds whose writers forked them. */
forks: Array<ForkInfo>,
/** How this identity stopped being a member. */
departure?: DepartureInfo | null,
/** Whether this device was revoked by another of its identity. */
revoked: boolean, };

/** What a space is doing. */
export type SpaceStateInfo = "closed" | "control-only" | "deleted" | "inactive" | "initializing" | "ready" | "error";

/** What of a space is here and what is missing. */
export type PipelineInfo = {
/** Objects that exist and are not deleted, its properties and schemas among them. */
objects: number,
/** Blocks here. */
blocks: number,
/** Blocks that peers have announced and that are not here yet. */
missingBlocks: number, };

/** What a member may do. */
export type RoleInfo = "replicator" | "reader" | "editor" | "admin";

/** A forked feed. */
export type ForkInfo = {
/** The device that forked. */
device: string,
/** The feed. */
feed: string,
/** The first place that no longer counts. */
seq: number, };

/** How an identity stopped being a member. */
export type DepartureInfo = { "how": "left" } | { "how": "removed",
/** The identity that did it. */
by: string, } | { "how": "invitation-lost",
/** The invitation. */
invitation: string, } | { "how": "unknown" };

/** A member of a space. */
export type MemberInfo = {
/** The identity. */
identity: string,
/** What it may do. */
role: RoleInfo,
/** What others are shown. */
profile: ProfileInfo,
/** Its devices that are known in the space. */
devices: Array<string>,
/** Whether one of them is online. */
online: boolean,
/** Whether it is the identity of this host. */
own: boolean, };

/** What others wrote to a channel since the last time. */
export type Messages = {
/** The messages, in the order in which they came. */
messages: Array<MessageInfo>,
/** How many were dropped because the client was slow. */
dropped: number, };

/** A message to a channel of a space. It is not stored and may be lost. */
export type MessageInfo = {
/** The device that sent it. */
device: string,
/** The identity of the device, when it is known. */
identity?: string | null,
/** What it says. */
payload: Json, };

/** A feed of a space. */
export type FeedInfo = {
/** The feed. */
feed: string,
/** What it is for. */
designation: DesignationInfo,
/**
 * Which of the device's feeds of this designation it is: a further one begins when the
 * one before cannot be gone on with.
 */
incarnation: number,
/** Who writes it. */
author: AuthorInfo,
/** How many of its blocks were applied here. */
applied: number, };

/** What a feed is for. */
export type DesignationInfo = "control" | "data";

/** Blocks of a space. */
export type BlockPage = {
/** The blocks, the newest first. */
blocks: Array<BlockInfo>,
/** Where the next page begins, none when there is none. */
next?: StampInfo | null, };

/** A block with a transaction that counts. */
export type BlockInfo = {
/** Where it is. */
committed: CommittedInfo,
/** Who wrote it. */
author: AuthorInfo,
/** Milliseconds since 1970 by its author's clock: for display only. */
timeMs: number,
/** How many changes it makes. */
changes: number, };

/** The hash of everything visible in a space: equal on devices that have the same. */
export type StateHashInfo = {
/** The hash. */
hash: string, };

/** Names a space. */
export type SpaceParams = {
/** The space. */
space: string, };

/** Creates a space, ready to be used. */
export type CreateSpace = {
/** For people, such as `name`. */
properties?: EchoProperties, };

/** Changes properties of a space; null takes one out. */
export type UpdateSpace = {
/** The space. */
space: string,
/** What changes. */
properties: EchoProperties, };

/** Names a member. */
export type MemberParams = {
/** The space. */
space: string,
/** The member. */
identity: string, };

/** Gives a member another role. */
export type UpdateMemberRole = {
/** The space. */
space: string,
/** The member. */
identity: string,
/** What it may do from then on. */
role: RoleInfo, };

/** Leaves a space for good, with all devices of the identity. */
export type LeaveSpace = {
/** The space. */
space: string,
/** Who becomes an admin: needed of the last one while others are there. */
successor?: string | null, };

/** Sends a message to a channel of a space. */
export type PostMessage = {
/** The space. */
space: string,
/** The channel. */
channel: string,
/** What it says. */
payload: Json, };

/** Reads blocks. */
export type ReadBlocks = {
/** The space. */
space: string,
/** Only those of this feed. */
feed?: string | null,
/** Only those before: `next` of the page before. */
before?: StampInfo | null,
/** How many to look at, up to 1,000. */
limit: number, };

/** Why a space is in another state than `ready`. */
export type SpaceReasonInfo = {
/** For programs. */
kind: SpaceReasonKind,
/** For people, with what to do. */
message: string, };

/** Why a space is in another state than `ready`. */
export type SpaceReasonKind = "awaits-admission" | "awaits-content-key" | "closed-by-user" | "deleted-by-user" | "failed" | "invitation-lost" | "left" | "opening" | "removed" | "restoring" | "revoked" | "unknown";

/**
 * Which devices have signed that they stored a space, or an object, durably. It says no
 * more than their receipts prove.
 */
export type SyncStatusInfo = {
/**
 * The blocks in question: those of the space that are here; of an object, those that
 * were written until it changed last.
 */
blocks: number,
/** Whether every device has signed that it stored all of them. */
complete: boolean,
/** Every device of a member, that of the host included. */
devices: Array<DeviceSyncInfo>, };

/** What is known of one device. */
export type DeviceSyncInfo = {
/** The device. */
device: string,
/** Whose device it is. */
identity: string,
/** Whether it is the device of this host. */
own: boolean,
/** The number of its latest receipt; none when it has signed none. */
receipt?: number | null,
/**
 * When it signed that, in milliseconds since 1970 by its own clock; none when it has
 * signed none.
 */
signedAtMs?: number | null,
/** Whether it has said that it stores the space no more: it deleted it. */
withdrawn: boolean,
/** Blocks, of those in question, that its receipt proves that it had when it signed. */
stored: number,
/** Blocks, of those in question, that it is not known to have stored. */
missing: number,
/** Where they are: the first 64 ranges. */
missingRanges: Array<MissingRangeInfo>, };

/** Blocks of a feed. */
export type MissingRangeInfo = {
/** The feed. */
feed: string,
/** The first block. */
from: number,
/** The one after the last. */
until: number, };

/** An epoch: a signed snapshot that stands for what was written before it. */
export type EpochInfo = {
/** One more than that of the epoch before, 1 for the first. */
number: number,
/** The block that holds it. */
block: string,
/** The device that issued it. */
device: string,
/** The identity of that device, when it is known. */
identity?: string | null,
/** The hash that names the snapshot. */
snapshot: string,
/** Where it stands on this device. */
state: EpochStateInfo,
/** Objects in the snapshot, deleted ones included; none when that is not known here. */
objects?: number | null,
/** Blocks that it stands for; none when that is not known here. */
blocks?: number | null,
/** Of the current one: whether those blocks are not on this device any more. */
trimmed: boolean,
/** Whether what nobody needs any more is still being deleted here. */
tidying: boolean,
/**
 * Devices of admins that are not known to know of it: while there are any, the blocks
 * are dropped only by force.
 */
mayContest: Array<string>, };

/** Where an epoch stands on a device. */
export type EpochStateInfo = "current" | "loading" | "superseded" | "refused";

/** What was dropped. */
export type TrimmedInfo = {
/** How many blocks, which are deleted bit by bit. */
blocks: number, };

/**
 * How far an erasure is: what was deleted is destroyed on every device, with the content
 * keys that it was sealed with.
 */
export type ErasureInfo = {
/** The device that asked for it. */
device: string,
/** How far it is on this device. */
state: ErasureStateInfo,
/** The number of the epoch that does it, once there is one. */
epoch?: number | null,
/** Devices that it waits for. One that is lost has to be revoked. */
waitsFor: Array<string>,
/** Blocks that devices said they knew and that are not here yet. */
missingBlocks: number,
/** How many content keys it destroys. */
keys: number,
/**
 * Recovery keys that these content keys were sealed for: whoever has such a phrase and
 * kept the blocks can read them all the same.
 */
recoveryKeys: Array<string>, };

/** How far an erasure is on a device. */
export type ErasureStateInfo = "acknowledging" | "requested" | "erasing" | "done";

/** What is stored of a space. */
export type SpaceStatsInfo = {
/** Objects that exist and are not deleted. */
objects: number,
/** Blocks of feeds. */
blocks: number,
/** Blocks of cut branches. */
branches: number,
/** Feeds. */
feeds: number,
/** How often this device had to begin new feeds. */
incarnation: number,
/** Rows of indexes. */
indexRows: number,
/** Rows of queues. */
queueRows: number,
/** What it takes. */
bytes: SpaceBytesInfo, };

/** Bytes of a space, before the store compresses them. */
export type SpaceBytesInfo = {
/** Blocks of feeds. */
blocks: number,
/** Blocks of cut branches. */
branches: number,
/** Objects, which are made from blocks. */
objects: number,
/** Indexes, which are made from objects. */
indexes: number,
/** Queues, which are made from blocks. */
queues: number,
/** Everything else. */
rest: number, };

/** What collecting garbage did. */
export type GarbageInfo = {
/** Rows of spaces that are not on this device any more, now removed. */
rows: number,
/** Their bytes. */
bytes: number,
/** Bytes of the store on the disk before. */
diskBytesBefore: number,
/** And after. */
diskBytesAfter: number, };

/** What checking everything that is stored has found. */
export type DoctorInfo = {
/** Whether nothing is wrong, or not any more. */
whole: boolean,
/** Of every space, the one in which the identity keeps its devices among them. */
spaces: Array<CheckupInfo>,
/** What is derived and cannot be read. All spaces have it in the same tables. */
unreadable: Array<FindingInfo>,
/** Whether all of its kind was deleted, and made anew. */
emptied: boolean,
/** Rows of spaces that are not on this device any more. */
orphanRows: number,
/** Their bytes. */
orphanBytes: number,
/** Whether those were removed. */
orphansRemoved: boolean, };

/** What checking one space has found. */
export type CheckupInfo = {
/** The space. */
space: string,
/** Whether nothing is wrong, or not any more. */
whole: boolean,
/** Blocks that were checked. */
blocks: number,
/** Objects that were compared with what their blocks say. */
objects: number,
/** Rows of indexes that were compared with the objects. */
indexRows: number,
/** What is wrong: the first hundred things. */
findings: Array<FindingInfo>,
/** How many more there are. */
more: number,
/** Whether what is derived was, or is being, made anew. */
repaired: boolean, };

/** Something that is wrong. */
export type FindingInfo = {
/** What it is wrong with, such as `block`, `index` or `object`. */
kind: string,
/** Whether that is made from blocks, and can be made anew. */
derived: boolean,
/** Where, and what it is. */
text: string, };

/** Checks everything that is stored: see `dx doctor`. */
export type RunDoctor = {
/** Whether what is derived and wrong is made anew, and what is of no space removed. */
repair?: boolean, };

/** Asks who has stored a space. */
export type ReadSyncStatus = {
/** The space. */
space: string,
/** Only what this object may be made of. */
object?: string | null, };

/**
 * Signs a snapshot of a space as it is on this device, or asks for one that leaves out what
 * was deleted.
 */
export type CreateEpoch = {
/** The space. */
space: string,
/** Whether members who were let in without the history may read the state as it is now. */
shareState?: boolean, };

/** Drops the blocks that the current epoch stands for from this device. */
export type TrimSpace = {
/** The space. */
space: string,
/** Also while devices of admins may still contest the epoch. */
force?: boolean, };

/** Deletes a space on this device, with what no other device has of it. */
export type DeleteSpace = {
/** The space. */
space: string,
/** Has to be `delete-space`. */
confirm: string, };

/** An object as it shows. */
export type ObjectInfo = {
/** Its name in its space. */
id: string,
/** Its type, such as `example.com/type/Task@0.1.0`. */
type: string,
/** Its properties. */
properties: EchoProperties,
/** Tags, keys in other systems, parent and ends of a relation, where there are any. */
meta?: MetaInfo | null,
/** Whether it is deleted. */
deleted?: boolean,
/** Whether it is hidden, because an object above it is deleted. */
hidden?: boolean,
/**
 * The paths that have concurrent values beside the one that shows: see
 * `echo.conflicts`.
 */
conflicts?: Array<string>,
/**
 * How well it fits what was searched for, when the query orders by `@meta.relevance`: the
 * greater, the better.
 */
score?: number | null,
/** Where the words are that were searched for, when the query asks. */
highlights?: Array<HighlightInfo>,
/** Its first creation. */
created: MomentInfo,
/**
 * Its latest change. Once its `lamport` is at or above that of a transaction that
 * changed the object, the object shows what that transaction did.
 */
updated: MomentInfo, };

/** Where words that were searched for are in one text of an object. */
export type HighlightInfo = {
/** The property. Inside a list or a set the position, from 0, is a part of it. */
path: string,
/** Where each begins and ends, in UTF-16 code units of the text, in order. */
ranges: Array<[number, number]>, };

/** When something was done. */
export type MomentInfo = {
/** Logical time: what orders. */
lamport: number,
/** Milliseconds since 1970 by its writer's clock: for display only. */
timeMs: number, };

/** What is known of an object besides its properties. */
export type MetaInfo = {
/** Its tags. */
tags?: Array<string>,
/** What other systems call it. */
keys?: Array<ForeignKeyInfo>,
/** Its parent. */
parent?: string | null,
/** Where the relation comes from, if it is one. */
source?: string | null,
/** Where the relation leads to, if it is one. */
target?: string | null, };

/** What another system calls an object. */
export type ForeignKeyInfo = {
/** The other system, such as `github.com/issues`. */
source: string,
/** Its name for the object. */
id: string, };

/**
 * A part of the answer to a query that is subscribed to: the answer comes in as many parts
 * as it takes, and changes come once all are there. A part that begins at 0 begins anew.
 */
export type QueryPart = {
/** The objects. */
objects: Array<ObjectInfo>,
/** The position of the first of them. */
from: number,
/** How many there are in all. */
total: number, };

/**
 * How the answer to a query changes: objects that are not named keep their order among
 * themselves. Take out `removed` and the ids of `updated`, then put in all of `added` and
 * `updated`, those with the smaller positions first.
 */
export type QueryChange = {
/** Objects that were not in the answer. */
added: Array<PlacedInfo>,
/** Objects that are in it no longer. */
removed: Array<string>,
/** Objects that have changed, or moved. */
updated: Array<PlacedInfo>, };

/** An object and where it is in the new answer. */
export type PlacedInfo = {
/** Its position, from 0. */
position: number,
/** The object. */
object: ObjectInfo, };

/** A page of the answer to a query. */
export type QueryPage = {
/** The objects. */
objects: Array<ObjectInfo>,
/** Where the next page begins, none when this is the last. */
next?: number | null,
/** How many there are in all. */
total: number, };

/** What a transaction did. */
export type Applied = {
/** Where it was written, null when it changed nothing. */
committed: CommittedInfo | null,
/** The ids of the objects that were created, in order. */
created: Array<string>, };

/** Where a transaction was written. */
export type CommittedInfo = {
/** The feed of this device. */
feed: string,
/** The block. */
seq: number,
/** Its hash. */
hash: string,
/** Its logical time. */
lamport: number, };

/** A reference that leads nowhere. */
export type DanglingInfo = {
/** The object that refers. */
object: string,
/** From where. */
path: string,
/** What it refers to. */
target: string, };

/** The schema of a type. */
export type SchemaInfo = {
/** The type with its version. */
type: string,
/** JSON Schema. */
schema: Json, };

/** Where a reference leads. */
export type ResolvedRef = {
/** The space of the object. */
space: string,
/** The object, deleted or not. */
object: ObjectInfo, };

/** How a query was answered. */
export type ExplanationInfo = {
/** The index that served it, such as `task by due`; null when every object was looked at. */
index: string | null,
/** Whether the index gave the results in their order, so that the limit ended the reading. */
inOrder: boolean,
/** Rows of the index that were read. */
rows: number,
/** Objects that were loaded and looked at. */
objects: number,
/** Objects that were found. */
results: number,
/** Indexes that are not complete and could not serve. */
building: Array<IndexInfo>, };

/** An index of a space. */
export type IndexInfo = {
/** What it is called. */
name: string,
/** Whether queries use it. */
isReady: boolean,
/** How many objects it has been built of so far. */
done: number,
/** How many objects there are. */
objects: number, };

/** How many objects a query finds. */
export type CountInfo = {
/** How many, the limit of the query left aside. */
count: number, };

/** How many objects have one value. */
export type GroupInfo = {
/**
 * The value, null also for objects that have none. Counters are numbers here, and texts
 * strings.
 */
value: EchoValue,
/** How many. */
count: number, };

/** A page of the answer to a query, behind a cursor. */
export type CursorPage = {
/** The objects. */
objects: Array<ObjectInfo>,
/** A cursor: the `after` of the next page; none when there is nothing behind it now. */
next?: string | null, };

/** Names an object. */
export type ObjectParams = {
/** The space. */
space: string,
/** The object. */
object: string, };

/** A query. */
export type QuerySpec = {
/** Which objects; none: all. */
filter?: EchoFilter,
/** In what order, before that of their ids. */
order?: Array<OrderSpec>,
/** How many at most. */
limit?: number | null,
/** Whether deleted ones are found. */
deleted?: DeletedSpec,
/** Whether objects tell where the words are in them that are searched for. */
highlights?: boolean, };

/** One key of an order. */
export type OrderSpec = {
/** The property; a missing one counts as null. */
path: string,
/** Whether the greatest come first. */
descending?: boolean, };

/** Whether a query finds deleted objects. */
export type DeletedSpec = "exclude" | "include" | "only";

/** Runs a query once. */
export type RunQuery = {
/** The space. */
space: string,
/** The query. */
query: QuerySpec,
/** Where to begin: `next` of the page before. */
from?: number, };

/** A question about a query. */
export type AskQuery = {
/** The space. */
space: string,
/** The query. */
query: QuerySpec, };

/** Counts what a query finds by value; its limit is left aside. */
export type GroupCount = {
/** The space. */
space: string,
/** The query. */
query: QuerySpec,
/** The property; `@meta.type`, `@meta.tags` and so on for what is known besides. */
path: string, };

/** Runs a query for one page. What changes between two pages moves none of the others. */
export type ReadPage = {
/** The space. */
space: string,
/** The query; its limit is left aside. */
query: QuerySpec,
/** How many objects, up to 1,000. */
size: number,
/** Only what is behind this cursor: `next` of a page of the same order. */
after?: string | null, };

/** A query in its text form, as `dx query` takes it. */
export type QueryText = {
/** The text, such as `type:Task done:false text:"quick bro*" order:-@relevance`. */
text: string, };

/** A query that is to be written as text. */
export type FormatQuery = {
/** The query. */
query: QuerySpec, };

/** Follows a reference. */
export type ResolveRef = {
/** The space that the reference is in. */
space: string,
/** The reference: an object id, or a space key, a colon and an object id. */
reference: string, };

/** Writes a schema, in place of the one that the space has for this type and version. */
export type PutSchema = {
/** The space. */
space: string,
/** The type with its version. */
type: string,
/** JSON Schema. */
schema: Json, };

/** Runs a transaction: all of it or nothing, one block. */
export type Apply = {
/** The space. */
space: string,
/** The operations, in order: a later one sees the earlier ones. */
ops: Array<ObjectOp>,
/** When it is acknowledged. */
durability?: DurabilitySpec,
/**
 * The same key again in one session gives the answer of the first time and writes
 * nothing: for a request whose answer was lost with the connection.
 */
key?: string | null, };

/** When a transaction is acknowledged. */
export type DurabilitySpec = "interval" | "synced";

/**
 * One change of a transaction. A path is text, its parts joined with dots; a dot or
 * backslash inside a part is written after a backslash.
 */
export type ObjectOp = { "op": "create",
/** Its id, 16 random bytes as z-base-32; one is made when there is none. */
object?: string | null,
/** Its type. */
type: string,
/** Its first properties. */
properties?: EchoProperties, } | { "op": "delete",
/** The object. */
object: string, } | { "op": "restore",
/** The object. */
object: string, } | { "op": "set",
/** The object. */
object: string,
/** The property. */
path: string,
/** Its new value. */
value: EchoValue, } | { "op": "unset",
/** The object. */
object: string,
/** The property. */
path: string, } | { "op": "merge",
/** The object. */
object: string,
/** The property; none for all properties. */
path?: string | null,
/** What it was when the user began to edit it; what shows now when there is none. */
base?: EchoValue,
/** What it is to be. */
value: EchoValue, } | { "op": "increment",
/** The object. */
object: string,
/** The number. */
path: string,
/** How much, negative to take away. */
by: number, } | { "op": "setAdd",
/** The object. */
object: string,
/** The set. */
path: string,
/** The members. */
values: EchoValue[], } | { "op": "setRemove",
/** The object. */
object: string,
/** The set. */
path: string,
/** The members. */
values: EchoValue[], } | { "op": "listInsert",
/** The object. */
object: string,
/** The list. */
path: string,
/** The number that the first of them gets; none for the end. */
at?: number | null,
/** The items. */
values: EchoValue[], } | { "op": "listDelete",
/** The object. */
object: string,
/** The list. */
path: string,
/** The first of them. */
at: number,
/** How many. */
len?: number, } | { "op": "listMove",
/** The object. */
object: string,
/** The list. */
path: string,
/** The item. */
from: number,
/** The number that it gets. */
to: number, } | { "op": "listSet",
/** The object. */
object: string,
/** The list. */
path: string,
/** The item. */
at: number,
/** Its new value. */
value: EchoValue, } | { "op": "textSplice",
/** The object. */
object: string,
/** The text. */
path: string,
/** What is changed, each as of the text after those before it. */
changes: Array<TextSplice>, } | { "op": "tag",
/** The object. */
object: string,
/** The tags. */
tags: Array<string>, } | { "op": "untag",
/** The object. */
object: string,
/** The tags. */
tags: Array<string>, } | { "op": "setParent",
/** The object. */
object: string,
/** The parent. */
parent?: string | null, } | { "op": "addKey",
/** The object. */
object: string,
/** The key. */
key: ForeignKeyInfo, } | { "op": "removeKey",
/** The object. */
object: string,
/** The key. */
key: ForeignKeyInfo, } | { "op": "relate",
/** The type of the relation. */
type: string,
/** Where it comes from. */
source: string,
/** Where it leads to. */
target: string,
/** Its properties. */
properties?: EchoProperties, };

/** A text as an editor begins with it. */
export type TextValue = {
/** Counts every change of what shows, whoever made it. */
version: number,
/** The characters. */
content: string,
/** The marks. */
marks: Array<MarkInfo>,
/** The number of the last edit of this client that is in it, 0 for none. */
edit: number, };

/** A mark over a range of characters. */
export type MarkInfo = {
/** The first character. */
from: number,
/** The first character after it. */
to: number,
/** What is said of the range, such as `bold`. */
name: string,
/** Its value, never null. */
value: EchoValue, };

/** What others changed in a text. */
export type TextChangeInfo = {
/** The version of the text after it. */
version: number,
/** What was changed, each as of the text after those before it. */
changes: Array<TextSplice>, };

/** At a position characters were taken out and put in. */
export type TextSplice = {
/** The position. */
at: number,
/** How many were taken out. */
delete: number,
/** What was put in. */
insert: string, };

/** An edit was taken in. */
export type TextEdited = {
/** The version of the text after it. */
version: number, };

/** A step was undone or redone. */
export type TextStepped = {
/** Whether there was one. What changed comes as a `change`. */
stepped: boolean, };

/** Where somebody has the cursor in a text. */
export type CursorInfo = {
/** The identity. */
identity: string,
/** Its device. */
device: string,
/** Tells several editors of one device apart. */
editor: string,
/** What the identity is called. */
displayName?: string | null,
/** Where the selection begins. */
anchor: number,
/** Where the cursor is. */
head: number,
/** The version of the text that the positions are of. */
version: number, };

/** Names a text by the subscription that follows it. */
export type TextParams = {
/** The subscription. */
id: number, };

/**
 * Edits a text. It is taken in when `version` is the current one, and otherwise refused
 * with the code `STALE`: take in the changes that are on their way, rebase, send again.
 */
export type EditText = {
/** The subscription. */
id: number,
/**
 * Counts the edits of this subscription from 1. One that is sent again is not taken in
 * twice. Send the next when this one is answered; merge what is typed meanwhile.
 */
edit: number,
/** The version of the text that the edit was made of. */
version: number,
/** What is changed, each as of the text after those before it. */
changes: Array<TextSplice>, };

/** Puts a mark onto a range, or takes it off with null. The marks come anew with a `value`. */
export type MarkText = {
/** The subscription. */
id: number,
/** The version of the text that the range is of. */
version: number,
/** The first character. */
from: number,
/** The first character after it. */
to: number,
/** What is said of the range. */
name: string,
/** Its value. */
value?: EchoValue,
/** What of what is typed at the ends is marked too. */
expand?: ExpandSpec, };

/** What of what is typed at the ends of a mark is marked too. */
export type ExpandSpec = "after" | "before" | "both" | "none";

/** Shows others where the cursor is. It is not stored; leave it out to show none. */
export type SetCursor = {
/** The subscription to the text. */
id: number,
/** The version of the text that the positions are of. */
version: number,
/** Where the selection begins and where the cursor is. */
selection?: SelectionSpec | null, };

/** A selection. */
export type SelectionSpec = {
/** Where it begins. */
anchor: number,
/** Where the cursor is. */
head: number, };

/** Who wrote something. */
export type AuthorInfo = {
/** The device that signed it. */
device: string,
/** For whom the device acts, when that is known here. */
identity?: string | null,
/** What the identity is called now. */
displayName?: string | null, };

/** The place of a transaction in the order of all. */
export type StampInfo = {
/** Logical time. */
lamport: number,
/** The feed. */
feed: string,
/** Its number there. */
seq: number, };

/** Values of one property that lost against concurrent ones. */
export type ConflictInfo = {
/** The property. */
path: string,
/** The values, the latest first. */
losers: Array<LoserInfo>, };

/** A value that lost against a concurrent one. */
export type LoserInfo = {
/** The value. */
value: EchoValue,
/** Who assigned it. */
author: AuthorInfo,
/** Its place in the order. */
stamp: StampInfo,
/** Milliseconds since 1970 by its author's clock: for display only. */
timeMs: number, };

/** A part of the history. */
export type HistoryPageInfo = {
/** The transactions, the newest first. */
entries: Array<HistoryEntryInfo>,
/** Where the next page begins, none when there is none. */
next?: StampInfo | null, };

/** One transaction of the past. */
export type HistoryEntryInfo = {
/** Where it was written: what `echo.undo` takes. */
committed: CommittedInfo,
/** Who wrote it. */
author: AuthorInfo,
/** Milliseconds since 1970 by its author's clock: for display only. */
timeMs: number,
/** What it did, in its own order. */
changes: Array<ChangeInfo>, };

/** One change of the past. */
export type ChangeInfo = {
/** The object. */
object: string,
/** The property, none for the object as a whole. */
path?: string | null,
/** What was done. */
change: ChangeKindInfo, };

/** What a change of the past did. */
export type ChangeKindInfo = { "kind": "created",
/** Its type. */
type: string,
/** Its first properties. */
properties: EchoProperties, } | { "kind": "deleted" } | { "kind": "restored" } | { "kind": "assigned",
/** The value. */
value: EchoValue, } | { "kind": "unset" } | { "kind": "counted",
/** How much. */
by: number, } | { "kind": "added",
/** The members. */
values: EchoValue[], } | { "kind": "removed",
/** The members. */
values: EchoValue[], } | { "kind": "text-edited",
/** What was put in, piece by piece. */
inserted: Array<string>,
/** How many characters were taken out. */
deleted: number,
/** The names of marks that were put on or taken off. */
marked: Array<string>, } | { "kind": "list-edited",
/** Items that were put in. */
inserted: EchoValue[],
/** How many items were taken out. */
deleted: number,
/** How many items were moved. */
moved: number, } | { "kind": "edited" };

/** A time to come back to: of each feed how many blocks it covers. */
export type TimeframeInfo = {
/** The counts by feed. */
feeds: { [key in string]: number }, };

/** An object that differs between two times. */
export type ObjectDiff = {
/** The object. */
object: string,
/** As it was in the one, null when it did not show. */
before: ObjectInfo | null,
/** As it is in the other, null when it does not show. */
after: ObjectInfo | null,
/** What differs when it shows in both. */
properties: Array<PropertyDiff>, };

/**
 * A property that differs between two times. Of `before` and `after` the one is missing
 * where there was or is no such property.
 */
export type PropertyDiff = {
/** The property. */
path: string,
/** Its value before. */
before?: EchoValue,
/** Its value after. */
after?: EchoValue, };

/** What undoing did. */
export type UndoneInfo = {
/** The new transaction, null when nothing was left to undo. Undoing it does it again. */
committed: CommittedInfo | null,
/** What was undone. */
undone: Array<UndoPartInfo>,
/** What was left as it is. */
kept: Array<KeptPartInfo>, };

/** One thing that a transaction had changed. */
export type UndoPartInfo = {
/** The object. */
object: string,
/** The property, none for the object's being there at all. */
path?: string | null, };

/** One thing that was not undone. */
export type KeptPartInfo = {
/** The object. */
object: string,
/** The property, none for the object's being there at all. */
path?: string | null,
/** Why: `overwritten`, `in-use` or `unsupported`. */
reason: string, };

/** Reads the history of a space, or of one object. */
export type ReadHistory = {
/** The space. */
space: string,
/** Only what touched this object. */
object?: string | null,
/** Only what is before: `next` of the page before. */
before?: StampInfo | null,
/** How many transactions at most, up to 1,000. */
limit: number, };

/** Undoes a transaction by a new one. */
export type Undo = {
/** The space. */
space: string,
/** The transaction. */
committed: CommittedInfo,
/** Also when somebody else wrote it. */
any?: boolean, };

/** Names an object as it was. */
export type ObjectAt = {
/** The space. */
space: string,
/** When. */
timeframe: TimeframeInfo,
/** The object. */
object: string, };

/** Runs a query over the objects as they were. */
export type QueryAt = {
/** The space. */
space: string,
/** When. */
timeframe: TimeframeInfo,
/** The query. */
query: QuerySpec,
/** Where to begin: `next` of the page before. */
from?: number, };

/** Compares two times. */
export type Diff = {
/** The space. */
space: string,
/** The one. */
from: TimeframeInfo,
/** The other, mostly the later one. */
until: TimeframeInfo, };

/** A queue. */
export type QueueInfo = {
/** Its name. */
name: string,
/** Items that are in it. */
items: number,
/** Bytes of these. */
bytes: number,
/** How much it is to hold. */
retention: RetentionInfo,
/** Behind the last item that has come to this device. */
end: string, };

/** How much a queue is to hold; without a bound everything stays. */
export type RetentionInfo = {
/** Items at most. */
itemsMax?: number | null,
/** Bytes of items at most. */
bytesMax?: number | null,
/** How old items may become. */
ageMaxMs?: number | null, };

/** Where an item stands among all items: the same on every device. */
export type QueuePosition = {
/** Logical time. */
lamport: number,
/** The feed. */
feed: string,
/** The number of its transaction there. */
seq: number,
/** Its number in that. */
index: number, };

/** An item of a queue. */
export type QueueItemInfo = {
/** Its name, under which it would also come again. */
id: string,
/** Where it stands. */
position: QueuePosition,
/** Who appended it. */
author: AuthorInfo,
/** By its writer's clock, in milliseconds since 1970: for display only. */
timeMs: number,
/** What it is. */
value: EchoValue, };

/** A part of a queue, as it came to the host's device. */
export type QueuePageInfo = {
/** Items that count no more; they come before `items`, where some may be again. */
takenBack: Array<string>,
/** The items. */
items: Array<QueueItemInfo>,
/** From where to go on: good on this host's device only. */
next: string, };

/** Items that were appended. */
export type AppendedInfo = {
/** Their names, in order. */
ids: Array<string>, };

/** Which items come first. */
export type QueueOrderInfo = "ascending" | "descending";

/** Items to append, all or none. */
export type AppendItems = {
/** The space. */
space: string,
/** The name of the queue. */
queue: string,
/** The items, in order. */
items: EchoValue[],
/** Whether to wait until they are on the disk. */
durable: boolean, };

/** What to read of a queue, in the order in which it came to the host's device. */
export type ReadQueue = {
/** The space. */
space: string,
/** The name of the queue. */
queue: string,
/** `next` of an earlier page; from the start if not given. */
from?: string | null,
/** Items at most; never more than 1,024. */
limit: number, };

/** What to read of a queue, in the order that is the same everywhere. */
export type ReadItems = {
/** The space. */
space: string,
/** The name of the queue. */
queue: string,
/** Which come first. */
order: QueueOrderInfo,
/** Only those behind this place, in that order. */
beyond?: QueuePosition | null,
/** Items at most; never more than 1,024. */
limit: number, };

/** How much a queue is to hold from now on. */
export type SetRetention = {
/** The space. */
space: string,
/** The name of the queue. */
queue: string,
/** How much. */
retention: RetentionInfo, };

/** An invitation that is open, or was. */
export type InvitationInfo = {
/** Its name. */
id: string,
/** What it is to. */
kind: InvitationKindInfo,
/** Who may host it. */
type: InvitationTypeInfo,
/** The space, or the one in which the identity keeps its devices. */
space: string,
/** What a guest may do in the space. */
role: RoleInfo,
/** How a guest proves that it was meant. */
authentication: AuthenticationInfo,
/** Whether more than one guest may use it. */
multiUse: boolean,
/** Whether a guest reads what was written before. */
history: boolean,
/** When it ends, in milliseconds since 1970. */
expiresMs: number,
/** Who made it, of a delegated one that was made elsewhere. */
by?: string | null,
/** How many guests have used it at this host. */
uses: number,
/** Where it stands. */
state: InvitationStateInfo,
/** How many tries of the code are left, once one was wrong. */
attemptsLeft?: number | null,
/** Why it ended, when it did not end well. */
error?: ErrorInfo | null,
/** The identity that joined last. */
guest?: string | null,
/** The device that joined, of an invitation for a device. */
device?: string | null,
/** What to hand to a guest, as text; none where this device cannot tell. */
invitationCode?: string | null,
/** The six digits to tell the guest over another channel, when they are asked for. */
authCode?: string | null, };

/** What an invitation is to. */
export type InvitationKindInfo = "space" | "device";

/** Who may host an invitation. */
export type InvitationTypeInfo = "interactive" | "delegated";

/** How a guest proves that it was meant. */
export type AuthenticationInfo = "none" | "shared-secret" | "known-public-key";

/** Where an invitation stands. */
export type InvitationStateInfo = "init" | "connecting" | "connected" | "ready-for-authentication" | "authenticating" | "success" | "cancelled" | "timeout" | "error" | "expired";

/**
 * An invitation that is being accepted. The host keeps it when the page is left, and for
 * some minutes after it has ended.
 */
export type FlowInfo = {
/** Its number at this host. */
flow: number,
/** What it is to. */
kind: InvitationKindInfo,
/** The invitation. */
invitation: string,
/** What it is to, for people, as the host says. */
target?: string | null,
/** How the guest proves that it was meant. */
authentication: AuthenticationInfo,
/** Where it stands. */
state: InvitationStateInfo,
/** How many tries of the code are left, once one was wrong. */
attemptsLeft?: number | null,
/** Why it failed. */
error?: ErrorInfo | null,
/** The space, once it was joined. */
space?: string | null,
/** The identity, once it was joined. */
identity?: string | null, };

/** What the text of an invitation says. */
export type InvitationText = {
/** Its name. */
id: string,
/** What it is to. */
kind: InvitationKindInfo,
/** What it is to, for people. */
target?: string | null,
/** How a guest proves that it was meant. */
authentication: AuthenticationInfo,
/** When it ends, in milliseconds since 1970. */
expiresMs: number, };

/** Invites somebody to a space. */
export type SpaceInvitationParams = {
/** The space. */
space: string,
/** How. */
options?: InvitationSpec, };

/** Invites a device to be one of the identity. */
export type DeviceInvitationParams = {
/** How. */
options?: InvitationSpec, };

/**
 * How an invitation is made. What is left out is as [`InvitationInfo`] shows then: a code,
 * the role `editor`, seven days, one guest.
 */
export type InvitationSpec = {
/** Who may host it. */
type?: InvitationTypeInfo | null,
/** How a guest proves that it was meant. */
authentication?: AuthenticationInfo | null,
/** The one identity that is invited. */
identity?: string | null,
/** What the guest may do. */
role?: RoleInfo | null,
/** Whether more than one guest may use it. */
multiUse?: boolean | null,
/** Whether it is hosted again after a restart. */
persistent?: boolean | null,
/** Whether a guest reads what was written before. */
history?: boolean | null,
/** After how many milliseconds it ends. */
lifetimeMs?: number | null,
/** How many milliseconds a guest may take once it is connected. */
timeoutMs?: number | null,
/** What it is to, for people. */
target?: string | null, };

/** Names an invitation to a space. */
export type SpaceInvitationRef = {
/** The space. */
space: string,
/** The invitation. */
invitation: string, };

/** Names an invitation for a device. */
export type InvitationParams = {
/** The invitation. */
invitation: string, };

/** Begins to join a space. */
export type AcceptInvitation = {
/** The text of the invitation, or a link that ends in it. */
invitation: string, };

/** Begins to become a device of the identity that invites. */
export type AcceptDeviceInvitation = {
/** The text of the invitation, or a link that ends in it. */
invitation: string,
/** What is shown of this device. */
device?: ProfileParams, };

/** Reads the text of an invitation and does nothing else. */
export type ReadInvitation = {
/** The text of the invitation, or a link that ends in it. */
invitation: string, };

/** Tries the code, and answers with the state after it was checked. */
export type Authenticate = {
/** The flow. */
flow: number,
/** The six digits. */
code: string, };

/** Names a flow. */
export type FlowParams = {
/** The flow. */
flow: number, };

/** The state of the network. */
export type NetworkInfo = {
/** Whether the client takes part. */
state: ConnectionStateInfo,
/** This device. */
device: string,
/** Where others can reach it. */
addresses: Array<string>,
/** The swarms it is in. */
swarms: Array<SwarmInfo>,
/** The connections it has. */
connections: Array<ConnectionInfo>,
/** Handshakes that were refused since the start. */
refused: number, };

/** Whether the client takes part in the network. */
export type ConnectionStateInfo = "disabled" | "offline" | "online";

/** The state of one swarm. */
export type SwarmInfo = {
/** The topic. */
topic: string,
/** The space, when it is that of one. */
space?: string | null,
/** Devices known to be there. */
known: number,
/** Devices with an authenticated session. */
sessions: Array<string>, };

/** The state of one connection. */
export type ConnectionInfo = {
/** The peer. */
device: string,
/** Its address as seen from here. */
address?: string | null,
/** Round-trip time in microseconds. */
rttUs: number,
/** Bytes sent since it was made. */
bytesSent: number,
/** Bytes received since it was made. */
bytesReceived: number, };

/** Goes online or offline. */
export type SetConnection = {
/** The state to be in: `online` or `offline`. */
state: ConnectionStateInfo, };

/** Tells where a device of a space can be reached. */
export type AddPeer = {
/** The space. */
space: string,
/** The device. */
device: string,
/** Its addresses, each `host:port`. */
addresses: Array<string>, };

/** What each method takes and gives. */
export interface Methods {
  "hello": { params: Hello; result: Welcome };
  "resume": { params: Resume; result: Resumed };
  "ping": { params: Nothing; result: Nothing };
  "subscribe": { params: Subscribe; result: Nothing };
  "unsubscribe": { params: Unsubscribe; result: Nothing };
  "credit": { params: Credit; result: Nothing };
  "host.createToken": { params: Nothing; result: OneTimeToken };
  "host.endSessions": { params: Nothing; result: EndedSessions };
  "client.status": { params: Nothing; result: ClientInfo };
  "client.config": { params: Nothing; result: Json };
  "client.toJson": { params: Nothing; result: Json };
  "client.initialize": { params: Nothing; result: ClientInfo };
  "client.lock": { params: Nothing; result: ClientInfo };
  "client.unlock": { params: Unlock; result: ClientInfo };
  "client.reset": { params: Reset; result: Nothing };
  "client.usage": { params: Nothing; result: UsageInfo };
  "client.gc": { params: Nothing; result: GarbageInfo };
  "client.doctor": { params: RunDoctor; result: DoctorInfo };
  "client.metrics": { params: Nothing; result: Metrics };
  "halo.identity": { params: Nothing; result: IdentityInfo | null };
  "halo.createIdentity": { params: ProfileParams; result: IdentityInfo };
  "halo.updateProfile": { params: ProfileParams; result: IdentityInfo };
  "halo.devices": { params: Nothing; result: DeviceInfo[] };
  "halo.renameDevice": { params: RenameDevice; result: Nothing };
  "halo.revokeDevice": { params: DeviceParams; result: Nothing };
  "halo.setDevicePreference": { params: SetDevicePreference; result: Nothing };
  "halo.contacts": { params: Nothing; result: ContactInfo[] };
  "halo.credentials": { params: Nothing; result: CredentialInfo[] };
  "halo.presentCredentials": { params: PresentCredentials; result: PresentationInfo };
  "halo.createRecoveryPhrase": { params: Nothing; result: RecoveryPhraseInfo };
  "halo.recoverIdentity": { params: RecoverIdentity; result: IdentityInfo };
  "halo.createInvitation": { params: DeviceInvitationParams; result: InvitationInfo };
  "halo.invitations": { params: Nothing; result: InvitationInfo[] };
  "halo.cancelInvitation": { params: InvitationParams; result: Nothing };
  "halo.acceptInvitation": { params: AcceptDeviceInvitation; result: FlowInfo };
  "echo.spaces": { params: Nothing; result: SpaceInfo[] };
  "echo.space": { params: SpaceParams; result: SpaceInfo };
  "echo.createSpace": { params: CreateSpace; result: SpaceInfo };
  "echo.updateSpace": { params: UpdateSpace; result: SpaceInfo };
  "echo.openSpace": { params: SpaceParams; result: SpaceInfo };
  "echo.closeSpace": { params: SpaceParams; result: SpaceInfo };
  "echo.deleteSpace": { params: DeleteSpace; result: Nothing };
  "echo.stats": { params: SpaceParams; result: SpaceStatsInfo };
  "echo.syncStatus": { params: ReadSyncStatus; result: SyncStatusInfo };
  "echo.epochs": { params: SpaceParams; result: EpochInfo[] };
  "echo.createEpoch": { params: CreateEpoch; result: EpochInfo };
  "echo.trim": { params: TrimSpace; result: TrimmedInfo };
  "echo.erase": { params: CreateEpoch; result: ErasureInfo };
  "echo.erasure": { params: SpaceParams; result: ErasureInfo | null };
  "echo.members": { params: SpaceParams; result: MemberInfo[] };
  "echo.removeMember": { params: MemberParams; result: Nothing };
  "echo.updateMemberRole": { params: UpdateMemberRole; result: Nothing };
  "echo.leaveSpace": { params: LeaveSpace; result: Nothing };
  "echo.createInvitation": { params: SpaceInvitationParams; result: InvitationInfo };
  "echo.invitations": { params: SpaceParams; result: InvitationInfo[] };
  "echo.cancelInvitation": { params: SpaceInvitationRef; result: Nothing };
  "echo.acceptInvitation": { params: AcceptInvitation; result: FlowInfo };
  "echo.apply": { params: Apply; result: Applied };
  "echo.flush": { params: SpaceParams; result: Nothing };
  "echo.object": { params: ObjectParams; result: ObjectInfo | null };
  "echo.query": { params: RunQuery; result: QueryPage };
  "echo.page": { params: ReadPage; result: CursorPage };
  "echo.count": { params: AskQuery; result: CountInfo };
  "echo.groupCount": { params: GroupCount; result: GroupInfo[] };
  "echo.explain": { params: AskQuery; result: ExplanationInfo };
  "echo.parseQuery": { params: QueryText; result: QuerySpec };
  "echo.formatQuery": { params: FormatQuery; result: QueryText };
  "echo.queues": { params: SpaceParams; result: QueueInfo[] };
  "echo.appendItems": { params: AppendItems; result: AppendedInfo };
  "echo.readQueue": { params: ReadQueue; result: QueuePageInfo };
  "echo.readItems": { params: ReadItems; result: QueueItemInfo[] };
  "echo.setRetention": { params: SetRetention; result: Nothing };
  "echo.resolve": { params: ResolveRef; result: ResolvedRef };
  "echo.dangling": { params: SpaceParams; result: DanglingInfo[] };
  "echo.schemas": { params: SpaceParams; result: SchemaInfo[] };
  "echo.putSchema": { params: PutSchema; result: Nothing };
  "echo.conflicts": { params: ObjectParams; result: ConflictInfo[] };
  "echo.history": { params: ReadHistory; result: HistoryPageInfo };
  "echo.undo": { params: Undo; result: UndoneInfo };
  "echo.timeframe": { params: SpaceParams; result: TimeframeInfo };
  "echo.objectAt": { params: ObjectAt; result: ObjectInfo | null };
  "echo.queryAt": { params: QueryAt; result: QueryPage };
  "echo.diff": { params: Diff; result: ObjectDiff[] };
  "echo.credentials": { params: SpaceParams; result: CredentialInfo[] };
  "echo.feeds": { params: SpaceParams; result: FeedInfo[] };
  "echo.blocks": { params: ReadBlocks; result: BlockPage };
  "echo.stateHash": { params: SpaceParams; result: StateHashInfo };
  "echo.postMessage": { params: PostMessage; result: Nothing };
  "archive.create": { params: CreateArchive; result: ArchiveInfo };
  "archive.read": { params: ReadArchive; result: ArchivePart };
  "archive.write": { params: WriteArchive; result: ArchiveWritten };
  "archive.inspect": { params: InspectArchive; result: ArchiveContentsInfo };
  "archive.restore": { params: RestoreArchive; result: SpaceInfo };
  "archive.drop": { params: ArchiveParams; result: Nothing };
  "text.edit": { params: EditText; result: TextEdited };
  "text.mark": { params: MarkText; result: TextEdited };
  "text.undo": { params: TextParams; result: TextStepped };
  "text.redo": { params: TextParams; result: TextStepped };
  "text.flush": { params: TextParams; result: Nothing };
  "text.setCursor": { params: SetCursor; result: Nothing };
  "invitation.flows": { params: Nothing; result: FlowInfo[] };
  "invitation.authenticate": { params: Authenticate; result: FlowInfo };
  "invitation.cancel": { params: FlowParams; result: Nothing };
  "invitation.read": { params: ReadInvitation; result: InvitationText };
  "mesh.networkStatus": { params: Nothing; result: NetworkInfo };
  "mesh.setConnectionState": { params: SetConnection; result: Nothing };
  "mesh.addPeer": { params: AddPeer; result: Nothing };
}

/** What the notifications of each topic say. */
export interface Topics {
  "status": { value: ClientInfo; change: never };
  "identity": { value: IdentityInfo | null; change: never };
  "devices": { value: DeviceInfo[]; change: never };
  "contacts": { value: ContactInfo[]; change: never };
  "credentials": { value: CredentialInfo[]; change: never };
  "spaces": { value: SpaceInfo[]; change: never };
  "space": { value: SpaceInfo; change: never };
  "members": { value: MemberInfo[]; change: never };
  "syncStatus": { value: SyncStatusInfo; change: never };
  "epochs": { value: EpochInfo[]; change: never };
  "erasure": { value: ErasureInfo | null; change: never };
  "queues": { value: QueueInfo[]; change: never };
  "queue": { value: QueueInfo | null; change: never };
  "query": { value: QueryPart; change: QueryChange };
  "object": { value: ObjectInfo | null; change: never };
  "text": { value: TextValue; change: TextChangeInfo };
  "cursors": { value: CursorInfo[]; change: never };
  "spaceInvitations": { value: InvitationInfo[]; change: never };
  "haloInvitations": { value: InvitationInfo[]; change: never };
  "invitation": { value: InvitationInfo; change: never };
  "flow": { value: FlowInfo; change: never };
  "networkStatus": { value: NetworkInfo; change: never };
  "metrics": { value: Metrics; change: never };
  "messages": { value: Messages; change: Messages };
}

/** The codes of errors. */
export const ErrorCode = {
  PARSE: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL: -32603,
  UNAUTHENTICATED: -32001,
  VERSION: -32002,
  LIMIT: -32003,
  STALE: -32004,
  NOT_READY: -32005,
  NO_IDENTITY: -32006,
  NOT_PERMITTED: -32007,
  NOT_FOUND: -32008,
  REFUSED: -32009,
  INVITATION: -32010,
  NETWORK: -32011,
  FAILED: -32012,
} as const;
