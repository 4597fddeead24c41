//! Carrying out what the state machines of hosted invitations want, and looking at the clock for
//! them.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dxos_keys::{InvitationId, SpaceKey};
use dxos_protocol::echo::CancelDelegated;
use dxos_protocol::invitation::{HostMessage, InvitationType, Refusal};

use super::host::{Admission, ExchangeId, Output, Progress};
use super::hosted::{Hosted, HostedState};
use super::registry::{Invitations, lock};

/// How often invitations are looked at whose time may be over.
const TICK: Duration = Duration::from_secs(1);

/// What a step leaves to be done outside.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) exchange: ExchangeId,
    pub(super) admission: Admission,
}

impl Invitations {
    /// Ends one by the host's will.
    pub(super) fn cancel(&self, hosted: &Hosted) {
        self.end(hosted, Refusal::Cancelled);
        if hosted.invitation_type == InvitationType::Delegated {
            self.cancel_everywhere(hosted.space, hosted.id);
        }
    }

    pub(super) fn end(&self, hosted: &Hosted, refusal: Refusal) {
        let mut out = Vec::new();
        let mut state = hosted.state();
        state.machine.end(refusal, &mut out);
        drop(self.settle(hosted, &mut state, out));
    }

    /// Has every other host end a delegated invitation.
    pub(super) fn cancel_everywhere(&self, space: SpaceKey, invitation: InvitationId) {
        let cancel = self.echo.cancel.clone();
        let asked = self.spawner.spawn("cancel invitation", move || async move {
            match cancel.ask(CancelDelegated { space, invitation }).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "an invitation was not cancelled"),
                Err(error) => tracing::warn!(%error, "an invitation was not cancelled"),
            }
        });
        if let Err(error) = asked {
            tracing::warn!(%error, "an invitation was not cancelled");
        }
    }

    /// Carries out what a state machine wants, but for admissions.
    pub(super) fn settle(
        &self,
        hosted: &Hosted,
        state: &mut HostedState,
        out: Vec<Output>,
    ) -> Option<Pending> {
        let save = out.iter().any(|output| matches!(output, Output::Save));
        let saved = !save || self.saved(hosted, state);
        let single_use = state.machine.terms().single_use;
        let mut pending = None;
        for output in out {
            match output {
                Output::Save => {}
                Output::Send(exchange, message) => {
                    let message = if saved || matches!(message, HostMessage::Refused { .. }) {
                        message
                    } else {
                        // What is not on the disk must not have happened for anybody.
                        let refusal = Refusal::HostFailed;
                        HostMessage::Refused { refusal }
                    };
                    if let Some(outlet) = state.outlets.get(&exchange) {
                        // The guest may be gone.
                        drop(outlet.send(message));
                    }
                    if !saved {
                        state.outlets.remove(&exchange);
                    }
                }
                // With its outlet gone, an exchange ends when everything is sent.
                Output::Close(exchange) => drop(state.outlets.remove(&exchange)),
                Output::Admit(exchange, _) if !saved => drop(state.outlets.remove(&exchange)),
                Output::Admit(exchange, admission) => {
                    pending = Some(Pending {
                        exchange,
                        admission,
                    });
                }
                Output::Progress(progress) => {
                    let delegated = hosted.invitation_type == InvitationType::Delegated;
                    let guessed = progress == Progress::Ended(Refusal::TooManyAttempts);
                    if delegated && guessed && !state.machine.is_used_up() {
                        self.cancel_everywhere(hosted.space, hosted.id);
                    }
                    let lists = matches!(progress, Progress::Admitted(_) | Progress::Ended(_));
                    hosted.report(progress, single_use);
                    if lists {
                        self.has_changed();
                    }
                }
            }
        }
        pending
    }

    fn saved(&self, hosted: &Hosted, state: &mut HostedState) -> bool {
        let saved = state.save(&hosted.id, &self.records);
        if let Err(error) = &saved {
            tracing::warn!(%error, "an invitation could not be stored");
        }
        saved.is_ok()
    }

    /// Looks at the clock as long as there are invitations whose time may come.
    pub(super) fn keep_time(&self) {
        if self.ticking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (itself, clock) = (Weak::clone(&self.itself), self.clock.clone());
        let ticking = async move {
            loop {
                clock.sleep(TICK).await;
                let Some(invitations) = itself.upgrade() else {
                    return;
                };
                if !invitations.tick(clock.wall_ms()) {
                    return;
                }
            }
        };
        if let Err(error) = self.spawner.spawn("invitations", move || ticking) {
            tracing::debug!(%error, "nobody looks at the clock for invitations");
        }
    }

    /// Ends what is over; whether anything is left to look at.
    fn tick(&self, now_ms: u64) -> bool {
        let all: Vec<_> = lock(&self.hosted).values().cloned().collect();
        for hosted in all {
            let mut out = Vec::new();
            let mut state = hosted.state();
            state.machine.tick(now_ms, &mut out);
            drop(self.settle(&hosted, &mut state, out));
        }
        let hosted = lock(&self.hosted);
        let left = hosted
            .values()
            .any(|hosted| hosted.state().machine.ended().is_none());
        if !left {
            // Under the lock: whoever adds one sees it.
            self.ticking.store(false, Ordering::Release);
        }
        left
    }
}
