//! Following the HALO space: whatever one device of the identity learns, the others do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use dxos_keys::{DeviceKey, SpaceKey, Topic};
use dxos_protocol::echo::{
    OwnDevices, SetMemberProfile, SpaceReason, SpaceReport, UseDevices, WatchSealing, WatchSpace,
};
use dxos_protocol::halo::{DropFormerKey, DropRecoverySecret, RenewSealingKey, SetProfile};
use dxos_protocol::mesh::{AddPeer, NetworkStatus};
use dxos_store::{Batch, Durability};
use tokio::sync::watch;

use super::records::{self, Change, Records, SpaceRecord};
use super::{ECHO, HALO, HALO_SPACE, Keeper, RECOVERED};
use crate::ClientError;

/// How often it is looked at all the same.
const INTERVAL: Duration = Duration::from_secs(10);
/// Changes that come within this time are looked at together.
const PAUSE: Duration = Duration::from_millis(20);
/// How long what opens the keys that were sealed for a recovery phrase is kept at most.
const SECRET_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Where it is noted that a secret that was destroyed may still be in the files of the store.
const TRACES: &[u8] = b"traces";
/// How exactly it is kept when a device was last online.
const SEEN_EVERY_MS: u64 = 10 * 60 * 1000;

impl Keeper {
    /// Begins to follow the HALO space, once.
    pub(super) fn follow(self: &Arc<Self>) -> Result<(), ClientError> {
        if self.following.swap(true, Ordering::AcqRel) {
            self.nudge();
            return Ok(());
        }
        let keeper = Arc::clone(self);
        let started = self
            .spawner
            .spawn("identity", move || async move { keeper.run().await });
        Ok(started.map_err(crate::NodeError::from)?)
    }

    async fn run(self: Arc<Self>) {
        let mut sealing = self.echo.watch_sealing().ask(WatchSealing).await.ok();
        while !self.is_closed() {
            if let Some(sealing) = &mut sealing {
                sealing.mark_unchanged();
            }
            if let Err(error) = self.step().await {
                tracing::debug!(%error, "the identity's space was not followed");
            }
            self.wait(sealing.as_mut()).await;
        }
    }

    /// Waits until something may have changed.
    async fn wait(&self, sealing: Option<&mut watch::Receiver<u64>>) {
        let halo = self.halo_space();
        let watched = match halo {
            Some(space) => self.echo.watch_space().ask(WatchSpace { space }).await.ok(),
            None => None,
        };
        let mut met = self.network.get().map(|network| network.mesh.report());
        // What is so already was looked at just now.
        if let Some(report) = &mut met {
            report.mark_unchanged();
        }
        let met = async {
            match &mut met {
                Some(report) => drop(report.changed().await),
                None => std::future::pending().await,
            }
        };
        let news = async {
            match watched {
                Some(Ok(mut report)) => drop(report.changed().await),
                _ => std::future::pending().await,
            }
        };
        let sealing = async {
            match sealing {
                Some(sealing) => drop(sealing.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.changed.notified() => {}
            () = sealing => {}
            () = news => {}
            () = met => {}
            () = self.clock.sleep(INTERVAL) => {}
        }
        self.clock.sleep(PAUSE).await;
    }

    /// Looks at everything once: the HALO space says which devices and spaces there are, and what
    /// is shown of the identity.
    pub(super) async fn step(self: &Arc<Self>) -> Result<(), ClientError> {
        let Some(halo) = self.halo_space() else {
            return Ok(());
        };
        let mut devices = self.own_devices().await?;
        if std::mem::take(&mut devices.settled) || self.recovered_long_ago()? {
            // Every key that was sealed for a phrase is sealed for this device now, or some will
            // not come any more.
            let dropped = self
                .halo
                .drop_recovery_secret()
                .ask(DropRecoverySecret)
                .await;
            dropped.map_err(ClientError::unanswered(HALO))??;
        }
        self.renew_sealing_key(&mut devices).await?;
        let told = UseDevices {
            devices,
            at_once: false,
        };
        let told = self.echo.use_devices().ask(told).await;
        told.map_err(ClientError::unanswered(ECHO))??;
        self.announce_recovery_keys().await?;
        let records = Records::read(&self.echo, halo).await?;
        let reports = self.reports().await?;
        if !reports
            .iter()
            .any(|report| report.space == halo && report.role.is_some())
        {
            // Nothing of it is here yet, or this device was revoked.
            return Ok(());
        }
        self.remember_peers().await?;
        self.follow_move(&records, &reports).await?;
        self.take_up_spaces(&records, &reports).await?;
        self.keep(halo, &records, &reports).await?;
        self.show_profile(&records, &reports).await
    }

    /// Makes another encryption key for this device when the one that it has opens what was to be
    /// destroyed, and destroys that one as soon as no space needs it.
    async fn renew_sealing_key(&self, devices: &mut OwnDevices) -> Result<(), ClientError> {
        let opens_destroyed = std::mem::take(&mut devices.opens_destroyed);
        let resealed = devices.resealed.take();
        let authority = self.authority().await?;
        if authority.former.is_some() {
            if resealed != Some(authority.sealing.sealing_key()) {
                return Ok(());
            }
            if let Some(invitations) = self.invitations.get().and_then(Weak::upgrade) {
                let resealed = invitations.reseal(&authority);
                resealed.map_err(crate::NodeError::from)?;
            }
            self.note_traces(true)?;
            let dropped = self.halo.drop_former_key().ask(DropFormerKey).await;
            dropped.map_err(ClientError::unanswered(HALO))??;
            tracing::info!("the encryption key that this device had before is destroyed");
        } else if opens_destroyed {
            let renewed = self.halo.renew_sealing_key().ask(RenewSealingKey).await;
            renewed.map_err(ClientError::unanswered(HALO))??;
        } else {
            return self.compact().await;
        }
        self.use_authority().await?;
        self.nudge();
        Ok(())
    }

    /// Notes whether the secret that was destroyed last may still be in the files of the store.
    fn note_traces(&self, has_traces: bool) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        if has_traces {
            batch.put(HALO_SPACE, TRACES, vec![1]);
        } else {
            batch.delete(HALO_SPACE, TRACES);
        }
        let noted = self.store.commit(batch, Durability::Synced);
        Ok(noted.map_err(crate::NodeError::from)?)
    }

    /// Has the store give up a secret that was destroyed: a row is deleted by writing that it is.
    async fn compact(&self) -> Result<(), ClientError> {
        let traces = self.store.contains(HALO_SPACE, TRACES);
        if !traces.map_err(crate::NodeError::from)? {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let compacted = self.spawner.blocking(move || store.compact()).await;
        let compacted = compacted.map_err(crate::NodeError::from)?;
        compacted.map_err(crate::NodeError::from)?;
        self.note_traces(false)
    }

    /// Whether the phrase was used so long ago that what was not opened since is given up: its
    /// secret opens every key that is sealed for it later, too, and is not to lie here for ever
    /// because of a space that nobody has any more.
    fn recovered_long_ago(&self) -> Result<bool, ClientError> {
        let stored = self.store.get(HALO_SPACE, RECOVERED);
        let stored = stored.map_err(crate::NodeError::from)?;
        let at_ms = stored.and_then(|bytes| bytes.first_chunk().copied().map(u64::from_be_bytes));
        let until_ms = at_ms.unwrap_or_default().saturating_add(SECRET_MS);
        Ok(self.clock.wall_ms() > until_ms)
    }

    /// An identity that was recovered has another HALO space; the devices that were not lost after
    /// all go over to that one.
    async fn follow_move(
        &self,
        records: &Records,
        reports: &[SpaceReport],
    ) -> Result<(), ClientError> {
        let own = self.halo_space();
        if let Some(next) = records.moved_to.filter(|next| Some(*next) != own)
            && self.adopt_space(next).await?
        {
            for (device, addresses) in self.known_addresses(own)? {
                self.tell_address(next, device, addresses).await;
            }
            match reports.iter().find(|report| report.space == next) {
                Some(report) if report.role.is_none() => {}
                Some(report) if report.sole_creator.is_some() => {
                    self.store_space(next)?;
                    self.space.send_replace(Some(next));
                    self.nudge();
                }
                Some(_) => tracing::warn!(
                    space = %next.short(),
                    "the identity is said to keep its devices in a space that is not its own, \
                     which is ignored"
                ),
                None => {}
            }
        }
        let former = self.former_among(reports)?;
        if let (Some(former), Some(own)) = (former, own) {
            let there = Records::read(&self.echo, former).await?;
            match there.moved_to {
                Some(next) if next == own => {}
                // It was recovered twice. All devices meet in the one with the lesser key.
                Some(next) if next < own && self.is_taken_up(next, reports).await? => {
                    records::write(&self.echo, own, vec![Change::MovedTo(next)]).await?;
                }
                _ => records::write(&self.echo, former, vec![Change::MovedTo(own)]).await?,
            }
            let new = there
                .spaces
                .into_values()
                .filter(|record| !records.spaces.contains_key(&record.space));
            let names = there.devices.into_iter().filter_map(|(device, record)| {
                let known = records
                    .devices
                    .get(&device)
                    .and_then(|known| known.name.as_ref());
                match (known, record.name) {
                    (None, Some(name)) => Some(Change::Name(device, name)),
                    _ => None,
                }
            });
            let changes = new.map(Change::Space).chain(names).collect();
            records::write(&self.echo, own, changes).await?;
        }
        Ok(())
    }

    /// Takes up a space that is said to be that of the identity; whether it is known to be by now.
    async fn is_taken_up(
        &self,
        space: SpaceKey,
        reports: &[SpaceReport],
    ) -> Result<bool, ClientError> {
        self.adopt_space(space).await?;
        let report = reports.iter().find(|report| report.space == space);
        Ok(report.is_some_and(|report| report.role.is_some() && report.sole_creator.is_some()))
    }

    /// Takes up the spaces that another device of the identity knows.
    async fn take_up_spaces(
        &self,
        records: &Records,
        reports: &[SpaceReport],
    ) -> Result<(), ClientError> {
        let here: BTreeSet<SpaceKey> = reports.iter().map(|report| report.space).collect();
        for (space, record) in &records.spaces {
            if here.contains(space) {
                // Other devices of the identity may have met somebody that this one has not.
                let known = self.known_addresses(Some(*space))?;
                for (device, addresses) in &record.peers {
                    if !known.iter().any(|(known, _)| known == device) {
                        self.tell_address(*space, *device, addresses.clone()).await;
                    }
                }
                continue;
            }
            if !self.adopt_space(*space).await? {
                continue;
            }
            tracing::info!(space = %space.short(), "taken up from another device of the identity");
            let own = self.known_addresses(self.halo_space())?;
            for (device, addresses) in record.peers.iter().chain(&own) {
                self.tell_address(*space, *device, addresses.clone()).await;
            }
        }
        Ok(())
    }

    /// Remembers where the devices are that have found this one: a connection comes from the
    /// address at which its other end listens.
    async fn remember_peers(&self) -> Result<(), ClientError> {
        let Some(network) = self.network.get() else {
            return Ok(());
        };
        let status = network.mesh.status().ask(NetworkStatus).await;
        let status = status.map_err(ClientError::unanswered("MESH"))?;
        let at: BTreeMap<_, _> = status
            .connections
            .into_iter()
            .filter_map(|connection| Some((connection.device, connection.address?)))
            .collect();
        let known = self.address_book.peers().map_err(crate::NodeError::from)?;
        for swarm in status.swarms {
            for device in swarm.sessions {
                let mut known = known.iter();
                let is_known = known.any(|peer| peer.topic == swarm.topic && peer.device == device);
                let Some(address) = at.get(&device).filter(|_| !is_known) else {
                    continue;
                };
                let peer = AddPeer {
                    device,
                    addresses: vec![address.clone()],
                    topic: swarm.topic,
                };
                let kept = self.address_book.remember(&peer);
                kept.map_err(crate::NodeError::from)?;
            }
        }
        Ok(())
    }

    /// Where the devices of a space were met.
    fn known_addresses(
        &self,
        space: Option<SpaceKey>,
    ) -> Result<Vec<(DeviceKey, Vec<String>)>, ClientError> {
        let topic = space.map(|space| Topic::of_space(&space));
        let peers = self.address_book.peers().map_err(crate::NodeError::from)?;
        let own = peers.into_iter().filter(|peer| Some(peer.topic) == topic);
        Ok(own.map(|peer| (peer.device, peer.addresses)).collect())
    }

    /// Tells MESH where a device of a space may be reached, and remembers it.
    pub(super) async fn tell_address(
        &self,
        space: SpaceKey,
        device: DeviceKey,
        addresses: Vec<String>,
    ) {
        if addresses.is_empty() || device == self.halo.signer().device() {
            return;
        }
        let peer = AddPeer {
            device,
            addresses,
            topic: Topic::of_space(&space),
        };
        if let Err(error) = self.address_book.remember(&peer) {
            tracing::warn!(%error, "an address could not be kept");
        }
        let Some(network) = self.network.get() else {
            return;
        };
        if let Ok(Err(error)) = network.mesh.add_peer().ask(peer).await {
            tracing::debug!(%error, "an address is of no use");
        }
    }

    /// Keeps what this device knows for the others.
    async fn keep(
        &self,
        halo: SpaceKey,
        records: &Records,
        reports: &[SpaceReport],
    ) -> Result<(), ClientError> {
        let mut changes = Vec::new();
        for report in reports {
            // What is not all here yet may never be.
            let is_partial = report.reason == Some(SpaceReason::Restoring);
            if self.is_halo(report) || report.role.is_none() || is_partial {
                continue;
            }
            let mut peers: BTreeMap<_, _> = self
                .known_addresses(Some(report.space))?
                .into_iter()
                .collect();
            if let Some(network) = self.network.get() {
                peers.insert(self.halo.signer().device(), network.addresses());
            }
            peers.retain(|_, addresses| !addresses.is_empty());
            let known = records.spaces.get(&report.space);
            let known: BTreeMap<_, _> =
                known.map_or_else(BTreeMap::new, |known| known.peers.iter().cloned().collect());
            // Addresses are added and not fought over: each device knows some of them best.
            let full = known.len() >= records::PEERS_MAX;
            let new = !full && peers.keys().any(|device| !known.contains_key(device));
            if !records.spaces.contains_key(&report.space) || new {
                peers.retain(|device, _| !known.contains_key(device));
                changes.push(Change::Space(SpaceRecord {
                    space: report.space,
                    peers: peers.into_iter().collect(),
                }));
            }
        }
        let now_ms = self.clock.wall_ms();
        let own = self.halo.signer().device();
        let online = reports.iter().filter(|report| report.space == halo);
        let online = online.flat_map(|report| report.peers.iter().copied());
        for device in online.chain([own]).collect::<BTreeSet<_>>() {
            let seen = records
                .devices
                .get(&device)
                .and_then(|device| device.last_seen_ms);
            if seen.is_none_or(|seen| seen.saturating_add(SEEN_EVERY_MS) <= now_ms) {
                changes.push(Change::Seen(device, now_ms));
            }
        }
        let platform = records
            .devices
            .get(&own)
            .and_then(|own| own.platform.as_ref());
        if platform.is_none() {
            changes.push(Change::Platform(own, super::devices::platform()));
        }
        records::write(&self.echo, halo, changes).await
    }

    /// Has every space show what the identity wants others to be shown.
    async fn show_profile(
        &self,
        records: &Records,
        reports: &[SpaceReport],
    ) -> Result<(), ClientError> {
        let Some(profile) = &records.profile else {
            return Ok(());
        };
        let identity = self.identity().await?;
        if identity.is_some_and(|identity| identity.profile != *profile) {
            let set = SetProfile {
                profile: profile.clone(),
            };
            let set = self.halo.set_profile().ask(set).await;
            set.map_err(ClientError::unanswered(HALO))??;
        }
        for report in reports.iter().filter(|report| report.role.is_some()) {
            let show = SetMemberProfile {
                space: report.space,
                profile: profile.clone(),
            };
            let shown = self.echo.set_member_profile().ask(show).await;
            if let Err(error) = shown.map_err(ClientError::unanswered(ECHO))? {
                tracing::debug!(%error, space = %report.space.short(), "the profile is not shown");
            }
        }
        Ok(())
    }
}
