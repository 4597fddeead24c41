//! JSON-RPC 2.0: requests, answers, errors, notifications.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a client sends: a request, or a notification when it has no `id`.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// Always `"2.0"`.
    pub jsonrpc: String,
    /// A number or a text that the answer repeats.
    #[serde(default)]
    pub id: Option<RequestId>,
    /// The method, one of [`METHODS`](crate::protocol::METHODS).
    pub method: String,
    /// What the method takes, as it came; nothing is the same as an empty object.
    #[serde(default)]
    pub params: Option<Box<RawValue>>,
}

/// The name of a request, chosen by the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A number.
    Number(u64),
    /// A text of at most 64 bytes.
    Text(String),
}

wire! {
    /// Why something was refused or failed: the `error` of an answer, also of a subscription
    /// that ended or an invitation that failed.
    pub struct ErrorInfo {
        /// One of the stable codes of the protocol.
        pub code: i32,
        /// What happened, to what, and what to do; for people.
        pub message: String,
        /// The same for programs.
        pub data: ErrorData,
    }

    /// What programs need to know of an error.
    pub struct ErrorData {
        /// A stable name of what happened, such as `notPermitted`.
        pub kind: String,
        /// What may help.
        pub action: ErrorAction,
    }
}

kinds! {
    /// What may help after an error.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "camelCase")]
    pub enum ErrorAction {
        /// Correct what was sent; the same again fails again.
        Correct,
        /// Try again: at once where the error says so, or when a peer is online.
        Retry,
        /// Call `hello` with a token that holds.
        Authenticate,
        /// Ask the user for the passphrase, and call `client.unlock`.
        Unlock,
        /// Create an identity or join with one.
        CreateIdentity,
        /// Open the space.
        OpenSpace,
        /// Ask somebody with another role.
        AskAdmin,
        /// See what the log of the host says; it may have to be restarted.
        Report,
    }
}

/// The codes of errors. Those from -32700 to -32600 are of JSON-RPC.
pub mod code {
    /// It is no JSON.
    pub const PARSE: i32 = -32700;
    /// It is no request: see [`Request`](super::Request). Batches are not taken.
    pub const INVALID_REQUEST: i32 = -32600;
    /// There is no such method, or this host does not serve it.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters do not fit the method.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The host failed in a way that should not occur.
    pub const INTERNAL: i32 = -32603;
    /// No `hello` with a token that holds came before. The connection is closed.
    pub const UNAUTHENTICATED: i32 = -32001;
    /// The client speaks another version of the protocol. The connection is closed.
    pub const VERSION: i32 = -32002;
    /// A bound of the protocol is passed, such as the number of subscriptions.
    pub const LIMIT: i32 = -32003;
    /// A text was edited as of a version that is not the current one.
    pub const STALE: i32 = -32004;
    /// The client is not initialized, locked, or was reset; or the space is closed.
    pub const NOT_READY: i32 = -32005;
    /// The profile has no identity yet.
    pub const NO_IDENTITY: i32 = -32006;
    /// The role does not allow it.
    pub const NOT_PERMITTED: i32 = -32007;
    /// What was named does not exist here.
    pub const NOT_FOUND: i32 = -32008;
    /// What was sent is understood and cannot be done, such as a value that fits no schema.
    pub const REFUSED: i32 = -32009;
    /// An invitation failed.
    pub const INVITATION: i32 = -32010;
    /// The network is disabled, or nobody can be reached.
    pub const NETWORK: i32 = -32011;
    /// A part of the host, or its disk, failed.
    pub const FAILED: i32 = -32012;

    /// All of them by name.
    pub const ALL: &[(&str, i32)] = &[
        ("PARSE", PARSE),
        ("INVALID_REQUEST", INVALID_REQUEST),
        ("METHOD_NOT_FOUND", METHOD_NOT_FOUND),
        ("INVALID_PARAMS", INVALID_PARAMS),
        ("INTERNAL", INTERNAL),
        ("UNAUTHENTICATED", UNAUTHENTICATED),
        ("VERSION", VERSION),
        ("LIMIT", LIMIT),
        ("STALE", STALE),
        ("NOT_READY", NOT_READY),
        ("NO_IDENTITY", NO_IDENTITY),
        ("NOT_PERMITTED", NOT_PERMITTED),
        ("NOT_FOUND", NOT_FOUND),
        ("REFUSED", REFUSED),
        ("INVITATION", INVITATION),
        ("NETWORK", NETWORK),
        ("FAILED", FAILED),
    ];
}
