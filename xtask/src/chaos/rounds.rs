//! The rounds.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    check,
    disk::Disk,
    draw::Draw,
    dx::{Dx, Running},
};

/// Records that a round imports.
const RECORDS: u64 = 4_000;
pub(super) const SPACE: &str = "Work";
/// The id of the object that holds the schema of `entry@1`: `TypeSchema::id_of`.
const SCHEMA_ID: &str = "8tzsoajqxp8hc4x4kjjqogb53o";

/// What a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A peer alone is killed while it imports.
    Import,
    /// Peers that replicate are killed, one or both.
    Replicate,
    /// A peer is killed while it builds an index.
    Index,
    /// A peer is killed while it restores an archive.
    Restore,
    /// A peer is killed while it creates an epoch and drops what that stands for.
    Epoch,
    /// Peers are killed while they erase what was deleted.
    Erase,
    /// The disk fills up during an import.
    Full,
    /// The disk is read-only for a while.
    ReadOnly,
}

const KINDS: [Kind; 8] = [
    Kind::Import,
    Kind::Replicate,
    Kind::Index,
    Kind::Restore,
    Kind::Epoch,
    Kind::Erase,
    Kind::Full,
    Kind::ReadOnly,
];

/// How many rounds of each kind there were.
pub(super) struct Counts(BTreeMap<Kind, u64>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.iter().map(|(kind, n)| format!("{n} {kind:?}"));
        f.write_str(&counts.collect::<Vec<_>>().join(", ").to_lowercase())
    }
}

/// The peers, and what they have to hold.
pub(super) struct World {
    program: PathBuf,
    home: PathBuf,
    pub(super) draw: Draw,
    pub(super) ann: Dx,
    pub(super) bob: Dx,
    /// Whether a disk can be mounted here that is then filled.
    can_mount: bool,
    /// What is still to be done before a kind of round comes again.
    kinds: Vec<Kind>,
    /// Whether the index of `k` is declared.
    has_index: bool,
}

/// The greatest number of objects that was acknowledged.
fn acknowledged(lines: &[Value]) -> u64 {
    let events = lines.iter().filter(|line| line["event"] == "acknowledged");
    let counts = events.filter_map(|line| line["objects"].as_u64());
    counts.max().unwrap_or(0)
}

impl World {
    /// Makes the peers and lets them share a space.
    pub(super) fn new(program: PathBuf, home: &Path, draw: Draw) -> Result<Self> {
        fs::create_dir_all(home).with_context(|| format!("cannot make {}", home.display()))?;
        let (ann, bob) = (
            Dx::new(&program, home.join("ann")),
            Dx::new(&program, home.join("bob")),
        );
        ann.json(&["identity", "create", "Ann"])?;
        bob.json(&["identity", "create", "Bob"])?;
        ann.json(&["space", "create", SPACE])?;
        let host = ann.spawn(&["space", "invite", SPACE])?;
        let invited = host.line_where(|line| line["invitation"].is_string())?;
        let (Some(text), Some(code)) = (invited["invitation"].as_str(), invited["code"].as_str())
        else {
            bail!("no invitation: {invited}");
        };
        bob.json(&["space", "join", text, "--code", code])?;
        drop(host);
        let can_mount = Disk::mount(&home.join("small"))?.is_some();
        if !can_mount {
            println!("no file system can be mounted here: the disk is never full");
        }
        let mut world = Self {
            program,
            home: home.to_path_buf(),
            draw,
            ann,
            bob,
            can_mount,
            kinds: Vec::new(),
            has_index: false,
        };
        world.declare()?;
        Ok(world)
    }

    /// Runs so many rounds.
    pub(super) fn run(&mut self, rounds: u64) -> Result<Counts> {
        let mut counts = BTreeMap::new();
        for round in 0..rounds {
            let kind = self.kind()?;
            let said = self
                .round(round, kind)
                .with_context(|| format!("round {round}, {kind:?}"))?;
            println!("round {round}: {kind:?}: {said}");
            *counts.entry(kind).or_insert(0) += 1;
            if round % 4 == 3 || round + 1 == rounds {
                check::converged(&self.ann, &self.bob, SPACE)
                    .with_context(|| format!("after round {round}"))?;
            }
        }
        Ok(Counts(counts))
    }

    /// Kinds come in any order, but each of them before one comes again.
    fn kind(&mut self) -> Result<Kind> {
        if self.kinds.is_empty() {
            let needs_mount = |kind: &&Kind| matches!(kind, Kind::Full | Kind::ReadOnly);
            let kinds = KINDS
                .iter()
                .filter(|kind| self.can_mount || !needs_mount(kind));
            self.kinds = kinds.copied().collect();
        }
        let place = usize::try_from(self.draw.below(self.kinds.len() as u64))?;
        Ok(self.kinds.swap_remove(place))
    }

    /// A profile with a space on a disk of its own.
    fn small(&self) -> Result<(Dx, Disk)> {
        let disk = Disk::mount(&self.home.join("small"))?;
        let disk = disk.context("cannot mount a file system in memory")?;
        let dx = Dx::new(&self.program, disk.path.join("profile"));
        dx.json(&["identity", "create", "Carol"])?;
        dx.json(&["space", "create", SPACE])?;
        Ok((dx, disk))
    }

    fn round(&mut self, round: u64, kind: Kind) -> Result<String> {
        match kind {
            Kind::Import => self.import(round),
            Kind::Replicate => self.replicate(round),
            Kind::Index => self.index(),
            Kind::Restore => self.restore(),
            Kind::Epoch => self.epoch(),
            Kind::Erase => self.erase(),
            Kind::Full => self.full(round),
            Kind::ReadOnly => self.read_only(round),
        }
    }

    /// A file of records, each of which says of which round it is.
    fn records(&self, round: u64) -> Result<String> {
        let mut text = String::new();
        for n in 0..RECORDS {
            let n = round * RECORDS + n;
            let k = n % 97;
            writeln!(
                text,
                "{{\"n\":{n},\"k\":{k},\"round\":{round},\"title\":\"record {n}\"}}"
            )?;
        }
        self.file(&format!("round-{round}.jsonl"), &text)
    }

    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.home.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        path.into_os_string()
            .into_string()
            .map_err(|path| anyhow::anyhow!("{} is no text", path.display()))
    }

    /// Declares the index of one property, or of another one too.
    fn declare(&mut self) -> Result<()> {
        let schema = json!({"properties": {
            "n": {"x-echo-index": true},
            "k": {"x-echo-index": self.has_index},
        }});
        // As `dx export` writes it: so it keeps its id and type.
        let line = json!({
            "created_ms": 1,
            "updated_ms": 1,
            "id": SCHEMA_ID,
            "type": "dxos.org/type/Schema@0.1.0",
            "properties": {"type": "entry@1", "schema": schema.to_string()},
        });
        let file = self.file("schema.jsonl", &format!("{line}\n"))?;
        self.ann.json(&["import", SPACE, &file])?;
        Ok(())
    }

    /// What was acknowledged is there, and the import can be finished.
    fn finish(dx: &Dx, draw: &mut Draw, (round, file): (u64, &str), said: u64) -> Result<()> {
        let of_round = |dx: &Dx, draw: &mut Draw| -> Result<u64> {
            let all = check::queries(dx, SPACE, draw)?;
            Ok(all.iter().filter(|entry| entry.round == round).count() as u64)
        };
        let found = of_round(dx, draw)?;
        ensure!(
            found >= said,
            "{said} objects were acknowledged, {found} are there"
        );
        dx.json(&import(file)[..])?;
        let found = of_round(dx, draw)?;
        ensure!(
            found == RECORDS,
            "{found} of {RECORDS} are there in the end"
        );
        Ok(())
    }

    fn import(&mut self, round: u64) -> Result<String> {
        let file = self.records(round)?;
        let import = self
            .ann
            .spawn(&[&import(&file)[..], &["--events"]].concat())?;
        let instant = self.draw.instant();
        thread::sleep(instant);
        let said = acknowledged(&import.kill()?);
        Self::finish(&self.ann, &mut self.draw, (round, &file), said)?;
        Ok(format!("killed after {instant:?} with {said} acknowledged"))
    }

    fn replicate(&mut self, round: u64) -> Result<String> {
        let file = self.records(round)?;
        let serve = self.bob.spawn(&["serve"])?;
        serve.line_where(|line| line["event"] == "ready")?;
        let online = ["--events", "--online"];
        let import = self.ann.spawn(&[&import(&file)[..], &online].concat())?;
        let (first, second) = (self.draw.instant(), self.draw.instant());
        let is_bob_first = self.draw.below(2) == 0;
        thread::sleep(first);
        let kill = |serve: Running, import: Running| -> Result<Vec<Value>> {
            if is_bob_first {
                serve.kill()?;
                thread::sleep(second);
                import.kill()
            } else {
                let lines = import.kill()?;
                thread::sleep(second);
                serve.kill()?;
                Ok(lines)
            }
        };
        let said = acknowledged(&kill(serve, import)?);
        check::queries(&self.bob, SPACE, &mut self.draw).context("the peer")?;
        Self::finish(&self.ann, &mut self.draw, (round, &file), said)?;
        let who = if is_bob_first {
            "the peer"
        } else {
            "the writer"
        };
        Ok(format!(
            "{who} killed first, after {first:?}, with {said} acknowledged"
        ))
    }

    fn index(&mut self) -> Result<String> {
        self.has_index = !self.has_index;
        self.declare()?;
        let serve = self.ann.spawn(&["serve"])?;
        let instant = self.draw.instant();
        thread::sleep(instant);
        serve.kill()?;
        check::queries(&self.ann, SPACE, &mut self.draw)?;
        let all = check::scan(&self.ann, SPACE)?;
        let wanted = all.iter().filter(|entry| entry.n % 97 == 5).count() as u64;
        for _ in 0..100 {
            let query = ["query", SPACE, "type:entry", "k:5"];
            let found = self.ann.json(&query)?;
            let found = found.as_array().map_or(0, Vec::len) as u64;
            ensure!(found == wanted, "{found} with k:5, {wanted} by a scan");
            let explained = self.ann.json(&[&query[..], &["--explain"]].concat())?;
            if (explained["index"] == "entry by k") == self.has_index {
                return Ok(format!("killed after {instant:?}"));
            }
            // It is built while a program runs, and goes on where it was.
            let serve = self.ann.spawn(&["serve"])?;
            thread::sleep(Duration::from_millis(300));
            serve.kill()?;
        }
        bail!("the index of k never serves");
    }

    fn restore(&mut self) -> Result<String> {
        let archive = self.home.join("archive.dxos");
        drop(fs::remove_file(&archive));
        let archive = archive.to_string_lossy().into_owned();
        self.ann.json(&["archive", SPACE, &archive, "--plain"])?;
        let wanted = self.ann.json(&["space", "show", SPACE])?["objects"].clone();
        let home = self.home.join("restored");
        drop(fs::remove_dir_all(&home));
        let dave = Dx::new(&self.program, home.clone());
        dave.json(&["identity", "create", "Dave"])?;
        let arguments = ["restore", &archive, "--as-clone"];
        let restore = dave.spawn(&arguments)?;
        let instant = self.draw.instant();
        thread::sleep(instant);
        let done = !restore.kill()?.is_empty();
        let before = spaces(&dave)?;
        ensure!(
            !done || before.contains(&wanted),
            "it was restored and is not there"
        );
        dave.json(&arguments)?;
        let after = spaces(&dave)?;
        ensure!(
            after.len() == before.len() + 1 && after.contains(&wanted),
            "{wanted} objects were restored, the spaces have {after:?}"
        );
        let part = before.iter().filter(|objects| **objects != wanted).count();
        fs::remove_dir_all(&home).context("cannot remove a profile")?;
        Ok(format!(
            "killed after {instant:?}, {part} spaces restored in part"
        ))
    }

    fn full(&mut self, round: u64) -> Result<String> {
        let file = self.records(round)?;
        let (dx, disk) = self.small()?;
        let import = dx.spawn(&[&import(&file)[..], &["--events"]].concat())?;
        let instant = self.draw.instant();
        thread::sleep(instant);
        disk.fill()?;
        let ended = import.end()?;
        let said = acknowledged(&ended.lines);
        ensure!(
            ended.success || ended.text.contains("no space is left"),
            "not clear about the disk: {}",
            ended.text
        );
        disk.clear()?;
        Self::finish(&dx, &mut self.draw, (round, &file), said)?;
        let how = if ended.success { "too late" } else { "refused" };
        Ok(format!(
            "full after {instant:?}, {how}, with {said} acknowledged"
        ))
    }

    fn read_only(&mut self, round: u64) -> Result<String> {
        let file = self.records(round)?;
        let (dx, disk) = self.small()?;
        let running = dx.spawn(&[&import(&file)[..], &["--events"]].concat())?;
        let instant = self.draw.instant();
        thread::sleep(instant);
        let said = acknowledged(&running.kill()?);
        disk.set_read_only(true)?;
        let ended = dx.end(&import(&file));
        disk.set_read_only(false)?;
        let ended = ended?;
        ensure!(
            !ended.success && ended.text.contains("read-only"),
            "not clear about the disk: {}",
            ended.text
        );
        Self::finish(&dx, &mut self.draw, (round, &file), said)?;
        Ok(format!("killed after {instant:?}, and read-only then"))
    }
}

const fn import(file: &str) -> [&str; 5] {
    ["import", SPACE, file, "--type", "entry@1"]
}

/// How many objects each space of a profile has.
fn spaces(dx: &Dx) -> Result<Vec<Value>> {
    let listed = dx.json(&["space", "list"])?;
    let spaces = listed.as_array().context("no list of spaces")?;
    Ok(spaces
        .iter()
        .map(|space| space["objects"].clone())
        .collect())
}
