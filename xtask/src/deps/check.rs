//! The check itself: a pure function of packages and rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::floors::{EXCEPTIONS, Exception, FLOORS, LINKS_NOTHING, Place, WALLS, Wall};

/// A package of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// What its manifest imports.
    pub(super) imports: Vec<Import>,
}

/// One dependency of a manifest.
#[derive(Clone, Debug)]
pub(super) struct Import {
    /// The imported package, not the name that it is given.
    pub(super) name: String,
    /// Where the manifest lists it.
    pub(super) kind: Kind,
    /// Whether it is a package of the workspace.
    pub(super) local: bool,
}

/// Where a manifest lists a dependency.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Dev,
    /// `[dependencies]`
    Normal,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Build => "build-dependency",
            Self::Dev => "dev-dependency",
            Self::Normal => "dependency",
        })
    }
}

/// What to check against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// Every package and its floor.
    pub(super) floors: &'a [Place],
    /// Packages that import nothing of the workspace.
    pub(super) links_nothing: &'a [&'a str],
    /// Third-party packages with listed importers.
    pub(super) walls: &'a [Wall],
    /// Dev-dependencies that may go up or sideways.
    pub(super) exceptions: &'a [Exception],
}

impl Rules<'static> {
    /// The rules of this workspace.
    pub(super) const OURS: Self = Self {
        floors: FLOORS,
        links_nothing: LINKS_NOTHING,
        walls: WALLS,
        exceptions: EXCEPTIONS,
    };
}

/// An import that must not be, or a table that is not up to date.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Breach {
    /// An import that does not go down.
    Floor {
        from: String,
        from_floor: u8,
        to: String,
        to_floor: u8,
        kind: Kind,
    },
    /// An import of the workspace by a package that must link nothing of it.
    LinksNothing { from: String, to: String },
    /// An exception that no manifest needs.
    StaleException { from: String, to: String },
    /// A package that the table of floors does not know.
    Unknown { package: String },
    /// An import past a wall.
    Wall {
        from: String,
        to: String,
        importers: Vec<String>,
        reason: String,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floor {
                from,
                from_floor,
                to,
                to_floor,
                kind,
            } => {
                let way = if to_floor > from_floor {
                    "up"
                } else {
                    "sideways"
                };
                write!(
                    f,
                    "{from} (floor {from_floor}) -> {to} (floor {to_floor}): this {kind} goes {way}; \
                     a package imports from lower floors only: move what both need to a lower one, \
                     or pass it in where they are assembled"
                )?;
                if *kind == Kind::Dev {
                    write!(f, ", or list it in EXCEPTIONS with the reason")?;
                }
                Ok(())
            }
            Self::LinksNothing { from, to } => write!(
                f,
                "{from} -> {to}: {from} starts the workspace's programs and links nothing of it"
            ),
            Self::StaleException { from, to } => write!(
                f,
                "{from} -> {to}: listed in EXCEPTIONS, but no such dev-dependency needs it; remove the entry"
            ),
            Self::Unknown { package } => write!(
                f,
                "{package}: not in the table of floors; give it a floor in FLOORS"
            ),
            Self::Wall {
                from,
                to,
                importers,
                reason,
            } => write!(
                f,
                "{from} -> {to}: past the wall; only {} may import it: {reason}",
                importers.join(", ")
            ),
        }
    }
}

/// Returns every breach, in the order of the packages given.
pub(super) fn check(packages: &[Package], rules: &Rules<'_>) -> Vec<Breach> {
    let floors: BTreeMap<&str, u8> = rules
        .floors
        .iter()
        .map(|row| (row.package, row.floor))
        .collect();
    let mut breaches = Vec::new();
    let mut needed = BTreeSet::new();
    for package in packages {
        let floor = floors.get(package.name.as_str()).copied();
        if floor.is_none() {
            breaches.push(Breach::Unknown {
                package: package.name.clone(),
            });
        }
        for import in &package.imports {
            if !import.local {
                breaches.extend(past_wall(package, import, rules.walls));
                continue;
            }
            if rules.links_nothing.contains(&package.name.as_str()) {
                breaches.push(Breach::LinksNothing {
                    from: package.name.clone(),
                    to: import.name.clone(),
                });
                continue;
            }
            // A package missing in the table is reported once, where it is met itself.
            let (Some(from_floor), Some(to_floor)) =
                (floor, floors.get(import.name.as_str()).copied())
            else {
                continue;
            };
            // A package may import itself with more features for its own tests.
            let itself = import.kind == Kind::Dev && import.name == package.name;
            if to_floor < from_floor || itself {
                continue;
            }
            let exception = rules
                .exceptions
                .iter()
                .find(|row| row.from == package.name && row.to == import.name);
            match exception {
                Some(row) if import.kind == Kind::Dev => {
                    needed.insert((row.from, row.to));
                }
                _ => breaches.push(Breach::Floor {
                    from: package.name.clone(),
                    from_floor,
                    to: import.name.clone(),
                    to_floor,
                    kind: import.kind,
                }),
            }
        }
    }
    let stale = rules
        .exceptions
        .iter()
        .filter(|row| !needed.contains(&(row.from, row.to)));
    breaches.extend(stale.map(|row| Breach::StaleException {
        from: row.from.to_owned(),
        to: row.to.to_owned(),
    }));
    breaches
}

fn past_wall(package: &Package, import: &Import, walls: &[Wall]) -> Option<Breach> {
    let wall = walls
        .iter()
        .find(|wall| wall.crates.contains(&import.name.as_str()))?;
    let allowed = wall.importers.contains(&package.name.as_str());
    (!allowed).then(|| Breach::Wall {
        from: package.name.clone(),
        to: import.name.clone(),
        importers: wall.importers.iter().map(ToString::to_string).collect(),
        reason: wall.reason.to_owned(),
    })
}
