//! The rules alone, without a network.

mod connections;
mod limits;
mod sessions;
mod world;

use std::sync::Arc;
use std::time::Duration;

use dxos_keys::{DeviceKey, Topic};
use dxos_protocol::mesh::ConnectionState;
use dxos_protocol::replicate::SessionId;
use dxos_transport::{CloseReason, PeerAddress};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::topology::{FullyConnected, Star, Topology};
use super::*;

const TOPIC: Topic = Topic::from_bytes([1; 32]);
const OTHER: Topic = Topic::from_bytes([2; 32]);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn rules() -> Rules {
    crate::MeshConfig::default().rules()
}

fn device(number: u8) -> DeviceKey {
    DeviceKey::from_bytes([number; 32])
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn core_with(number: u8, rules: Rules, topology: Arc<dyn Topology>) -> Core<ChaCha20Rng> {
    Core::new(
        device(number),
        rules,
        topology,
        ConnectionState::Online,
        rng(u64::from(number)),
    )
}

fn core(number: u8) -> Core<ChaCha20Rng> {
    core_with(number, rules(), Arc::new(FullyConnected))
}

fn step(core: &mut Core<ChaCha20Rng>, now: Duration, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    core.step(now, input, &mut out);
    out
}

fn known(topic: Topic, number: u8) -> Input {
    Input::Known {
        topic,
        device: device(number),
        addresses: vec![PeerAddress::Memory(u64::from(number))],
    }
}

fn connected(id: u64, number: u8, outgoing: bool) -> Input {
    Input::Connected {
        connection: ConnectionId(id),
        device: device(number),
        outgoing,
    }
}

fn is_dial(output: &Output) -> bool {
    matches!(output, Output::Dial { .. })
}

fn auth_of(out: &[Output]) -> AuthId {
    out.iter()
        .find_map(|output| match output {
            Output::Authenticate { auth, .. } | Output::Serve { auth, .. } => Some(*auth),
            _ => None,
        })
        .expect("a handshake")
}

fn session_of(out: &[Output]) -> SessionId {
    out.iter()
        .find_map(|output| match output {
            Output::OpenSession { session, .. } => Some(*session),
            _ => None,
        })
        .expect("a session")
}

/// A core with a session over connection 1, which it dialed.
fn with_session(own: u8, peer: u8, now: Duration) -> (Core<ChaCha20Rng>, SessionId) {
    let mut core = core(own);
    step(&mut core, now, Input::Join { topic: TOPIC });
    step(&mut core, now, known(TOPIC, peer));
    let auth = auth_of(&step(&mut core, now, connected(1, peer, true)));
    let outcome = AuthOutcome::Admitted;
    let session = session_of(&step(&mut core, now, Input::AuthEnded { auth, outcome }));
    (core, session)
}
