//! The side where the user is.

use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use dxos_client::VERSION;
use indicatif::ProgressBarIter;
use tokio::net::TcpStream;

use super::{
    Asked, Channel, Files, PATIENCE, PIECE_BYTES_MAX, Place, Progress, Question, Side, Told,
};
use crate::archive::read_passphrase;
use crate::arguments::ConfirmOptions;
use crate::files::{Input, Target, or_stopped};
use crate::output::{Output, terminal_width};
use crate::progress::Bar;
use crate::secret::new_passphrase;
use crate::select::confirm;
use crate::session::Session;

/// Why nothing more comes.
const ENDED: &str = "the dx that has this profile open has ended, or was locked, meanwhile";

/// Has a command run by the process that has the profile open; `None` where there is no such
/// process that can be asked.
pub(crate) async fn forward(
    session: &Session,
    files: &Files,
    output: Output,
) -> Result<Option<ExitCode>> {
    let Some(mut channel) = find(session).await else {
        return Ok(None);
    };
    // What is no text is the name of a file, and those are not looked for there.
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    let directory = std::env::current_dir().ok();
    let run = Asked::Run {
        version: VERSION.to_owned(),
        arguments: arguments.collect(),
        directory: directory.map(|path| path.to_string_lossy().into_owned()),
        width: terminal_width(),
        progress: output.shows_progress(),
    };
    channel.send(&run).await?;
    let asker = Asker {
        channel,
        session,
        files,
        output,
        bar: output.bar(0),
        input: None,
        target: None,
    };
    or_stopped(files.target(), asker.converse()).await.map(Some)
}

/// Whether a process answers for the profile.
pub(crate) async fn is_served(session: &Session) -> bool {
    find(session).await.is_some()
}

/// Whoever has the profile open and proves it.
async fn find(session: &Session) -> Option<Channel> {
    let profile = session.options().load().ok()?.profile;
    let Place { port, key } = Place::read(&profile)?;
    // Of a process that was killed the file is still there.
    let connect = TcpStream::connect(("127.0.0.1", port));
    let stream = tokio::time::timeout(PATIENCE, connect).await.ok()?.ok()?;
    let mut channel = Channel::open(stream, key, Side::Asker).await.ok()?;
    let ready = channel.receive(Some(PATIENCE)).await;
    matches!(ready, Ok(Told::Ready)).then_some(channel)
}

/// A command that runs in another process, and the user it runs for.
struct Asker<'a> {
    channel: Channel,
    session: &'a Session,
    files: &'a Files,
    output: Output,
    bar: Bar,
    /// What the command reads.
    input: Option<ProgressBarIter<Input>>,
    /// What it writes.
    target: Option<Target>,
}

impl Asker<'_> {
    async fn converse(mut self) -> Result<ExitCode> {
        loop {
            let told = self.channel.receive_with(None).await;
            let (told, bytes) = told.context(ENDED)?;
            match told {
                Told::Done => {
                    self.bar.finish_and_clear();
                    return Ok(ExitCode::SUCCESS);
                }
                Told::Failed(text) => {
                    self.bar.finish_and_clear();
                    bail!("{text}");
                }
                told => self.follow(told, &bytes).await?,
            }
        }
    }

    async fn follow(&mut self, told: Told, bytes: &[u8]) -> Result<()> {
        match told {
            Told::Out(text) => self.bar.suspend(|| Output::raw(&text)),
            Told::OutBytes => {
                let mut out = std::io::stdout().lock();
                let written = out.write_all(bytes).and_then(|()| out.flush());
                written.with_context(|| self.files.unwritten())?;
            }
            Told::Note(text) => self.bar.suspend(|| self.output.note(&text)),
            Told::Progress(progress) => self.progress(progress),
            Told::Ask(question) => {
                let answer = self.ask(question).await?;
                self.channel.send(&answer).await?;
            }
            Told::Open => {
                let opened = self.files.open().await;
                let (input, shows) = opened.with_context(|| self.files.unread())?;
                let length = input.length();
                if shows {
                    self.bar = self.output.bar(length);
                }
                self.input = Some(self.bar.wrap_read(input));
                self.channel.send(&Asked::Opened(length)).await?;
            }
            Told::Read { from } => self.read(from).await?,
            Told::Create => {
                self.target = Some(self.files.create()?);
                self.channel.send(&Asked::Done).await?;
            }
            Told::Write => {
                let target = self.target.as_mut().context("no file was begun")?;
                let written = target.write_all(bytes);
                written.with_context(|| self.files.unwritten())?;
            }
            Told::Finish => {
                let target = self.target.take().context("no file was begun")?;
                let finished = target.finish().await;
                finished.with_context(|| self.files.unwritten())?;
                self.channel.send(&Asked::Done).await?;
            }
            Told::Ready | Told::Done | Told::Failed(_) => {}
        }
        Ok(())
    }

    /// Sends a piece of what the command reads. When that does not come nobody waits for it
    /// longer than for the other process.
    async fn read(&mut self, from: Option<u64>) -> Result<()> {
        let mut input = self.input.take().context("no file was opened")?;
        let read = tokio::task::spawn_blocking(move || {
            if let Some(from) = from {
                input.seek(SeekFrom::Start(from))?;
            }
            let mut bytes = vec![0; PIECE_BYTES_MAX];
            let read = input.read(&mut bytes)?;
            bytes.truncate(read);
            std::io::Result::Ok((input, bytes))
        });
        let read = tokio::select! {
            biased;
            read = read => read.context("nothing was read")?,
            () = self.channel.gone() => bail!(ENDED),
        };
        let (input, bytes) = read.with_context(|| self.files.unread())?;
        self.input = Some(input);
        self.channel.send_with(&Asked::Read, &bytes).await
    }

    fn progress(&mut self, progress: Progress) {
        if let Some(length) = progress.length {
            self.bar = self.output.count_bar(length);
        }
        self.bar.follow(progress);
    }

    async fn ask(&self, question: Question) -> Result<Asked> {
        let output = self.output;
        Ok(Asked::Answer(match question {
            Question::ArchivePassphrase => {
                let passphrase = read_passphrase(self.files.passphrase.clone()).await?;
                passphrase.map(|text| text.to_string())
            }
            Question::Code => {
                if output.is_json() || !std::io::stdin().is_terminal() {
                    bail!("the invitation asks for a code; give it with --code");
                }
                Some(crate::join::ask("code: ").await?)
            }
            Question::Confirm(what) => {
                confirm(what, ConfirmOptions { yes: false }, output).await?;
                Some("yes".to_owned())
            }
            Question::Passphrase => {
                let passphrase = self.session.secrets(output).passphrase().await?;
                passphrase.map(|text| text.to_string())
            }
            Question::NewPassphrase => {
                let file = self.files.new_passphrase.as_deref();
                Some(new_passphrase(file, output).await?.to_string())
            }
        }))
    }
}
