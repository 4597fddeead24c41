//! What a world is made with, and what is told of it.

use std::time::Duration;

use dxos_transport::mem::Faults;
use serde::Serialize;

use crate::Timeline;

/// How a world is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many peers there are; at least 1 and at most 64. Default: 3.
    pub peers: usize,
    /// How many steps they take before everything is healed. Default: 100.
    pub steps: u64,
    /// How much virtual time the replicas have to come to one state once everything is
    /// healed. Default: 10 minutes.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            peers: 3,
            steps: 100,
            patience: Duration::from_secs(600),
        }
    }
}

/// What did not hold, although it has to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A client could not be brought up or down.
    #[error("peer {peer} could not be {action}: {reason}")]
    Life {
        /// Which peer.
        peer: usize,
        /// What was tried.
        action: &'static str,
        /// Why not.
        reason: String,
    },
    /// A request failed that must not, or was not answered.
    #[error("peer {peer} could not {action}: {reason}")]
    Request {
        /// Which peer.
        peer: usize,
        /// What was asked.
        action: &'static str,
        /// What came of it.
        reason: String,
    },
    /// An actor or a task of a client panicked or gave up.
    #[error("peer {peer} failed: {failure}")]
    Failed {
        /// Which peer.
        peer: usize,
        /// What happened.
        failure: String,
    },
    /// A guest did not become a member.
    #[error("peer {peer} did not become a member in {attempts} attempts: {reason}")]
    NotJoined {
        /// Which peer.
        peer: usize,
        /// How often it tried.
        attempts: u64,
        /// Why the last attempt failed.
        reason: String,
    },
    /// A second guest was admitted with a single-use invitation.
    #[error("peer {peer} was admitted with an invitation that peer {first} had used")]
    InvitationReused {
        /// Who used it second.
        peer: usize,
        /// Who used it first.
        first: usize,
    },
    /// What was acknowledged is gone.
    #[error("peer {peer} has lost edit {edit} of object {object}, which was acknowledged: {when}")]
    Lost {
        /// Where it is missing.
        peer: usize,
        /// The number of the edit.
        edit: i64,
        /// The object.
        object: String,
        /// When it was found missing.
        when: &'static str,
    },
    /// A disk does not hold what its device is said to have stored durably.
    #[error("peer {peer} has not stored what {} says: {reason}", teller_text(*teller))]
    NotStored {
        /// Whose disk.
        peer: usize,
        /// Who says so; none when the disk contradicts itself.
        teller: Option<usize>,
        /// What is missing.
        reason: String,
    },
    /// The replicas did not come to one state.
    #[error("the replicas did not come to one state within {} s:{details}", within.as_secs())]
    Diverged {
        /// The virtual time they had.
        within: Duration,
        /// One line for each peer.
        details: String,
    },
    /// What somebody wrote after it was thrown out is seen, or it sees what was written then.
    #[error("peer {peer} shows edit {edit}, which peer {outcast} and it have no part in any more")]
    Outcast {
        /// Who shows it.
        peer: usize,
        /// Who was thrown out, or did that.
        outcast: usize,
        /// The number of the edit.
        edit: i64,
    },
    /// A device was found to have forked although all are honest.
    #[error("peer {peer} holds that device {device} has forked its feed at {seq}")]
    Forked {
        /// Who holds so.
        peer: usize,
        /// Of whom.
        device: String,
        /// The first place that does not count.
        seq: u64,
    },
    /// A live query shows something else than a fresh one.
    #[error(
        "the live query of peer {peer} shows {live} objects and a fresh one {fresh}, or other contents"
    )]
    LiveQuery {
        /// Which peer.
        peer: usize,
        /// Objects in the live one.
        live: usize,
        /// Objects in the fresh one.
        fresh: usize,
    },
    /// A queue lacks an item, has one twice, or has them in another order than elsewhere.
    #[error("the queue of peer {peer} is not what was appended: {reason}")]
    Queue {
        /// Which peer.
        peer: usize,
        /// What is wrong.
        reason: String,
    },
    /// A client that was closed and opened again shows something else.
    #[error("peer {peer} shows another state after it was closed and opened again")]
    Reopened {
        /// Which peer.
        peer: usize,
    },
    /// The simulation itself panicked.
    #[error("the simulation panicked: {text}")]
    Panicked {
        /// What the panic said.
        text: String,
    },
    /// A second run of the same seed went another way.
    #[error(
        "the same seed went two ways, {first} and {second}: something read a clock, a random source or the order of a hash map"
    )]
    NotReplayed {
        /// The hash of the first run, and what it violated.
        first: String,
        /// The hash of the second run, and what it violated.
        second: String,
    },
}

fn teller_text(teller: Option<usize>) -> String {
    teller.map_or_else(|| "its disk".to_owned(), |teller| format!("peer {teller}"))
}

macro_rules! counts {
    ($($(#[$text:meta])* $name:ident),* $(,)?) => {
        /// What happened in a world, or in several.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counts {
            $($(#[$text])* pub $name: u64,)*
        }

        impl Counts {
            /// Adds those of another world.
            pub const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// All of them with their names.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counts! {
    /// Steps taken.
    steps,
    /// Transactions acknowledged.
    commits,
    /// Of these, acknowledged as being on the disk.
    commits_synced,
    /// Transactions refused because a member had not got the content key yet.
    commits_refused,
    /// Flushes.
    flushes,
    /// Invitations tried.
    invitation_attempts,
    /// Tries of an invitation that was used, all of them refused.
    reuses_refused,
    /// Processes killed: what was acknowledged survives.
    kills,
    /// Losses of power: what was not synced may be gone.
    power_losses,
    /// Batches that losses of power took.
    batches_lost,
    /// Crashes while a transaction was being written.
    crashes_in_write,
    /// Backups of disks that were made.
    images,
    /// Disks that were restored from one.
    restored,
    /// Edits that only others had then, of which none may be lost.
    edits_elsewhere,
    /// Epochs created.
    epochs,
    /// Requests to drop the blocks that one stands for.
    trimmed,
    /// Clients closed and opened again.
    clean_restarts,
    /// Disks that were full for a while.
    disks_full,
    /// Transactions refused because the disk was full.
    commits_full,
    /// Wall clocks that were set to another time.
    clocks_set,
    /// Clients that went offline.
    went_offline,
    /// Partitions.
    partitions,
    /// Links whose faults were changed.
    link_changes,
    /// Connections broken on purpose.
    drops_forced,
    /// Members removed and devices revoked.
    cast_out,
    /// Edits that they wrote afterwards, of which none may be seen.
    banned_edits,
    /// Edits checked for having survived a crash.
    edits_checked,
    /// Times that a disk was looked at for what its device was said to have stored.
    receipts_checked,
    /// Connections made.
    connections_made,
    /// Connects refused.
    connects_refused,
    /// Connects that a partition swallowed.
    connects_cut,
    /// Connections that broke.
    connections_dropped,
    /// Connections that ended by silence.
    connections_timed_out,
    /// Frames sent.
    frames_sent,
    /// Bytes in them.
    bytes_sent,
    /// Frames that were under way for a while.
    frames_delayed,
    /// Frames sent into a partition.
    frames_cut,
    /// Frames that would have overtaken others.
    frames_reordered,
}

impl Counts {
    pub(crate) const fn take_faults(&mut self, faults: &Faults) {
        self.connections_made = faults.connections_made;
        self.connects_refused = faults.connects_refused;
        self.connects_cut = faults.connects_cut;
        self.connections_dropped = faults.connections_dropped;
        self.connections_timed_out = faults.connections_timed_out;
        self.frames_sent = faults.frames_sent;
        self.bytes_sent = faults.bytes_sent;
        self.frames_delayed = faults.frames_delayed;
        self.frames_cut = faults.frames_cut;
        self.frames_reordered = faults.frames_reordered;
    }

    /// The faults that never happened. Over many worlds there should be none: a run without
    /// faults proves nothing about them.
    pub fn missing_faults(&self) -> Vec<&'static str> {
        const EXPECTED: &[&str] = &[
            "commits_synced",
            "kills",
            "power_losses",
            "batches_lost",
            "crashes_in_write",
            "clean_restarts",
            "images",
            "restored",
            "edits_elsewhere",
            "epochs",
            "trimmed",
            "disks_full",
            "commits_full",
            "clocks_set",
            "went_offline",
            "partitions",
            "edits_checked",
            "receipts_checked",
            "connects_refused",
            "connects_cut",
            "connections_dropped",
            "connections_timed_out",
            "frames_delayed",
            "frames_cut",
        ];
        let never = |(name, count): (&'static str, u64)| (count == 0).then_some(name);
        let mut missing: Vec<_> = self.list().into_iter().filter_map(never).collect();
        missing.retain(|name| EXPECTED.contains(name));
        missing
    }
}

/// What became of one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The hash of every frame that was sent and of the final states: equal for runs that went
    /// the same way.
    pub hash: String,
    /// What happened in it.
    pub counts: Counts,
    /// How much virtual time passed.
    pub virtual_time: Duration,
    /// How much of it the replicas took, in the end, to come to one state.
    pub converged_after: Duration,
    /// What happened when.
    pub timeline: Timeline,
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
}
