//! What a user gives a command in a file or on standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::control::{Question, Within};

/// Bytes of an input at most: it goes to another process in one piece, as text within JSON.
const INPUT_BYTES_MAX: usize = 200 * 1024;

const STDIN: &str = "standard input";

/// Reads a text file, or standard input for `-`, where the user is. Returns also what to call it
/// in messages.
pub(crate) async fn read(file: &Path) -> Result<(String, String)> {
    let name = if is_stdin(file) {
        STDIN.to_owned()
    } else {
        file.display().to_string()
    };
    if let Some(within) = Within::find() {
        let answer = within.ask(Question::Input(PathBuf::from(file))).await?;
        let text = answer.with_context(|| format!("cannot read {name}"))?;
        return Ok((text.to_string(), name));
    }
    Ok((read_here(file).await?, name))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads it in this process.
pub(crate) async fn read_here(file: &Path) -> Result<String> {
    let file = PathBuf::from(file);
    let read = tokio::task::spawn_blocking(move || read_blocking(&file));
    read.await.context("nothing was read")?
}

fn read_blocking(file: &Path) -> Result<String> {
    let limit = u64::try_from(INPUT_BYTES_MAX).unwrap_or(u64::MAX);
    let (name, mut from): (_, Box<dyn Read>) = if is_stdin(file) {
        (STDIN.to_owned(), Box::new(std::io::stdin().lock()))
    } else {
        let name = file.display().to_string();
        let opened = std::fs::File::open(file);
        let opened = opened.with_context(|| format!("cannot read {name}"))?;
        (name, Box::new(opened))
    };
    let mut bytes = Vec::new();
    let read = from.by_ref().take(limit + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {name}"))?;
    ensure!(
        bytes.len() <= INPUT_BYTES_MAX,
        "{name} has more than {INPUT_BYTES_MAX} bytes; `dx import` takes larger objects"
    );
    String::from_utf8(bytes).with_context(|| format!("{name} is no text in UTF-8"))
}
