//! The actor of one space: messages in, state machine, store and network out.

mod archive;
mod durable;
mod epochs;
mod members;
mod past;
mod queries;
mod queues;
mod receipts;
mod reopen;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dxos_actors::{Answer, Behaviour, Context, Receive, Shutdown, ShutdownError};
use dxos_keys::SpaceKey;
#[allow(
    clippy::wildcard_imports,
    reason = "this is where all requests of ECHO are answered"
)]
use dxos_protocol::echo::*;
use dxos_protocol::halo::Authority;
use dxos_store::{Batch, Durability as StoreDurability, Read};
use rand_chacha::ChaCha20Rng;
use tokio::sync::watch;

pub(crate) use self::past::READS_MAX;
pub(crate) use self::receipts::Withdraw;
use crate::actor::Shared;
use crate::core::layout::SpaceRecord;
use crate::core::space::store_failed;
use crate::core::{Effects, Outcome, Space};
use crate::ending::shutting_down;

/// How often silent peers and slow subscribers are looked after.
const TICK: Duration = Duration::from_millis(50);
/// How soon a change shows in the watched report: changes in between show together.
const REPORT_DELAY: Duration = Duration::from_millis(5);

/// How a space begins.
pub(crate) enum Start {
    /// It was just created or joined.
    Ready(Box<Space>),
    /// It is to be read from the store.
    Stored(SpaceRecord, Box<Authority>),
}

pub(crate) struct SpaceActor {
    key: SpaceKey,
    start: Option<Start>,
    space: Result<Box<Space>, EchoError>,
    shared: Shared,
    rng: ChaCha20Rng,
    report: watch::Sender<SpaceReport>,
    report_due: bool,
    transferred: Transferred,
    /// Whether it was told to end.
    ended: bool,
    waiting: durable::Waiting,
    aside: reopen::Aside,
    told: reopen::Told,
    /// Whether the next part of what is to be done for indexes is due already.
    indexing: bool,
    /// Where the upkeep of epochs stands.
    epochs: epochs::Upkeep,
    /// When receipts that came are passed on next.
    spread_ms: u64,
    /// What the store refuses, for all spaces.
    failure: watch::Receiver<Option<StoreFailure>>,
    /// Set when the space is about to be deleted.
    withdrawal: Option<receipts::Withdrawal>,
}

impl SpaceActor {
    pub(crate) fn new(
        key: SpaceKey,
        start: Start,
        shared: Shared,
        rng: ChaCha20Rng,
        report: watch::Sender<SpaceReport>,
    ) -> Self {
        let opening = EchoError::Stopped {
            reason: "the space is being opened".to_owned(),
        };
        let space = Err(opening);
        let failure = shared.watched.watch();
        Self {
            failure,
            key,
            start: Some(start),
            space,
            shared,
            rng,
            report,
            report_due: false,
            transferred: Transferred::default(),
            ended: false,
            waiting: durable::Waiting::default(),
            aside: reopen::Aside::default(),
            told: reopen::Told::default(),
            indexing: false,
            epochs: epochs::Upkeep::default(),
            spread_ms: 0,
            withdrawal: None,
        }
    }

    fn space(&mut self) -> Result<&mut Space, EchoError> {
        self.try_again();
        self.space.as_deref_mut().map_err(|error| error.clone())
    }

    /// Carries out what a step wants.
    fn carry_out(&mut self, outcome: Outcome, ctx: &Context<Self>) -> Result<(), EchoError> {
        let Outcome {
            batch,
            synced,
            effects,
        } = outcome;
        if let Err(error) = self.write(batch, synced) {
            return Err(self.begin_again(&error, ctx));
        }
        let store: &dyn Read = &self.shared.store;
        let told = self
            .space
            .as_deref_mut()
            .map_or(Ok(()), |space| space.written(store));
        if let Err(error) = told {
            // It is written; only those who watch do not know.
            self.begin_again(&error, ctx);
            self.refresh_live();
        }
        self.rebuild();
        self.tell_mesh(effects);
        if self.ended {
            return Ok(());
        }
        if let Err(error) = self.write_again(ctx) {
            tracing::error!(%error, "what a fork took away is not written again yet");
        }
        self.report_soon(ctx);
        self.index_later(ctx);
        Ok(())
    }

    /// Writes again what a fork has taken away from this device. Nobody hears of it before it is
    /// on the disk.
    fn write_again(&mut self, ctx: &Context<Self>) -> Result<(), EchoError> {
        let mut effects = Effects::default();
        let mut wrote = false;
        while !self.ended {
            let now_ms = self.shared.clock.wall_ms();
            let store = Arc::clone(&self.shared.store);
            let space = self.space.as_deref_mut().map_err(|error| error.clone())?;
            let outcome = match space.write_again(now_ms, (&store, &mut self.rng)) {
                Ok(Some(outcome)) => outcome,
                Ok(None) => break,
                Err(error) => return Err(self.begin_again(&error, ctx)),
            };
            wrote = true;
            if let Err(error) = self.write(outcome.batch, outcome.synced) {
                return Err(self.begin_again(&error, ctx));
            }
            let told = self.space().and_then(|space| space.written(&store));
            if let Err(error) = told {
                self.begin_again(&error, ctx);
                self.refresh_live();
                return Err(error);
            }
            self.rebuild();
            effects.merge(outcome.effects);
        }
        if wrote && let Err(error) = self.shared.store.sync() {
            return Err(self.begin_again(&store_failed(&error), ctx));
        }
        self.tell_mesh(effects);
        Ok(())
    }

    fn write(&mut self, batch: Batch, synced: bool) -> Result<(), EchoError> {
        if batch.is_empty() {
            return Ok(());
        }
        let durability = if synced {
            StoreDurability::Synced
        } else {
            StoreDurability::Buffered
        };
        for part in self.space()?.parts(batch)? {
            self.shared
                .store
                .commit(part, durability)
                .map_err(|error| store_failed(&error))?;
        }
        if !synced {
            self.shared.unsynced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Signs what this device wrote last, before anybody is shown it.
    fn vouch(&mut self, ctx: &Context<Self>) -> Result<(), EchoError> {
        let batch = self.space()?.vouch();
        self.write(batch, false)
            .map_err(|error| self.begin_again(&error, ctx))
    }

    fn current_report(&self) -> SpaceReport {
        match &self.space {
            Ok(space) => {
                let store: &dyn Read = &self.shared.store;
                let mut report = SpaceReport {
                    transferred: self.transferred,
                    ..space.report(store)
                };
                if let Some(failure) = self.failure.borrow().clone() {
                    report.state = SpaceState::Error;
                    report.error = Some(failure.error.clone());
                    report.reason = Some(SpaceReason::NotStored(failure));
                }
                report
            }
            Err(error) => {
                let error = error.to_string();
                let reason = Some(SpaceReason::Failed { error });
                SpaceReport::of_state(self.key, SpaceState::Error, reason)
            }
        }
    }

    fn report_soon(&mut self, ctx: &Context<Self>) {
        if self.report_due || self.report.receiver_count() == 0 {
            return;
        }
        self.report_due = true;
        drop(ctx.run_later(REPORT_DELAY, |actor, _| {
            actor.report_due = false;
            if actor.ended {
                return;
            }
            let report = actor.current_report();
            actor.report.send_if_modified(|old| {
                let changed = *old != report;
                *old = report;
                changed
            });
        }));
    }

    fn tick_later(ctx: &Context<Self>) {
        drop(ctx.run_later(TICK, |actor, ctx| {
            if actor.ended {
                return;
            }
            let now_ms = actor.shared.clock.wall_ms();
            let stores_again = actor.failure.has_changed().unwrap_or_default();
            actor.failure.mark_unchanged();
            if actor.try_again() || stores_again {
                actor.report_soon(ctx);
            }
            if let Ok(space) = &mut actor.space {
                space.retry_live();
                space.retry_texts(&actor.shared.store);
                let ticked = space.tick(now_ms, &actor.shared.store);
                match ticked {
                    Ok(effects) => actor.tell_mesh(effects),
                    Err(error) => drop(actor.begin_again(&error, ctx)),
                }
                actor.rebuild();
                // What is about to be deleted is not put in order before.
                if actor.withdrawal.is_none() && !actor.shared.ending.is_set() {
                    actor.tidy();
                    actor.follow_policy(now_ms, ctx);
                    actor.do_duties(now_ms, ctx);
                    actor.expire_items(now_ms, ctx);
                }
                actor.do_receipts(now_ms, ctx);
                actor.end_burst(now_ms);
                actor.compact(now_ms, ctx);
                actor.index_later(ctx);
            }
            Self::tick_later(ctx);
        }));
    }

    /// Notes that a burst of edits is over, if it is.
    fn end_burst(&mut self, now_ms: u64) {
        let Ok(space) = &mut self.space else { return };
        if let Some(batch) = space.end_burst(now_ms)
            && let Err(error) = self.write(batch, false)
        {
            tracing::warn!(%error, "the end of a burst of edits was not noted");
        }
    }

    /// Does for the space what nobody asked for.
    fn do_duties(&mut self, now_ms: u64, ctx: &Context<Self>) {
        let store = Arc::clone(&self.shared.store);
        let Ok(space) = &mut self.space else { return };
        let done = match space.do_duties(now_ms, (&store, &mut self.rng)) {
            Ok(Some(outcome)) => self.carry_out(outcome, ctx),
            Ok(None) => Ok(()),
            Err(error) => Err(self.begin_again(&error, ctx)),
        };
        if let Err(error) = done
            && !self.ended
            && self.told.is_new(&error)
        {
            tracing::warn!(%error, space = %self.key.short(), "a duty of this device is not done yet");
        }
    }

    /// Runs a step that may write, and carries out what it wants.
    fn step<T>(
        &mut self,
        ctx: &Context<Self>,
        step: impl FnOnce(
            &mut Space,
            u64,
            (&dyn Read, &mut ChaCha20Rng),
        ) -> Result<(T, Outcome), EchoError>,
    ) -> Result<T, EchoError> {
        let now_ms = self.shared.clock.wall_ms();
        self.try_again();
        let store: &dyn Read = &self.shared.store;
        let space = self.space.as_deref_mut().map_err(|error| error.clone())?;
        match step(space, now_ms, (store, &mut self.rng)) {
            Ok((result, outcome)) => {
                self.carry_out(outcome, ctx)?;
                Ok(result)
            }
            Err(error @ (EchoError::Store { .. } | EchoError::Stopped { .. })) => {
                Err(self.begin_again(&error, ctx))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what was not written, and does nothing from then on.
    fn end(&mut self) -> Result<(), EchoError> {
        let batch = match &mut self.space {
            Ok(space) => {
                let mut batch = space.close().unwrap_or_default();
                batch.append(space.compact_at_close().unwrap_or_default());
                space.keep_receipts(&mut batch).map(|()| batch)
            }
            Err(_) => Ok(Batch::new()),
        };
        let written = batch.and_then(|batch| self.write(batch, false));
        self.space = Err(shutting_down());
        self.ended = true;
        self.aside = reopen::Aside::default();
        // Whoever watches hears of the end, also while somebody still has an address of this actor.
        let ended = SpaceReport::of_state(self.key, SpaceState::Closed, None);
        self.report = watch::Sender::new(ended);
        written
    }
}

impl Behaviour for SpaceActor {
    const NAME: &'static str = "space";
    const CREDITS: usize = 256;

    fn started(&mut self, ctx: &Context<Self>) {
        self.open();
        if let Err(error) = self.write_again(ctx)
            && self.told.is_new(&error)
        {
            tracing::warn!(%error, "what a fork took away is not written again yet");
        }
        self.report_soon(ctx);
        Self::tick_later(ctx);
    }
}

impl Receive<Shutdown> for SpaceActor {
    fn receive(&mut self, _: Shutdown, _: &Context<Self>) -> Answer<Result<(), ShutdownError>> {
        Answer::Now(self.end().map_err(|error| ShutdownError::Failed {
            text: error.to_string(),
        }))
    }
}

impl Receive<Commit> for SpaceActor {
    fn receive(
        &mut self,
        message: Commit,
        ctx: &Context<Self>,
    ) -> Answer<Result<Committed, EchoError>> {
        let Commit {
            ops, durability, ..
        } = message;
        let result = self.step(ctx, |space, now_ms, (store, rng)| {
            space.commit(ops, now_ms, (store, rng))
        });
        match (result.flatten(), durability) {
            (Ok(committed), Durability::Synced) => self.durable(committed, ctx),
            (result, _) => Answer::Now(result),
        }
    }
}

impl Receive<WatchText> for SpaceActor {
    fn receive(
        &mut self,
        message: WatchText,
        _: &Context<Self>,
    ) -> Answer<Result<Option<TextWatch>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let watch = self
            .space()
            .and_then(|space| space.watch_text(message.object, message.path, &store));
        Answer::Now(watch)
    }
}

impl Receive<Transact> for SpaceActor {
    fn receive(
        &mut self,
        message: Transact,
        ctx: &Context<Self>,
    ) -> Answer<Result<Option<Committed>, EchoError>> {
        let Transact {
            work, durability, ..
        } = message;
        let result = self.step(ctx, |space, now_ms, (store, rng)| {
            space.transact(work, now_ms, (store, rng))
        });
        match (result.flatten(), durability) {
            (Ok(Some(committed)), Durability::Synced) => self.durable(Some(committed), ctx),
            (result, _) => Answer::Now(result),
        }
    }
}

impl Receive<GetObject> for SpaceActor {
    fn receive(
        &mut self,
        message: GetObject,
        _: &Context<Self>,
    ) -> Answer<Result<Option<dxos_document::Object>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.object(&message.object, &store)),
        )
    }
}

impl Receive<GetSpace> for SpaceActor {
    fn receive(
        &mut self,
        _: GetSpace,
        _: &Context<Self>,
    ) -> Answer<Result<SpaceReport, EchoError>> {
        Answer::Now(Ok(self.current_report()))
    }
}

impl Receive<WatchSpace> for SpaceActor {
    fn receive(
        &mut self,
        _: WatchSpace,
        _: &Context<Self>,
    ) -> Answer<Result<watch::Receiver<SpaceReport>, EchoError>> {
        let report = self.current_report();
        self.report.send_replace(report);
        Answer::Now(Ok(self.report.subscribe()))
    }
}

impl Receive<ComputeStateHash> for SpaceActor {
    fn receive(
        &mut self,
        _: ComputeStateHash,
        _: &Context<Self>,
    ) -> Answer<Result<dxos_keys::StateHash, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(self.space().and_then(|space| space.state_hash(&store)))
    }
}
