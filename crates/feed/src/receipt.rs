//! Receipts: what of a space a device says to have stored durably.

use std::collections::BTreeMap;

use dxos_keys::{
    BlockHash, DeviceKey, Domain, FeedId, Signature, SignatureError, Signer, SpaceKey,
};
use serde::{Deserialize, Serialize};

/// A device's word that it has blocks of a space on its disk: of each feed all up to a block, as
/// they stood when it signed.
///
/// It is worth as much as the device, and speaks of the moment when it was signed. A later one, by
/// `number`, replaces it. One that names no feed is a **withdrawal**: its device has deleted the
/// space, or is about to.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use dxos_feed::Receipt;
/// use dxos_keys::{BlockHash, DeviceSecret, FeedId, SpaceKey};
///
/// let device = DeviceSecret::from_seed(&[1; 32]);
/// let space = SpaceKey::from_bytes([2; 32]);
/// let heads = BTreeMap::from([(FeedId::from_bytes([3; 32]), (7, BlockHash::from_bytes([4; 32])))]);
/// let receipt = Receipt::sign(space, 1, 1_764_000_000_000, heads, &device);
/// assert!(receipt.verify().is_ok() && !receipt.is_withdrawal());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The space.
    pub space: SpaceKey,
    /// The device.
    pub device: DeviceKey,
    /// Counts up with each receipt of the device for the space.
    pub number: u64,
    /// When it was signed, in milliseconds since 1970 by the device's own clock: to be shown, and
    /// not to be relied on.
    pub signed_at_ms: u64,
    /// How many blocks of each feed are stored, and the hash of the last one.
    pub heads: BTreeMap<FeedId, (u64, BlockHash)>,
    /// The device's signature of all that.
    pub signature: Signature,
}

impl Receipt {
    /// Makes one.
    pub fn sign(
        space: SpaceKey,
        number: u64,
        signed_at_ms: u64,
        heads: BTreeMap<FeedId, (u64, BlockHash)>,
        signer: &dyn Signer,
    ) -> Self {
        let device = signer.device();
        let message = message((&space, &device), (number, signed_at_ms), &heads);
        Self {
            space,
            device,
            number,
            signed_at_ms,
            heads,
            signature: signer.sign(Domain::Receipt, &message),
        }
    }

    /// Whether the device took back what it had said before.
    pub fn is_withdrawal(&self) -> bool {
        self.heads.is_empty()
    }

    /// Checks that the device signed it.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it did not.
    pub fn verify(&self) -> Result<(), SignatureError> {
        let counted = (self.number, self.signed_at_ms);
        let message = message((&self.space, &self.device), counted, &self.heads);
        self.device
            .verify(Domain::Receipt, &message, &self.signature)
    }
}

fn message(
    (space, device): (&SpaceKey, &DeviceKey),
    (number, signed_at_ms): (u64, u64),
    heads: &BTreeMap<FeedId, (u64, BlockHash)>,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(80 + heads.len() * 72);
    message.extend_from_slice(space.as_bytes());
    message.extend_from_slice(device.as_bytes());
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(&signed_at_ms.to_be_bytes());
    for (feed, (length, hash)) in heads {
        message.extend_from_slice(feed.as_bytes());
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(hash.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use dxos_keys::DeviceSecret;

    use super::*;

    #[test]
    fn what_is_altered_in_a_receipt_shows() {
        let device = DeviceSecret::from_seed(&[1; 32]);
        let space = SpaceKey::from_bytes([2; 32]);
        let feed = FeedId::from_bytes([3; 32]);
        let head = (7, BlockHash::from_bytes([4; 32]));
        let receipt = Receipt::sign(space, 1, 5, BTreeMap::from([(feed, head)]), &device);
        assert!(receipt.verify().is_ok());
        let alter: [fn(&mut Receipt); 6] = [
            |receipt| receipt.number += 1,
            |receipt| receipt.signed_at_ms += 1,
            |receipt| receipt.space = SpaceKey::from_bytes([9; 32]),
            |receipt| receipt.device = DeviceSecret::from_seed(&[9; 32]).device(),
            |receipt| receipt.heads.clear(),
            |receipt| {
                receipt.heads.values_mut().for_each(|head| head.0 += 1);
            },
        ];
        for alter in alter {
            let mut altered = receipt.clone();
            alter(&mut altered);
            assert!(altered.verify().is_err());
        }
    }
}
