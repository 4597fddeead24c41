//! A space whose state and store have parted is opened again, and one that cannot be opened, as
//! for want of room on the disk, is tried again until it can.

use std::collections::BTreeSet;
use std::time::Duration;

use dxos_actors::Context;
use dxos_protocol::echo::EchoError;
use dxos_protocol::halo::Authority;
use dxos_protocol::replicate::SessionError;
use dxos_store::Read;

use super::{SpaceActor, Start};
use crate::actor::draw_stride;
use crate::core::layout::SpaceRecord;
use crate::core::{Effects, Space};
use crate::ending::shutting_down;

/// How long a space that cannot be opened rests before it is tried again: doubling from the one
/// to the other.
const REST_MIN: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(5);

/// What a space is opened from.
enum Closed {
    /// Its record alone: it was not open since the start.
    Stored(SpaceRecord, Box<Authority>),
    /// What it was before; those who watch it are still there.
    Before(Box<Space>),
}

/// A space that could not be opened, and when to try again.
#[derive(Default)]
pub(super) struct Aside {
    closed: Option<Closed>,
    rest: Duration,
    until: Duration,
}

impl Aside {
    /// Opens with these secrets when it is tried again.
    pub(super) fn use_authority(&mut self, authority: Authority) {
        match &mut self.closed {
            Some(Closed::Stored(_, stored)) => **stored = authority,
            Some(Closed::Before(space)) => space.take_authority(authority),
            None => {}
        }
    }
}

/// What the log was told, so that it is told once and not at each try.
#[derive(Default)]
pub(super) struct Told(BTreeSet<String>);

impl Told {
    /// Errors that are told apart: behind so many, all are told again.
    const MAX: usize = 16;

    pub(super) fn is_new(&mut self, error: &EchoError) -> bool {
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        self.0.insert(error.to_string())
    }
}

impl SpaceActor {
    /// Opens the space for the first time.
    pub(super) fn open(&mut self) {
        match self.start.take() {
            Some(Start::Ready(mut space)) => {
                space.share_memory(&self.shared.memory);
                self.space = Ok(space);
                self.rebuild();
            }
            Some(Start::Stored(record, authority)) => {
                self.open_from(Closed::Stored(record, authority));
            }
            None => {}
        }
    }

    fn open_from(&mut self, closed: Closed) {
        let store: &dyn Read = &self.shared.store;
        let opened = match closed {
            Closed::Stored(record, authority) => {
                match Space::open(record.clone(), (*authority).clone(), store) {
                    Ok(space) => Ok(space),
                    Err(error) => Err((Closed::Stored(record, authority), error)),
                }
            }
            Closed::Before(space) => space
                .open_again(store)
                .map_err(|(space, error)| (Closed::Before(space), error)),
        };
        match opened {
            Ok(mut space) => {
                space.share_memory(&self.shared.memory);
                space.use_stride(draw_stride(&mut self.rng));
                space.keep_verified(&self.shared.store);
                self.space = Ok(Box::new(space));
                self.rebuild();
            }
            Err((closed, error)) => self.set_aside(closed, error),
        }
    }

    /// Makes the state anew when it is not that of the blocks any more.
    pub(super) fn rebuild(&mut self) {
        if let Ok(space) = &mut self.space
            && space.is_stale()
        {
            match space.rebuild(&self.shared.until_ending()) {
                Ok(effects) => self.tell_mesh(effects),
                Err(error) if self.shared.ending.is_set() => self.leave_off(&error),
                Err(error) => self.close_for(error),
            }
        }
    }

    /// Ends in the middle of what takes long: the next start does it from its beginning.
    fn leave_off(&mut self, why: &EchoError) {
        tracing::debug!(%why, space = %self.key.short(), "the space ends before its work is done");
        if let Err(error) = self.end() {
            tracing::warn!(%error, space = %self.key.short(), "the space did not end cleanly");
        }
    }

    /// Tells those who watch what has changed while nobody told them.
    pub(super) fn refresh_live(&mut self) {
        let store: &dyn Read = &self.shared.store;
        if let Ok(space) = &mut self.space
            && let Err(error) = space.refresh_live(store)
        {
            self.close_for(error);
        }
    }

    /// The space cannot be used as it is.
    fn close_for(&mut self, error: EchoError) {
        match std::mem::replace(&mut self.space, Err(error.clone())) {
            Ok(space) => {
                self.end_sessions(&space, &error);
                self.set_aside(Closed::Before(space), error);
            }
            Err(before) => self.space = Err(before),
        }
    }

    fn set_aside(&mut self, closed: Closed, error: EchoError) {
        let now = self.shared.clock.now();
        let rest = (self.aside.rest * 2).clamp(REST_MIN, REST_MAX);
        if self.told.is_new(&error) {
            tracing::error!(
                %error,
                space = %self.key.short(),
                "the space cannot be opened now; it is tried again until it can"
            );
        }
        self.space = Err(error);
        self.aside = Aside {
            closed: Some(closed),
            rest,
            until: now + rest,
        };
    }

    fn end_sessions(&self, space: &Space, error: &EchoError) {
        let reason = SessionError::SpaceClosed {
            reason: error.to_string(),
        };
        let end = space
            .sessions()
            .map(|session| (session, reason.clone()))
            .collect();
        self.tell_mesh(Effects {
            end,
            ..Effects::default()
        });
    }

    /// Tries a space again that could not be opened, if it has rested. Says whether it is open
    /// now and was not before.
    pub(super) fn try_again(&mut self) -> bool {
        if self.aside.closed.is_none() || self.shared.clock.now() < self.aside.until {
            return false;
        }
        let Some(closed) = self.aside.closed.take() else {
            return false;
        };
        self.open_from(closed);
        self.refresh_live();
        let opened = self.space.is_ok();
        if opened {
            tracing::info!(space = %self.key.short(), "the space is open again");
            self.aside = Aside::default();
            self.told = Told::default();
        }
        opened
    }

    /// The store refused a batch: what is in memory is ahead of it, so it is read again.
    pub(super) fn begin_again(&mut self, error: &EchoError, ctx: &Context<Self>) -> EchoError {
        let ends = self.shared.ending.is_set();
        if !ends && self.told.is_new(error) {
            tracing::error!(%error, space = %self.key.short(), "the space is opened again");
        }
        let opening = EchoError::Stopped {
            reason: "the space is being opened".to_owned(),
        };
        match std::mem::replace(&mut self.space, Err(opening)) {
            Ok(space) => {
                self.end_sessions(&space, error);
                self.open_from(Closed::Before(space));
            }
            Err(error) => self.space = Err(error),
        }
        if ends {
            self.leave_off(error);
            return shutting_down();
        }
        self.report_soon(ctx);
        error.clone()
    }
}
