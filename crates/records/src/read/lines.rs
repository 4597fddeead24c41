//! JSON Lines: one object a line.

use std::io::{BufRead, Read as _};

use super::{BadRecord, Found, Input, ReadError, TEXT_BYTES_MAX, found, print_of, too_long};

/// The lines of a file.
pub(super) struct Lines<'a> {
    input: Input<'a>,
    line: u64,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        Self {
            input,
            line: 0,
            ended: false,
        }
    }

    /// The next line that is not blank, without its end; a record that is too long is skipped
    /// to its end.
    fn next_line(&mut self) -> std::io::Result<Option<Result<Vec<u8>, BadRecord>>> {
        loop {
            self.line += 1;
            let mut line = Vec::new();
            let limit = TEXT_BYTES_MAX as u64 + 1;
            let count = (&mut self.input).take(limit).read_until(b'\n', &mut line)?;
            if count == 0 {
                return Ok(None);
            }
            if count > TEXT_BYTES_MAX {
                if line.last() != Some(&b'\n') {
                    skip_line(&mut *self.input)?;
                }
                return Ok(Some(Err(too_long(self.line))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Ok(line)));
            }
        }
    }
}

fn skip_line(input: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        input.consume(count);
        if end.is_some() {
            return Ok(());
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = match self.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(error) => {
                self.ended = true;
                return Some(Err(error.into()));
            }
        };
        let number = self.line;
        Some(Ok(match line {
            Ok(line) => found(&line, number),
            Err(bad) => (number, print_of(b""), Err(bad)),
        }))
    }
}
