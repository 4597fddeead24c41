//! Arguments of the commands on identity, devices, members and recovery.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dxos_client::IdentityKey;
use dxos_signal::ServerAddress;

use super::{AcceptOptions, HostingTerms, RoleName};

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Print the chain of credentials that leads from the identity to this device, for `dx
    /// identity verify-chain`
    Chain,
    /// List everyone with whom the identity shares a space
    Contacts,
    /// Create the identity of this profile
    Create {
        /// What others are shown
        name: Option<String>,
        /// Where its picture is
        #[arg(long, value_name = "URI")]
        avatar: Option<String>,
        /// Something else that others are shown. May be given more than once
        #[arg(long = "field", value_name = "KEY=VALUE", value_parser = key_value)]
        fields: Vec<(String, String)>,
    },
    /// List what was signed about the identity and its devices
    Credentials {
        /// What was signed in this space instead: its key, the beginning of it, or its name
        #[arg(long, value_name = "SPACE")]
        space: Option<String>,
    },
    /// Make a recovery phrase and show it, once
    Phrase,
    /// Show it
    Show,
    /// Prove to somebody that you are this identity: sign what they ask you to
    Sign {
        /// What they ask for
        #[arg(value_parser = challenge)]
        challenge: String,
        /// For whom the proof is, such as example.com; nobody else can use it
        #[arg(long, value_name = "WHO", value_parser = not_empty)]
        audience: String,
    },
    /// Change what others are shown
    Update(UpdateOptions),
    /// Check what `dx identity sign` made; needs no profile
    Verify {
        /// What was made, or - to read it from standard input
        presentation: String,
        /// What was asked for
        #[arg(value_parser = challenge)]
        challenge: String,
        /// For whom the proof has to be
        #[arg(long, value_name = "WHO", value_parser = not_empty)]
        audience: String,
    },
    /// Check what `dx identity chain` printed; needs no profile and no network
    VerifyChain {
        /// What was printed, or - to read it from standard input
        chain: String,
        /// The identity whose it has to be
        #[arg(long, value_name = "KEY")]
        identity: Option<IdentityKey>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct UpdateOptions {
    /// The name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where the picture is; empty for none
    #[arg(long, value_name = "URI")]
    pub(crate) avatar: Option<String>,
    /// Something else. May be given more than once
    #[arg(long = "field", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) fields: Vec<(String, String)>,
    /// Show this field no more. May be given more than once
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverOptions {
    /// Read the phrase from this file; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) phrase_file: Option<PathBuf>,
    /// Ask this device, besides those that are found. `dx serve` prints it. May be given more
    /// than once
    #[arg(long = "peer", value_name = "DEVICE@ADDRESS")]
    pub(crate) peers: Vec<ServerAddress>,
    /// How long to wait, for somebody who knows the phrase and then for the spaces: 30s, 5m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Invite a device to be one of this identity
    Invite {
        #[command(flatten)]
        terms: HostingTerms,
    },
    /// Make this device one of the identity that invites it
    Join(AcceptOptions),
    /// List the devices and recovery phrases of the identity
    List,
    /// Name a device
    Rename {
        /// Its key, the beginning of its key, or its name
        device: String,
        /// The new name
        name: String,
    },
    /// Turn a device that was lost, or a recovery phrase that was seen, out of everything
    Revoke {
        /// Its key, the beginning of its key, or its name
        device: String,
        #[command(flatten)]
        confirm: ConfirmOptions,
    },
    /// Take back the revocation of a device, such as by a device that was stolen
    Restore {
        /// Its key, the beginning of its key, or its name
        device: String,
    },
    /// Keep something of an application for a device, or forget it
    Set {
        /// Its key, the beginning of its key, or its name
        device: String,
        /// What it is called
        key: String,
        /// What to keep; without it, what was kept is forgotten
        value: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List the members of a space
    List {
        /// The space: its key, the beginning of its key, or its name
        space: String,
    },
    /// Remove a member
    Remove {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// The member: its key, the beginning of its key, or its name
        member: String,
        #[command(flatten)]
        confirm: ConfirmOptions,
    },
    /// Give a member another role
    Role {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// The member: its key, the beginning of its key, or its name
        member: String,
        /// The new role
        #[arg(value_enum)]
        role: RoleName,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LeaveOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    /// Who is to be its admin: a member's key, the beginning of its key, or its name
    #[arg(long, value_name = "MEMBER")]
    pub(crate) successor: Option<String>,
    #[command(flatten)]
    pub(crate) confirm: ConfirmOptions,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ConfirmOptions {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `KEY=VALUE`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("say for whom the proof is, such as example.com".to_owned());
    }
    Ok(text.to_owned())
}

/// Without a challenge of its own a proof could be shown again.
fn challenge(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("there has to be one, and another each time".to_owned());
    }
    Ok(text.to_owned())
}

/// A number with `ms`, `s`, `m` or `h`; seconds without.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("" | "s") => 1000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        _ => return Err("expected a time such as 30s, 5m or 1h".to_owned()),
    };
    let count: u32 = digits
        .parse()
        .map_err(|_| "expected a time such as 30s, 5m or 1h".to_owned())?;
    Ok(Duration::from_millis(u64::from(count) * unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_fields_have_keys() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("4294967295h").map(|d| d.as_secs() > 1), Ok(true));
        for bad in ["", "s", "-1s", "1d", "1.5s", "99999999999s", "5é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_value("Ort=Köln"), pair("Ort", "Köln"));
        assert!(key_value("=b").is_err() && key_value("b").is_err());
    }
}
