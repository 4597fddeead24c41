//! A replica whose messages go where they are carried: ECHO over a store of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dxos_actors::{Clock, SeedTree, Shutdown, SpawnerHandle};
use dxos_client::{EchoError, Object, ObjectId, Role, SpaceKey, StateHash, Topic, Tx, TxError};
use dxos_credentials::Profile;
use dxos_echo::{Echo, EchoConfig, Usage};
use dxos_keys::FeedId;
use dxos_protocol::echo::{
    Aborted, AdmitMember, ComputeStateHash, CreateSpace, Durability, Flush, GetObject, JoinSpace,
    Transact, UseAuthority, Work,
};
use dxos_protocol::halo::Authority;
use dxos_protocol::replicate::{Message, OpenSession, Produce, Range, Receive, SessionId};
use dxos_store::Store as _;
use dxos_store_fjall::{FjallOptions, FjallStore};

use super::batch::{self, BODY, Edit};
use super::relay::{Lengths, Relay};

/// The one session that each replica has.
const SESSION: SessionId = SessionId(1);
/// About how many bytes are taken out of a replica at once.
const PRODUCED_BYTES: usize = 1 << 20;
/// Memory for what a replica read from its store.
const CACHE_BYTES: u64 = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Replica {
    echo: Echo,
    store: Arc<FjallStore>,
    authority: Authority,
    home: PathBuf,
    /// How many blocks of each feed it has.
    pub(crate) has: Lengths,
    /// Its own feeds that it knows to be known.
    named: BTreeSet<FeedId>,
}

/// A replica that was closed.
pub(crate) struct Closed {
    home: PathBuf,
    authority: Authority,
}

impl Closed {
    /// Opens what is on the disk.
    pub(crate) async fn open(self, parts: (&SpawnerHandle, &SeedTree)) -> Result<Replica> {
        Replica::open(&self.home, self.authority, parts).await
    }
}

impl Replica {
    /// A new identity with an empty store.
    pub(crate) async fn new(
        home: &Path,
        (spawner, seeds): (&SpawnerHandle, &SeedTree),
    ) -> Result<Self> {
        let mut rng = seeds.rng_of("identity");
        let authority = Authority::generate(Profile::default(), &mut rng);
        Self::open(home, authority, (spawner, seeds)).await
    }

    async fn open(
        home: &Path,
        authority: Authority,
        (spawner, seeds): (&SpawnerHandle, &SeedTree),
    ) -> Result<Self> {
        let options = FjallOptions {
            cache_bytes: CACHE_BYTES,
            ..FjallOptions::default()
        };
        let store = Arc::new(FjallStore::open(home, options)?);
        let config = EchoConfig::default();
        let shared: Arc<FjallStore> = Arc::clone(&store);
        let echo = Echo::start(spawner, shared, config, None, Clock::system(), seeds);
        let mine = authority.clone();
        echo.use_authority()
            .ask(UseAuthority { authority: mine })
            .await??;
        Ok(Self {
            echo,
            store,
            authority,
            home: home.to_path_buf(),
            has: Lengths::new(),
            named: BTreeSet::new(),
        })
    }

    /// Closes it. What is left is on the disk.
    pub(crate) async fn close(self) -> Result<Closed> {
        let Self {
            echo,
            store,
            authority,
            home,
            ..
        } = self;
        let deadline = Duration::from_secs(30);
        echo.shutdown().ask(Shutdown { deadline }).await??;
        store.close()?;
        Ok(Closed { home, authority })
    }

    /// The feed of its edits, when it has written some that were taken.
    pub(crate) fn data_feed(&self, relay: &Relay) -> Option<FeedId> {
        relay.data_feed(&self.authority.signer.device())
    }

    /// How many blocks of its feed were taken.
    pub(crate) fn written(&self, relay: &Relay) -> usize {
        let feed = self.data_feed(relay);
        feed.map_or(0, |feed| relay.length(&feed))
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Ok(Usage::of(&*self.store)?)
    }

    pub(crate) async fn create_space(&self) -> Result<SpaceKey> {
        let create = CreateSpace::default();
        Ok(self.echo.create_space().ask(create).await??.space)
    }

    /// Makes another replica a member of a space.
    pub(crate) async fn admit(&self, space: SpaceKey, guest: &Self) -> Result<()> {
        let admit = AdmitMember {
            space,
            chain: guest.authority.chain.clone(),
            role: Role::Editor,
            profile: Profile::default(),
            invitation: None,
            history: true,
        };
        let ticket = self.echo.admit_member().ask(admit).await??;
        guest.echo.join_space().ask(JoinSpace { ticket }).await??;
        Ok(())
    }

    /// Runs a transaction. What is too much for one block is `None`.
    async fn transact<T: Send + 'static, E: std::error::Error + Send + Sync + 'static>(
        &self,
        space: SpaceKey,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, EchoError>> {
        let (sender, mut result) = tokio::sync::oneshot::channel();
        let work = Work::new(move |tx| {
            let result = run(tx);
            let answer = if result.is_ok() { Ok(()) } else { Err(Aborted) };
            // It is read below.
            let _ = sender.send(result);
            answer
        });
        let durability = Durability::Interval;
        let transact = Transact {
            space,
            work,
            durability,
        };
        match (self.echo.transact().ask(transact).await?, result.try_recv()) {
            (Err(EchoError::TransactionAborted), Ok(Err(error))) => Err(error.into()),
            (Ok(_), Ok(Ok(result))) => Ok(Ok(result)),
            (Err(error @ EchoError::InvalidTransaction { .. }), _) => Ok(Err(error)),
            (Err(error), _) => Err(error.into()),
            (Ok(_), _) => Err(anyhow!("the transaction did not say what it did")),
        }
    }

    /// Makes a document with an empty text.
    pub(crate) async fn create_document(&self, space: SpaceKey) -> Result<ObjectId> {
        let made = self.transact(space, |tx| {
            let properties = dxos_client::map! { BODY => dxos_document::Text::default() };
            let document = tx.new_id();
            tx.push(dxos_client::Op::Create {
                object: document,
                type_name: "document".into(),
                properties,
            })?;
            Ok::<_, TxError>(document)
        });
        Ok(made.await??)
    }

    /// Writes edits as one transaction, or as several if they are too much for one.
    pub(crate) async fn write(
        &self,
        (space, document): (SpaceKey, ObjectId),
        edits: Vec<Edit>,
    ) -> Result<()> {
        let mut left = vec![Arc::new(edits)];
        while let Some(edits) = left.pop() {
            let shared = Arc::clone(&edits);
            let written = self.transact(space, move |tx| batch::apply(tx, document, &shared));
            if let Err(error) = written.await? {
                let halves = batch::halves(Arc::unwrap_or_clone(edits));
                let (first, second) = halves.ok_or(error)?;
                left.extend([Arc::new(second), Arc::new(first)]);
            }
        }
        Ok(())
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        Ok(self.echo.flush().ask(Flush).await??)
    }

    pub(crate) async fn body(&self, (space, object): (SpaceKey, ObjectId)) -> Result<String> {
        let port = self.echo.get_object();
        let object: Option<Object> = port.ask(GetObject { space, object }).await??;
        let object = object.context("the document is gone")?;
        let body = object.get(BODY).context("the document has no text")?;
        Ok(body.as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn state_hash(&self, space: SpaceKey) -> Result<StateHash> {
        let port = self.echo.state_hash().with_deadline(PATIENCE);
        Ok(port.ask(ComputeStateHash { space }).await??)
    }

    /// Begins to exchange messages.
    pub(crate) async fn connect(&self, space: SpaceKey) -> Result<()> {
        let open = OpenSession {
            session: SESSION,
            topic: Topic::of_space(&space),
            device: self.authority.signer.device(),
        };
        Ok(self.echo.open_session().ask(open).await??)
    }

    /// Hands it a message.
    pub(crate) async fn receive(&self, message: Message) -> Result<()> {
        let receive = Receive {
            session: SESSION,
            message,
        };
        let port = self.echo.receive().with_deadline(PATIENCE);
        Ok(port.ask(receive).await??)
    }

    /// Takes the blocks that it wrote and that were not taken yet.
    pub(crate) async fn take(&mut self, relay: &mut Relay) -> Result<()> {
        let device = self.authority.signer.device();
        let mut asked = false;
        loop {
            let produce = Produce {
                session: SESSION,
                bytes_max: PRODUCED_BYTES,
            };
            let produced = self.echo.produce().ask(produce).await??;
            for message in produced.messages {
                match message {
                    Message::Heads { feeds, .. } => {
                        for head in feeds {
                            let feed = relay.note(&head);
                            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
                            let has = self.has.entry(feed).or_default();
                            *has = length.max(*has);
                        }
                    }
                    Message::Run(run) => {
                        let end = usize::try_from(run.end()).unwrap_or(usize::MAX);
                        let has = self.has.entry(run.feed).or_default();
                        *has = end.max(*has);
                        relay.keep(run)?;
                    }
                    // What it asks for it gets when it is to have it.
                    _ => {}
                }
            }
            if produced.more {
                continue;
            }
            let own = self.has.keys().filter_map(|feed| relay.head(feed));
            let own: Vec<_> = own.filter(|head| head.device == device).collect();
            let ranges = own.iter().filter_map(|head| {
                let feed = relay.feed_of(head);
                let until = self.has.get(&feed).copied().unwrap_or_default() as u64;
                (head.length < until).then_some(Range {
                    feed,
                    from: head.length,
                    until,
                    prev: head.head,
                })
            });
            let ranges: Vec<_> = ranges.collect();
            if !ranges.is_empty() {
                if asked {
                    bail!("a replica does not hand out the blocks that it wrote");
                }
                asked = true;
                self.receive(Message::Want { ranges }).await?;
                continue;
            }
            let new = own.into_iter();
            let feeds: Vec<_> = new
                .filter(|head| self.named.insert(relay.feed_of(head)))
                .collect();
            if !feeds.is_empty() {
                // From now on it sends what it writes unasked.
                let complete = true;
                self.receive(Message::Heads { feeds, complete }).await?;
            }
            return Ok(());
        }
    }

    /// Gives it blocks up to certain ones, each after its causes.
    pub(crate) async fn give(&mut self, relay: &Relay, until: &Lengths) -> Result<()> {
        let messages = relay.messages(&mut self.has, until, |_| (0, usize::MAX))?;
        for message in messages {
            self.receive(message).await?;
        }
        Ok(())
    }
}
