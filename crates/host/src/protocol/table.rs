//! Every method, with what it takes and gives.

/// Declares wire types: JSON in camel case, and TypeScript of the same form.
macro_rules! wire {
    ($($item:item)*) => {
        $(
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[cfg_attr(test, derive(ts_rs::TS))]
            #[serde(rename_all = "camelCase")]
            $item
        )*
    };
}

/// Declares enums of the wire, which say themselves how they are written.
macro_rules! kinds {
    ($($item:item)*) => {
        $(
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[cfg_attr(test, derive(ts_rs::TS))]
            $item
        )*
    };
}

/// Declares what methods take: as [`wire!`], and what is unknown is refused.
macro_rules! params {
    ($($item:item)*) => {
        $(
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[cfg_attr(test, derive(ts_rs::TS))]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            $item
        )*
    };
}

/// A method of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name, such as `echo.createSpace`.
    pub name: &'static str,
    /// The TypeScript type of what it takes.
    pub params: &'static str,
    /// The TypeScript type of what it gives.
    pub result: &'static str,
}

macro_rules! methods {
    ($($name:literal ($params:literal) -> $result:literal;)*) => {
        /// Every method, in the order of the document.
        pub const METHODS: &[Method] = &[
            $(Method { name: $name, params: $params, result: $result },)*
        ];
    };
}

methods! {
    "hello" ("Hello") -> "Welcome";
    "resume" ("Resume") -> "Resumed";
    "ping" ("Nothing") -> "Nothing";
    "subscribe" ("Subscribe") -> "Nothing";
    "unsubscribe" ("Unsubscribe") -> "Nothing";
    "credit" ("Credit") -> "Nothing";
    "host.createToken" ("Nothing") -> "OneTimeToken";
    "host.endSessions" ("Nothing") -> "EndedSessions";

    "client.status" ("Nothing") -> "ClientInfo";
    "client.config" ("Nothing") -> "Json";
    "client.toJson" ("Nothing") -> "Json";
    "client.initialize" ("Nothing") -> "ClientInfo";
    "client.lock" ("Nothing") -> "ClientInfo";
    "client.unlock" ("Unlock") -> "ClientInfo";
    "client.reset" ("Reset") -> "Nothing";
    "client.usage" ("Nothing") -> "UsageInfo";
    "client.gc" ("Nothing") -> "GarbageInfo";
    "client.doctor" ("RunDoctor") -> "DoctorInfo";
    "client.metrics" ("Nothing") -> "Metrics";

    "halo.identity" ("Nothing") -> "IdentityInfo | null";
    "halo.createIdentity" ("ProfileParams") -> "IdentityInfo";
    "halo.updateProfile" ("ProfileParams") -> "IdentityInfo";
    "halo.devices" ("Nothing") -> "DeviceInfo[]";
    "halo.renameDevice" ("RenameDevice") -> "Nothing";
    "halo.revokeDevice" ("DeviceParams") -> "Nothing";
    "halo.setDevicePreference" ("SetDevicePreference") -> "Nothing";
    "halo.contacts" ("Nothing") -> "ContactInfo[]";
    "halo.credentials" ("Nothing") -> "CredentialInfo[]";
    "halo.presentCredentials" ("PresentCredentials") -> "PresentationInfo";
    "halo.createRecoveryPhrase" ("Nothing") -> "RecoveryPhraseInfo";
    "halo.recoverIdentity" ("RecoverIdentity") -> "IdentityInfo";
    "halo.createInvitation" ("DeviceInvitationParams") -> "InvitationInfo";
    "halo.invitations" ("Nothing") -> "InvitationInfo[]";
    "halo.cancelInvitation" ("InvitationParams") -> "Nothing";
    "halo.acceptInvitation" ("AcceptDeviceInvitation") -> "FlowInfo";

    "echo.spaces" ("Nothing") -> "SpaceInfo[]";
    "echo.space" ("SpaceParams") -> "SpaceInfo";
    "echo.createSpace" ("CreateSpace") -> "SpaceInfo";
    "echo.updateSpace" ("UpdateSpace") -> "SpaceInfo";
    "echo.openSpace" ("SpaceParams") -> "SpaceInfo";
    "echo.closeSpace" ("SpaceParams") -> "SpaceInfo";
    "echo.deleteSpace" ("DeleteSpace") -> "Nothing";
    "echo.stats" ("SpaceParams") -> "SpaceStatsInfo";
    "echo.syncStatus" ("ReadSyncStatus") -> "SyncStatusInfo";
    "echo.epochs" ("SpaceParams") -> "EpochInfo[]";
    "echo.createEpoch" ("CreateEpoch") -> "EpochInfo";
    "echo.trim" ("TrimSpace") -> "TrimmedInfo";
    "echo.erase" ("CreateEpoch") -> "ErasureInfo";
    "echo.erasure" ("SpaceParams") -> "ErasureInfo | null";
    "echo.members" ("SpaceParams") -> "MemberInfo[]";
    "echo.removeMember" ("MemberParams") -> "Nothing";
    "echo.updateMemberRole" ("UpdateMemberRole") -> "Nothing";
    "echo.leaveSpace" ("LeaveSpace") -> "Nothing";
    "echo.createInvitation" ("SpaceInvitationParams") -> "InvitationInfo";
    "echo.invitations" ("SpaceParams") -> "InvitationInfo[]";
    "echo.cancelInvitation" ("SpaceInvitationRef") -> "Nothing";
    "echo.acceptInvitation" ("AcceptInvitation") -> "FlowInfo";
    "echo.apply" ("Apply") -> "Applied";
    "echo.flush" ("SpaceParams") -> "Nothing";
    "echo.object" ("ObjectParams") -> "ObjectInfo | null";
    "echo.query" ("RunQuery") -> "QueryPage";
    "echo.page" ("ReadPage") -> "CursorPage";
    "echo.count" ("AskQuery") -> "CountInfo";
    "echo.groupCount" ("GroupCount") -> "GroupInfo[]";
    "echo.explain" ("AskQuery") -> "ExplanationInfo";
    "echo.parseQuery" ("QueryText") -> "QuerySpec";
    "echo.formatQuery" ("FormatQuery") -> "QueryText";
    "echo.queues" ("SpaceParams") -> "QueueInfo[]";
    "echo.appendItems" ("AppendItems") -> "AppendedInfo";
    "echo.readQueue" ("ReadQueue") -> "QueuePageInfo";
    "echo.readItems" ("ReadItems") -> "QueueItemInfo[]";
    "echo.setRetention" ("SetRetention") -> "Nothing";
    "echo.resolve" ("ResolveRef") -> "ResolvedRef";
    "echo.dangling" ("SpaceParams") -> "DanglingInfo[]";
    "echo.schemas" ("SpaceParams") -> "SchemaInfo[]";
    "echo.putSchema" ("PutSchema") -> "Nothing";
    "echo.conflicts" ("ObjectParams") -> "ConflictInfo[]";
    "echo.history" ("ReadHistory") -> "HistoryPageInfo";
    "echo.undo" ("Undo") -> "UndoneInfo";
    "echo.timeframe" ("SpaceParams") -> "TimeframeInfo";
    "echo.objectAt" ("ObjectAt") -> "ObjectInfo | null";
    "echo.queryAt" ("QueryAt") -> "QueryPage";
    "echo.diff" ("Diff") -> "ObjectDiff[]";
    "echo.credentials" ("SpaceParams") -> "CredentialInfo[]";
    "echo.feeds" ("SpaceParams") -> "FeedInfo[]";
    "echo.blocks" ("ReadBlocks") -> "BlockPage";
    "echo.stateHash" ("SpaceParams") -> "StateHashInfo";
    "echo.postMessage" ("PostMessage") -> "Nothing";

    "archive.create" ("CreateArchive") -> "ArchiveInfo";
    "archive.read" ("ReadArchive") -> "ArchivePart";
    "archive.write" ("WriteArchive") -> "ArchiveWritten";
    "archive.inspect" ("InspectArchive") -> "ArchiveContentsInfo";
    "archive.restore" ("RestoreArchive") -> "SpaceInfo";
    "archive.drop" ("ArchiveParams") -> "Nothing";

    "text.edit" ("EditText") -> "TextEdited";
    "text.mark" ("MarkText") -> "TextEdited";
    "text.undo" ("TextParams") -> "TextStepped";
    "text.redo" ("TextParams") -> "TextStepped";
    "text.flush" ("TextParams") -> "Nothing";
    "text.setCursor" ("SetCursor") -> "Nothing";

    "invitation.flows" ("Nothing") -> "FlowInfo[]";
    "invitation.authenticate" ("Authenticate") -> "FlowInfo";
    "invitation.cancel" ("FlowParams") -> "Nothing";
    "invitation.read" ("ReadInvitation") -> "InvitationText";

    "mesh.networkStatus" ("Nothing") -> "NetworkInfo";
    "mesh.setConnectionState" ("SetConnection") -> "Nothing";
    "mesh.addPeer" ("AddPeer") -> "Nothing";
}
