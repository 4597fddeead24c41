//! The command line.

mod archive;
mod identity;
mod invitation;
mod keyring;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use dxos_client::Format;

use crate::epoch::EpochCommand;
use crate::object::ObjectCommand;
use crate::queue::QueueCommand;
use crate::schema::SchemaCommand;

pub(crate) use archive::{ArchiveOptions, RestoreArguments};
pub(crate) use invitation::{
    AcceptOptions, Authenticate, HostingTerms, InvitationCommand, InvitationTerms, InviteOptions,
    JoinOptions, RoleName,
};

pub(crate) use keyring::{KeyringCommand, ProtectOptions, ProtectionName};

pub(crate) use identity::{
    ConfirmOptions, DeviceCommand, IdentityCommand, LeaveOptions, MemberCommand, RecoverOptions,
    UpdateOptions,
};

/// Where completions are put.
const COMPLETIONS_HELP: &str = "\
bash: dx completions bash > ~/.local/share/bash-completion/completions/dx
zsh:  dx completions zsh > \"${fpath[1]}/_dx\"
fish: dx completions fish > ~/.config/fish/completions/dx.fish";

/// A local-first, peer-to-peer database.
#[derive(Debug, Parser)]
#[command(name = "dx", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) profile: ProfileOptions,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Which profile, and how it is opened.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProfileOptions {
    /// The directory of the profile
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) profile: Option<PathBuf>,
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen, such as 127.0.0.1:0
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Take no part in the network, whatever the command
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Read the passphrase of the profile from this file, or from standard input for -. Without
    /// it, it is that of DX_PASSPHRASE, or is asked for
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) profile_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a space, with all its blocks and keys, into one file
    Archive(ArchiveOptions),
    /// Print a script for a shell that completes commands and options
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Show the configuration in use
    Config,
    /// Show two peers do it all, for real
    Demo(DemoOptions),
    /// The devices of the identity
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Check everything that is stored: blocks, signatures, objects, indexes. Fails when
    /// something is wrong
    Doctor {
        /// Have made anew what follows from the blocks, also where files of it are damaged or
        /// lost, and remove what is of no space; blocks are never touched
        #[arg(long)]
        repair: bool,
    },
    /// Write the objects of a space as JSON, JSON Lines or CSV
    Export(ExportOptions),
    /// Remove what is of no space, and give back the room of what was deleted
    Gc,
    /// Serve the console and JavaScript on this machine, until Ctrl-C; what `dx` alone does
    Host(HostOptions),
    /// The identity of the profile
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Make objects of the records in a file: a JSON array, JSON Lines or CSV
    Import(ImportOptions),
    /// Invitations to spaces
    #[command(subcommand)]
    Invitation(InvitationCommand),
    /// What protects the secrets of the profile at rest
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// Have the `dx serve` or `dx host` that runs forget the secrets of the profile
    Lock,
    /// The members of a space
    #[command(subcommand)]
    Member(MemberCommand),
    /// One object, or a few
    #[command(subcommand)]
    Object(ObjectCommand),
    /// Find objects
    Query(QueryOptions),
    /// Logs of a space beside its objects
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Bring an identity back with its recovery phrase, when all its devices are lost
    Recover(RecoverOptions),
    /// Delete the profile: its identity, keys and spaces on this device. Only while no other
    /// process has it open
    Reset(ConfirmOptions),
    /// Bring a space back from an archive
    Restore(RestoreArguments),
    /// What objects of a type are like, and the indexes of their properties
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Stay online and replicate, until Ctrl-C
    Serve(ServeOptions),
    /// Run a rendezvous server, until Ctrl-C
    Signal(SignalOptions),
    /// Spaces
    #[command(subcommand)]
    Space(SpaceCommand),
    /// Show identity, spaces and network
    Status,
    /// Replay a recorded editing trace through real replicas, and say whether they all end right
    Trace(TraceOptions),
    /// Open the profile again in the `dx serve` or `dx host` that was locked
    Unlock,
}

impl Command {
    /// Whether it makes a profile where there is none: those that give it an identity, or serve
    /// until it gets one.
    pub(crate) const fn creates(&self) -> bool {
        matches!(
            self,
            Self::Device(DeviceCommand::Join(_))
                | Self::Host(_)
                | Self::Identity(IdentityCommand::Create { .. })
                | Self::Invitation(InvitationCommand::Accept(_))
                | Self::Keyring(KeyringCommand::Protect(_))
                | Self::Recover(_)
                | Self::Restore(_)
                | Self::Serve(_)
                | Self::Space(SpaceCommand::Join(_))
        )
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpaceCommand {
    /// Close a space: it is neither read nor replicated until it is opened again
    Close {
        /// Its key, the beginning of its key, or its name
        space: String,
    },
    /// Create a space
    Create {
        /// Its name, for people
        name: Option<String>,
    },
    /// Snapshots that stand for what was written before
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// Delete a space on this device: its blocks, objects and keys. The identity stays a member;
    /// only peers that are connected are told
    Delete(DeleteOptions),
    /// Invite somebody to a space, and wait for them
    Invite(InviteOptions),
    /// Join a space with an invitation
    Join(JoinOptions),
    /// Leave a space for good, with all devices of the identity
    Leave(LeaveOptions),
    /// List the spaces on this device
    List,
    /// Open a space that was closed
    Open {
        /// Its key, the beginning of its key, or its name
        space: String,
    },
    /// Show one space and its members
    Show {
        /// Its key, the beginning of its key, or its name
        space: String,
    },
    /// Show which devices have signed that they stored a space, or an object of it
    Sync {
        /// Its key, the beginning of its key, or its name
        space: String,
        /// Only what this object may be made of: its id, or the end of it
        #[arg(long, value_name = "ID")]
        object: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DeleteOptions {
    /// Its key, the beginning of its key, or its name
    pub(crate) space: String,
    #[command(flatten)]
    pub(crate) confirm: ConfirmOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Keep the two profiles in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Invite somebody to this space meanwhile: its key, the beginning of it, or its name
    #[arg(long, value_name = "SPACE")]
    pub(crate) invite: Option<String>,
    #[command(flatten)]
    pub(crate) terms: InvitationTerms,
}

#[derive(Debug, Default, Args)]
pub(crate) struct HostOptions {
    /// The port on 127.0.0.1; 0 for that of the last time, or any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// Leave the console out
    #[arg(long)]
    pub(crate) no_console: bool,
    /// Let pages of this origin talk to the host, too, such as http://localhost:5173. May be
    /// given more than once; they need a token all the same
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    /// The file, or - for standard input
    pub(crate) file: PathBuf,
    /// The type of the objects; those that `dx export` wrote keep theirs, and their ids
    #[arg(long = "type", value_name = "TYPE", default_value = "record")]
    pub(crate) type_name: String,
    /// The property that names a record, such as id: importing again updates the objects that
    /// were made before. Without it a record is known again by its number and what it says. An
    /// import adds and changes properties; it takes none away, and deletes and brings back nothing
    #[arg(long, value_name = "PROPERTY")]
    pub(crate) key: Option<String>,
    /// Where the records come from. The same source makes the same objects of the same records;
    /// the name of the file when not given. Records of two types with the same names want a source
    /// each
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// A column of a CSV file that is text whatever it looks like, such as a version. May be
    /// given more than once. In other columns numbers of JSON are numbers, so 1.10 is 1.1; dates
    /// are texts
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text: Vec<String>,
    /// Leave bad records out and go on
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Replicate while importing
    #[arg(long)]
    pub(crate) online: bool,
    /// Print a line for every batch that is acknowledged: it survives a kill of the process
    #[arg(long)]
    pub(crate) events: bool,
    /// How to read the file: csv, json (an array) or jsonl (an object a line); by its name or
    /// content when not given
    #[arg(long)]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct QueryOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    /// Conditions, all of which must hold, and options: 'type:task done:false due<2026-12-01
    /// (prio>=3 OR tag:now) NOT title~draft order:-due limit:20'. Also title^=Da, size:(1, 2),
    /// has:due, key:SOURCE#ID, references:ID, referenced-by:ID, relations-of:ID, child-of:ID,
    /// @created>2026-01-01, deleted:include; text:"quick bro*" for words anywhere, title~~quick
    /// for those in a property, order:-@relevance for the best first; "in quotes" what has spaces
    /// or signs in it
    #[arg(value_name = "QUERY")]
    pub(crate) conditions: Vec<String>,
    /// Objects of this type only
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Order by a property; -PROPERTY for the greatest first. May be given more than once
    #[arg(long, value_name = "PROPERTY", allow_hyphen_values = true)]
    pub(crate) order: Vec<String>,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// With --json, print an object with `objects` and `next`, to be given as after:NEXT for what
    /// follows, and not a list
    #[arg(long, conflicts_with_all = ["by", "count", "explain"])]
    pub(crate) page: bool,
    /// Show how many there are instead
    #[arg(long, conflicts_with_all = ["by", "explain"])]
    pub(crate) count: bool,
    /// Show how many there are of each value of a property instead, or of @type or @tags
    #[arg(long, value_name = "PROPERTY", conflicts_with = "explain")]
    pub(crate) by: Option<String>,
    /// Show which index answers, and what it reads, instead
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    /// Only what a query finds; see `dx query --help`
    #[arg(value_name = "QUERY")]
    pub(crate) conditions: Vec<String>,
    /// How to write it: csv, json (an array) or jsonl (an object a line); by the name of the file,
    /// else jsonl, when not given
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Write to this file and not to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SignalOptions {
    /// The file with the server's key; made when it is missing. Default: signal.key in the
    /// profile's directory
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// How many devices it serves at most
    #[arg(long, default_value_t = 10_000)]
    pub(crate) devices: usize,
}

#[derive(Debug, Args)]
pub(crate) struct TraceOptions {
    /// The trace, as JSON or as gzip of it: an object with startContent, endContent and txns
    pub(crate) file: PathBuf,
    /// How many edits of the trace become one transaction, at most
    #[arg(long, value_name = "EDITS", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) coalesce: u32,
    /// Keep the profiles in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn no_two_arguments_of_a_command_share_a_name() {
        Arguments::command().debug_assert();
    }
}
