//! The handle on ECHO.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dxos_actors::{Address, Clock, Port, SeedTree, Shutdown, SpawnerHandle};
use dxos_protocol::auth::{JudgeEvidence, PresentEvidence};
use dxos_protocol::echo::{
    AdmitMember, AdoptSpace, AppendItems, CancelDelegated, CheckDerived, CheckSpace, CloseSpace,
    CollectGarbage, Commit, ComputeStateHash, CountQuery, CreateClone, CreateEpoch, CreateSpace,
    DelegateInvitation, DeleteSpace, EndRestore, EraseSpace, ExplainQuery, FindDangling, FindIds,
    FindRecovery, Flush, GetErasure, GetManifest, GetObject, GetSpace, GetStats, GetSyncStatus,
    GetTicket, GroupQuery, JoinSpace, LeaveSpace, ListDelegated, ListDevices, ListEpochs,
    ListIndexes, ListMembers, ListQueues, ListRecoveryKeys, ListSpaces, OpenMessage, OpenSpace,
    QueryCredentials, ReadBlocks, ReadFound, ReadItems, ReadObjects, ReadPart, ReadQueue,
    RemoveMember, RestoreDevice, RestoreNewSpace, RestoreSpace, RevokeDevice, RunQuery,
    SealMessage, SetMemberProfile, SetRetention, SetRole, StoreFailure, Subscribe, Transact,
    TrimSpace, UseAuthority, UseDevices, WatchQueue, WatchSealing, WatchSpace, WatchSpaces,
    WatchText,
};
use dxos_protocol::history::{
    Compare, GetObjectAt, GetTimeframe, ListConflicts, ListFeeds, ReadHistory, RunQueryAt, Undo,
};
use dxos_protocol::mesh::{EndSession, JoinSwarm, LeaveSwarm, MembersChanged, Wake};
use dxos_protocol::replicate::{CloseSession, OpenSession, Produce, Receive};
use dxos_store::Store;
use tokio::sync::watch;

use crate::actor::{EchoActor, PASS_DEADLINE, Shared};
use crate::core::EpochPolicy;
use crate::core::memory::{DEFAULT_BYTES, Memory};
use crate::ending::Ending;
use crate::space_actor::READS_MAX;
use crate::trouble::Watched;

/// What ECHO tells MESH.
#[derive(Clone, Debug)]
pub struct MeshPorts {
    /// A space was opened: its swarm is to be joined.
    pub join: Port<JoinSwarm>,
    /// The members of a space have changed: whoever was refused may be admitted now.
    pub members_changed: Port<MembersChanged>,
    /// A space was closed or deleted: its swarm is to be left.
    pub leave: Port<LeaveSwarm>,
    /// A session has something to send.
    pub wake: Port<Wake>,
    /// A session is to be ended.
    pub end: Port<EndSession>,
}

/// How ECHO is to run.
#[derive(Clone, Copy, Debug)]
pub struct EchoConfig {
    /// How long an acknowledged edit may lack its fsync. Default 200 ms.
    pub sync_interval: Duration,
    /// When epochs are created without being asked for. Default: never, and nothing is dropped.
    pub epochs: EpochPolicy,
    /// About how many bytes of memory objects in use may take, in all open spaces together; those
    /// of one transaction may come on top, and 64 KiB are left to each space. What the store
    /// holds in memory is another matter. Default 32 MiB.
    pub cache_bytes: usize,
}

impl Default for EchoConfig {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_millis(200),
            epochs: EpochPolicy::default(),
            cache_bytes: DEFAULT_BYTES,
        }
    }
}

/// A running ECHO. Cheap to clone; it stops when the last clone and port is gone.
#[derive(Clone, Debug)]
pub struct Echo {
    address: Address<EchoActor>,
    failure: watch::Receiver<Option<StoreFailure>>,
    pub(crate) ending: Ending,
}

macro_rules! ports {
    ($($(#[$meta:meta])* $name:ident: $message:ident),* $(,)?) => {
        impl Echo {$(
            $(#[$meta])*
            pub fn $name(&self) -> Port<$message> {
                self.address.port()
            }
        )*}
    };
}

/// The ports of whoever uses spaces. Any request may have to wait until the state of a space is
/// made anew, or be what has it made, as a removal is: that takes as long as the space is large.
macro_rules! patient_ports {
    ($($(#[$meta:meta])* $name:ident: $message:ident),* $(,)?) => {
        impl Echo {$(
            $(#[$meta])*
            pub fn $name(&self) -> Port<$message> {
                self.address.port().with_deadline(PASS_DEADLINE)
            }
        )*}
    };
}

impl Echo {
    /// Starts ECHO over a store. With `mesh` it replicates; without, it is a local database.
    pub fn start(
        spawner: &SpawnerHandle,
        store: Arc<dyn Store>,
        config: EchoConfig,
        mesh: Option<MeshPorts>,
        clock: Clock,
        seeds: &SeedTree,
    ) -> Self {
        let watched = Arc::new(Watched::new(store));
        let failure = watched.watch();
        let ending = Ending::default();
        let shared = Shared {
            store: Arc::clone(&watched) as _,
            watched,
            clock,
            mesh,
            unsynced: Arc::new(AtomicBool::new(false)),
            epochs: config.epochs,
            memory: Memory::new(config.cache_bytes),
            ending: ending.clone(),
            reads: Arc::new(tokio::sync::Semaphore::new(READS_MAX)),
            sealing: watch::Sender::new(0),
        };
        let rng = seeds.rng_of("echo");
        let address = spawner.start(move || EchoActor::new(shared, rng, config.sync_interval));
        Self {
            address,
            failure,
            ending,
        }
    }

    /// Says that it is about to be shut down: what takes long and nobody waits for leaves off,
    /// and goes on when ECHO is started again over the same store. Without it
    /// [`Echo::shutdown`] is answered only after that. Spaces may refuse requests from here on.
    pub fn begin_shutdown(&self) {
        self.ending.set();
    }

    /// What the store refuses to write or sync now, and why, as it changes. `None` while all is
    /// well.
    pub fn watch_store(&self) -> watch::Receiver<Option<StoreFailure>> {
        self.failure.clone()
    }
}

patient_ports! {
    /// Hands over what this device signs and opens with, and opens the stored spaces.
    use_authority: UseAuthority,
    /// Creates a space.
    create_space: CreateSpace,
    /// Takes up a space to which this identity was admitted.
    join_space: JoinSpace,
    /// Takes up a space by its key alone.
    adopt_space: AdoptSpace,
    /// Admits an identity.
    admit_member: AdmitMember,
    /// Removes a member.
    remove_member: RemoveMember,
    /// Gives a member another role.
    set_role: SetRole,
    /// Ends the membership of this profile's identity.
    leave_space: LeaveSpace,
    /// Says what others are to be shown of it.
    set_member_profile: SetMemberProfile,
    /// Lists its devices, as a space knows them.
    list_devices: ListDevices,
    /// Has every space know its devices.
    use_devices: UseDevices,
    /// Gives the control blocks of a space.
    get_ticket: GetTicket,
    /// Revokes one of them in one space.
    revoke_device: RevokeDevice,
    /// Takes that back.
    restore_device: RestoreDevice,
    /// Makes an invitation that any admin's device may host.
    delegate_invitation: DelegateInvitation,
    /// Ends one.
    cancel_delegated: CancelDelegated,
    /// Lists those that are open.
    list_delegated: ListDelegated,
    /// Lists the credentials of a space.
    query_credentials: QueryCredentials,
    /// Tells where a recovery key is known.
    find_recovery: FindRecovery,
    /// Lists the recovery keys of all members.
    list_recovery_keys: ListRecoveryKeys,
    /// Seals an ephemeral message.
    seal_message: SealMessage,
    /// Opens one.
    open_message: OpenMessage,
    /// Closes a space, over restarts too.
    close_space: CloseSpace,
    /// Opens one again.
    open_space: OpenSpace,
    /// Removes everything of a space from this device.
    delete_space: DeleteSpace,
    /// Counts what is stored of a space.
    stats: GetStats,
    /// Looks whether what is derived can be read, in all spaces.
    check_derived: CheckDerived,
    /// Checks what is stored of a space.
    check_space: CheckSpace,
    /// Removes what is of no space.
    collect_garbage: CollectGarbage,
    /// Lists the spaces.
    list_spaces: ListSpaces,
    /// Follows which there are.
    watch_spaces: WatchSpaces,
    /// Follows what becomes of keys that are sealed for this device.
    watch_sealing: WatchSealing,
    /// Reports on one space.
    get_space: GetSpace,
    /// Follows the report on one space.
    watch_space: WatchSpace,
    /// Lists the members of a space.
    list_members: ListMembers,
    /// Appends items to a queue.
    append_items: AppendItems,
    /// Says how much a queue is to hold.
    set_retention: SetRetention,
    /// Reads a queue as it came to this device.
    read_queue: ReadQueue,
    /// Reads a queue in the order that is the same everywhere.
    read_items: ReadItems,
    /// Lists the queues of a space.
    list_queues: ListQueues,
    /// Follows that something changes in a queue.
    watch_queue: WatchQueue,
    /// Writes a transaction.
    commit: Commit,
    /// Runs the code of a transaction.
    transact: Transact,
    /// Follows a text.
    watch_text: WatchText,
    /// Reads one object.
    get_object: GetObject,
    /// Finds the references whose targets are deleted or not here.
    find_dangling: FindDangling,
    /// Runs a query once.
    run_query: RunQuery,
    /// Finds which objects a query finds.
    find_ids: FindIds,
    /// Reads some of them.
    read_found: ReadFound,
    /// Runs a query and tells how it was answered.
    explain_query: ExplainQuery,
    /// Counts what a query finds.
    count_query: CountQuery,
    /// Counts it by value.
    group_query: GroupQuery,
    /// Lists the indexes of a space.
    list_indexes: ListIndexes,
    /// Runs a query and keeps it up to date.
    subscribe: Subscribe,
    /// Lists the values that lost against concurrent ones.
    list_conflicts: ListConflicts,
    /// Reads who changed what, the newest first.
    read_history: ReadHistory,
    /// Tells what has been applied.
    timeframe: GetTimeframe,
    /// Lists the feeds of a space.
    list_feeds: ListFeeds,
    /// Reads one object as it was.
    get_object_at: GetObjectAt,
    /// Runs a query over the objects as they were.
    run_query_at: RunQueryAt,
    /// Tells what differs between two times.
    compare: Compare,
    /// Undoes a transaction.
    undo: Undo,
    /// Tells what a space consists of, to be archived.
    manifest: GetManifest,
    /// Reads a part of its blocks.
    read_blocks: ReadBlocks,
    /// Reads a part of its objects.
    read_objects: ReadObjects,
    /// Reads a part of the snapshot of an epoch.
    read_part: ReadPart,
    /// Takes up a space that is not here by what an archive holds of its members.
    restore_new_space: RestoreNewSpace,
    /// Creates a space for the objects of an archive.
    create_clone: CreateClone,
    /// Says that all of an archive is taken in.
    end_restore: EndRestore,
    /// Takes in what an archive holds of a space that is here.
    restore_space: RestoreSpace,
    /// Signs a snapshot that stands for what was written before.
    create_epoch: CreateEpoch,
    /// Drops the blocks that the current one stands for.
    trim: TrimSpace,
    /// Lists the epochs of a space.
    list_epochs: ListEpochs,
    /// Has what was deleted destroyed on every device.
    erase: EraseSpace,
    /// Tells what became of that.
    erasure: GetErasure,
    /// Tells which devices have stored what.
    sync_status: GetSyncStatus,
    /// Computes the hash of everything visible.
    state_hash: ComputeStateHash,
    /// Puts everything acknowledged onto the disk.
    flush: Flush,
}

ports! {
    /// For MESH: what to show in a swarm.
    present_evidence: PresentEvidence,
    /// For MESH: what to make of a peer's evidence.
    judge_evidence: JudgeEvidence,
    /// For MESH: a peer was authenticated.
    open_session: OpenSession,
    /// For MESH: a peer sent a message.
    receive: Receive,
    /// For MESH: what to send next.
    produce: Produce,
    /// For MESH: a session ended.
    close_session: CloseSession,
    /// Syncs and stops taking requests.
    shutdown: Shutdown,
}
