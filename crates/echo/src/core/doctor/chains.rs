//! Whether the blocks of every feed are there, and are what their writers signed.

use std::sync::Arc;

use bytes::Bytes;
use dxos_feed::{FeedState, Floor};
use dxos_keys::{BlockHash, DeviceKey, FeedId};
use dxos_protocol::echo::{Checkup, FindingKind};
use dxos_store::{Direction, KeyRange, Read, StoreError};

use super::super::layout::{BLOCKS, FEEDS, SpaceNumber, in_space, split_block};
use super::super::space::decode_row;
use super::{Floors, note};

/// Checks all feeds of a space on this device.
pub(super) fn check(
    (number, own): (SpaceNumber, DeviceKey),
    floors: &Floors,
    store: &dyn Read,
    checkup: &mut Checkup,
) {
    let prefix = in_space(number, b"");
    for row in store.scan(FEEDS, KeyRange::prefix(&prefix), Direction::Forward) {
        let (key, value) = match row {
            Ok(row) => row,
            Err(error) => return unreadable(&error, checkup),
        };
        let feed = key.get(prefix.len()..).and_then(FeedId::from_slice);
        let state = decode_row::<FeedState>("feed", &value);
        match (feed, state) {
            (Some(feed), Ok(state)) if state.descriptor.id() == feed => {
                let parts = (&state, floors.get(&feed));
                if let Err(error) = check_feed(&feed, own, parts, store, checkup) {
                    return unreadable(&error, checkup);
                }
            }
            (Some(feed), _) => note(
                checkup,
                FindingKind::Feed,
                format!("the state of feed {feed} cannot be read, or is of another feed"),
            ),
            (None, _) => note(checkup, FindingKind::Feed, "a feed has no name".to_owned()),
        }
    }
}

fn unreadable(error: &StoreError, checkup: &mut Checkup) {
    note(checkup, FindingKind::Store, error.to_string());
}

fn check_feed(
    feed: &FeedId,
    own: DeviceKey,
    (state, floor): (&FeedState, Option<&Arc<Floor>>),
    store: &dyn Read,
    checkup: &mut Checkup,
) -> Result<(), StoreError> {
    // The first block for which nothing vouches so far, and whether what follows is unsigned.
    let mut unsigned: Option<(u64, bool)> = None;
    let mut seq = 0;
    let mut prev = BlockHash::from_bytes([0; 32]);
    for row in store.scan(
        BLOCKS,
        KeyRange::prefix(feed.as_bytes()),
        Direction::Forward,
    ) {
        let (key, value): (Bytes, Bytes) = row?;
        let at = key.get(32..).and_then(|seq| seq.first_chunk().copied());
        let Some(at) = at.map(u64::from_be_bytes) else {
            continue;
        };
        checkup.blocks += 1;
        // Whether the hash of the block before is known.
        let mut follows = true;
        if at != seq {
            match floor {
                // What is missing before it, a snapshot stands for.
                Some(floor) if at <= floor.length => {
                    follows = at == floor.length;
                    prev = floor.head;
                }
                _ => missing(feed, seq, at, checkup),
            }
            seq = at;
        }
        let mut wrong = |what: &str| {
            let text = format!("block {at} of feed {feed} {what}");
            note(checkup, FindingKind::Block, text);
        };
        match split_block(&value) {
            None => wrong("cannot be read"),
            Some((hash, block)) => {
                if !follows {
                    // Only the next one can be checked against it.
                } else if block.hash(feed, at, &prev) != hash {
                    wrong("is not what its hash says, or follows on another one");
                }
                if block.is_signed_by(&state.descriptor.device, &hash) {
                    unsigned = None;
                } else {
                    let (from, without) = unsigned.unwrap_or((at, true));
                    unsigned = Some((from, without && block.signature.is_none()));
                }
                if at >= state.length {
                    wrong("is beyond the end of its feed");
                }
                prev = hash;
            }
        }
        seq += 1;
    }
    // What this device wrote last it signs before anybody is shown it, and a proof vouches for what
    // is before a cut.
    let is_own = state.descriptor.device == own;
    if let Some((from, without)) = unsigned
        && state.fork.is_none()
        && !(is_own && without)
    {
        let text = format!("block {from} of feed {feed} was not signed by its device");
        note(checkup, FindingKind::Block, text);
    }
    if let Some(floor) = floor.filter(|floor| seq < floor.length) {
        (seq, prev) = (floor.length, floor.head);
    }
    if seq < state.length {
        missing(feed, seq, state.length, checkup);
    } else if state.length > 0 && prev != state.head && seq == state.length {
        let text = format!("feed {feed} ends in another block than it should");
        note(checkup, FindingKind::Feed, text);
    }
    Ok(())
}

fn missing(feed: &FeedId, from: u64, until: u64, checkup: &mut Checkup) {
    let text = match until - from {
        1 => format!("block {from} of feed {feed} is missing"),
        count => format!("{count} blocks of feed {feed} are missing, from {from} on"),
    };
    note(checkup, FindingKind::Block, text);
}
