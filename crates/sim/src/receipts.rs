//! Receipts while a world runs: what a device is said to have stored, is on its disk, or was when
//! it signed that.
//!
//! At random instants somebody is asked who stored what, and one of those it speaks of is looked
//! at: a client without a network is opened on what a loss of power would leave of its disk just
//! then. What stands in that client's feeds, every block of it checked, is what may be said.
//!
//! A disk that was restored from a backup may lack what its device signed before, and a feed that
//! was cut what it had beyond the cut.

use std::collections::{BTreeMap, BTreeSet};

use dxos_client::{DeviceKey, ObjectId, Space, SyncStatus, Value};
use dxos_keys::FeedId;
use dxos_protocol::echo::MISSING_RANGES_MAX;
use dxos_store::MemSnapshot;

use crate::peer::{Peer, Sight};
use crate::{Violation, World};

type Lengths = BTreeMap<FeedId, u64>;

/// What a disk held before a backup was put back onto it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    feeds: Lengths,
    /// The number of the last receipt that its device may have signed until then.
    receipt: u64,
}

/// What somebody says that others have stored.
struct Claims {
    feeds: Lengths,
    status: SyncStatus,
    /// An object with its marks, and who is said to have it with all of them.
    object: Option<(ObjectId, BTreeSet<i64>, Vec<DeviceKey>)>,
}

/// What a disk holds.
struct Held {
    feeds: Lengths,
    /// Where feeds were cut.
    cut: Lengths,
    marks: Option<BTreeSet<i64>>,
    /// The number of the last receipt of its device.
    receipt: u64,
}

impl World {
    /// Asks somebody who stored what, now and then, and looks whether that is so.
    pub(crate) async fn look_at_receipts(&mut self) -> Result<(), Violation> {
        if self.looks.percent(6) {
            self.look_at(None).await?;
        }
        Ok(())
    }

    /// Looks whether somebody is said to have stored what the power took from it.
    pub(crate) async fn look_at_crashed(&mut self, index: usize) -> Result<(), Violation> {
        if self.looks.percent(50) {
            self.look_at(Some(index)).await?;
        }
        Ok(())
    }

    async fn look_at(&mut self, of: Option<usize>) -> Result<(), Violation> {
        let running = self.running();
        let Some(index) = self.looks.pick(&running) else {
            return Ok(());
        };
        let object = self.looks.pick(&self.objects);
        let teller = self.peer(index)?;
        if teller.lacks_room() {
            return Ok(());
        }
        let Some(claims) = claims(teller, object).await? else {
            return Ok(());
        };
        let said = |peer: &&Peer| {
            let mut devices = claims.status.devices.iter();
            devices.any(|of| of.device == peer.device && of.receipt.is_some() && !of.withdrawn)
        };
        let of: Vec<usize> = (self.peers.iter().filter(said))
            .map(|peer| peer.index)
            .filter(|index| of.is_none_or(|of| of == *index))
            .collect();
        let Some(of) = self.looks.pick(&of) else {
            return Ok(());
        };
        let peer = self.peer(of)?;
        let held = self.held(peer, &peer.disk.durable(), object).await?;
        check(index, peer, &claims, &held)?;
        self.counts.receipts_checked += 1;
        Ok(())
    }

    /// What a disk holds on which another image is about to be put.
    pub(crate) async fn before_restore(&self, index: usize) -> Result<Before, Violation> {
        let peer = self.peer(index)?;
        let held = self.held(peer, &peer.disk.snapshot(), None).await?;
        let mut before = peer.before.clone();
        for (feed, length) in held.feeds {
            let known = before.feeds.entry(feed).or_default();
            *known = length.max(*known);
        }
        // A loss of power may have taken one that others have heard of.
        before.receipt = before.receipt.max(held.receipt + 1);
        Ok(before)
    }

    /// Opens what is on a disk, and looks what is there.
    async fn held(
        &self,
        peer: &Peer,
        image: &MemSnapshot,
        object: Option<ObjectId>,
    ) -> Result<Held, Violation> {
        let mut shadow = peer.shadow(image).await?;
        let held = held_by(&shadow, object).await;
        shadow.stop().await?;
        held
    }
}

async fn lengths(peer: &Peer, space: &Space) -> Result<Lengths, Violation> {
    let feeds = peer.answered("list feeds", space.feeds()).await?;
    let feeds = feeds.into_iter().filter(|feed| feed.applied > 0);
    Ok(feeds.map(|feed| (feed.feed, feed.applied)).collect())
}

async fn marks(
    peer: &Peer,
    space: &Space,
    object: ObjectId,
) -> Result<Option<BTreeSet<i64>>, Violation> {
    let Sight::Clear(found) = peer.see(&space.db(), object).await? else {
        return Ok(None);
    };
    let number = |mark: &Value| match mark {
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let marks = match found.as_ref().and_then(|found| found.get("marks")) {
        Some(Value::Set(set)) => set.iter().filter_map(number).collect(),
        _ => BTreeSet::new(),
    };
    Ok(Some(marks))
}

/// What a peer says just now; nothing when more came while it was asked.
async fn claims(peer: &Peer, object: Option<ObjectId>) -> Result<Option<Claims>, Violation> {
    let Some(space) = peer.open_space().await? else {
        return Ok(None);
    };
    let mut of_object = None;
    if let Some(object) = object
        && let Some(marks) = marks(peer, &space, object).await?
    {
        let status = space.object_sync_status(object);
        let status = peer.answered("tell who stored an object", status).await?;
        let stored = status.stored_elsewhere().map(|of| of.device);
        of_object = Some((object, marks, stored.collect()));
    }
    let feeds = lengths(peer, &space).await?;
    let status = peer.answered("tell who stored what", space.sync_status());
    let status = status.await?;
    let same = lengths(peer, &space).await? == feeds;
    Ok(same.then_some(Claims {
        feeds,
        status,
        object: of_object,
    }))
}

async fn held_by(peer: &Peer, object: Option<ObjectId>) -> Result<Held, Violation> {
    let Some(space) = peer.open_space().await? else {
        return Err(peer.not_stored("it has no space".to_owned()));
    };
    let checked = peer
        .answered("check its blocks", space.check(false))
        .await?;
    let mut findings = checked.findings.iter();
    if let Some(finding) = findings.find(|finding| !finding.kind.is_derived()) {
        return Err(peer.not_stored(format!("{finding:?}")));
    }
    let report = peer.answered("report", space.report()).await?;
    let cut = report.forks.iter().map(|fork| (fork.feed, fork.seq));
    let status = peer.answered("tell who stored what", space.sync_status());
    let status = status.await?;
    let own = status.devices.iter().find(|of| of.is_own);
    let marks = match object {
        Some(object) => marks(peer, &space, object).await?,
        None => None,
    };
    Ok(Held {
        feeds: lengths(peer, &space).await?,
        cut: cut.collect(),
        marks,
        receipt: own.and_then(|own| own.receipt).unwrap_or_default(),
    })
}

fn check(teller: usize, peer: &Peer, claims: &Claims, held: &Held) -> Result<(), Violation> {
    let said = claims.status.devices.iter();
    let Some(said) = said.clone().find(|of| of.device == peer.device) else {
        return Ok(());
    };
    let receipt = said.receipt.unwrap_or_default();
    let is_of_before = receipt <= peer.before.receipt;
    let missing: Lengths = (said.missing_ranges.iter())
        .map(|range| (range.feed, range.from))
        .collect();
    for (feed, length) in &claims.feeds {
        let claimed = match missing.get(feed) {
            Some(from) => *from,
            // It may be one that did not fit into the list.
            None if said.missing_ranges.len() >= MISSING_RANGES_MAX => continue,
            None => *length,
        };
        let mut stored = held.feeds.get(feed).copied().unwrap_or_default();
        if is_of_before {
            stored = stored.max(peer.before.feeds.get(feed).copied().unwrap_or_default());
        }
        let was_cut = held.cut.get(feed).is_some_and(|cut| claimed > *cut);
        if claimed > stored && !was_cut {
            return Err(Violation::NotStored {
                peer: peer.index,
                teller: Some(teller),
                reason: format!(
                    "{claimed} blocks of feed {} by receipt {receipt}, and there are {stored}",
                    feed.short()
                ),
            });
        }
    }
    if let Some((object, marks, stored)) = &claims.object
        && let Some(here) = &held.marks
        && stored.contains(&peer.device)
        && !peer.restored
        && let Some(mark) = marks.difference(here).next()
    {
        return Err(Violation::NotStored {
            peer: peer.index,
            teller: Some(teller),
            reason: format!("object {object} with edit {mark}, and that is not there"),
        });
    }
    Ok(())
}

impl Peer {
    fn not_stored(&self, reason: String) -> Violation {
        Violation::NotStored {
            peer: self.index,
            teller: None,
            reason,
        }
    }
}
