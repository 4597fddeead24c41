//! Many callers, one sync.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use dxos_store::StoreError;

/// Lets callers that want a sync at the same time share one: a caller is served by the first
/// sync that starts after it came. One of the waiting callers does the work for all.
#[derive(Debug, Default)]
pub(crate) struct GroupSync {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    started: u64,
    finished: u64,
    failed: Option<StoreError>,
}

impl GroupSync {
    /// Returns once a sync is done that started after this call. A failure is final: it is
    /// not known what a failed sync left on the disk, so every later call fails as well.
    pub(crate) fn join(
        &self,
        sync: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mine = state.started + 1;
        loop {
            if state.finished >= mine {
                return Ok(());
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.started == state.finished {
                break;
            }
            state = self
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.started += 1;
        let running = state.started;
        drop(state);
        let synced = sync();
        let mut state = self.lock();
        state.finished = running;
        if let Err(error) = &synced {
            state.finished -= 1;
            state.started -= 1;
            state.failed = Some(error.clone());
        }
        drop(state);
        self.done.notify_all();
        synced
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        sync::mpsc,
        thread,
    };

    use super::*;

    #[test]
    fn waiters_share_one_sync_that_starts_after_they_came() {
        let group = GroupSync::default();
        let syncs = AtomicU64::new(0);
        let (started, has_started) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let (first_group, first_syncs) = (&group, &syncs);
            scope.spawn(move || {
                first_group.join(|| {
                    started.send(()).unwrap();
                    may_go.recv().unwrap();
                    first_syncs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            });
            has_started.recv().unwrap();
            let (came, have_come) = mpsc::channel();
            for _ in 0..63 {
                let (came, group, syncs) = (came.clone(), &group, &syncs);
                scope.spawn(move || {
                    came.send(()).unwrap();
                    group.join(|| {
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    })
                });
            }
            for _ in 0..63 {
                have_come.recv().unwrap();
            }
            go.send(()).unwrap();
        });
        // The first one, one for those who came while it ran, and whoever was late.
        let syncs = syncs.load(Ordering::SeqCst);
        assert!((2..=64).contains(&syncs), "{syncs}");
        assert_eq!(group.lock().finished, syncs);
    }

    #[test]
    fn a_failure_is_final() {
        let group = GroupSync::default();
        assert_eq!(group.join(|| Ok(())), Ok(()));
        assert_eq!(
            group.join(|| Err(StoreError::Closed)),
            Err(StoreError::Closed)
        );
        assert_eq!(group.join(|| Ok(())), Err(StoreError::Closed));
    }
}
