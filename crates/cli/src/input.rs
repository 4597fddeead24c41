//! Short texts that a user gives a command in a file or on standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::files::Input;

/// Bytes of such a text at most: it is read as a whole.
const INPUT_BYTES_MAX: u64 = 4 << 20;

/// Reads a text file, or standard input for `-`, where the user is. Returns also what to call it
/// in messages.
pub(crate) async fn read(file: &Path) -> Result<(String, String)> {
    let name = if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let what = || format!("cannot read {name}");
    let input = Input::open(file, true).await.with_context(what)?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let read = input.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map(|_| bytes)
    });
    let bytes = read.await.context("nothing was read")?.with_context(what)?;
    ensure!(
        u64::try_from(bytes.len()).is_ok_and(|length| length <= INPUT_BYTES_MAX),
        "{name} has more than {INPUT_BYTES_MAX} bytes, more than an object or a schema may have"
    );
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is no text in UTF-8"))?;
    Ok((text, name))
}
