//! The side that has the profile open.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use dxos_actors::SeedTree;
use dxos_client::{Client, ClientError, Status, VERSION};
use dxos_keys::ContentKey;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within::Word;
use super::{Asked, Channel, PATIENCE, Place, Side, Told, Within, file_of, forwards};
use crate::arguments::Arguments;
use crate::output::Output;
use crate::session::explained;

/// Commands that are answered at once, at most.
const COMMANDS_MAX: usize = 64;
/// How long somebody may think about a question.
const THINKING: Duration = Duration::from_secs(300);

/// Runs a command within. Boxed: the command that serves is a command, too.
type Run = fn(Arguments, Output) -> Pin<Box<dyn Future<Output = Result<()>>>>;

/// Answers commands of other processes on the profile that a client has open.
pub(crate) struct Server {
    client: Client,
    listener: TcpListener,
    key: ContentKey,
    profile: PathBuf,
    run: Run,
}

impl Server {
    /// Begins to listen, and says so in the profile. Where that is not possible there is none.
    pub(crate) async fn start(client: &Client, output: Output) -> Option<Arc<Self>> {
        let started = Self::open(client).await;
        if let Err(error) = &started {
            output.note(&format!(
                "other commands on this profile are not answered meanwhile: {error:#}"
            ));
        }
        started.ok().map(Arc::new)
    }

    async fn open(client: &Client) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let profile = client.config()?.profile;
        let key = ContentKey::generate(&mut SeedTree::from_os()?.rng_of("control key"));
        let place = Place {
            port: listener.local_addr()?.port(),
            key: key.clone(),
        };
        let what = || format!("cannot write {}", file_of(&profile).display());
        place.write(&profile).with_context(what)?;
        Ok(Self {
            client: client.clone(),
            listener,
            key,
            profile,
            run: |arguments, output| Box::pin(crate::answer(arguments, output)),
        })
    }

    /// Answers, forever.
    pub(crate) async fn answer(&self) {
        let mut conversations = FuturesUnordered::new();
        loop {
            let room = conversations.len() < COMMANDS_MAX;
            tokio::select! {
                biased;
                Some(()) = conversations.next(), if !conversations.is_empty() => {}
                accepted = self.listener.accept(), if room => match accepted {
                    Ok((stream, _)) => conversations.push(self.converse(stream)),
                    // As when there are too many open files.
                    Err(error) => {
                        tracing::warn!(%error, "a command could not be accepted");
                        tokio::time::sleep(PATIENCE).await;
                    }
                }
            }
        }
    }

    async fn converse(&self, stream: TcpStream) {
        if let Err(error) = self.try_converse(stream).await {
            tracing::debug!(%error, "a command of another process was not answered");
        }
    }

    async fn try_converse(&self, stream: TcpStream) -> Result<()> {
        let mut channel = Channel::open(stream, self.key.clone(), Side::Server).await?;
        channel.send(&Told::Ready).await?;
        let asked: Asked = channel.receive(Some(PATIENCE)).await?;
        let Asked::Run {
            version,
            arguments,
            directory,
            width,
            progress,
        } = &asked
        else {
            bail!("an answer without a question");
        };
        let (words, mut spoken) = mpsc::unbounded_channel();
        let within = Within {
            client: self.client.clone(),
            words,
            width: *width,
            progress: *progress,
        };
        let ended = {
            let command = within.scope(self.command(version, arguments, directory.as_deref()));
            tokio::pin!(command);
            loop {
                tokio::select! {
                    biased;
                    Some(word) = spoken.recv() => say(&mut channel, word, &self.client).await?,
                    ended = &mut command => break ended,
                    // As by Ctrl-C: the command ends there and then.
                    () = channel.gone() => bail!("whoever asked has gone"),
                }
            }
        };
        while let Ok(word) = spoken.try_recv() {
            say(&mut channel, word, &self.client).await?;
        }
        let last = match ended {
            Ok(()) => Told::Done,
            Err(error) => Told::Failed(format!("{error:#}")),
        };
        channel.send(&last).await
    }

    async fn command(
        &self,
        version: &str,
        arguments: &[String],
        directory: Option<&str>,
    ) -> Result<()> {
        if version != VERSION {
            bail!(
                "this profile is open in a dx of version {VERSION}, and this one is {version}; \
                 stop that one first"
            );
        }
        let name = std::iter::once("dx");
        let arguments = name.chain(arguments.iter().map(String::as_str));
        let mut arguments = Arguments::try_parse_from(arguments)?;
        // Of all files this one alone is read here, and the user means it from where the user is.
        if let (Some(config), Some(directory)) = (&mut arguments.profile.config, directory) {
            *config = Path::new(directory).join(&*config);
        }
        if !arguments.command.as_ref().is_some_and(forwards) {
            bail!("this command does not run in another process");
        }
        let output = Output::new(arguments.json);
        let answered = (self.run)(arguments, output).await;
        answered.map_err(|error| match error.downcast::<ClientError>() {
            Ok(error) => explained(error),
            Err(error) => error,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(std::fs::remove_file(file_of(&self.profile)));
        // When the profile was wiped, this was the last of it.
        drop(std::fs::remove_dir(&self.profile));
    }
}

/// Says something to the user's side, and hears its answer, where there is one.
async fn say(channel: &mut Channel, word: Word, client: &Client) -> Result<()> {
    match word {
        Word::Tell(told) => channel.send(&told).await,
        Word::Carry(told, bytes, carried) => {
            while_open(client, channel.send_with(&told, &bytes)).await?;
            let _ = carried.send(());
            Ok(())
        }
        Word::Call(told, answer) => {
            channel.send(&told).await?;
            let answered: (Asked, _) = if matches!(told, Told::Ask(_)) {
                channel.receive_with(Some(THINKING)).await?
            } else {
                // A file may be a pipe into which somebody writes now and then.
                while_open(client, channel.receive_with(None)).await?
            };
            drop(answer.send(answered));
            Ok(())
        }
    }
}

/// Carries bytes of a file, until the client is locked: it waits for whoever reads or writes one
/// for it, and would wait long.
async fn while_open<T>(client: &Client, carried: impl Future<Output = Result<T>>) -> Result<T> {
    let mut status = client.watch_status();
    tokio::select! {
        biased;
        carried = carried => carried,
        locked = status.wait_for(|status| *status != Status::Active) => {
            drop(locked);
            bail!("the profile was locked meanwhile")
        }
    }
}
