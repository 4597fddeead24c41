//! A guest that sends what it likes.

use super::*;

const LABEL: &[u8] = b"dxos invitation";

/// Numbers that are as random as these tests need.
struct Numbers(u64);

impl rand_core_06::RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        let [.., a, b, c, d] = self.next_u64().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 ^ (self.0 >> 29)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next_u64().to_le_bytes()[3];
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Numbers {}

/// A program of somebody else's: one device, one connection, frames as it likes.
pub(super) struct Raw {
    pub(super) seed: u8,
    pub(super) device: DeviceSecret,
    _transport: QuicTransport,
    pub(super) connection: Arc<dyn Connection>,
    pub(super) stream: Stream,
    pub(super) id: InvitationId,
}

impl Raw {
    pub(super) async fn connect(seed: u8, host: &InvitationHost) -> Self {
        let device = DeviceSecret::from_seed(&[seed; 32]);
        let local = QuicConfig::at(([127, 0, 0, 1], 0));
        let transport = QuicTransport::bind(local, Arc::new(device.clone())).unwrap();
        let place = &host.invitation().hosts[0];
        let addresses: Vec<PeerAddress> =
            place.addresses.iter().map(|a| a.parse().unwrap()).collect();
        let connection = within(transport.connect(place.device, &addresses)).await;
        let connection = connection.unwrap();
        let stream = within(connection.open(StreamKind::Invitation))
            .await
            .unwrap();
        Self {
            seed,
            device,
            _transport: transport,
            connection,
            stream,
            id: host.id(),
        }
    }

    pub(super) async fn send(&mut self, message: &GuestMessage) {
        self.send_bytes(message.encode().unwrap()).await;
    }

    pub(super) async fn send_bytes(&mut self, frame: Bytes) {
        // The host may have stopped reading.
        drop(within(self.stream.sender.send(frame)).await);
    }

    pub(super) async fn receive(&mut self) -> Option<HostMessage> {
        let frame = within(self.stream.receiver.receive()).await.ok()??;
        Some(HostMessage::decode(&frame).unwrap())
    }

    pub(super) async fn introduce(&mut self) -> Option<HostMessage> {
        let invitation = self.id;
        self.send(&GuestMessage::Introduce { invitation }).await;
        self.receive().await
    }

    /// SPAKE2 with a code; what was sent and the last answer.
    pub(super) async fn guess(&mut self, code: &str) -> (Vec<GuestMessage>, Option<HostMessage>) {
        let binding = self.connection.binding(LABEL);
        let (guest, host) = (self.device.device(), self.connection.peer());
        let password = Password::new([code.as_bytes(), &binding].concat());
        let (one, other) = (
            Identity::new(guest.as_bytes()),
            Identity::new(host.as_bytes()),
        );
        let numbers = Numbers(u64::from(self.seed));
        let (pake, message) =
            Spake2::<Ed25519Group>::start_a_with_rng(&password, &one, &other, numbers);
        let first = GuestMessage::Pake { message };
        self.send(&first).await;
        let answer = self.receive().await;
        let Some(HostMessage::PakeReply { message }) = answer else {
            return (vec![first], answer);
        };
        let key = pake.finish(&message).unwrap();
        let mut hasher = Hasher::new(HashDomain::PakeConfirmation);
        hasher
            .part(&key)
            .part(&[0])
            .part(self.id.as_bytes())
            .part(guest.as_bytes())
            .part(host.as_bytes())
            .part(&binding);
        let confirmation = hasher.finish();
        let second = GuestMessage::PakeConfirm { confirmation };
        self.send(&second).await;
        (vec![first, second], self.receive().await)
    }

    pub(super) fn request(&self) -> GuestMessage {
        let sealing = SealingSecret::from_bytes([self.seed; 32]).sealing_key();
        let secret = IdentitySecret::from_seed(&[self.seed; 32]);
        GuestMessage::Request {
            chain: DeviceChain::genesis(secret, self.device.device(), sealing),
            profile: Profile::named("Mallory"),
        }
    }

    pub(super) fn device_request(&self) -> GuestMessage {
        GuestMessage::RequestDevice {
            device: self.device.device(),
            sealing: SealingSecret::from_bytes([self.seed; 32]).sealing_key(),
            profile: Profile::named("Mallory"),
        }
    }

    /// Sends a request and reads until the host has nothing more to say.
    pub(super) async fn ask(&mut self, request: GuestMessage) -> Vec<HostMessage> {
        self.send(&request).await;
        let mut all = Vec::new();
        while let Some(message) = self.receive().await {
            all.push(message);
        }
        all
    }
}
