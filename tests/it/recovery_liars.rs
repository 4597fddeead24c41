//! Liars that answer whoever has nothing but a phrase, and strangers that pass their space off as
//! that of an identity, over the public wire.

use std::sync::Arc;

use dxos_client::{Client, DeviceKey, RecoveryOptions, Space, map};
use dxos_credentials::{Assertion, DeviceChain, LinkKind, Profile};
use dxos_keys::{ContentKey, DeviceSecret, SpaceKey};
use dxos_protocol::echo::Recovery;
use dxos_protocol::recovery::{RecoveryReply, RecoveryRequest};
use dxos_quic::{QuicConfig, QuicTransport};
use dxos_transport::Transport;
use dxos_wire::StreamKind;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::task::JoinSet;

use crate::support::{apart, converge, join, options, until, within};

/// A device that answers every question about a phrase with the same lie.
struct Liar {
    device: DeviceKey,
    addresses: Vec<String>,
    _answering: JoinSet<()>,
}

impl Liar {
    fn new(lie: Recovery) -> Self {
        let secret = DeviceSecret::from_seed(&[66; 32]);
        let local = QuicConfig::at(([127, 0, 0, 1], 0));
        let transport = QuicTransport::bind(local, Arc::new(secret.clone())).unwrap();
        let addresses = transport.addresses();
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            while let Some(connection) = transport.accept().await {
                while let Ok((kind, mut stream)) = connection.accept().await {
                    if kind != StreamKind::Recovery {
                        continue;
                    }
                    let frame = stream.receiver.receive().await.unwrap().unwrap();
                    RecoveryRequest::decode(&frame).unwrap();
                    let reply = RecoveryReply::Found(Box::new(lie.clone()));
                    stream.sender.send(reply.encode().unwrap()).await.unwrap();
                    drop(stream.sender.delivered().await);
                    break;
                }
            }
        });
        Self {
            device: secret.device(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            _answering: answering,
        }
    }
}

/// The chain of the recovery phrase, which every member of the space can see.
async fn chain_of_phrase(space: &Space) -> DeviceChain {
    let credentials = space.credentials().await.unwrap();
    let chains =
        credentials
            .iter()
            .filter_map(|credential| match credential.credential.assertion() {
                Assertion::DevicePresented { chain, .. } => Some(chain),
                _ => None,
            });
    let mut chains = chains.filter(|chain| chain.device().kind == LinkKind::RecoveryKey);
    chains.next().unwrap().clone()
}

async fn blocks(space: &Space) -> u64 {
    space.report().await.unwrap().blocks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_liar_that_answers_first_neither_hides_the_spaces_nor_plants_one_of_its_own() {
    let (home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let phrase = ann.halo().create_recovery_phrase().await.unwrap();
    until(&[&space, &theirs], async || {
        blocks(&space).await == blocks(&theirs).await
    })
    .await;
    let before = ann.halo().identity().await.unwrap().unwrap();
    let halo = ann.halo().halo_space().unwrap().unwrap();
    let chain = chain_of_phrase(&theirs).await;
    ann.destroy().await.unwrap();

    // Mallory has a space that says it is one in which somebody keeps devices.
    let mallory = crate::support::start(&home.path().join("mallory"), "Mallory").await;
    let planted = map! { "dxos.org/halo" => true };
    let planted = mallory.echo().create_space(planted).await.unwrap();
    let key = ContentKey::from_bytes(*planted.key().as_bytes());
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let sealed = chain.device().sealing.seal(&[1; 32], &key, &mut rng);
    let liar = Liar::new(Recovery {
        chain,
        profile: Profile::named("Ann"),
        hints: vec![(SpaceKey::from_bytes([1; 32]), sealed.unwrap())],
        spaces: Vec::new(),
    });

    let phone = options(&home.path().join("phone")).build();
    phone.initialize().await.unwrap();
    let addresses = bob.mesh().network_status().await.unwrap().addresses;
    let peers = RecoveryOptions::default()
        .peer(liar.device, liar.addresses.clone())
        .peer(bob.mesh().device().unwrap(), addresses);
    let after = within(phone.halo().recover_identity(&phrase, &peers)).await;
    assert_eq!(after.unwrap().identity, before.identity);
    let back = phone.echo().space(space.key()).await.unwrap();
    converge(&back, &theirs).await;
    assert_eq!(phone.echo().spaces().await.unwrap().len(), 1);
    assert!(phone.echo().space(planted.key()).await.is_err());
    // What the phrase did agree to is known: the space from before is waited for.
    assert_ne!(phone.halo().halo_space().unwrap(), Some(halo));
    assert!(phone.echo().space(halo).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_calls_its_space_the_identity_s_own_is_not_believed() {
    let (_home, ann, mallory, _) = apart().await;
    let planted = map! { "dxos.org/halo" => true };
    let planted = mallory.echo().create_space(planted).await.unwrap();
    let own = ann.halo().halo_space().unwrap();
    let joined = join(&planted, &ann).await;
    converge(&planted, &joined).await;
    // It is listed like any other, and named among those that the devices of Ann share.
    let listed = async |client: &Client| {
        let spaces = client.echo().spaces().await.unwrap();
        spaces.iter().any(|space| space.key() == planted.key())
    };
    assert!(listed(&ann).await);
    assert_eq!(ann.halo().contacts().await.unwrap().len(), 1);
    ann.destroy().await.unwrap();
    ann.initialize().await.unwrap();
    assert!(listed(&ann).await);
    assert_eq!(ann.halo().halo_space().unwrap(), own);
}
