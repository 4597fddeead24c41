//! Sessions and subscriptions.

use serde_json::Value;

wire! {
    /// What a host says to whom it knows.
    pub struct Welcome {
        /// The version of the protocol.
        pub protocol: u32,
        /// The version of the host.
        pub version: String,
        /// The name of the session: what `hello` takes to come back to it.
        pub session: String,
        /// What `hello` takes as `token` from now on, in place of a one-time token. Keep it
        /// where only this origin reads it.
        pub token: String,
        /// When that token ends, in milliseconds since 1970.
        pub expires_ms: u64,
        /// Whether this is the session that was asked for, with its subscriptions.
        pub resumed: bool,
        /// What the host bounds.
        pub limits: SessionLimits,
    }

    /// What the host bounds.
    pub struct SessionLimits {
        /// Bytes of one message to the host. A longer one ends the connection.
        pub frame_bytes: u32,
        /// Requests that are not answered yet; further ones wait.
        pub requests: u32,
        /// Subscriptions of a session.
        pub subscriptions: u32,
        /// Credits that a subscription may have.
        pub credits: u32,
        /// How long a session is kept without a connection, in milliseconds.
        pub linger_ms: u64,
    }

    /// Which subscriptions go on.
    pub struct Resumed {
        /// Those that go on, with a fresh `value` where something was missed.
        pub resumed: Vec<u32>,
        /// Those that the host does not know any more: subscribe again.
        pub gone: Vec<u32>,
    }

    /// A token for one use.
    pub struct OneTimeToken {
        /// The token.
        pub token: String,
        /// The address of the console with the token in its fragment.
        pub url: String,
        /// When it ends, in milliseconds since 1970.
        pub expires_ms: u64,
    }

    /// What became of the session tokens of others.
    pub struct EndedSessions {
        /// How many were ended.
        pub ended: u32,
    }

    /// The parameters of the notification `subscription`: what a topic shows.
    pub struct SubscriptionEvent {
        /// The subscription.
        pub id: u32,
        /// Counts the notifications of the subscription from 1.
        pub seq: u64,
        /// What it is.
        pub kind: EventKind,
        /// Of `value` and `change`: what the topic says; see the table of topics.
        #[cfg_attr(test, ts(type = "unknown"))]
        #[serde(default)]
        pub value: Value,
        /// Of `end`: why, if it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error: Option<super::ErrorInfo>,
    }

    /// The parameters of the notification `goodbye`: the host ends the connection.
    pub struct Goodbye {
        /// Why.
        pub error: super::ErrorInfo,
    }
}

kinds! {
    /// What a notification of a subscription says.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "camelCase")]
    pub enum EventKind {
        /// All of it, in place of what was said before.
        Value,
        /// What changed since.
        Change,
        /// Nothing comes any more.
        End,
    }
}

params! {
    /// Takes nothing, gives nothing.
    #[derive(Default, Eq)]
    pub struct Nothing {}

    /// The first message on a connection.
    pub struct Hello {
        /// The version of the protocol that the client speaks.
        pub protocol: u32,
        /// A one-time token from the printed address, or the token of a session.
        pub token: String,
        /// The session to come back to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub session: Option<String>,
    }

    /// Goes on with subscriptions on a new connection. Until it is called the host sends nothing
    /// for subscriptions that were made before.
    pub struct Resume {
        /// The subscriptions that the client still wants, each with the last number that it took
        /// in; the others end.
        pub subscriptions: Vec<ResumePoint>,
    }

    /// Where a subscription stands.
    pub struct ResumePoint {
        /// The subscription.
        pub id: u32,
        /// The last number that was taken in, 0 for none.
        pub seq: u64,
        /// How many notifications the client takes from now on, in place of the credits that
        /// were left.
        pub credits: u32,
    }

    /// Follows a topic.
    pub struct Subscribe {
        /// Chosen by the client, and not in use in this session.
        pub id: u32,
        /// What to follow.
        pub topic: Topic,
        /// How many notifications the client takes before it gives further credits.
        pub credits: u32,
    }

    /// Ends a subscription. Nothing of it is sent after the answer.
    pub struct Unsubscribe {
        /// The subscription.
        pub id: u32,
    }

    /// Gives a subscription credits: a request, or a notification without an answer.
    pub struct Credit {
        /// The subscription.
        pub id: u32,
        /// How many further notifications the client takes.
        pub n: u32,
    }
}

kinds! {
    /// What can be followed.
    #[serde(tag = "topic", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
    pub enum Topic {
        /// Whether the client is usable: [`ClientInfo`](super::ClientInfo).
        Status {},
        /// Who the profile is: [`IdentityInfo`](super::IdentityInfo), or null.
        Identity {},
        /// The devices of the identity: a list of [`DeviceInfo`](super::DeviceInfo).
        Devices {},
        /// With whom spaces are shared: a list of [`ContactInfo`](super::ContactInfo).
        Contacts {},
        /// The credentials of the identity: a list of
        /// [`CredentialInfo`](super::CredentialInfo).
        Credentials {},
        /// All spaces: a list of [`SpaceInfo`](super::SpaceInfo).
        Spaces {},
        /// One space: [`SpaceInfo`](super::SpaceInfo).
        Space {
            /// The space.
            space: String,
        },
        /// The members of a space: a list of [`MemberInfo`](super::MemberInfo).
        Members {
            /// The space.
            space: String,
        },
        /// Who has stored a space, or an object of it:
        /// [`SyncStatusInfo`](super::SyncStatusInfo).
        SyncStatus {
            /// The space.
            space: String,
            /// Only what this object may be made of.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            object: Option<String>,
        },
        /// The epochs of a space, the latest first: a list of
        /// [`EpochInfo`](super::EpochInfo).
        Epochs {
            /// The space.
            space: String,
        },
        /// How far the erasure is that was asked for last:
        /// [`ErasureInfo`](super::ErasureInfo), or null.
        Erasure {
            /// The space.
            space: String,
        },
        /// The queues of a space, by their names: a list of [`QueueInfo`](super::QueueInfo).
        Queues {
            /// The space.
            space: String,
        },
        /// A queue: [`QueueInfo`](super::QueueInfo), or null. It says that there is something to
        /// be read.
        Queue {
            /// The space.
            space: String,
            /// The name of the queue.
            queue: String,
        },
        /// A query: [`QueryPart`](super::QueryPart), then changes as
        /// [`QueryChange`](super::QueryChange).
        Query {
            /// The space.
            space: String,
            /// The query.
            query: super::QuerySpec,
        },
        /// One object, deleted or not: [`ObjectInfo`](super::ObjectInfo), or null.
        Object {
            /// The space.
            space: String,
            /// The object.
            object: String,
        },
        /// A text that is edited: [`TextValue`](super::TextValue), then changes as
        /// [`TextChangeInfo`](super::TextChangeInfo).
        Text {
            /// The space.
            space: String,
            /// The object.
            object: String,
            /// The text.
            path: String,
        },
        /// Where others have their cursors in a text: a list of
        /// [`CursorInfo`](super::CursorInfo).
        Cursors {
            /// The subscription to the text, of the same session.
            text: u32,
        },
        /// The open invitations to a space: a list of [`InvitationInfo`](super::InvitationInfo).
        SpaceInvitations {
            /// The space.
            space: String,
        },
        /// The open invitations for devices: a list of
        /// [`InvitationInfo`](super::InvitationInfo).
        HaloInvitations {},
        /// An invitation that this host hosts: [`InvitationInfo`](super::InvitationInfo), also
        /// when it has ended.
        Invitation {
            /// The space, none for an invitation for a device.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            space: Option<String>,
            /// The invitation.
            invitation: String,
        },
        /// An invitation that is being accepted: [`FlowInfo`](super::FlowInfo).
        Flow {
            /// The flow.
            flow: u32,
        },
        /// The network: [`NetworkInfo`](super::NetworkInfo).
        NetworkStatus {},
        /// What the host does: [`Metrics`](super::Metrics), every second.
        Metrics {},
        /// Messages to a channel of a space: changes as [`Messages`](super::Messages).
        Messages {
            /// The space.
            space: String,
            /// The channel.
            channel: String,
        },
    }
}
