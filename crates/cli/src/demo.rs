//! `dx demo`: two peers with a disk each and real QUIC between them do everything that the
//! system is for, on the dependency graph of which this program was built.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dxos_client::{
    Client, ClientOptions, Config, ConnectionState, InvitationOptions, ObjectId, Space, StateHash,
    Transaction, Value, map,
};
use serde_json::json;

use crate::arguments::DemoOptions;
use crate::invite::stop_signal;
use crate::lockfile::{self, Record};
use crate::output::{Output, table};

/// How long the two may take to agree.
const PATIENCE: Duration = Duration::from_secs(120);
/// Objects in one transaction of the import.
const BATCH: usize = 100;
/// Objects that both edit while they are apart.
const SHARED: usize = 3;

/// What was done and how long it took.
#[derive(Debug, serde::Serialize)]
struct Step {
    name: &'static str,
    what: String,
    ms: f64,
}

struct Steps {
    output: Output,
    done: Vec<Step>,
    start: Instant,
}

impl Steps {
    fn done(&mut self, name: &'static str, what: impl Into<String>) {
        let (ms, what) = (self.start.elapsed().as_secs_f64() * 1000.0, what.into());
        self.output
            .note(&format!("{name:<10}  {what}  ({ms:.1} ms)"));
        self.done.push(Step { name, what, ms });
        self.start = Instant::now();
    }
}

/// How it ended.
struct Ended {
    conflicts: Vec<serde_json::Value>,
    objects: u64,
    a: StateHash,
    b: StateHash,
}

/// Where the profiles are: a new directory, or a temporary one that goes with this.
pub(crate) enum Home {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Home {
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self> {
        let Some(directory) = keep else {
            let temporary = tempfile::tempdir().context("no temporary directory")?;
            return Ok(Self::Temporary(temporary));
        };
        if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty; name a new directory", directory.display());
        }
        Ok(Self::Kept(directory.to_path_buf()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(temporary) => temporary.path(),
        }
    }
}

pub(crate) async fn run(options: &DemoOptions, output: Output) -> Result<ExitCode> {
    let home = Home::new(options.keep.as_deref())?;
    let mut steps = Steps {
        output,
        done: Vec::new(),
        start: Instant::now(),
    };
    // When it is interrupted everything is dropped in order, the temporary directory last.
    let ended = tokio::select! {
        biased;
        () = stop_signal() => bail!("interrupted"),
        ended = all(home.path(), &mut steps) => ended,
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => {
            if output.is_json() {
                let json = json!({
                    "converged": false,
                    "error": format!("{error:#}"),
                    "steps": steps.done,
                });
                output.result(&json, String::new);
            }
            return Err(error);
        }
    };
    let converged = ended.a == ended.b;
    let json = json!({
        "converged": converged,
        "objects": ended.objects,
        "steps": steps.done,
        "conflicts": ended.conflicts,
        "a": { "state_hash": ended.a },
        "b": { "state_hash": ended.b },
    });
    output.result(&json, || {
        let rows = steps.done.iter().map(|step| {
            vec![
                step.name.to_owned(),
                step.what.clone(),
                format!("{:.1}", step.ms),
            ]
        });
        let verdict = if converged {
            "the two agree"
        } else {
            "THE TWO DISAGREE"
        };
        format!(
            "\n{}\n\n{verdict}: {} objects",
            table(&["step", "what happened", "ms"], rows),
            ended.objects
        )
    });
    Ok(if converged {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn all(home: &Path, steps: &mut Steps) -> Result<Ended> {
    let (home_a, home_b) = (home.join("a"), home.join("b"));
    let (ann, bob) = (start(&home_a).await?, start(&home_b).await?);
    steps.done(
        "start",
        "two peers, each with a store on disk and a QUIC endpoint",
    );
    ann.halo().create_identity("Ann").await?;
    bob.halo().create_identity("Bob").await?;
    steps.done("identity", "Ann and Bob have an identity and a device each");
    let space = ann
        .echo()
        .create_space(map! { "name" => "Dependencies" })
        .await?;
    steps.done("space", format!("Ann created {}", space.key().short()));
    let records = lockfile::records(lockfile::OWN, || Ok(space.db().new_id()?))?;
    let references = import(&space, &records).await?;
    steps.done(
        "import",
        format!(
            "{} packages with {references} dependencies from Cargo.lock",
            records.len()
        ),
    );
    let theirs = join(&space, &bob).await?;
    steps.done(
        "join",
        "Bob joined with an invitation and its code of six digits",
    );
    converge(&space, &theirs).await?;
    let report = theirs.report().await?;
    steps.done(
        "replicate",
        format!("{} objects in {} blocks", report.objects, report.blocks),
    );

    for client in [&ann, &bob] {
        client
            .mesh()
            .set_connection_state(ConnectionState::Offline)
            .await?;
    }
    let shared: Vec<_> = records.iter().take(SHARED).map(|r| r.id).collect();
    edit(&space, &shared, "Ann").await?;
    edit(&theirs, &shared, "Bob").await?;
    let apart = space.state_hash().await? != theirs.state_hash().await?;
    if !apart {
        bail!("two peers that edited apart have the same state");
    }
    steps.done(
        "apart",
        format!(
            "offline, both edited the same {} objects and added one each",
            shared.len()
        ),
    );
    for client in [&ann, &bob] {
        client
            .mesh()
            .set_connection_state(ConnectionState::Online)
            .await?;
    }
    converge(&space, &theirs).await?;
    let mut conflicts = Vec::new();
    let mut shown = String::new();
    for object in &shared {
        let merged = merged(&space, *object).await?;
        shown = merged.text();
        conflicts.push(json!(merged));
    }
    steps.done(
        "merge",
        format!(
            "all reviews kept, {} conflicts to see; {shown}",
            conflicts.len()
        ),
    );

    let key = space.key();
    close(&ann, &bob).await?;
    let (ann, bob) = (start(&home_a).await?, start(&home_b).await?);
    let (space, theirs) = (ann.echo().space(key).await?, bob.echo().space(key).await?);
    let ended = Ended {
        conflicts,
        a: space.state_hash().await?,
        b: theirs.state_hash().await?,
        objects: space.report().await?.objects,
    };
    steps.done("restart", "both from disk");
    theirs
        .db()
        .update(
            *shared.first().context("the Cargo.lock is empty")?,
            |package| drop(package.insert("seen".into(), true.into())),
        )
        .await?;
    converge(&space, &theirs).await?;
    steps.done(
        "meet again",
        "found each other without a server, and went on",
    );
    let ended = Ended {
        a: space.state_hash().await?,
        b: theirs.state_hash().await?,
        ..ended
    };
    close(&ann, &bob).await?;
    steps.done("stop", "both closed cleanly");
    Ok(ended)
}

pub(crate) async fn start(profile: &Path) -> Result<Client> {
    let client = ClientOptions::new()
        .config(Config::default())
        .profile(profile)
        .listen(([127, 0, 0, 1], 0).into())
        .build();
    client.initialize().await?;
    Ok(client)
}

pub(crate) async fn close(ann: &Client, bob: &Client) -> Result<()> {
    let (ann, bob) = tokio::join!(ann.destroy(), bob.destroy());
    ann?;
    Ok(bob?)
}

async fn import(space: &Space, records: &[Record]) -> Result<usize> {
    let mut references = 0;
    for batch in records.chunks(BATCH) {
        let mut transaction = Transaction::new();
        for record in batch {
            if let Some(Value::Set(targets)) = record.properties.get("dependencies") {
                references += targets.len();
            }
            transaction = transaction.create(record.id, "package", record.properties.clone());
        }
        space.db().commit(transaction).await?;
    }
    space.db().flush().await?;
    Ok(references)
}

pub(crate) async fn join(space: &Space, guest: &Client) -> Result<Space> {
    let host = space
        .create_invitation(InvitationOptions::default())
        .await?;
    let code = host
        .auth_code()
        .context("the invitation has no code")?
        .to_owned();
    // As text, as it would travel.
    let invitation = host.invitation().to_string().parse()?;
    let flow = guest.echo().accept_invitation(invitation).await?;
    flow.authenticate(&code).await?;
    let joined = flow.joined().await?;
    host.finished().await?;
    Ok(joined)
}

/// Waits until both hold the same.
pub(crate) async fn converge(a: &Space, b: &Space) -> Result<()> {
    let agree = async {
        let (mut a_changes, mut b_changes) = (a.watch().await?, b.watch().await?);
        loop {
            a_changes.borrow_and_update();
            b_changes.borrow_and_update();
            if a.state_hash().await? == b.state_hash().await? {
                return anyhow::Ok(());
            }
            tokio::select! {
                biased;
                changed = a_changes.changed() => changed?,
                changed = b_changes.changed() => changed?,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, agree).await {
        Ok(agreed) => agreed,
        Err(_) => bail!("the two did not agree within {} s", PATIENCE.as_secs()),
    }
}

/// Of each object one property that the other edits too and one that it does not; and a new
/// object.
async fn edit(space: &Space, objects: &[ObjectId], who: &str) -> Result<()> {
    let note = format!("reviewed by {who}");
    let own = format!("review.{}", who.to_lowercase());
    let new = space.db().new_id()?;
    let mut transaction = Transaction::new().create(new, "review", map! { "by" => who });
    for object in objects {
        transaction =
            transaction
                .set(*object, "note", note.as_str())
                .set(*object, own.as_str(), true);
    }
    space.db().commit(transaction).await?;
    Ok(())
}

/// What became of a property that both edited.
#[derive(Debug, serde::Serialize)]
struct Merged {
    object: ObjectId,
    name: String,
    property: &'static str,
    shows: String,
    also: Vec<String>,
}

impl Merged {
    fn text(&self) -> String {
        format!(
            "{}'s {}: {:?} shows, {:?} stays readable",
            self.name,
            self.property,
            self.shows,
            self.also.join(", ")
        )
    }
}

/// What the merge gave.
async fn merged(space: &Space, object: ObjectId) -> Result<Merged> {
    let merged = space
        .db()
        .get(object)
        .await?
        .context("the object is gone")?;
    let both = ["review.ann", "review.bob"];
    if both
        .iter()
        .any(|path| merged.get(*path) != Some(&true.into()))
    {
        bail!("an edit of one side was lost");
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let also: Vec<_> = merged
        .conflicts("note")
        .iter()
        .map(|conflict| text(&conflict.value))
        .collect();
    if also.is_empty() {
        bail!("the conflict of two concurrent edits is not to be seen");
    }
    Ok(Merged {
        object,
        name: merged.get("name").map(text).unwrap_or_default(),
        property: "note",
        shows: merged.get("note").map(text).unwrap_or_default(),
        also,
    })
}
