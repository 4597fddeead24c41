//! What is said of invitations on the command line.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dxos_client::{IdentityKey, InvitationId};

#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// Accept an invitation: join a space, or become a device of an identity
    Accept(AcceptOptions),
    /// Cancel an invitation that is open
    Cancel {
        /// Its id, as `list` shows it
        id: InvitationId,
    },
    /// Make an invitation. With --persistent or --delegated it is hosted by `dx serve`; else
    /// this waits for the guest
    Create(InviteOptions),
    /// List the invitations to a space that are open
    List {
        /// The space: its key, the beginning of its key, or its name
        space: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    Admin,
    Editor,
    Reader,
    Replicator,
}

/// How a guest proves that it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authenticate {
    /// By having the invitation
    None,
    /// By a code of six digits
    Code,
    /// By a key in the text of the invitation; with --for by the identity's own
    Key,
}

#[derive(Debug, Args)]
pub(crate) struct InviteOptions {
    /// The space: its key, the beginning of its key, or its name
    pub(crate) space: String,
    #[command(flatten)]
    pub(crate) terms: InvitationTerms,
}

/// How an invitation to a space is made.
#[derive(Debug, Args)]
pub(crate) struct InvitationTerms {
    /// What the guest may do in the space
    #[arg(long, value_enum, default_value = "editor")]
    pub(crate) role: RoleName,
    /// Invite this identity and nobody else
    #[arg(long = "for", value_name = "IDENTITY", conflicts_with = "no_code")]
    pub(crate) for_identity: Option<IdentityKey>,
    /// Let the devices of all admins host it
    #[arg(long)]
    pub(crate) delegated: bool,
    /// Do not let the guest read what was written before it came
    #[arg(long)]
    pub(crate) no_history: bool,
    #[command(flatten)]
    pub(crate) hosting: HostingTerms,
}

/// How an invitation is hosted, whatever it is to.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct HostingTerms {
    /// How a guest proves that it was meant [default: code]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<Authenticate>,
    /// Ask for no code: whoever has the invitation can join
    #[arg(long, conflicts_with = "auth")]
    pub(crate) no_code: bool,
    /// Let more than one guest use it
    #[arg(long)]
    pub(crate) multi_use: bool,
    /// After how long it ends, such as 30m, 12h or 7d [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) expires: Option<Duration>,
    /// Minutes until it ends
    #[arg(long, value_name = "MINUTES", hide = true, conflicts_with = "expires",
          value_parser = clap::value_parser!(u64).range(1..=525_600))]
    pub(crate) lifetime: Option<u64>,
    /// Keep it when this ends: `dx serve` hosts it from then on
    #[arg(long)]
    pub(crate) persistent: bool,
    /// Show it as a QR code too
    #[arg(long)]
    pub(crate) qr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JoinOptions {
    /// The text of the invitation, or a link that ends in it
    pub(crate) invitation: String,
    /// The six digits that the host tells; asked for when not given
    #[arg(long)]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptOptions {
    #[command(flatten)]
    pub(crate) join: JoinOptions,
    /// What this device is called, when it joins an identity
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// The longest time until an invitation ends: a year.
const LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A time such as `90s`, `30m`, `12h` or `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is no time; write 90s, 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(expected()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = number.parse().map_err(|_| expected())?;
    let duration = Duration::from_secs(number.saturating_mul(seconds));
    if duration.is_zero() || duration > LIFETIME_MAX {
        return Err("it has to be between a second and a year".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "0s",
            "1w",
            "7 d",
            "367d",
            "99999999999999999999d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
