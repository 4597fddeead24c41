//! Where devices of one's spaces were met, kept across restarts: without a rendezvous server it
//! is the only way to find them again.

use std::sync::Arc;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::AddPeer;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Store, StoreError};
use dxos_wire::limits::ADDRESSES_MAX;

/// Topic, device → addresses.
const ADDRESSES: Keyspace = Keyspace::new("addresses");
/// What a profile remembers of its own endpoint.
const ENDPOINT: Keyspace = Keyspace::new("endpoint");
const PORT: &[u8] = b"port";
const VERSION: u8 = 1;
/// Devices that are remembered at most.
const PEERS_MAX: usize = 1024;

/// The address book of a profile.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    store: Arc<dyn Store>,
}

impl AddressBook {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Remembers where a device of a swarm can be reached.
    pub(crate) fn remember(&self, peer: &AddPeer) -> Result<(), StoreError> {
        let mut addresses = peer.addresses.clone();
        addresses.truncate(ADDRESSES_MAX);
        let Ok(value) = dxos_wire::encode(VERSION, &addresses) else {
            return Ok(());
        };
        let mut key = peer.topic.as_bytes().to_vec();
        key.extend_from_slice(peer.device.as_bytes());
        let mut batch = Batch::new();
        batch.put(ADDRESSES, key, value);
        self.store.commit(batch, Durability::Buffered)
    }

    /// Everything that is remembered; rows that cannot be read are left out.
    pub(crate) fn peers(&self) -> Result<Vec<AddPeer>, StoreError> {
        let mut found = Vec::new();
        for row in self
            .store
            .scan(ADDRESSES, KeyRange::all(), Direction::Forward)
            .take(PEERS_MAX)
        {
            let (key, value) = row?;
            let Some((topic, device)) = key.split_at_checked(Topic::LENGTH) else {
                continue;
            };
            let (Some(topic), Some(device)) =
                (Topic::from_slice(topic), DeviceKey::from_slice(device))
            else {
                continue;
            };
            if let Ok(addresses) = dxos_wire::decode(VERSION, &value) {
                found.push(AddPeer {
                    device,
                    addresses,
                    topic,
                });
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
}
