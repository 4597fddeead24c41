//! Every bound on what a peer, a file or a caller can make us hold. A value beyond its bound is
//! refused with an error that names it; nothing is cut silently.

/// Content of one frame on a stream: 1 MiB.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Body of one block, sealed: 768 KiB, so that a block always fits in a frame.
pub const BODY_BYTES_MAX: usize = 768 * 1024;

/// Header of one block: 64 KiB.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Other feeds that one block may name: 1,024.
pub const DEPS_MAX: usize = 1024;

/// Bytes of blocks in one run: 256 KiB, or a single larger block.
pub const RUN_BYTES_MAX: usize = 256 * 1024;

/// Blocks in one run: 4,096.
pub const RUN_BLOCKS_MAX: usize = 4096;

/// Feeds in one space: 65,536.
pub const FEEDS_MAX: usize = 65_536;

/// Feeds named in one message: 8,192. More are sent in several.
pub const FEEDS_PER_MESSAGE_MAX: usize = 8_192;

/// Blocks of one space that wait for others they depend on: 4,096.
pub const WAITING_BLOCKS_MAX: usize = 4096;

/// Bytes of blocks of one space that wait for others they depend on: 16 MiB.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Branches of one forked feed that its device is told of at once: 64.
pub const TIPS_PER_MESSAGE_MAX: usize = 64;

/// Feeds of which one receipt speaks: 4,096. Of others it says nothing.
pub const RECEIPT_FEEDS_MAX: usize = 4_096;

/// Operations in one transaction: 65,536.
pub const OPS_MAX: usize = 65_536;

/// Nesting of a value: 64 levels.
pub const VALUE_DEPTH_MAX: usize = 64;

/// A property path: 64 parts, each of at most 1 KiB.
pub const PATH_PARTS_MAX: usize = 64;

/// One part of a property path: 1 KiB.
pub const PATH_PART_BYTES_MAX: usize = 1024;

/// Credentials in a device chain: 32.
pub const CHAIN_LENGTH_MAX: usize = 32;

/// Active devices and recovery keys of one identity in one space, together: 128.
pub const DEVICES_PER_IDENTITY_MAX: usize = 128;

/// One credential, encoded: 512 KiB.
pub const CREDENTIAL_BYTES_MAX: usize = 512 * 1024;

/// A device chain, as text: 16 KiB.
pub const CHAIN_TEXT_BYTES_MAX: usize = 16 * 1024;

/// A presentation, encoded: 256 KiB.
pub const PRESENTATION_BYTES_MAX: usize = 256 * 1024;

/// Credentials that one presentation may show: 64.
pub const PRESENTATION_CREDENTIALS_MAX: usize = 64;

/// A display name: 256 bytes.
pub const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// A profile, besides the display name: 4 KiB.
pub const PROFILE_BYTES_MAX: usize = 4096;

/// The name of a preference of a device: 256 bytes.
pub const PREFERENCE_KEY_BYTES_MAX: usize = 256;

/// The value of a preference of a device: 4 KiB.
pub const PREFERENCE_VALUE_BYTES_MAX: usize = 4096;

/// An invitation, as text: 4 KiB.
pub const INVITATION_TEXT_BYTES_MAX: usize = 4096;

/// Devices named in an invitation as its hosts: eight.
pub const INVITATION_HOSTS_MAX: usize = 8;

/// Wrong codes that an invitation survives, over all connections: three.
pub const INVITATION_ATTEMPTS_MAX: u8 = 3;

/// Parts of what a device shows to be let into a swarm: 512.
pub const EVIDENCE_PARTS_MAX: usize = 512;

/// Blocks in the ticket that a new member gets, over all its parts: 64 MiB. What a device shows to
/// be let in is bounded by the same.
pub const TICKET_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Malformed or refused messages after which a session is ended: four.
pub const OFFENCES_MAX: u32 = 4;

/// Open connections that one endpoint accepts: 1,024.
pub const CONNECTIONS_MAX: usize = 1024;

/// Streams that a peer may have open at once on one connection: 64.
pub const STREAMS_MAX: u32 = 64;

/// Addresses that a peer may announce: 16.
pub const ADDRESSES_MAX: usize = 16;

/// Topics that one device may announce at a rendezvous server: 1,024.
pub const TOPICS_PER_DEVICE_MAX: usize = 1024;

/// Devices of one topic that a rendezvous server tells of at once: 64.
pub const PEERS_PER_ANSWER_MAX: usize = 64;

/// Payload of one ephemeral (gossip) message: 64 KiB.
pub const GOSSIP_BYTES_MAX: usize = 64 * 1024;
