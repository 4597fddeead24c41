//! Where devices of one's spaces were met, kept across restarts: without a rendezvous server it
//! is the only way to find them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::AddPeer;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Store, StoreError};
use dxos_wire::limits::ADDRESSES_MAX;

/// Topic, device → when it was remembered, counted, and addresses.
const ADDRESSES: Keyspace = Keyspace::new("addresses");
/// What a profile remembers of its own endpoint.
const ENDPOINT: Keyspace = Keyspace::new("endpoint");
const PORT: &[u8] = b"port";
const VERSION: u8 = 2;
/// Devices that are remembered at most.
const PEERS_MAX: usize = 1024;

/// The address book of a profile.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    store: Arc<dyn Store>,
    /// Held while it is counted and written.
    writing: Arc<Mutex<()>>,
}

/// A row: its key, when it was remembered, the device.
type Row = (Vec<u8>, u64, AddPeer);

impl AddressBook {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            writing: Arc::default(),
        }
    }

    /// Remembers where a device of a swarm can be reached. When there are too many, the oldest of
    /// the swarm with the most of them makes room: a large space does not push out the others.
    pub(crate) fn remember(&self, peer: &AddPeer) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut addresses = peer.addresses.clone();
        addresses.truncate(ADDRESSES_MAX);
        let mut key = peer.topic.as_bytes().to_vec();
        key.extend_from_slice(peer.device.as_bytes());
        let mut rows = self.rows()?;
        let known = rows.iter().find(|row| row.0 == key);
        if known.is_some_and(|(_, _, known)| known.addresses == addresses) {
            return Ok(());
        }
        let last = rows.iter().map(|(_, at, _)| *at).max().unwrap_or_default();
        let Ok(value) = dxos_wire::encode(VERSION, &(last.saturating_add(1), addresses)) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        rows.retain(|row| row.0 != key);
        while rows.len() >= PEERS_MAX
            && let Some(place) = oldest_of_the_most(&rows)
        {
            let (key, ..) = rows.swap_remove(place);
            batch.delete(ADDRESSES, key);
        }
        batch.put(ADDRESSES, key, value);
        self.store.commit(batch, Durability::Buffered)
    }

    /// Everything that is remembered; rows that cannot be read are left out.
    pub(crate) fn peers(&self) -> Result<Vec<AddPeer>, StoreError> {
        let rows = self.rows()?.into_iter();
        Ok(rows.map(|(_, _, peer)| peer).collect())
    }

    /// Forgets where the devices of a space were.
    pub(crate) fn forget(&self, topic: &Topic) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for (key, _, peer) in self.rows()? {
            if peer.topic == *topic {
                batch.delete(ADDRESSES, key);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(batch, Durability::Buffered)
    }

    fn rows(&self) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        let all = KeyRange::all();
        for row in self.store.scan(ADDRESSES, all, Direction::Forward) {
            let (key, value) = row?;
            let Some((topic, device)) = key.split_at_checked(Topic::LENGTH) else {
                continue;
            };
            let (Some(topic), Some(device)) =
                (Topic::from_slice(topic), DeviceKey::from_slice(device))
            else {
                continue;
            };
            if let Ok((at, addresses)) = dxos_wire::decode(VERSION, &value) {
                let peer = AddPeer {
                    device,
                    addresses,
                    topic,
                };
                found.push((key.to_vec(), at, peer));
            }
        }
        Ok(found)
    }

    /// The port at which this device was listening last, so that others find it there again.
    pub(crate) fn port(&self) -> Result<Option<u16>, StoreError> {
        let value = self.store.get(ENDPOINT, PORT)?;
        Ok(value.and_then(|value| value.first_chunk().copied().map(u16::from_be_bytes)))
    }

    /// Remembers the port at which this device listens.
    pub(crate) fn remember_port(&self, port: u16) -> Result<(), StoreError> {
        if self.port()? == Some(port) {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(ENDPOINT, PORT, port.to_be_bytes().to_vec());
        self.store.commit(batch, Durability::Buffered)
    }
}

/// Which row makes room.
fn oldest_of_the_most(rows: &[Row]) -> Option<usize> {
    let mut of_topic: BTreeMap<Topic, usize> = BTreeMap::new();
    for (_, _, peer) in rows {
        *of_topic.entry(peer.topic).or_default() += 1;
    }
    let (most, _) = of_topic.iter().max_by_key(|(_, count)| **count)?;
    let places = rows.iter().enumerate();
    let own = places.filter(|(_, (_, _, peer))| peer.topic == *most);
    let oldest = own.min_by_key(|(_, (_, at, _))| *at)?;
    Some(oldest.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_store::{MemDisk, MemStore};

    #[test]
    fn what_was_remembered_is_there_again() {
        let disk = MemDisk::new();
        let book = AddressBook::new(Arc::new(MemStore::open(&disk).unwrap()));
        assert_eq!(
            (book.peers().unwrap().len(), book.port().unwrap()),
            (0, None)
        );
        let topic = Topic::from_bytes([7; 32]);
        for n in 1..4 {
            let device = DeviceKey::from_bytes([n; 32]);
            let addresses = vec![format!("127.0.0.1:{n}")];
            book.remember(&AddPeer {
                device,
                addresses,
                topic,
            })
            .unwrap();
        }
        book.remember_port(4433).unwrap();
        let peers = book.peers().unwrap();
        assert_eq!(peers.len(), 3);
        assert_eq!(peers[2].addresses, ["127.0.0.1:3"]);
        assert_eq!(book.port().unwrap(), Some(4433));
    }

    #[test]
    fn a_large_space_makes_its_own_oldest_forgotten() {
        let book = AddressBook::new(Arc::new(MemStore::open(&MemDisk::new()).unwrap()));
        let peer = |topic: u8, n: usize| {
            let mut device = [0; 32];
            device[..8].copy_from_slice(&n.to_be_bytes());
            AddPeer {
                device: DeviceKey::from_bytes(device),
                addresses: vec![format!("127.0.0.1:{n}")],
                topic: Topic::from_bytes([topic; 32]),
            }
        };
        for n in 0..3 {
            book.remember(&peer(1, n)).unwrap();
        }
        for n in 0..PEERS_MAX + 10 {
            book.remember(&peer(2, n)).unwrap();
            // What is known already is not newer for that.
            book.remember(&peer(2, n / 2)).unwrap();
        }
        let peers = book.peers().unwrap();
        assert_eq!(peers.len(), PEERS_MAX);
        assert!((0..3).all(|n| peers.contains(&peer(1, n))));
        assert!(!peers.contains(&peer(2, 5)));
        assert!(peers.contains(&peer(2, PEERS_MAX + 9)));
        let moved = AddPeer {
            addresses: vec!["[::1]:1".to_owned()],
            ..peer(1, 1)
        };
        book.remember(&moved).unwrap();
        let peers = book.peers().unwrap();
        assert_eq!(peers.len(), PEERS_MAX);
        assert!(peers.contains(&moved) && !peers.contains(&peer(1, 1)));
    }
}
