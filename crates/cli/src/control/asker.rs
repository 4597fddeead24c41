//! The side where the user is.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use dxos_client::VERSION;
use tokio::net::TcpStream;

use super::{Asked, Channel, PATIENCE, Place, Question, Side, Told};
use crate::arguments::{Command, ConfirmOptions, KeyringCommand};
use crate::output::{Output, terminal_width};
use crate::secret::new_passphrase;
use crate::select::confirm;
use crate::session::Session;

/// Has a command run by the process that has the profile open; `None` where there is no such
/// process that can be asked.
pub(crate) async fn forward(
    session: &Session,
    command: &Command,
    output: Output,
) -> Result<Option<ExitCode>> {
    let Some(mut channel) = find(session).await else {
        return Ok(None);
    };
    // What is no text is no argument of these commands.
    let arguments: Option<Vec<String>> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.into_string().ok())
        .collect();
    let Some(arguments) = arguments else {
        return Ok(None);
    };
    let run = Asked::Run {
        version: VERSION.to_owned(),
        arguments,
        width: terminal_width(),
    };
    channel.send(&run).await?;
    loop {
        let told = channel.receive(None).await;
        let told = told.context("the dx that has this profile open has ended meanwhile")?;
        match told {
            Told::Out(text) => Output::raw(&text),
            Told::Note(text) => output.note(&text),
            Told::Ask(question) => {
                let answer = ask(question, session, command, output).await?;
                channel.send(&answer).await?;
            }
            Told::Ready => {}
            Told::Done => return Ok(Some(ExitCode::SUCCESS)),
            Told::Failed(text) => bail!("{text}"),
        }
        std::io::stdout().flush().ok();
    }
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

async fn ask(
    question: Question,
    session: &Session,
    command: &Command,
    output: Output,
) -> Result<Asked> {
    Ok(Asked::Answer(match question {
        Question::Code => {
            if output.is_json() || !std::io::stdin().is_terminal() {
                bail!("the invitation asks for a code; give it with --code");
            }
            Some(crate::join::ask("code: ").await?)
        }
        Question::Input(file) => Some(crate::input::read_here(&file).await?),
        Question::Confirm(what) => {
            confirm(what, ConfirmOptions { yes: false }, output).await?;
            Some("yes".to_owned())
        }
        Question::Passphrase => {
            let passphrase = session.secrets(output).passphrase().await?;
            passphrase.map(|text| text.to_string())
        }
        Question::NewPassphrase => {
            let file = match command {
                Command::Keyring(KeyringCommand::Protect(options)) => {
                    options.new_passphrase_file.as_deref()
                }
                _ => None,
            };
            Some(new_passphrase(file, output).await?.to_string())
        }
    }))
}
