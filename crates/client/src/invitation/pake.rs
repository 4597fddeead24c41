//! SPAKE2 (RFC 9382 gives the idea; the `spake2` crate its ed25519 form), bound to one TLS
//! session and two devices.

use dxos_keys::{DeviceKey, HashDomain, Hasher, InvitationId};
use rand_core::CryptoRng;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What both sides know of the exchange besides the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transcript {
    pub(crate) invitation: InvitationId,
    pub(crate) guest: DeviceKey,
    pub(crate) host: DeviceKey,
    /// Exported keying material of the TLS session.
    pub(crate) binding: [u8; 32],
}

/// Which side one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Guest,
    Host,
}

/// One side of an exchange that has sent its message.
pub(crate) struct Exchange {
    state: Spake2<Ed25519Group>,
    transcript: Transcript,
}

/// The key that both sides have if both used the same code on the same session.
pub(crate) struct Agreement {
    key: Zeroizing<Vec<u8>>,
    transcript: Transcript,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Exchange(..)")
    }
}

impl std::fmt::Debug for Agreement {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Agreement(..)")
    }
}

impl Exchange {
    /// Begins with the code; returns the message for the other side.
    pub(crate) fn start(
        role: Role,
        code: &str,
        transcript: Transcript,
        rng: &mut dyn CryptoRng,
    ) -> (Self, Vec<u8>) {
        let mut bound = Zeroizing::new(code.as_bytes().to_vec());
        bound.extend_from_slice(&transcript.binding);
        let password = Password::new(&*bound);
        let guest = Identity::new(transcript.guest.as_bytes());
        let host = Identity::new(transcript.host.as_bytes());
        let rng = OldRng(rng);
        let (state, message) = match role {
            Role::Guest => Spake2::start_a_with_rng(&password, &guest, &host, rng),
            Role::Host => Spake2::start_b_with_rng(&password, &guest, &host, rng),
        };
        (Self { state, transcript }, message)
    }

    /// Ends with the other side's message; `None` when that is no message of this exchange.
    pub(crate) fn finish(self, message: &[u8]) -> Option<Agreement> {
        let key = Zeroizing::new(self.state.finish(message).ok()?);
        Some(Agreement {
            key,
            transcript: self.transcript,
        })
    }
}

impl Agreement {
    /// What `role` shows to prove that it has the key.
    pub(crate) fn confirmation(&self, role: Role) -> [u8; 32] {
        let side = match role {
            Role::Guest => 0,
            Role::Host => 1,
        };
        let Transcript {
            invitation,
            guest,
            host,
            binding,
        } = &self.transcript;
        let mut hasher = Hasher::new(HashDomain::PakeConfirmation);
        hasher
            .part(&self.key)
            .part(&[side])
            .part(invitation.as_bytes())
            .part(guest.as_bytes())
            .part(host.as_bytes())
            .part(binding);
        hasher.finish()
    }

    /// Whether `confirmation` is what `role` shows, in constant time.
    pub(crate) fn confirms(&self, role: Role, confirmation: &[u8; 32]) -> bool {
        self.confirmation(role).ct_eq(confirmation).into()
    }
}

/// `spake2` asks for the traits of `rand_core` 0.6.
struct OldRng<'a>(&'a mut dyn CryptoRng);

impl rand_core_06::RngCore for OldRng<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for OldRng<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    fn transcript(binding: u8) -> Transcript {
        Transcript {
            invitation: InvitationId::from_bytes([1; 16]),
            guest: DeviceKey::from_bytes([2; 32]),
            host: DeviceKey::from_bytes([3; 32]),
            binding: [binding; 32],
        }
    }

    fn agree(guest: (&str, u8), host: (&str, u8)) -> bool {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
        let (one, to_host) = Exchange::start(Role::Guest, guest.0, transcript(guest.1), &mut rng);
        let (other, to_guest) = Exchange::start(Role::Host, host.0, transcript(host.1), &mut rng);
        let (one, other) = (
            one.finish(&to_guest).unwrap(),
            other.finish(&to_host).unwrap(),
        );
        other.confirms(Role::Guest, &one.confirmation(Role::Guest))
            && one.confirms(Role::Host, &other.confirmation(Role::Host))
    }

    #[test]
    fn both_sides_agree_on_one_code_in_one_session_only() {
        assert!(agree(("123456", 1), ("123456", 1)));
        assert!(!agree(("123456", 1), ("123457", 1)));
        // A man in the middle has two sessions, and so two bindings.
        assert!(!agree(("123456", 1), ("123456", 2)));
    }

    #[test]
    fn a_confirmation_cannot_be_reflected() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
        let (one, to_host) = Exchange::start(Role::Guest, "1", transcript(1), &mut rng);
        let (other, to_guest) = Exchange::start(Role::Host, "1", transcript(1), &mut rng);
        let (one, other) = (
            one.finish(&to_guest).unwrap(),
            other.finish(&to_host).unwrap(),
        );
        assert!(!one.confirms(Role::Host, &one.confirmation(Role::Guest)));
        assert!(!other.confirms(Role::Guest, &other.confirmation(Role::Host)));
    }

    #[test]
    fn rubbish_is_no_message() {
        for message in [&b""[..], b"x", &[0xff; 33], &[0x42; 33], &[0; 4096]] {
            let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
            let (host, _) = Exchange::start(Role::Host, "1", transcript(1), &mut rng);
            if let Some(agreement) = host.finish(message) {
                assert!(!agreement.confirms(Role::Guest, &[0; 32]));
            }
        }
    }
}
