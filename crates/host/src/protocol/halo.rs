//! Identity and devices.

use std::collections::BTreeMap;

wire! {
    /// Who the profile is.
    pub struct IdentityInfo {
        /// The identity.
        pub identity: String,
        /// This device.
        pub device: String,
        /// What others are shown.
        pub profile: ProfileInfo,
    }

    /// What others are shown of somebody.
    #[derive(Default, Eq)]
    pub struct ProfileInfo {
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display_name: Option<String>,
        /// Where its picture is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub avatar: Option<String>,
        /// Whatever else an application shows.
        #[serde(default)]
        pub fields: BTreeMap<String, String>,
    }

    /// A device of the identity, or a recovery phrase.
    #[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
    pub struct DeviceInfo {
        /// The device.
        pub device: String,
        /// Which of both it is.
        pub kind: DeviceKindInfo,
        /// Whether it is the one of this host.
        pub current: bool,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// What it runs on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub platform: Option<String>,
        /// When it became a device of the identity, in milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_ms: Option<u64>,
        /// When it was last known to be online, in milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub last_seen_ms: Option<u64>,
        /// Whether it is online.
        pub online: bool,
        /// Whether the identity came to it by a recovery phrase.
        pub recovered: bool,
        /// Whether it was revoked.
        pub revoked: bool,
        /// What applications keep for it.
        pub preferences: BTreeMap<String, String>,
    }

    /// Somebody with whom the identity shares a space.
    pub struct ContactInfo {
        /// The identity.
        pub identity: String,
        /// What others are shown.
        pub profile: ProfileInfo,
        /// The spaces that are shared.
        pub spaces: Vec<String>,
        /// Whether one of its devices is online.
        pub online: bool,
    }

    /// A credential.
    pub struct CredentialInfo {
        /// What it says, such as `space-member`.
        pub kind: String,
        /// Whom or what it is about: an identity, a device or a space.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub subject: Option<String>,
        /// Who signed it: a device, an identity or a space.
        pub issuer: String,
        /// What else it says, such as the role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub detail: Option<String>,
        /// Whether it takes effect.
        pub counts: bool,
        /// Its logical time.
        pub lamport: u64,
        /// All of it, as base64: what `halo.presentCredentials` takes.
        pub encoded: String,
    }

    /// A proof for a third party.
    pub struct PresentationInfo {
        /// The proof, as text.
        pub presentation: String,
    }

    /// A recovery phrase. It is shown once.
    pub struct RecoveryPhraseInfo {
        /// The 24 words, with spaces between.
        pub phrase: String,
        /// Its key, by which it is listed among the devices and revoked.
        pub device: String,
    }
}

kinds! {
    /// What a device is.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum DeviceKindInfo {
        /// A device.
        Device,
        /// A recovery phrase on paper.
        RecoveryPhrase,
    }
}

params! {
    /// What others are to be shown, all of it.
    #[derive(Default)]
    pub struct ProfileParams {
        /// The name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display_name: Option<String>,
        /// Where the picture is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub avatar: Option<String>,
        /// Whatever else.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, String>>"))]
        pub fields: BTreeMap<String, String>,
    }

    /// Names a device.
    pub struct DeviceParams {
        /// The device.
        pub device: String,
    }

    /// Gives a device a name.
    pub struct RenameDevice {
        /// The device.
        pub device: String,
        /// The name.
        pub name: String,
    }

    /// Keeps something of an application for a device.
    pub struct SetDevicePreference {
        /// The device.
        pub device: String,
        /// The name of what is kept.
        pub key: String,
        /// What is kept; null forgets it.
        #[cfg_attr(test, ts(optional = nullable))]
        #[serde(default)]
        pub value: Option<String>,
    }

    /// Proves to a third party that this client acts for its identity.
    pub struct PresentCredentials {
        /// What the third party drew, as base64.
        pub challenge: String,
        /// Whom it is for, such as a host name.
        pub audience: String,
        /// Credentials to show with it, each as base64.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub credentials: Vec<String>,
    }

    /// Brings an identity back with its recovery phrase.
    pub struct RecoverIdentity {
        /// The 24 words.
        pub phrase: String,
        /// Devices to ask besides those that are found.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub peers: Vec<PeerSpec>,
        /// How long to look, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub patience_ms: Option<u32>,
    }

    /// A device and where it is.
    pub struct PeerSpec {
        /// The device.
        pub device: String,
        /// Its addresses, each `host:port`.
        pub addresses: Vec<String>,
    }
}
