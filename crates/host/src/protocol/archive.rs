//! Spaces as archives, in parts: a page and its host hold one part of them at a time.

wire! {
    /// What an archive holds.
    pub struct ArchiveContentsInfo {
        /// The space that it is of.
        pub space: String,
        /// The version of the program that wrote it.
        pub program: String,
        /// When, by the clock of the device that wrote it, in milliseconds since 1970.
        pub time_ms: u64,
        /// How many blocks.
        pub blocks: u64,
        /// How many objects.
        pub objects: u64,
        /// The bytes of the largest of them. One of more than 700 KiB keeps the space from being
        /// cloned.
        pub largest_object: u64,
    }

    /// An archive that can be read with `archive.read`.
    pub struct ArchiveInfo {
        /// How many bytes it has.
        pub bytes: u64,
        /// What it holds.
        pub contents: ArchiveContentsInfo,
    }

    /// A part of an archive.
    pub struct ArchivePart {
        /// The bytes, as base64.
        pub bytes: String,
        /// Where the next part begins, none when this is the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u64>,
    }

    /// How much of an archive was taken in.
    pub struct ArchiveWritten {
        /// How many bytes: where the next part begins.
        pub bytes: u64,
    }
}

kinds! {
    /// Who may read an archive.
    #[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
    pub enum ArchiveProtectionSpec {
        /// Whoever has this passphrase: it is encrypted.
        Passphrase {
            /// The passphrase. It is not kept.
            passphrase: String,
        },
        /// Whoever has the archive. It holds everything in the space, and its keys.
        Plain {},
    }

    /// What an archive brings back.
    #[derive(Copy, Default, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum RestoreAsSpec {
        /// The same space, for a device of an identity that is a member of it.
        #[default]
        Same,
        /// A new space, of which this identity is the only member, with the objects as they
        /// showed.
        Clone,
    }
}

params! {
    /// Writes a space into an archive, to be read in parts.
    pub struct CreateArchive {
        /// How the archive is named from here on; unused in the session.
        pub archive: u32,
        /// The space.
        pub space: String,
        /// Who may read it.
        pub protection: ArchiveProtectionSpec,
    }

    /// Reads a part of an archive: up to 256 KiB.
    pub struct ReadArchive {
        /// The archive.
        pub archive: u32,
        /// Where the part begins: 0, or `next` of the part before.
        pub at: u64,
    }

    /// Hands in a part of an archive.
    pub struct WriteArchive {
        /// The archive. The first part, at 0, begins one of this name.
        pub archive: u32,
        /// Where the part begins: behind the last one. One that was taken in already is not taken
        /// in again.
        pub at: u64,
        /// The bytes, as base64; up to 512 KiB of them.
        pub bytes: String,
    }

    /// Reads an archive that was handed in to its end. Nothing is written.
    pub struct InspectArchive {
        /// The archive.
        pub archive: u32,
        /// The passphrase, for one that was written under one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub passphrase: Option<String>,
    }

    /// Brings a space back from an archive that was handed in.
    pub struct RestoreArchive {
        /// The archive.
        pub archive: u32,
        /// What becomes of it.
        #[serde(rename = "as", default)]
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        pub restore_as: RestoreAsSpec,
        /// The passphrase, for one that was written under one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub passphrase: Option<String>,
    }

    /// Forgets an archive.
    pub struct ArchiveParams {
        /// The archive.
        pub archive: u32,
    }
}
