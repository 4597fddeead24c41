//! The host's side: invitations of this client, served to whoever comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dxos_actors::{ChaCha20Rng, Clock, Port};
use dxos_credentials::Right;
use dxos_keys::{DeviceKey, InvitationId, SpaceKey, Topic};
use dxos_mesh::InvitationHandler;
use dxos_protocol::echo::{AdmissionTicket, AdmitMember, EchoError};
use dxos_protocol::invitation::{Authentication, GuestMessage, HostMessage, Refusal};
use dxos_transport::{Connection, FrameReceiver, FrameSender, Stream};
use tokio::sync::{mpsc, watch};

use super::host::{ExchangeId, HostInvitation, Input, InvitationCode, Output, Progress};
use super::{
    BINDING_LABEL, Invitation, InvitationError, InvitationOptions, InvitationState,
    InvitationStatus, STEP_TIMEOUT,
};
use crate::{ClientError, Space};

/// Invitations that one client hosts at once.
const HOSTED_MAX: usize = 256;
/// How often invitations are looked at whose time may be over.
const TICK: Duration = Duration::from_secs(1);

/// All invitations that a client hosts.
pub(crate) struct Invitations {
    device: DeviceKey,
    admit: Port<AdmitMember>,
    clock: Clock,
    hosted: Mutex<BTreeMap<InvitationId, Arc<Hosted>>>,
    rng: Mutex<ChaCha20Rng>,
}

impl fmt::Debug for Invitations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invitations")
            .finish_non_exhaustive()
    }
}

/// One of them.
struct Hosted {
    space: SpaceKey,
    id: InvitationId,
    state: Mutex<HostedState>,
    status: watch::Sender<InvitationStatus>,
}

struct HostedState {
    machine: HostInvitation,
    next_exchange: u64,
    /// What is to be sent to each guest. Not bounded by itself: the state machine answers a
    /// message with at most two.
    outlets: BTreeMap<ExchangeId, mpsc::UnboundedSender<HostMessage>>,
}

/// What a step leaves to be done outside.
struct Admission {
    exchange: ExchangeId,
    message: AdmitMember,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Invitations {
    pub(crate) fn new(
        device: DeviceKey,
        admit: Port<AdmitMember>,
        clock: Clock,
        rng: ChaCha20Rng,
    ) -> Self {
        let (hosted, rng) = (Mutex::default(), Mutex::new(rng));
        Self {
            device,
            admit,
            clock,
            hosted,
            rng,
        }
    }

    fn begin(
        &self,
        space: SpaceKey,
        options: &InvitationOptions,
    ) -> Result<(Arc<Hosted>, Option<InvitationCode>, u64), InvitationError> {
        let mut hosted = lock(&self.hosted);
        hosted.retain(|_, hosted| lock(&hosted.state).machine.ended().is_none());
        if hosted.len() >= HOSTED_MAX {
            return Err(InvitationError::TooMany { max: HOSTED_MAX });
        }
        let mut rng = lock(&self.rng);
        let id = InvitationId::generate(&mut *rng);
        let code = (options.authentication == Authentication::SharedSecret)
            .then(|| InvitationCode::generate(&mut *rng));
        let expires_ms = self
            .clock
            .wall_ms()
            .saturating_add(millis(options.lifetime));
        let times = (!options.multi_use, expires_ms, millis(options.timeout));
        let machine = HostInvitation::new(id, self.device, options.role, code.clone(), times);
        let state = HostedState {
            machine,
            next_exchange: 0,
            outlets: BTreeMap::new(),
        };
        let status = InvitationStatus::new(InvitationState::Init, Some(space));
        let new = Arc::new(Hosted {
            space,
            id,
            state: Mutex::new(state),
            status: watch::Sender::new(status),
        });
        hosted.insert(id, Arc::clone(&new));
        Ok((new, code, expires_ms))
    }

    /// Cancels all: the client goes away.
    pub(crate) fn close(&self) {
        let all: Vec<_> = std::mem::take(&mut *lock(&self.hosted))
            .into_values()
            .collect();
        for hosted in all {
            hosted.cancel();
        }
    }

    fn step(&self, hosted: &Hosted, exchange: ExchangeId, input: Input) -> Option<Admission> {
        let mut out = Vec::new();
        let mut state = lock(&hosted.state);
        let now_ms = self.clock.wall_ms();
        state
            .machine
            .step(now_ms, exchange, input, &mut *lock(&self.rng), &mut out);
        hosted.carry_out(&mut state, out)
    }

    /// Serves one guest from its first message on.
    async fn serve(
        &self,
        hosted: &Hosted,
        first: GuestMessage,
        connection: &Arc<dyn Connection>,
        stream: Stream,
    ) {
        let Stream {
            mut sender,
            mut receiver,
            ..
        } = stream;
        let (outlet, mut inlet) = mpsc::unbounded_channel();
        let exchange = {
            let mut state = lock(&hosted.state);
            state.next_exchange += 1;
            let exchange = ExchangeId(state.next_exchange);
            state.outlets.insert(exchange, outlet);
            exchange
        };
        let connected = Input::Connected {
            guest: connection.peer(),
            binding: connection.binding(BINDING_LABEL),
        };
        // Neither leads to an admission.
        drop(self.step(hosted, exchange, connected));
        let mut admission = self.step(hosted, exchange, Input::Message(first));
        loop {
            if let Some(Admission { exchange, message }) = admission.take() {
                let admitted = self.admit(message).await;
                admission = self.step(hosted, exchange, Input::Admission(admitted));
                continue;
            }
            tokio::select! {
                biased;
                message = inlet.recv() => match message {
                    Some(message) => {
                        if !self.send(&mut sender, &message).await {
                            break;
                        }
                    }
                    None => {
                        // The last message counts: wait until the guest has it.
                        let delivered = self.clock.timeout(STEP_TIMEOUT, sender.delivered()).await;
                        tracing::debug!(?delivered, "exchange ended");
                        break;
                    }
                },
                input = next_input(&mut receiver) => {
                    let closed = matches!(input, Input::Closed);
                    admission = self.step(hosted, exchange, input);
                    if closed {
                        break;
                    }
                }
            }
        }
        lock(&hosted.state).outlets.remove(&exchange);
        drop(self.step(hosted, exchange, Input::Closed));
    }

    async fn admit(&self, message: AdmitMember) -> Result<AdmissionTicket, EchoError> {
        let stopped = |error: dxos_actors::PortError| EchoError::Stopped {
            reason: error.to_string(),
        };
        self.admit.ask(message).await.map_err(stopped)?
    }

    /// Whether it was sent in time.
    async fn send(&self, sender: &mut FrameSender, message: &HostMessage) -> bool {
        let Ok(frame) = message.encode() else {
            return false;
        };
        matches!(
            self.clock.timeout(STEP_TIMEOUT, sender.send(frame)).await,
            Ok(Ok(()))
        )
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn next_input(receiver: &mut FrameReceiver) -> Input {
    match receiver.receive().await {
        Ok(Some(frame)) => GuestMessage::decode(&frame).map_or(Input::Malformed, Input::Message),
        _ => Input::Closed,
    }
}

#[async_trait]
impl InvitationHandler for Invitations {
    async fn accepted(&self, connection: Arc<dyn Connection>, mut stream: Stream) {
        let first = self
            .clock
            .timeout(STEP_TIMEOUT, stream.receiver.receive())
            .await;
        let Ok(Ok(Some(frame))) = first else { return };
        let Ok(first) = GuestMessage::decode(&frame) else {
            return;
        };
        let hosted = match &first {
            GuestMessage::Introduce { invitation } => lock(&self.hosted).get(invitation).cloned(),
            _ => None,
        };
        match hosted {
            Some(hosted) => self.serve(&hosted, first, &connection, stream).await,
            None => {
                let refused = HostMessage::Refused {
                    refusal: Refusal::Unknown,
                };
                if self.send(&mut stream.sender, &refused).await {
                    let sent = self
                        .clock
                        .timeout(STEP_TIMEOUT, stream.sender.delivered())
                        .await;
                    tracing::debug!(?sent, "an unknown invitation was refused");
                }
            }
        }
    }
}

impl Hosted {
    /// Carries out what the state machine wants, but for admissions.
    fn carry_out(&self, state: &mut HostedState, out: Vec<Output>) -> Option<Admission> {
        let mut admission = None;
        for output in out {
            match output {
                Output::Send(exchange, message) => {
                    if let Some(outlet) = state.outlets.get(&exchange) {
                        // The guest may be gone.
                        drop(outlet.send(message));
                    }
                }
                // With its outlet gone, an exchange ends when everything is sent.
                Output::Close(exchange) => drop(state.outlets.remove(&exchange)),
                Output::Admit {
                    exchange,
                    chain,
                    display_name,
                } => {
                    let message = AdmitMember {
                        space: self.space,
                        chain,
                        role: state.machine.role,
                        display_name,
                        invitation: state.machine.single_use.then_some(self.id),
                    };
                    admission = Some(Admission { exchange, message });
                }
                Output::Progress(progress) => self.report(progress, state.machine.single_use),
            }
        }
        admission
    }

    fn report(&self, progress: Progress, single_use: bool) {
        self.status.send_modify(|status| {
            // What later guests of a used invitation do does not show.
            if status.state.is_final() {
                return;
            }
            match progress {
                Progress::Connected => status.state = InvitationState::Connected,
                Progress::ReadyForAuthentication => {
                    status.state = InvitationState::ReadyForAuthentication;
                }
                Progress::Authenticating => status.state = InvitationState::Authenticating,
                Progress::WrongCode { attempts_left } => {
                    status.state = InvitationState::ReadyForAuthentication;
                    status.attempts_left = Some(attempts_left);
                }
                Progress::Admitted(_) if single_use => status.state = InvitationState::Success,
                Progress::Admitted(_) | Progress::GuestLeft => {
                    status.state = InvitationState::Init;
                }
                Progress::Ended(refusal) => {
                    // To the guest it is a refusal; this side did it itself.
                    let error = match refusal {
                        Refusal::Cancelled => InvitationError::Cancelled,
                        Refusal::Expired => InvitationError::Expired,
                        refusal => InvitationError::Refused(refusal),
                    };
                    status.state = error.state();
                    status.error = Some(error);
                }
            }
        });
    }

    fn cancel(&self) {
        let mut out = Vec::new();
        let mut state = lock(&self.state);
        state.machine.cancel(&mut out);
        drop(self.carry_out(&mut state, out));
    }

    /// Ends what is over; whether the invitation itself is.
    fn tick(&self, now_ms: u64) -> bool {
        let mut out = Vec::new();
        let mut state = lock(&self.state);
        state.machine.tick(now_ms, &mut out);
        drop(self.carry_out(&mut state, out));
        state.machine.ended().is_some()
    }
}

/// An invitation that this client hosts. Dropping this leaves it open; it ends when it is used,
/// cancelled or expired, after three wrong codes, or with the client.
#[derive(Clone)]
pub struct InvitationHost {
    hosted: Arc<Hosted>,
    invitation: Invitation,
    code: Option<InvitationCode>,
}

impl fmt::Debug for InvitationHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InvitationHost")
            .field("id", &self.invitation.id)
            .field("state", &self.status().state)
            .finish_non_exhaustive()
    }
}

impl InvitationHost {
    pub(crate) async fn start(
        space: &Space,
        options: InvitationOptions,
    ) -> Result<Self, ClientError> {
        let node = space.client().node()?;
        let network = node.network.clone().ok_or(ClientError::NoNetwork)?;
        let report = space.report().await?;
        if !report.role.is_some_and(|role| role.allows(Right::Admit)) {
            let (space, role) = (space.key(), report.role);
            let action = "invite members";
            return Err(EchoError::NotPermitted {
                space,
                role,
                action,
            }
            .into());
        }
        let (hosted, code, expires_ms) = node.invitations.begin(space.key(), &options)?;
        let invitation = Invitation {
            id: hosted.id,
            topic: Topic::of_space(&space.key()),
            host: node.invitations.device,
            addresses: network.addresses(),
            signal: network.signal.clone(),
            authentication: options.authentication,
            expires_ms,
        };
        let (clock, ticked) = (node.clock.clone(), Arc::clone(&hosted));
        node.spawner
            .spawn("invitation", move || async move {
                while !ticked.tick(clock.wall_ms()) {
                    clock.sleep(TICK).await;
                }
            })
            .map_err(|_| InvitationError::Stopped)?;
        Ok(Self {
            hosted,
            invitation,
            code,
        })
    }

    /// What to hand to the guest; its `Display` is the text form.
    pub const fn invitation(&self) -> &Invitation {
        &self.invitation
    }

    /// The six digits to tell the guest over another channel; `None` when none are asked for.
    pub fn auth_code(&self) -> Option<&str> {
        self.code.as_ref().map(InvitationCode::as_str)
    }

    /// Where it stands.
    pub fn status(&self) -> InvitationStatus {
        self.hosted.status.borrow().clone()
    }

    /// The same as it changes; states in between may be skipped.
    pub fn watch(&self) -> watch::Receiver<InvitationStatus> {
        self.hosted.status.subscribe()
    }

    /// Waits until it has ended; for one of many uses that is never by being used.
    ///
    /// # Errors
    ///
    /// [`InvitationError`] when it ended without a new member.
    pub async fn finished(&self) -> Result<InvitationStatus, InvitationError> {
        let mut watch = self.watch();
        let ended = watch.wait_for(|status| status.state.is_final()).await;
        let status = ended.map_err(|_| InvitationError::Stopped)?.clone();
        match status.error {
            Some(error) => Err(error),
            None => Ok(status),
        }
    }

    /// Ends it.
    pub fn cancel(&self) {
        self.hosted.cancel();
    }
}
