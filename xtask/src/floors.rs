//! The floors and walls of the architecture, as data. [`deps`](crate::deps) holds them against
//! the manifests; `ARCHITECTURE.md` says why they are as they are.

/// A package and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The package.
    pub(crate) package: &'static str,
    /// Its floor: it may import packages of lower floors only.
    pub(crate) floor: u8,
    /// Whether it may read clocks, start threads and own a shorter `clippy.toml`.
    pub(crate) edge: bool,
}

/// A third-party package that only some packages may import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    /// What is walled in: the packages behind the wall.
    pub(crate) crates: &'static [&'static str],
    /// The packages that may import them.
    pub(crate) importers: &'static [&'static str],
    /// Why.
    pub(crate) reason: &'static str,
}

/// A dev-dependency that may go up or sideways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exception {
    /// The package whose tests or examples need it.
    pub(crate) from: &'static str,
    /// The package that they import.
    pub(crate) to: &'static str,
    /// Why nothing lower would do.
    pub(crate) reason: &'static str,
}

/// A package whose normal dependencies must not carry what only tests need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestFeature {
    /// The package, or a prefix of packages when it ends with `*`.
    pub(crate) package: &'static str,
    /// The features that only tests and simulations may enable.
    pub(crate) features: &'static [&'static str],
}

const fn pure(package: &'static str, floor: u8) -> Place {
    Place {
        package,
        floor,
        edge: false,
    }
}

const fn edge(package: &'static str, floor: u8) -> Place {
    Place {
        package,
        floor,
        edge: true,
    }
}

/// Every package of the workspace. One that is missing here fails the check.
pub(crate) const FLOORS: &[Place] = &[
    pure("dxos-derive", 0),
    pure("dxos-keys", 0),
    pure("dxos-document", 1),
    pure("dxos-feed", 1),
    pure("dxos-wire", 1),
    pure("dxos-credentials", 2),
    pure("dxos-records", 2),
    pure("dxos-schema", 2),
    edge("dxos-actors", 3),
    pure("dxos-protocol", 3),
    pure("dxos-store", 3),
    pure("dxos-transport", 3),
    pure("dxos-echo", 4),
    pure("dxos-halo", 4),
    pure("dxos-mesh", 4),
    edge("dxos-quic", 4),
    edge("dxos-signal", 4),
    edge("dxos-store-fjall", 4),
    edge("dxos-client", 5),
    edge("dxos-host", 6),
    edge("dxos-sim", 6),
    edge("dxos-benches", 7),
    edge("dxos-cli", 7),
    edge("dxos-tests", 7),
    edge("xtask", 7),
];

/// Packages that may import nothing of the workspace at all.
pub(crate) const LINKS_NOTHING: &[&str] = &["xtask"];

/// The walls. `deny.toml` holds the same ones against the resolved graph.
pub(crate) const WALLS: &[Wall] = &[
    Wall {
        crates: &["actix", "actix-rt"],
        importers: &["dxos-actors"],
        reason: "dxos-actors alone knows the pitfalls of actix; everyone else writes behaviours for it",
    },
    Wall {
        crates: &["actix-web", "actix-ws"],
        importers: &["dxos-host"],
        reason: "the one crate that serves HTTP",
    },
    Wall {
        crates: &["quinn", "quinn-proto", "quinn-udp"],
        importers: &["dxos-quic"],
        reason: "everyone else speaks to the traits of dxos-transport",
    },
    Wall {
        crates: &["fjall", "lsm-tree"],
        importers: &["dxos-store-fjall"],
        reason: "everyone else speaks to the traits of dxos-store",
    },
    Wall {
        crates: &["ed25519", "ed25519-dalek"],
        importers: &["dxos-keys"],
        reason: "a key crosses a crate line only as a newtype of dxos-keys",
    },
    Wall {
        crates: &["mimalloc"],
        importers: &["dxos-benches", "dxos-cli"],
        reason: "a program chooses how it gets memory; a library never does",
    },
    Wall {
        crates: &["crdts"],
        importers: &["dxos-credentials", "dxos-document", "dxos-feed"],
        reason: "its types iterate in a random order; the pure crates wrap them in a canonical one",
    },
];

/// Dev-dependencies that may go up or sideways; an entry that nothing needs fails the check.
pub(crate) const EXCEPTIONS: &[Exception] = &[];

/// What people ship: their normal dependencies are free of [`TEST_FEATURES`].
pub(crate) const SHIPPED: &[&str] = &["dxos-client", "dxos-cli"];

/// Features that only tests and simulations may enable.
pub(crate) const TEST_FEATURES: &[TestFeature] = &[
    TestFeature {
        package: "tokio",
        features: &["test-util"],
    },
    TestFeature {
        package: "dxos-*",
        features: &["conformance", "test-util", "testing"],
    },
];
