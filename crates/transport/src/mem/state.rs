//! What one connection is between its two sides. Nothing here waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::config::LinkConfig;
use crate::CloseReason;

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Initiator,
    Acceptor,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }
}

/// Something that each side has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair<T> {
    pub(super) initiator: T,
    pub(super) acceptor: T,
}

impl<T> Pair<T> {
    pub(super) fn of(&self, side: Side) -> &T {
        match side {
            Side::Initiator => &self.initiator,
            Side::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Initiator => &mut self.initiator,
            Side::Acceptor => &mut self.acceptor,
        }
    }
}

/// How a connection ends for one side.
#[derive(Clone, Copy, Debug)]
struct End {
    due: Instant,
    reason: CloseReason,
    /// The news travels over the link, so a partition holds it back.
    travels: bool,
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) config: LinkConfig,
    /// When what was sent so far has left, under a limited bandwidth.
    free_at: Instant,
    /// The latest due instant of any stream.
    latest: Instant,
    pub(super) bytes: u64,
}

/// When a frame arrives, and what was done to it.
pub(super) struct Passage {
    pub(super) due: Instant,
    pub(super) delayed: bool,
    pub(super) throttled: bool,
    pub(super) overtakes: bool,
}

impl Direction {
    pub(super) fn new(config: LinkConfig, now: Instant) -> Self {
        Self {
            config,
            free_at: now,
            latest: now,
            bytes: 0,
        }
    }

    /// Puts `length` bytes on the link.
    pub(super) fn pass(&mut self, now: Instant, length: usize, rng: &mut ChaCha8Rng) -> Passage {
        let starts = self.free_at.max(now);
        let length = length as u64;
        let takes = self.config.bandwidth.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(length.saturating_mul(1_000_000_000) / rate.max(1))
        });
        self.free_at = starts + takes;
        self.bytes += length;
        let due = self.free_at + self.config.latency + draw(rng, self.config.jitter);
        let overtakes = due < self.latest;
        self.latest = self.latest.max(due);
        Passage {
            due,
            delayed: due > now,
            throttled: starts > now,
            overtakes,
        }
    }
}

/// A duration from zero to `most`.
pub(super) fn draw(rng: &mut ChaCha8Rng, most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
    if most == 0 {
        return Duration::ZERO;
    }
    Duration::from_nanos(rng.next_u64() % (most + 1))
}

/// Whether something happens that happens `per_million` times in a million.
pub(super) fn chance(rng: &mut ChaCha8Rng, per_million: u32) -> bool {
    per_million > 0 && rng.next_u64() % 1_000_000 < u64::from(per_million)
}

/// Which direction of which stream, named by who sends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HalfId {
    pub(super) stream: u64,
    pub(super) sender: Side,
}

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) frames: VecDeque<(Instant, Bytes)>,
    /// Bytes in `frames`.
    pub(super) buffered: usize,
    /// Nothing of this half arrives before this.
    pub(super) clock: Instant,
    pub(super) finish: Option<Instant>,
    pub(super) reset: Option<Instant>,
    pub(super) stop: Option<Instant>,
    pub(super) rng: ChaCha8Rng,
    pub(super) changed: Arc<Notify>,
    pub(super) sender_gone: bool,
    pub(super) receiver_gone: bool,
}

/// A stream that waits to be accepted.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) due: Instant,
    pub(super) kind: [u8; 2],
    pub(super) stream: u64,
    /// Counts against the opener's limit while the acceptor has the stream.
    pub(super) permit: OwnedSemaphorePermit,
}

/// All that changes in a connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    ends: Pair<Option<End>>,
    /// Since when nothing passes.
    cut: Option<Instant>,
    /// The cut never heals: a side has crashed.
    severed: bool,
    timeout_counted: bool,
    idle_timeout: Duration,
    /// By the side that sends.
    pub(super) directions: Pair<Direction>,
    /// By the side that accepts.
    pub(super) opened: Pair<Vec<Opened>>,
    pub(super) halves: BTreeMap<HalfId, Half>,
    pub(super) streams: u64,
}

impl ConnectionState {
    pub(super) fn new(links: Pair<LinkConfig>, idle_timeout: Duration, now: Instant) -> Self {
        Self {
            ends: Pair::default(),
            cut: None,
            severed: false,
            timeout_counted: false,
            idle_timeout,
            directions: Pair {
                initiator: Direction::new(links.initiator, now),
                acceptor: Direction::new(links.acceptor, now),
            },
            opened: Pair::default(),
            halves: BTreeMap::new(),
            streams: 0,
        }
    }

    /// Whether what is due at `due` gets through any partition.
    pub(super) fn passes(&self, due: Instant) -> bool {
        self.cut.is_none_or(|since| due <= since)
    }

    /// Whether what is due at `due` has arrived.
    pub(super) fn arrived(&self, due: Instant, now: Instant) -> bool {
        due <= now && self.passes(due)
    }

    /// When what is sent at `now` leaves: within a partition after its beginning, even if that
    /// was this very instant.
    pub(super) fn departure(&self, now: Instant) -> Instant {
        if self.is_cut() {
            now + Duration::from_nanos(1)
        } else {
            now
        }
    }

    /// Whether nothing passes at present.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// How the connection has ended for `side`, if it has.
    pub(super) fn ended(&self, side: Side, now: Instant) -> Option<CloseReason> {
        self.end_instant(side, now).map(|(_, reason)| reason)
    }

    fn end_instant(&self, side: Side, now: Instant) -> Option<(Instant, CloseReason)> {
        if let Some(end) = self.ends.of(side) {
            let arrived = if end.travels {
                self.arrived(end.due, now)
            } else {
                end.due <= now
            };
            if arrived {
                return Some((end.due, end.reason));
            }
        }
        let timeout = self.cut? + self.idle_timeout;
        (timeout <= now).then_some((timeout, CloseReason::TimedOut))
    }

    /// Whether `side` itself ended the connection, so that it reads nothing more of it.
    pub(super) fn left(&self, side: Side, now: Instant) -> bool {
        (self.ends.of(side).as_ref()).is_some_and(|end| !end.travels && end.due <= now)
    }

    /// Whether something due at `due` reaches `side` before the connection ends for it.
    pub(super) fn outruns_end(&self, side: Side, due: Instant, now: Instant) -> bool {
        (self.end_instant(side, now)).is_none_or(|(end, _)| due <= end)
    }

    /// When to look again at the connection as a whole, for one who waits.
    pub(super) fn wake(&self, side: Side, now: Instant) -> Option<Instant> {
        let end = self.ends.of(side).map(|end| end.due);
        let timeout = self.cut.map(|since| since + self.idle_timeout);
        earliest(end, timeout, now)
    }

    /// `side` ends the connection; the other learns of it over the link.
    pub(super) fn close(&mut self, side: Side, reason: CloseReason, now: Instant) {
        if self.ended(side, now).is_some() {
            return;
        }
        *self.ends.of_mut(side) = Some(End {
            due: now,
            reason,
            travels: false,
        });
        let due = self.departure(now) + self.directions.of(side).config.latency;
        // A goodbye never overtakes one that the other side said itself.
        if self.ends.of(side.other()).is_none() {
            *self.ends.of_mut(side.other()) = Some(End {
                due,
                reason,
                travels: true,
            });
        }
    }

    /// The link breaks: both sides find out, `side` at once.
    pub(super) fn break_link(&mut self, side: Side, now: Instant) {
        self.close(side, CloseReason::Lost, now);
    }

    /// `side` is gone without a word; the other hears nothing from now on.
    pub(super) fn crash(&mut self, side: Side, now: Instant) {
        *self.ends.of_mut(side) = Some(End {
            due: now,
            reason: CloseReason::Lost,
            travels: false,
        });
        self.cut = Some(self.cut.unwrap_or(now));
        self.severed = true;
    }

    /// Begins a partition.
    pub(super) fn cut(&mut self, now: Instant) {
        self.cut = Some(self.cut.unwrap_or(now));
    }

    /// Ends a partition. `false` when it lasted too long for this connection.
    pub(super) fn heal(&mut self, now: Instant) -> bool {
        let Some(since) = self.cut else {
            return true;
        };
        if self.severed || since + self.idle_timeout <= now {
            return false;
        }
        self.cut = None;
        true
    }

    /// Whether both sides know that the connection has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ended(Side::Initiator, now).is_some() && self.ended(Side::Acceptor, now).is_some()
    }

    /// Whether the connection ended by silence for some side; `true` only once.
    pub(super) fn count_timeout(&mut self, now: Instant) -> bool {
        let silent = self
            .cut
            .is_some_and(|since| since + self.idle_timeout <= now);
        let waited = |end: &Option<End>| end.is_none_or(|end| end.travels);
        let counts = silent
            && !self.timeout_counted
            && (waited(&self.ends.initiator) || waited(&self.ends.acceptor));
        self.timeout_counted |= counts;
        counts
    }
}

/// The earlier of two instants that are still to come.
pub(super) fn earliest(a: Option<Instant>, b: Option<Instant>, now: Instant) -> Option<Instant> {
    match (a.filter(|due| *due > now), b.filter(|due| *due > now)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
