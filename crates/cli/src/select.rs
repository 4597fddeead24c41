//! What a user means: a device, a member, and whether it is meant.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use dxos_client::{Client, DeviceReport, IdentityKey, MemberReport, Space};

use crate::arguments::ConfirmOptions;
use crate::control::{Question, Within};
use crate::output::{Output, printable};

/// The shortest beginning of a key that stands for it.
const PREFIX_CHARS_MIN: usize = 4;

/// The one that a user means: by its key, the beginning of its key, or its name.
fn one_of<'a, T, K: Display>(
    all: &'a [T],
    wanted: &str,
    key_and_name: impl Fn(&'a T) -> (K, Option<&'a str>),
    (kind, where_shown): (&str, &str),
) -> Result<&'a T> {
    let key = |item| key_and_name(item).0.to_string();
    if let Some(exact) = all.iter().find(|item| key(item) == wanted) {
        return Ok(exact);
    }
    let long_enough = wanted.len() >= PREFIX_CHARS_MIN;
    let found: Vec<&T> = all
        .iter()
        .filter(|item| {
            let prefix = long_enough && key(item).starts_with(wanted);
            prefix || key_and_name(item).1 == Some(wanted)
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => bail!("there is no {kind} {wanted:?}; {where_shown} shows all"),
        several => {
            let keys: Vec<_> = several.iter().map(|item| key(item)).collect();
            bail!(
                "{wanted:?} means {} {kind}s; give more of the key of one: {}",
                keys.len(),
                keys.join(", ")
            )
        }
    }
}

/// A device of the identity, or a recovery phrase.
pub(crate) async fn find_device(client: &Client, wanted: &str) -> Result<DeviceReport> {
    let devices = client.halo().devices().await?;
    let found = one_of(
        &devices,
        wanted,
        |device| (device.device, device.name.as_deref()),
        ("device", "`dx device list`"),
    );
    found.cloned()
}

/// A member of a space.
pub(crate) async fn find_member(space: &Space, wanted: &str) -> Result<MemberReport> {
    let members = space.members().await?;
    let found = one_of(
        &members,
        wanted,
        |member| (member.identity, member.profile.display_name.as_deref()),
        ("member", "`dx member list SPACE`"),
    );
    found.cloned()
}

/// How a member is called in a sentence.
pub(crate) fn called(name: Option<&str>, identity: IdentityKey) -> String {
    name.map_or_else(
        || identity.short(),
        |name| format!("{} ({})", printable(name), identity.short()),
    )
}

/// Asks whether something that cannot be undone is meant. Where there is nobody to ask, `--yes`
/// has to say so.
pub(crate) async fn confirm(what: String, options: ConfirmOptions, output: Output) -> Result<()> {
    if options.yes {
        return Ok(());
    }
    if let Some(within) = Within::find() {
        // Whoever does not mean it gets no further.
        within.ask(Question::Confirm(what)).await?;
        return Ok(());
    }
    if output.is_json() || !std::io::stdin().is_terminal() {
        bail!("this would {what}, which cannot be undone; give --yes when that is meant");
    }
    let asked = tokio::task::spawn_blocking(move || {
        let mut err = std::io::stderr();
        write!(err, "{what}? Type yes: ")?;
        err.flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        std::io::Result::Ok(line)
    });
    let line = asked.await.context("nothing was read")?;
    let line = line.context("cannot read the terminal")?;
    if line.trim().eq_ignore_ascii_case("yes") {
        return Ok(());
    }
    bail!("nothing was done; type yes, or give --yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(all: &'a [(&'a str, Option<&'a str>)], wanted: &str) -> Result<&'a str> {
        let what = ("device", "`dx device list`");
        one_of(all, wanted, |(key, name)| (*key, *name), what).map(|found| found.0)
    }

    #[test]
    fn a_key_its_beginning_or_a_name_is_found_and_several_are_told() {
        let all = [
            ("abcd1", Some("Ann")),
            ("abcd2", Some("Bö")),
            ("abcd", None),
            ("xyzz9", Some("Bö")),
        ];
        assert_eq!(find(&all, "abcd").unwrap(), "abcd");
        assert_eq!(find(&all, "abcd1").unwrap(), "abcd1");
        assert_eq!(find(&all, "Ann").unwrap(), "abcd1");
        assert_eq!(find(&all, "xyzz").unwrap(), "xyzz9");
        let several = find(&all, "Bö").unwrap_err().to_string();
        assert!(several.contains("abcd2, xyzz9"), "{several}");
        for none in ["xyz", "", "ann", "abce"] {
            let error = find(&all, none).unwrap_err().to_string();
            assert!(error.contains("dx device list"), "{error}");
        }
    }
}
