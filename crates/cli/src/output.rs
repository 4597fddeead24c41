//! What the program prints: tables and lines for people, JSON for scripts.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::control::Within;
use crate::progress::Bar;

/// Whether a result could not be written, as to a disk that is full.
static LOST: AtomicBool = AtomicBool::new(false);

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether scripts read this.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints the result of a command.
    pub(crate) fn result(self, json: &Value, human: impl FnOnce() -> String) {
        let text = if self.json { json.to_string() } else { human() };
        line(text);
    }

    /// Whether everything that was printed was written: else the command has failed, whatever it
    /// did.
    pub(crate) fn is_written() -> anyhow::Result<()> {
        anyhow::ensure!(
            !LOST.load(Ordering::Relaxed),
            "what the command has to say could not be written to its standard output; see that \
             there is room, and that it is open"
        );
        Ok(())
    }

    /// A part of the result of a command, as it is.
    pub(crate) fn part(text: &str) {
        match Within::find() {
            Some(within) => within.out(text),
            None => Self::raw(text),
        }
    }

    /// One event of a command that goes on: a line of JSON, or for people.
    pub(crate) fn event(self, json: &Value, human: &str) {
        line(if self.json {
            json.to_string()
        } else {
            human.to_owned()
        });
    }

    /// Something for people only, beside the result.
    pub(crate) fn note(self, text: &str) {
        if self.json {
            return;
        }
        match Within::find() {
            Some(within) => within.note(text),
            None => anstream::eprintln!("{text}"),
        }
    }

    /// Prints what another process made of a command, as it is.
    pub(crate) fn raw(text: &str) {
        let mut out = anstream::stdout();
        wrote(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Prints why the command failed, on standard error in either form.
    pub(crate) fn failure(self, error: &anyhow::Error) -> ExitCode {
        if self.json {
            let json = json!({ "error": format!("{error:#}") });
            drop(writeln!(std::io::stderr(), "{json}"));
        } else {
            anstream::eprintln!("\x1b[1;31merror\x1b[0m: {error:#}");
        }
        ExitCode::FAILURE
    }

    /// A progress bar over bytes on standard error, or none where nobody looks.
    pub(crate) fn bar(self, length: u64) -> Bar {
        self.bar_as(
            length,
            "{bar:32} {percent:>3}%  {msg}  {bytes_per_sec}  {eta} left",
        )
    }

    /// The same over things that are counted.
    pub(crate) fn count_bar(self, length: u64) -> Bar {
        self.bar_as(
            length,
            "{bar:32} {percent:>3}%  {msg}  {per_sec}  {eta} left",
        )
    }

    /// Whether somebody looks at a progress bar on standard error.
    pub(crate) fn shows_progress(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    fn bar_as(self, length: u64, template: &str) -> Bar {
        if Within::find().is_some() || !self.shows_progress() {
            return Bar::new(indicatif::ProgressBar::hidden());
        }
        let bar = indicatif::ProgressBar::new(length);
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar::new(bar)
    }
}

/// Answers a command line that is wrong, or asks for help.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    let scripted = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() || !scripted {
        drop(error.print());
    } else {
        let text = error.render().to_string();
        let what = text.split("\n\n").next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what).trim();
        let json = json!({ "error": what });
        drop(writeln!(std::io::stderr(), "{json}"));
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Writes a line.
fn line(mut text: String) {
    text.push('\n');
    match Within::find() {
        Some(within) => within.out(&text),
        None => Output::raw(&text),
    }
}

/// A reader that has gone away is no failure of ours.
fn wrote(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Columns of the narrowest terminal for which tables are wrapped.
const WIDTH_MIN: u16 = 60;

/// Columns of the terminal, where there is one.
pub(crate) fn terminal_width() -> Option<u16> {
    Table::new().width()
}

/// An aligned table.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let width = match Within::find() {
        Some(within) => within.width(),
        None => table.width(),
    };
    // A terminal that is too narrow, or does not know its width, wraps lines by itself.
    if let Some(width) = width.filter(|width| *width >= WIDTH_MIN) {
        table.set_width(width);
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table.trim_fmt()
}

/// Text of others, without what would steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc é"), "a\u{fffd}[2Jb\u{fffd}c é");
        let text = table(&["key", "name"], [vec!["1".into(), "x\u{7}y".into()]]);
        assert!(!text.contains('\u{7}') && text.contains("name"), "{text}");
    }
}
