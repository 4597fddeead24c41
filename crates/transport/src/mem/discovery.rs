//! Who is in a topic, within one process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dxos_keys::{DeviceKey, Topic};
use tokio::sync::Notify;

use crate::{Announcement, Discovery, DiscoveryError, DiscoveryEvent, PeerAddress, Presence};

/// Discovery among everyone who holds a clone of it.
///
/// ```
/// # use dxos_keys::{DeviceKey, Topic};
/// use dxos_transport::{Announcement, Discovery, DiscoveryEvent, mem::MemDiscovery};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let topic = Topic::from_bytes([0; 32]);
/// # let me = |byte| Announcement { device: DeviceKey::from_bytes([byte; 32]), addresses: vec![] };
/// let discovery = MemDiscovery::default();
/// let mut alice = discovery.join(topic, me(1)).await?;
/// let bob = discovery.join(topic, me(2)).await?;
/// assert!(matches!(alice.next().await, Some(DiscoveryEvent::PeerFound { .. })));
/// drop(bob);
/// assert!(matches!(alice.next().await, Some(DiscoveryEvent::PeerLost { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemDiscovery(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Topic, BTreeMap<u64, Announcement>>,
    next: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Discovery for MemDiscovery {
    async fn join(
        &self,
        topic: Topic,
        me: Announcement,
    ) -> Result<Box<dyn Presence>, DiscoveryError> {
        let device = me.device;
        let number = {
            let mut state = self.0.state();
            let number = state.next;
            state.next += 1;
            state.topics.entry(topic).or_default().insert(number, me);
            number
        };
        self.0.changed.notify_waiters();
        Ok(Box::new(MemPresence {
            shared: Arc::clone(&self.0),
            topic,
            number,
            device,
            told: BTreeMap::new(),
        }))
    }
}

#[derive(Debug)]
struct MemPresence {
    shared: Arc<Shared>,
    topic: Topic,
    number: u64,
    device: DeviceKey,
    /// What this one was told of last. The next event is a difference from the present, so
    /// that no queue can grow.
    told: BTreeMap<DeviceKey, Vec<PeerAddress>>,
}

impl MemPresence {
    fn present(&self) -> BTreeMap<DeviceKey, Vec<PeerAddress>> {
        let state = self.shared.state();
        let mut present = BTreeMap::<_, Vec<_>>::new();
        for member in state.topics.get(&self.topic).into_iter().flatten() {
            let known = present.entry(member.1.device).or_default();
            known.extend(member.1.addresses.iter().cloned());
        }
        present.remove(&self.device);
        present
    }

    fn difference(&mut self) -> Option<DiscoveryEvent> {
        let present = self.present();
        let lost = self
            .told
            .keys()
            .find(|device| !present.contains_key(*device));
        if let Some(device) = lost.copied() {
            self.told.remove(&device);
            return Some(DiscoveryEvent::PeerLost { device });
        }
        let (device, addresses) = present
            .into_iter()
            .find(|(device, addresses)| self.told.get(device) != Some(addresses))?;
        self.told.insert(device, addresses.clone());
        Some(DiscoveryEvent::PeerFound { device, addresses })
    }
}

#[async_trait]
impl Presence for MemPresence {
    async fn next(&mut self) -> Option<DiscoveryEvent> {
        let shared = Arc::clone(&self.shared);
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(event) = self.difference() {
                return Some(event);
            }
            changed.await;
        }
    }
}

impl Drop for MemPresence {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(members) = state.topics.get_mut(&self.topic) {
            members.remove(&self.number);
            if members.is_empty() {
                state.topics.remove(&self.topic);
            }
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }
}
