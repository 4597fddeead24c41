//! What whoever has nothing but a recovery phrase asks of a peer, on a
//! [`dxos_wire::StreamKind::Recovery`] stream of a mutually authenticated connection: one
//! [`RecoveryRequest`], one [`RecoveryReply`].
//!
//! The request is signed with the key of the phrase for one TLS session, so that it cannot be
//! carried to another peer. A peer that knows the key from a space answers in which spaces, and
//! how the key belongs to its identity; to everyone else it says that it knows nothing.

use dxos_keys::{DeviceKey, Domain, Signature, Signer};
use serde::{Deserialize, Serialize};

use crate::echo::Recovery;
use crate::wire_message;

/// Asks for what a peer knows of a recovery key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRequest {
    key: DeviceKey,
    signature: Signature,
}

/// What the peer knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecoveryReply {
    /// It knows nothing of the key.
    Unknown,
    /// It knows the key from spaces that it has.
    Found(Box<Recovery>),
}

wire_message!(RecoveryRequest, 1);
wire_message!(RecoveryReply, 1);

fn message(from: &DeviceKey, to: &DeviceKey, binding: &[u8; 32]) -> Vec<u8> {
    let parts: [&[u8]; 4] = [b"asks for", from.as_bytes(), to.as_bytes(), binding];
    parts.concat()
}

impl RecoveryRequest {
    /// Asks the device `to`, by the device `from`, in the TLS session with this `binding`.
    pub fn sign(key: &dyn Signer, from: &DeviceKey, to: &DeviceKey, binding: &[u8; 32]) -> Self {
        let signature = key.sign(Domain::Recovery, &message(from, to, binding));
        Self {
            key: key.device(),
            signature,
        }
    }

    /// The key, if whoever asks has the phrase and asks in this session.
    pub fn verify(
        &self,
        from: &DeviceKey,
        to: &DeviceKey,
        binding: &[u8; 32],
    ) -> Option<DeviceKey> {
        let message = message(from, to, binding);
        let verified = self.key.verify(Domain::Recovery, &message, &self.signature);
        verified.is_ok().then_some(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_keys::DeviceSecret;

    #[test]
    fn a_request_is_worth_nothing_to_another_peer_or_in_another_session() {
        let key = DeviceSecret::from_seed(&[1; 32]);
        let [from, to, other] = [2, 3, 4].map(|seed| DeviceSecret::from_seed(&[seed; 32]).device());
        let request = RecoveryRequest::sign(&key, &from, &to, &[9; 32]);
        let read = RecoveryRequest::decode(&request.encode().unwrap()).unwrap();
        assert_eq!(read.verify(&from, &to, &[9; 32]), Some(key.device()));
        for (from, to, binding) in [
            (&other, &to, [9; 32]),
            (&from, &other, [9; 32]),
            (&from, &to, [8; 32]),
        ] {
            assert_eq!(read.verify(from, to, &binding), None);
        }
    }
}
