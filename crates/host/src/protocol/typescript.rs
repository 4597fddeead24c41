//! The TypeScript of the protocol: written by `cargo xtask types`, and checked by every run of
//! the tests.

use std::fmt::Write as _;
use std::path::PathBuf;

use ts_rs::{Config, TS};

use super::*;

/// What no Rust type stands for.
const PRELUDE: &str = r#"// Written by `cargo xtask types` from crates/host/src/protocol. Do not edit.

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * A value of a property. What JSON has no word for is an object with one key: `{"@time": ms}`,
 * `{"@bytes": base64}`, `{"@ref": "object"}` or `{"@ref": "space:object"}`, `{"@text": "characters"}`
 * or `{"@text": {content, marks: [[from, to, name, value]]}}`, `{"@set": members}`,
 * `{"@counter": number}`, `{"@float": "NaN" | "Infinity" | "-Infinity"}`. A key of your own that
 * begins with `@` gets another `@` in front of it.
 */
export type EchoValue = null | boolean | number | string | EchoValue[] | { [key: string]: EchoValue };

/** Properties by name. */
export type EchoProperties = { [key: string]: EchoValue };

/** How a property is compared with a value. */
export type EchoComparison = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** A condition on an object. Paths are texts, their parts joined with dots. */
export type EchoFilter =
  | { and: EchoFilter[] }
  | { or: EchoFilter[] }
  | { not: EchoFilter }
  | { compare: { path: string; comparison: EchoComparison; value: EchoValue } }
  | { in: { path: string; values: EchoValue[] } }
  | { contains: { path: string; value: EchoValue } }
  | { prefix: { path: string; prefix: string } }
  | { exists: string }
  | { ids: string[] }
  | { type_exact: string }
  | { type_any_version: string }
  | { tag: string }
  | { text: { path?: string | null; words: string } }
  | { foreign_keys: { source: string; id: string }[] }
  | { child_of: string }
  | "has_parent"
  | { references: { path?: string | null; target: string } }
  | { referenced_by: { source: string; path?: string | null } }
  | { relation_from: string }
  | { relation_to: string };

/** The version of the protocol. */
"#;

fn declare<T: TS + 'static>(config: &Config, out: &mut String) {
    out.push('\n');
    if let Some(docs) = T::docs() {
        out.push_str(&docs.replace("](super::", "]("));
    }
    let declared = T::decl(config);
    writeln!(out, "export {declared}").unwrap();
}

macro_rules! declare_all {
    ($config:ident, $out:ident, $($name:ident)*) => {
        $(declare::<$name>(&$config, &mut $out);)*
    };
}

fn generated() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = PRELUDE.to_owned();
    writeln!(out, "export const PROTOCOL = {PROTOCOL};").unwrap();
    declare_all!(config, out,
        ErrorInfo ErrorData ErrorAction
        Nothing Hello Welcome SessionLimits Resume ResumePoint Resumed OneTimeToken EndedSessions
        Subscribe Unsubscribe Credit Topic SubscriptionEvent EventKind Goodbye
        ClientInfo ClientStatus UsageInfo Metrics Unlock Reset
        ArchiveInfo ArchiveContentsInfo ArchivePart ArchiveWritten ArchiveProtectionSpec
        RestoreAsSpec CreateArchive ReadArchive WriteArchive InspectArchive RestoreArchive
        ArchiveParams
        IdentityInfo ProfileInfo DeviceInfo DeviceKindInfo ContactInfo CredentialInfo
        PresentationInfo RecoveryPhraseInfo ProfileParams DeviceParams RenameDevice
        SetDevicePreference PresentCredentials RecoverIdentity PeerSpec
        SpaceInfo SpaceStateInfo PipelineInfo RoleInfo ForkInfo DepartureInfo MemberInfo
        Messages MessageInfo FeedInfo DesignationInfo BlockPage BlockInfo StateHashInfo
        SpaceParams CreateSpace UpdateSpace MemberParams UpdateMemberRole LeaveSpace PostMessage
        ReadBlocks
        SpaceReasonInfo SpaceReasonKind SyncStatusInfo DeviceSyncInfo MissingRangeInfo
        EpochInfo EpochStateInfo TrimmedInfo ErasureInfo ErasureStateInfo SpaceStatsInfo SpaceBytesInfo GarbageInfo
        DoctorInfo CheckupInfo FindingInfo RunDoctor
        ReadSyncStatus CreateEpoch TrimSpace DeleteSpace
        ObjectInfo HighlightInfo MomentInfo MetaInfo ForeignKeyInfo QueryPart QueryChange PlacedInfo QueryPage
        Applied CommittedInfo DanglingInfo SchemaInfo ResolvedRef
        ExplanationInfo IndexInfo CountInfo GroupInfo CursorPage
        ObjectParams QuerySpec OrderSpec DeletedSpec RunQuery AskQuery GroupCount ReadPage
        QueryText FormatQuery ResolveRef PutSchema
        Apply DurabilitySpec ObjectOp
        TextValue MarkInfo TextChangeInfo TextSplice TextEdited TextStepped CursorInfo
        TextParams EditText MarkText ExpandSpec SetCursor SelectionSpec
        AuthorInfo StampInfo ConflictInfo LoserInfo HistoryPageInfo HistoryEntryInfo ChangeInfo
        ChangeKindInfo TimeframeInfo ObjectDiff PropertyDiff UndoneInfo UndoPartInfo KeptPartInfo
        ReadHistory Undo ObjectAt QueryAt Diff
        QueueInfo RetentionInfo QueuePosition QueueItemInfo QueuePageInfo AppendedInfo
        QueueOrderInfo AppendItems ReadQueue ReadItems SetRetention
        InvitationInfo InvitationKindInfo InvitationTypeInfo AuthenticationInfo
        InvitationStateInfo FlowInfo InvitationText SpaceInvitationParams DeviceInvitationParams
        InvitationSpec SpaceInvitationRef InvitationParams AcceptInvitation
        AcceptDeviceInvitation ReadInvitation Authenticate FlowParams
        NetworkInfo ConnectionStateInfo SwarmInfo ConnectionInfo SetConnection AddPeer
    );
    let mut out = compact(&out);
    out.push_str("\n/** What each method takes and gives. */\nexport interface Methods {\n");
    for Method {
        name,
        params,
        result,
    } in METHODS
    {
        writeln!(
            out,
            "  \"{name}\": {{ params: {params}; result: {result} }};"
        )
        .unwrap();
    }
    out.push_str(
        "}\n\n/** What the notifications of each topic say. */\nexport interface Topics {\n",
    );
    for (topic, value, change) in TOPICS {
        writeln!(
            out,
            "  \"{topic}\": {{ value: {value}; change: {change} }};"
        )
        .unwrap();
    }
    out.push_str("}\n\n/** The codes of errors. */\nexport const ErrorCode = {\n");
    for (name, number) in code::ALL {
        writeln!(out, "  {name}: {number},").unwrap();
    }
    out.push_str("} as const;\n");
    out
}

/// Comments of one line on one line.
fn compact(declared: &str) -> String {
    let mut out = String::new();
    let mut lines = declared.lines().peekable();
    while let Some(line) = lines.next() {
        let said = lines.peek().and_then(|next| next.strip_prefix(" * "));
        if let (true, Some(said)) = (line.trim_end() == "/**", said) {
            lines.next();
            if lines.next_if(|next| next.trim() == "*/").is_some() {
                writeln!(out, "/** {said} */").unwrap();
            } else {
                writeln!(out, "/**\n * {said}").unwrap();
            }
        } else {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Every topic, with what `value` and `change` hold.
const TOPICS: &[(&str, &str, &str)] = &[
    ("status", "ClientInfo", "never"),
    ("identity", "IdentityInfo | null", "never"),
    ("devices", "DeviceInfo[]", "never"),
    ("contacts", "ContactInfo[]", "never"),
    ("credentials", "CredentialInfo[]", "never"),
    ("spaces", "SpaceInfo[]", "never"),
    ("space", "SpaceInfo", "never"),
    ("members", "MemberInfo[]", "never"),
    ("syncStatus", "SyncStatusInfo", "never"),
    ("epochs", "EpochInfo[]", "never"),
    ("erasure", "ErasureInfo | null", "never"),
    ("queues", "QueueInfo[]", "never"),
    ("queue", "QueueInfo | null", "never"),
    ("query", "QueryPart", "QueryChange"),
    ("object", "ObjectInfo | null", "never"),
    ("text", "TextValue", "TextChangeInfo"),
    ("cursors", "CursorInfo[]", "never"),
    ("spaceInvitations", "InvitationInfo[]", "never"),
    ("haloInvitations", "InvitationInfo[]", "never"),
    ("invitation", "InvitationInfo", "never"),
    ("flow", "FlowInfo", "never"),
    ("networkStatus", "NetworkInfo", "never"),
    ("metrics", "Metrics", "never"),
    ("messages", "Messages", "Messages"),
];

#[test]
fn the_generated_typescript_is_up_to_date() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("web/packages/client/src/generated/protocol.ts");
    let generated = generated();
    if std::env::var_os("DX_WRITE_TYPES").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == generated,
        "{} is not what the Rust types say; run `cargo xtask types`",
        file.display()
    );
}

#[test]
fn every_type_that_a_method_or_topic_names_is_declared() {
    let generated = generated();
    let methods = METHODS
        .iter()
        .flat_map(|method| [method.params, method.result]);
    let topics = TOPICS.iter().flat_map(|topic| [topic.1, topic.2]);
    for name in methods.chain(topics) {
        for part in name.split(" | ") {
            let part = part.trim_end_matches("[]");
            let declared = generated.contains(&format!("export type {part} ="));
            assert!(declared || matches!(part, "null" | "never"), "{part}");
        }
    }
}
