//! `dx`, the program: a profile on the command line.
//!
//! ```text
//! dx                            the console, in a browser on this machine
//! dx demo                       two peers, real disk, real network, the whole path
//! dx identity create Ann
//! dx space create Garden
//! dx space invite Garden        prints an invitation and its code
//! dx space join dx1_...         on the other machine
//! dx invitation create Garden --delegated --qr
//! dx device invite              a second device of the same identity
//! dx device list                the devices of the identity, and its recovery phrases
//! dx member list Garden         who is in it
//! dx archive Garden FILE        the space as one file; dx restore FILE brings it back
//! dx import Garden notes.csv    records become objects; run again it goes on, or changes nothing
//! dx export Garden --format csv
//! dx query Garden 'type:task done:false order:-due limit:20'
//! dx schema index Garden task due   such queries need not read all objects; dx schema list|show|put
//! dx object put Garden --type task '{"title": "Water it"}'
//! dx object show Garden ID      or update, delete, undelete, history
//! dx doctor                     check every block, object and index; --repair
//! dx recover                    an identity comes back with its recovery phrase
//! dx serve                      stay online; commands on the profile go on working meanwhile
//! dx keyring protect passphrase what protects the secrets of the profile
//! dx lock                       a `dx serve` that runs forgets them; dx unlock
//! dx completions bash           what a shell needs to complete commands
//! dx reset                      the profile is deleted
//! dx trace FILE                 replay a recorded editing trace, and say whether it ends right
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program reports on its standard streams"
)]

mod archive;
mod arguments;
mod completions;
mod control;
mod demo;
mod device;
mod doctor;
mod epoch;
mod export;
mod files;
mod host;
mod identity;
mod import;
mod input;
mod invitation;
mod invite;
mod join;
mod keyring;
mod lockfile;
mod member;
mod object;
mod output;
mod patience;
mod progress;
mod qr;
mod query;
mod queue;
mod recover;
mod reset;
mod schema;
mod secret;
mod select;
mod serve;
mod session;
mod signal;
mod space;
mod sync;
mod trace;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command, HostOptions, InvitationCommand, SpaceCommand};
use crate::control::{Files, forwards};
use crate::output::Output;
use crate::patience::Served;
use crate::session::Session;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Everything that is written here is for this user alone.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::misused(&error),
    };
    start_log();
    let output = Output::new(arguments.json);
    let offline = arguments.profile.offline;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output.failure(&anyhow::anyhow!("no runtime: {error}")),
    };
    let result = runtime.block_on(run(arguments, output));
    // A thread that reads the terminal cannot be waited for.
    runtime.shutdown_background();
    match result.and_then(|code| Output::is_written().map(|()| code)) {
        Ok(code) => code,
        Err(error) => output.failure(&session::without_network(error, offline)),
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DX_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}

async fn run(arguments: Arguments, output: Output) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Some(Command::Demo(options)) => return demo::run(&options, output).await,
        Some(Command::Trace(options)) => return trace::run(&options, output).await,
        _ => {}
    }
    let session = Session::new(&arguments.profile, output);
    let command = arguments.command.as_ref();
    let files = command.filter(|c| forwards(c)).map(Files::of);
    let forward = async || match &files {
        Some(files) => control::forward(&session, files, output).await,
        None => Ok(None),
    };
    if let Some(code) = forward().await? {
        return Ok(code);
    }
    match answer(arguments, output).await {
        // One that answers has come meanwhile.
        Err(error) if error.is::<Served>() => forward().await?.ok_or(error),
        answered => answered.map(|()| ExitCode::SUCCESS),
    }
}

/// Runs a command, here or for another process.
async fn answer(arguments: Arguments, output: Output) -> anyhow::Result<()> {
    let command = arguments
        .command
        .unwrap_or_else(|| Command::Host(HostOptions::default()));
    let session = Session::new(&arguments.profile, output).creating(command.creates());
    match command {
        // These have no profile.
        Command::Completions { shell } => completions::print(shell),
        Command::Demo(_) | Command::Trace(_) => {}
        Command::Archive(options) => archive::archive(&session, options, output).await?,
        Command::Restore(arguments) => archive::restore(&session, arguments, output).await?,
        Command::Config => session.config(output)?,
        Command::Doctor { repair } => doctor::run(&session, repair, output).await?,
        Command::Gc => doctor::gc(&session, output).await?,
        Command::Status => session.status(output).await?,
        Command::Host(options) => host::run(&session, &options, output).await?,
        Command::Identity(command) => identity::run(&session, command, output).await?,
        Command::Device(command) => device::run(&session, command, output).await?,
        Command::Member(command) => member::run(&session, command, output).await?,
        Command::Recover(options) => recover::run(&session, &options, output).await?,
        Command::Space(SpaceCommand::Create { name }) => {
            space::create(&session, name, output).await?;
        }
        Command::Space(SpaceCommand::Epoch(command)) => {
            epoch::run(&session, command, output).await?;
        }
        Command::Space(SpaceCommand::Close { space }) => {
            space::close(&session, &space, output).await?;
        }
        Command::Space(SpaceCommand::Delete(options)) => {
            space::delete(&session, options, output).await?;
        }
        Command::Space(SpaceCommand::Open { space }) => {
            space::open(&session, &space, output).await?;
        }
        Command::Space(SpaceCommand::List) => space::list(&session, output).await?,
        Command::Space(SpaceCommand::Show { space }) => {
            space::show(&session, &space, output).await?;
        }
        Command::Space(SpaceCommand::Sync { space, object }) => {
            sync::status(&session, &space, object, output).await?;
        }
        Command::Space(SpaceCommand::Invite(options)) => {
            invite::host(&session, &options, output).await?;
        }
        Command::Space(SpaceCommand::Join(options)) => {
            join::join(&session, &options, output).await?;
        }
        Command::Invitation(command) => invitation_command(&session, command, output).await?,
        Command::Space(SpaceCommand::Leave(options)) => {
            member::leave(&session, options, output).await?;
        }
        Command::Import(options) => import::run(&session, &options, output).await?,
        Command::Queue(command) => queue::run(&session, command, output).await?,
        Command::Object(command) => object::run(&session, command, output).await?,
        Command::Query(options) => query::run(&session, &options, output).await?,
        Command::Export(options) => export::run(&session, &options, output).await?,
        Command::Reset(options) => reset::run(&session, options, output).await?,
        Command::Schema(command) => schema::run(&session, command, output).await?,
        Command::Keyring(command) => keyring::run(&session, command, output).await?,
        Command::Lock => keyring::lock(output).await?,
        Command::Unlock => keyring::unlock(output).await?,
        Command::Serve(options) => serve::serve(&session, &options, output).await?,
        Command::Signal(options) => signal::run(&session, &options, output).await?,
    }
    Ok(())
}

async fn invitation_command(
    session: &Session,
    command: InvitationCommand,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        InvitationCommand::Accept(options) => join::accept(session, &options, output).await,
        InvitationCommand::Cancel { id } => invitation::cancel(session, id, output).await,
        InvitationCommand::Create(options) => invite::create(session, &options, output).await,
        InvitationCommand::List { space } => invitation::list(session, &space, output).await,
    }
}
