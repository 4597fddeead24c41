//! `dx recover`: an identity comes back with its phrase.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_client::{
    Client, ClientError, Identity, RecoverError, RecoveryOptions, RecoveryPhrase, Space,
    SpaceReport,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::RecoverOptions;
use crate::invite::stop_signal;
use crate::output::Output;
use crate::session::{Session, end, identity_text};

/// Bytes of a phrase that are read at most, whatever stands around it.
const PHRASE_BYTES_MAX: u64 = 16 * 1024;
const WORDS: usize = 24;
/// After how long without a change nothing more is expected of a space that is whole.
const SETTLED: Duration = Duration::from_millis(700);

pub(crate) async fn run(session: &Session, options: &RecoverOptions, output: Output) -> Result<()> {
    let phrase = read_phrase(options.phrase_file.clone()).await?;
    let client = session.online().await?;
    let recovered = tokio::select! {
        biased;
        () = stop_signal() => Err(anyhow::anyhow!("cancelled; `dx recover` can be run again")),
        recovered = recover(&client, &phrase, options, output) => recovered,
    };
    end(&client).await?;
    let (identity, here, missing) = recovered?;
    let json = json!({
        "identity": identity.identity,
        "device": identity.device,
        "display_name": identity.profile.display_name,
        "spaces": here,
        "missing": missing.iter().map(|report| report.space).collect::<Vec<_>>(),
    });
    output.result(&json, || {
        format!(
            "{}\n\n{}",
            identity_text(&identity),
            crate::space::list_text(&here)
        )
    });
    if !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(|r| r.space.to_string()).collect();
        output.note(&format!(
            "\nnot here yet, because nobody who has them was online: {}\nthey come with `dx serve`",
            missing.join(", ")
        ));
    }
    output.note(
        "\n`dx device list` shows the devices that were lost: revoke them, and the phrase that was \
         used, with `dx device revoke`, and make a new one with `dx identity phrase`",
    );
    Ok(())
}

async fn recover(
    client: &Client,
    phrase: &RecoveryPhrase,
    options: &RecoverOptions,
    output: Output,
) -> Result<(Identity, Vec<SpaceReport>, Vec<SpaceReport>)> {
    let mut how = RecoveryOptions::default().patience(options.patience);
    for peer in &options.peers {
        how = how.peer(peer.device, vec![peer.address.to_string()]);
    }
    output.note("looking for somebody who knows this phrase");
    let recovered = client.halo().recover_identity(phrase, &how).await;
    let identity = match recovered {
        Err(ClientError::Recover(error @ RecoverError::NobodyKnows { .. })) => bail!(
            "{error}: --peer DEVICE@ADDRESS, as `dx serve` prints it there, or a rendezvous server \
             in network.signal"
        ),
        recovered => recovered?,
    };
    output.note("found; fetching the spaces");
    let (mut here, mut missing) = (Vec::new(), Vec::new());
    let spaces = client.echo().spaces().await?;
    let mut fetching: Vec<_> = Vec::new();
    for space in spaces {
        let patience = options.patience;
        fetching.push(tokio::spawn(async move { fetch(&space, patience).await }));
    }
    for fetched in fetching {
        let report = fetched.await.context("a space was not fetched")??;
        if report.role.is_some() {
            here.push(report);
        } else {
            missing.push(report);
        }
    }
    Ok((identity, here, missing))
}

/// Waits until a space is here as whole as its peers have it, as long as something arrives.
async fn fetch(space: &Space, patience: Duration) -> Result<SpaceReport> {
    let mut watch = space.watch().await?;
    loop {
        let report = watch.borrow_and_update().clone();
        let whole = report.role.is_some() && report.missing_blocks == 0;
        let wait = if whole && !report.peers.is_empty() {
            SETTLED
        } else {
            patience
        };
        if !matches!(
            tokio::time::timeout(wait, watch.changed()).await,
            Ok(Ok(()))
        ) {
            return Ok(report);
        }
    }
}

/// Reads the phrase from where the user has it. It is never an argument: those are seen by
/// others on the machine and kept by the shell.
async fn read_phrase(file: Option<std::path::PathBuf>) -> Result<RecoveryPhrase> {
    let read = tokio::task::spawn_blocking(move || match file {
        Some(path) if path != Path::new("-") => {
            let what = || format!("cannot read the phrase from {}", path.display());
            read_all(File::open(&path).with_context(what)?).with_context(what)
        }
        None if std::io::stdin().is_terminal() => ask(),
        _ => read_all(std::io::stdin().lock()).context("cannot read the phrase"),
    });
    let bytes = read.await.context("nothing was read")??;
    let text = text_of(&bytes).context("a recovery phrase has 24 English words")?;
    if text.trim().is_empty() {
        bail!("there is no phrase; give it on standard input, or in a file with --phrase-file");
    }
    Ok(RecoveryPhrase::parse(&text)?)
}

pub(crate) fn read_all(from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Made large enough at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    from.take(PHRASE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks for the words, over as many lines as they take.
fn ask() -> Result<Zeroizing<Vec<u8>>> {
    let mut err = std::io::stderr();
    writeln!(err, "the {WORDS} words of the recovery phrase:")?;
    err.flush()?;
    let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
    let mut stdin = std::io::stdin().lock().take(PHRASE_BYTES_MAX);
    while text.split_whitespace().count() < WORDS {
        if stdin
            .read_line(&mut text)
            .context("cannot read the terminal")?
            == 0
        {
            break;
        }
    }
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

/// The text of a file as editors write it: UTF-8 with or without a mark, or UTF-16 with one.
pub(crate) fn text_of(bytes: &[u8]) -> Result<Zeroizing<String>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units = Zeroizing::new(pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
        String::from_utf16(&units).ok()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        all => String::from_utf8(all.to_vec()).ok(),
    };
    text.map(Zeroizing::new).context("this is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_read_as_any_editor_saved_it() {
        let words = "abandon ability\r\nable";
        let utf16: Vec<u16> = words.encode_utf16().collect();
        let little = utf16.iter().flat_map(|unit| unit.to_le_bytes());
        let big = utf16.iter().flat_map(|unit| unit.to_be_bytes());
        let files: [Vec<u8>; 4] = [
            words.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", words.as_bytes()].concat(),
            [0xff, 0xfe].into_iter().chain(little).collect(),
            [0xfe, 0xff].into_iter().chain(big).collect(),
        ];
        for file in files {
            assert_eq!(&**text_of(&file).unwrap(), words);
        }
        assert!(text_of(b"\x00\xff\xff").is_err());
    }
}
