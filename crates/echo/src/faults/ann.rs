//! The device whose disk fails, and what it has to hold nevertheless.

use std::path::PathBuf;
use std::time::Duration;

use dxos_actors::testing::World;
use dxos_document::{Filter, Op, Query, Text, Transaction, Value};
use dxos_keys::{ObjectId, SpaceKey};
use dxos_protocol::echo::{
    Aborted, Commit, Durability, EchoError, ExplainQuery, Flush, LiveQuery, Subscribe, Transact,
    Work,
};
use dxos_schema::TypeSchema;
use dxos_store::{Access, StoreError};

use super::peer::{Peer, ask, query, scan};
use crate::Echo;

pub(super) const TASK: &str = "task@1";

/// How the disk fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) access: Access,
    /// Which call fails: so many before it succeed.
    pub(super) after: u64,
    /// Whether all calls behind it fail too, until two things that were tried have failed.
    pub(super) lasts: bool,
    /// What happens.
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No room.
    Full,
    /// The device does not answer.
    Io,
    /// The same, and then the power goes before anything else is synced.
    IoAndPower,
}

impl Fault {
    pub(super) fn error(self) -> StoreError {
        let path = PathBuf::from("(memory)");
        match self.kind {
            Kind::Full => StoreError::Full { path },
            Kind::Io | Kind::IoAndPower => StoreError::Io {
                path,
                reason: "injected".to_owned(),
            },
        }
    }

    /// Whether the store takes no writes behind it until it is opened again.
    fn poisons(self) -> bool {
        self.kind != Kind::Full && self.access != Access::Read
    }
}

/// Something that is written once, and whether it shows.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Tasks of these numbers in one transaction.
    Tasks(std::ops::Range<u16>),
    /// Another title for one.
    Title(u16, i64),
    /// A word at the end of the text of the first task.
    Word(&'static str),
    /// The schema, which declares an index.
    Schema,
}

pub(super) fn object(number: u16) -> ObjectId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

pub(super) fn schema() -> TypeSchema {
    let schema = serde_json::json!({"properties": {"n": {"x-echo-index": true}}});
    TypeSchema::new(TASK, schema).unwrap()
}

impl Edit {
    fn ops(&self) -> Vec<Op> {
        match self {
            Self::Tasks(numbers) => {
                let create = |transaction: Transaction, number: u16| {
                    let properties = [
                        ("n", Value::Int(i64::from(number % 7))),
                        ("title", Value::Int(0)),
                        ("text", Text::from("").into()),
                    ];
                    transaction.create(object(number), TASK, properties)
                };
                numbers.clone().fold(Transaction::new(), create).ops
            }
            Self::Title(number, title) => {
                let path = "title".into();
                vec![Op::Set {
                    object: object(*number),
                    path,
                    value: Value::Int(*title),
                }]
            }
            Self::Word(_) => Vec::new(),
            Self::Schema => vec![schema().create()],
        }
    }

    pub(super) async fn write(
        &self,
        echo: &Echo,
        space: SpaceKey,
        durability: Durability,
    ) -> Result<(), EchoError> {
        if let Self::Word(word) = *self {
            let work = Work::new(move |tx| {
                let mut text = tx.text(object(0), "text").map_err(|_| Aborted)?;
                let end = text.len();
                text.insert(end, word).map_err(|_| Aborted)
            });
            let message = Transact {
                space,
                work,
                durability,
            };
            let written = ask(echo.transact(), message).await?;
            assert!(written.is_some());
            return Ok(());
        }
        let message = Commit {
            space,
            ops: self.ops(),
            durability,
        };
        ask(echo.commit(), message).await.map(|_| ())
    }

    /// Whether it shows, all of it or nothing.
    pub(super) async fn shows(&self, echo: &Echo, space: SpaceKey) -> Result<bool, EchoError> {
        let all = scan(echo, space).await?;
        let find = |id| all.iter().find(move |found| found.id() == id);
        Ok(match self {
            Self::Tasks(numbers) => {
                let found = numbers.clone().filter(|n| find(object(*n)).is_some());
                let found = found.count();
                assert!(
                    found == 0 || found == numbers.len(),
                    "a part of a transaction shows: {found} of {numbers:?}"
                );
                found > 0
            }
            Self::Title(number, title) => {
                let found = find(object(*number)).and_then(|found| found.get("title"));
                found == Some(&Value::Int(*title))
            }
            Self::Word(word) => find(object(0)).is_some_and(|found| {
                let text = found.to_json().to_string();
                let times = text.matches(word).count();
                assert!(times < 2, "{word} was written {times} times");
                times == 1
            }),
            Self::Schema => find(schema().id()).is_some(),
        })
    }
}

/// The device whose disk fails.
pub(super) struct Ann<'a> {
    pub(super) peer: Peer,
    pub(super) world: &'a World,
    pub(super) fault: Option<Fault>,
    space: Option<SpaceKey>,
    /// What was acknowledged, in order, and whether for good.
    written: Vec<(Edit, bool)>,
    live: Option<(LiveQuery, Query)>,
    pub(super) failures: u32,
    lost_power: bool,
}

impl<'a> Ann<'a> {
    pub(super) fn new(world: &'a World, fault: Option<Fault>) -> Self {
        let peer = Peer::new(world, "ann");
        if let Some(fault) = fault {
            match (fault.access, fault.lasts) {
                (access, false) => peer.disk.fail_once(access, fault.after, fault.error()),
                (Access::Commit, true) => peer.disk.fail_after(fault.after, fault.error()),
                (Access::Read, true) => peer.disk.fail_reads_after(fault.after, fault.error()),
                (Access::Sync, true) => peer.disk.fail_syncs_after(fault.after, fault.error()),
            }
        }
        Self {
            peer,
            world,
            fault,
            space: None,
            written: Vec::new(),
            live: None,
            failures: 0,
            lost_power: false,
        }
    }

    pub(super) fn use_space(&mut self, space: SpaceKey) {
        self.space = Some(space);
    }

    pub(super) fn space(&self) -> SpaceKey {
        self.space.expect("it was created")
    }

    pub(super) async fn sleep(&self, ms: u64) {
        self.world.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// Something failed: goes on as a user does who is told so.
    pub(super) async fn mend(&mut self, text: &str) {
        let Some(fault) = self.fault else {
            panic!("without any fault: {text}");
        };
        let is_clear = ["no space is left", "injected", "takes no writes", "opened"];
        assert!(
            is_clear.iter().any(|part| text.contains(part)),
            "unclear: {text}"
        );
        self.failures += 1;
        assert!(self.failures < 20, "it does not mend: {text}");
        if fault.lasts && self.failures <= 2 {
            self.sleep(300).await;
            return;
        }
        self.peer.disk.heal();
        if fault.poisons() {
            self.live = None;
            if fault.kind == Kind::IoAndPower {
                self.peer.lose_power().await;
                self.lost_power = true;
            }
            self.peer.restart(self.world, |_| {}).await;
        }
        // A space that could not be opened rests before it is tried again.
        self.sleep(6_000).await;
    }

    /// Does it until it is done.
    pub(super) async fn until<T>(
        &mut self,
        mut action: impl AsyncFnMut(&Echo) -> Result<T, EchoError>,
    ) -> T {
        loop {
            // Nobody keeps it while it is started again.
            let tried = action(&self.peer.echo()).await;
            match tried {
                Ok(done) => return done,
                Err(error) => self.mend(&error.to_string()).await,
            }
        }
    }

    /// Starts, however often it takes.
    pub(super) async fn start(&mut self) {
        while let Err(error) = self.peer.start(self.world).await {
            self.mend(&error.to_string()).await;
        }
    }

    pub(super) async fn write(&mut self, edit: Edit, durability: Durability) {
        let space = self.space();
        loop {
            let echo = self.peer.echo();
            let Err(error) = edit.write(&echo, space, durability).await else {
                break;
            };
            drop(echo);
            self.mend(&error.to_string()).await;
            if self.until(async |echo| edit.shows(echo, space).await).await {
                let access = self.fault.map(|fault| fault.access);
                assert_eq!(
                    access,
                    Some(Access::Sync),
                    "{edit:?} was refused, and shows: {error}"
                );
                break;
            }
        }
        self.written.push((edit, false));
        if durability == Durability::Synced {
            self.flush().await;
        }
        self.write_what_was_lost().await;
        self.check_live().await;
    }

    /// Has everything on the disk for good.
    pub(super) async fn flush(&mut self) {
        self.until(async |echo| ask(echo.flush(), Flush).await)
            .await;
        self.write_what_was_lost().await;
        if !self.lost_power {
            for (_, is_durable) in &mut self.written {
                *is_durable = true;
            }
        }
    }

    /// After a loss of power: all that was durable is there; what was not is written again.
    async fn write_what_was_lost(&mut self) {
        while std::mem::take(&mut self.lost_power) {
            for (edit, is_durable) in self.written.clone() {
                let space = self.space();
                if !self.until(async |echo| edit.shows(echo, space).await).await {
                    assert!(!is_durable, "{edit:?} was durable and is lost");
                    self.until(async |echo| edit.write(echo, space, Durability::Interval).await)
                        .await;
                }
            }
        }
    }

    /// It was started again, with which live queries end.
    pub(super) fn forget_live(&mut self) {
        self.live = None;
    }

    /// The live query shows what the query gives.
    pub(super) async fn check_live(&mut self) {
        let space = self.space();
        for _ in 0..100 {
            let wanted = Query::new(Filter::type_name(TASK)).order_by("n");
            if self.live.is_none() {
                let asked = wanted.clone();
                let live = self
                    .until(async |echo| {
                        let query = asked.clone();
                        ask(echo.subscribe(), Subscribe { space, query }).await
                    })
                    .await;
                self.live = Some((live, wanted.clone()));
            }
            let found = self
                .until(async |echo| query(echo, space, wanted.clone()).await)
                .await;
            // It ended with the program when that had to be started again.
            let Some((live, _)) = &mut self.live else {
                continue;
            };
            while let Ok(difference) = live.changes.try_recv() {
                difference.fold(&mut live.initial);
            }
            if live.initial == found {
                return;
            }
            self.sleep(100).await;
        }
        panic!("the live query never shows what the query gives");
    }

    /// Everything that was written shows, and the indexes give what a scan gives.
    pub(super) async fn check(&mut self) {
        let space = self.space();
        self.write_what_was_lost().await;
        for (edit, _) in self.written.clone() {
            let shows = self.until(async |echo| edit.shows(echo, space).await).await;
            assert!(shows, "{edit:?} was acknowledged and is lost");
        }
        self.check_live().await;
        let all = self.until(async |echo| scan(echo, space).await).await;
        let of_type = || Filter::type_name(TASK);
        for wanted in [
            Query::new(of_type()),
            Query::new(of_type().and(Filter::eq("n", 3))),
            Query::new(of_type().and(Filter::ge("n", 2)))
                .order_by("n")
                .limit(5),
            Query::new(of_type()).descending("n"),
        ] {
            let found = self
                .until(async |echo| query(echo, space, wanted.clone()).await)
                .await;
            assert_eq!(found, wanted.run(all.clone()), "{wanted:?}");
        }
    }

    /// The declared index comes to serve its queries.
    pub(super) async fn check_index(&mut self) {
        let space = self.space();
        for round in 0..100 {
            if round == 20 && self.fault.is_some_and(|fault| fault.lasts) {
                // Only what nobody asked for fails, so nobody is told who could mend it.
                self.peer.disk.heal();
            }
            let query = Query::new(Filter::type_name(TASK).and(Filter::eq("n", 3)));
            let explained = self
                .until(async |echo| {
                    let query = query.clone();
                    ask(echo.explain_query(), ExplainQuery { space, query }).await
                })
                .await;
            if explained.index.as_deref() == Some("task by n") {
                return;
            }
            // Building it writes, and fails without anybody being told but by the next edit.
            self.flush().await;
            self.sleep(100).await;
        }
        panic!("the index never serves");
    }
}
