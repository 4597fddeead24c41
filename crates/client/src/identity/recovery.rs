//! Bringing an identity back with its phrase: asking peers, and answering those who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use dxos_actors::Clock;
use dxos_credentials::{DeviceChain, LinkKind, Profile};
use dxos_echo::Echo;
use dxos_keys::{DeviceKey, IdentityKey, RecoveryKeys, RecoveryPhrase, SpaceKey, Topic};
use dxos_mesh::InvitationHandler;
use dxos_protocol::echo::{FindRecovery, ListRecoveryKeys, Recovery};
use dxos_protocol::halo::{Authority, HaloError, Identity, KeepRecoverySecret};
use dxos_protocol::recovery::{RecoveryReply, RecoveryRequest};
use dxos_transport::{Announcement, Connection, DiscoveryEvent, PeerAddress, Stream};
use dxos_wire::StreamKind;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::adoption::{Adoption, Found};
use super::{ECHO, HALO, Keeper};
use crate::ClientError;
use crate::assemble::Network;
use crate::invitation::Invitations;

/// What binds a request to its TLS session.
const BINDING_LABEL: &[u8] = b"dxos recovery";
/// How long one message may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long others are looked for once one peer has answered.
const OTHERS: Duration = Duration::from_millis(500);
/// How much longer those are waited for that were found and have not answered: the first to answer
/// may be a liar that names no space.
const ANSWERS: Duration = Duration::from_secs(5);
/// Peers that are asked at once.
const ASKED_MAX: usize = 32;
/// Spaces that are taken up because one peer has named them.
const SPACES_MAX: usize = 1024;
/// Spaces that one peer may name for that in which the identity kept its devices.
const HINTS_MAX: usize = 32;
/// Recovery keys under which a device announces itself.
const ANNOUNCED_MAX: usize = 64;

/// How an identity is to be recovered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveryOptions {
    /// Devices to ask, each with its addresses, besides those that are found by discovery.
    pub peers: Vec<(DeviceKey, Vec<String>)>,
    /// How long to look for somebody who knows the phrase. Default: 30 seconds.
    pub patience: Duration,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            patience: Duration::from_secs(30),
        }
    }
}

impl RecoveryOptions {
    /// Asks this device, too.
    #[must_use]
    pub fn peer(mut self, device: DeviceKey, addresses: Vec<String>) -> Self {
        self.peers.push((device, addresses));
        self
    }

    /// Sets how long to look.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Why an identity was not recovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The phrase is known for several identities, which only its owner can have done.
    #[error("the phrase belongs to several identities: {}", list(identities))]
    Ambiguous {
        /// The identities.
        identities: Vec<IdentityKey>,
    },
    /// Nobody who was found knows the phrase.
    #[error(
        "none of the {asked} peers that were found knows this phrase; see that one who shares a \
         space with you is online, or name one by its device and address"
    )]
    NobodyKnows {
        /// How many were asked.
        asked: usize,
    },
    /// The phrase was revoked, or its chain does not hold for another reason.
    #[error("the phrase is not good any more: {reason}")]
    NotGood {
        /// What is wrong.
        reason: String,
    },
}

fn list(identities: &[IdentityKey]) -> String {
    let texts: Vec<_> = identities.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Takes no more from a peer than it could know, for it may lie.
fn bound(recovery: &mut Recovery) {
    recovery.spaces.truncate(SPACES_MAX);
    recovery.hints.truncate(HINTS_MAX);
    if recovery.profile.check().is_err() {
        recovery.profile = Profile::default();
    }
}

/// The HALO space that the identity had, if a peer has passed it on: the one that the phrase has
/// agreed to, for anyone who knows its public key could seal another for it.
fn former(answers: &[Answer], chain: &DeviceChain, keys: &RecoveryKeys) -> Option<SpaceKey> {
    let mut hints = answers.iter().flat_map(|answer| &answer.recovery.hints);
    hints.find_map(|(space, sealed)| {
        let hint = keys.sealing.open(space.as_bytes(), sealed).ok()?;
        let hint = SpaceKey::from_bytes(*hint.expose());
        let agreed = chain.names_halo(&hint);
        if !agreed {
            tracing::warn!("a peer named a space for that of the identity which is not");
        }
        agreed.then_some(hint)
    })
}

/// A peer's answer, and where the peer was reached.
struct Answer {
    recovery: Recovery,
    peer: DeviceKey,
    addresses: Vec<String>,
}

impl Keeper {
    /// Brings an identity to this device with its phrase.
    pub(crate) async fn recover(
        self: &Arc<Self>,
        phrase: &RecoveryPhrase,
        options: &RecoveryOptions,
    ) -> Result<Identity, ClientError> {
        let before = self.identity().await?;
        let keys = phrase.keys();
        if let Some(Identity { identity, .. }) = before
            && !self.is_recovered_with(&keys).await?
        {
            return Err(HaloError::IdentityExists { identity }.into());
        }
        let network = self.network.get().cloned().ok_or(ClientError::NoNetwork)?;
        let answers = self.ask_peers(&network, &keys, options).await?;
        let identities: BTreeSet<_> = answers
            .iter()
            .map(|answer| answer.recovery.chain.device().identity)
            .collect();
        if identities.len() > 1 {
            let identities = identities.into_iter().collect();
            return Err(RecoverError::Ambiguous { identities }.into());
        }
        let Some(first) = answers.first() else {
            return Err(RecoverError::NobodyKnows { asked: 0 }.into());
        };
        // The phrase has agreed to one chain: whoever answers first cannot have shown another.
        let Recovery { chain, profile, .. } = &first.recovery;
        let former = former(&answers, chain, &keys);
        let found = answers.iter().map(|answer| Found {
            peer: answer.peer,
            addresses: answer.addresses.clone(),
            spaces: answer.recovery.spaces.clone(),
        });
        let found = found.collect();
        if let Some(identity) = before {
            self.keep_secret(keys).await?;
            self.take_up_more(identity.identity, found, former).await?;
            return Ok(identity);
        }
        let signer = self.halo.signer();
        let chain = chain
            .authorize(&keys.device, signer.device(), self.halo.sealing_key())
            .map_err(|error| RecoverError::NotGood {
                reason: error.to_string(),
            })?;
        let adoption = Adoption {
            chain,
            profile: profile.clone(),
            recovery: Some((keys.device.device(), keys.sealing)),
            found,
            halo: None,
            former,
        };
        let identity = self.take_over(adoption).await?;
        self.begin().await?;
        Ok(identity)
    }

    /// Whether this device came to its identity by this phrase.
    async fn is_recovered_with(&self, keys: &RecoveryKeys) -> Result<bool, ClientError> {
        let Authority { chain, .. } = self.authority().await?;
        Ok(chain.is_recovered_by(&keys.device.device()))
    }

    /// Keeps what opens the keys that were sealed for the phrase, which may be erased by now.
    async fn keep_secret(&self, keys: RecoveryKeys) -> Result<(), ClientError> {
        let keep = KeepRecoverySecret {
            key: keys.device.device(),
            secret: keys.sealing,
        };
        let kept = self.halo.keep_recovery_secret().ask(keep).await;
        Ok(kept.map_err(ClientError::unanswered(HALO))??)
    }

    /// Asks everyone who is named or found, until somebody knows the phrase and a little longer.
    async fn ask_peers(
        &self,
        network: &Network,
        keys: &RecoveryKeys,
        options: &RecoveryOptions,
    ) -> Result<Vec<Answer>, ClientError> {
        let topic = Topic::of_recovery_key(&keys.device.device());
        let me = Announcement {
            device: network.transport.device(),
            addresses: Vec::new(),
        };
        let mut presence = network.discovery.join(topic, me).await.ok();
        let mut asking = FuturesUnordered::new();
        let mut asked = BTreeSet::new();
        for (device, addresses) in &options.peers {
            let addresses = addresses.iter().filter_map(|text| text.parse().ok());
            if asked.insert(*device) {
                asking.push(self.ask_peer(network, keys, *device, addresses.collect()));
            }
        }
        let mut answers: Vec<Answer> = Vec::new();
        let mut deadline = std::pin::pin!(self.clock.sleep(options.patience));
        let mut last = std::pin::pin!(None);
        let mut found_all = false;
        loop {
            tokio::select! {
                biased;
                Some(answer) = asking.next(), if !asking.is_empty() => {
                    let Some(answer) = answer else { continue };
                    answers.push(answer);
                    if last.is_none() {
                        last.set(Some(self.clock.sleep(OTHERS)));
                    }
                }
                event = next_event(&mut presence), if asked.len() < ASKED_MAX && !found_all => match event {
                    Some(DiscoveryEvent::PeerFound { device, addresses }) => {
                        if asked.insert(device) {
                            asking.push(self.ask_peer(network, keys, device, addresses));
                        }
                    }
                    Some(_) => {}
                    None => presence = None,
                },
                () = wait(&mut last) => {
                    if found_all {
                        return Ok(answers);
                    }
                    found_all = true;
                    last.set(Some(self.clock.sleep(ANSWERS)));
                }
                () = &mut deadline => break,
            }
            if found_all && asking.is_empty() {
                return Ok(answers);
            }
        }
        if answers.is_empty() {
            let asked = asked.len();
            return Err(RecoverError::NobodyKnows { asked }.into());
        }
        Ok(answers)
    }

    /// What one peer knows of the phrase.
    async fn ask_peer(
        &self,
        network: &Network,
        keys: &RecoveryKeys,
        device: DeviceKey,
        addresses: Vec<PeerAddress>,
    ) -> Option<Answer> {
        let texts = addresses.iter().map(ToString::to_string).collect();
        let connection = match network.mesh.connect(device, addresses).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(%error, peer = %device.short(), "a peer was not asked");
                return None;
            }
        };
        let exchange = self.exchange(&*connection, keys);
        let reply = self.clock.timeout(STEP_TIMEOUT, exchange).await.ok()??;
        let RecoveryReply::Found(mut recovery) = reply else {
            return None;
        };
        bound(&mut recovery);
        let shown = recovery.chain.device();
        // The chain was verified when it was read; it has to be about this phrase.
        let ours = shown.device == keys.device.device()
            && shown.sealing == keys.sealing.sealing_key()
            && shown.kind == LinkKind::RecoveryKey;
        ours.then_some(Answer {
            recovery: *recovery,
            peer: device,
            addresses: texts,
        })
    }

    async fn exchange(
        &self,
        connection: &dyn Connection,
        keys: &RecoveryKeys,
    ) -> Option<RecoveryReply> {
        let mut stream = connection.open(StreamKind::Recovery).await.ok()?;
        let own = self.halo.signer().device();
        let binding = connection.binding(BINDING_LABEL);
        let request = RecoveryRequest::sign(&keys.device, &own, &connection.peer(), &binding);
        stream.sender.send(request.encode().ok()?).await.ok()?;
        let frame = stream.receiver.receive().await.ok()??;
        RecoveryReply::decode(&frame).ok()
    }

    /// Announces this device to those who may have lost everything but a phrase.
    pub(super) async fn announce_recovery_keys(self: &Arc<Self>) -> Result<(), ClientError> {
        let Some(network) = self.network.get() else {
            return Ok(());
        };
        let keys = self.echo.list_recovery_keys().ask(ListRecoveryKeys).await;
        let keys = keys.map_err(ClientError::unanswered(ECHO))?;
        self.withdraw_all_but(&keys);
        for key in keys {
            let Some(withdrawn) = self.announce(key) else {
                continue;
            };
            let me = Announcement {
                device: network.transport.device(),
                addresses: network.transport.addresses(),
            };
            let discovery = Arc::clone(&network.discovery);
            let started = self.spawner.spawn("recovery", move || async move {
                let there = async {
                    let joined = discovery.join(Topic::of_recovery_key(&key), me).await;
                    let Ok(mut presence) = joined else { return };
                    // Being there is all that is wanted.
                    while presence.next().await.is_some() {}
                };
                tokio::select! {
                    biased;
                    _ = withdrawn => {}
                    () = there => {}
                }
            });
            started.map_err(crate::NodeError::from)?;
        }
        Ok(())
    }

    fn announced(&self) -> MutexGuard<'_, BTreeMap<DeviceKey, oneshot::Sender<()>>> {
        let announced = self.announced.lock();
        announced.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes that a key is announced, unless it is already; what is returned ends when it is to be
    /// no more.
    fn announce(&self, key: DeviceKey) -> Option<oneshot::Receiver<()>> {
        let mut announced = self.announced();
        if announced.len() >= ANNOUNCED_MAX || announced.contains_key(&key) {
            return None;
        }
        let (sender, withdrawn) = oneshot::channel();
        announced.insert(key, sender);
        Some(withdrawn)
    }

    /// Ends the announcement of keys that were revoked, or whose owners are no members any more.
    pub(super) fn withdraw_all_but(&self, keys: &BTreeSet<DeviceKey>) {
        self.announced().retain(|key, _| keys.contains(key));
    }
}

async fn next_event(
    presence: &mut Option<Box<dyn dxos_transport::Presence>>,
) -> Option<DiscoveryEvent> {
    match presence {
        Some(presence) => presence.next().await,
        None => std::future::pending().await,
    }
}

async fn wait<F: Future<Output = ()>>(until: &mut std::pin::Pin<&mut Option<F>>) {
    match until.as_mut().as_pin_mut() {
        Some(until) => until.await,
        None => std::future::pending().await,
    }
}

/// Answers those who ask with nothing but a phrase, and passes invitations on.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) invitations: Arc<Invitations>,
    pub(crate) echo: Echo,
    pub(crate) device: DeviceKey,
    pub(crate) clock: Clock,
}

#[async_trait]
impl InvitationHandler for Streams {
    async fn accepted(&self, connection: Arc<dyn Connection>, stream: Stream) {
        self.invitations.accepted(connection, stream).await;
    }

    async fn recovery(&self, connection: Arc<dyn Connection>, stream: Stream) {
        let answered = self.answer(&*connection, stream);
        if self.clock.timeout(STEP_TIMEOUT, answered).await.is_err() {
            tracing::debug!(peer = %connection.peer().short(), "a recovery took too long");
        }
    }
}

impl Streams {
    async fn answer(&self, connection: &dyn Connection, mut stream: Stream) -> Option<()> {
        let frame = stream.receiver.receive().await.ok()??;
        let request = RecoveryRequest::decode(&frame).ok()?;
        let binding = connection.binding(BINDING_LABEL);
        let key = request.verify(&connection.peer(), &self.device, &binding);
        let found = match key {
            Some(key) => self
                .echo
                .find_recovery()
                .ask(FindRecovery { key })
                .await
                .ok()?,
            None => None,
        };
        let reply = match found {
            Some(recovery) => {
                tracing::info!(peer = %connection.peer().short(), "a recovery phrase was used");
                RecoveryReply::Found(Box::new(recovery))
            }
            None => RecoveryReply::Unknown,
        };
        stream.sender.send(reply.encode().ok()?).await.ok()?;
        stream.sender.delivered().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_keys::{DeviceSecret, IdentitySecret, SealingSecret};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_peer_that_lies_to_whoever_recovers_names_no_end_of_spaces_and_no_bad_name() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let device = DeviceSecret::generate(&mut rng).device();
        let sealing = SealingSecret::generate(&mut rng).sealing_key();
        let identity = IdentitySecret::generate(&mut rng);
        let mut recovery = Recovery {
            chain: DeviceChain::genesis(identity, device, sealing),
            profile: Profile::named("\u{202e}nnA"),
            hints: Vec::new(),
            spaces: vec![SpaceKey::from_bytes([1; 32]); 10_000],
        };
        bound(&mut recovery);
        assert_eq!(recovery.spaces.len(), SPACES_MAX);
        assert_eq!(recovery.profile, Profile::default());
        recovery.profile = Profile::named("Ann");
        bound(&mut recovery);
        assert_eq!(recovery.profile, Profile::named("Ann"));
    }
}
