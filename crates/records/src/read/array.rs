//! A JSON array, one element at a time and with the line on which each begins. It is never held
//! as a whole, and one element that cannot be read does not take the others with it.

use std::io::BufRead;

use super::{BadRecord, Found, Input, ReadError, TEXT_BYTES_MAX, found, print_of, too_long};

type Result<T> = std::result::Result<T, ReadError>;

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The bracket that opens the array.
    Open,
    /// An element, or the end of an empty array.
    First,
    /// An element.
    Element,
    /// A comma, or the end.
    Comma,
    /// Nothing more.
    Nothing,
}

/// The elements of a JSON array.
pub(super) struct Array<'a> {
    input: Input<'a>,
    line: u64,
    expected: Expected,
}

impl<'a> Array<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        Self {
            input,
            line: 1,
            expected: Expected::Open,
        }
    }

    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn pass(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.input.consume(1);
    }

    /// The next byte that is no white space, not yet passed.
    fn significant(&mut self) -> std::io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.pass(byte);
        }
        Ok(None)
    }

    fn bad(&self, reason: &str) -> Found {
        let bad = BadRecord {
            line: self.line,
            reason: reason.to_owned(),
        };
        (self.line, print_of(b""), Err(bad))
    }

    fn step(&mut self) -> Result<Option<Found>> {
        loop {
            let Some(byte) = self.significant()? else {
                let before = std::mem::replace(&mut self.expected, Expected::Nothing);
                return Ok(match before {
                    Expected::Open | Expected::Nothing => None,
                    _ => Some(self.bad("the file ends in the middle of the array; ] is missing")),
                });
            };
            match (self.expected, byte) {
                (Expected::Open, b'[') => {
                    self.pass(byte);
                    self.expected = Expected::First;
                }
                (Expected::Open, _) => {
                    return Err(ReadError::NoArray { line: self.line });
                }
                (Expected::First | Expected::Comma, b']') => {
                    self.pass(byte);
                    self.expected = Expected::Nothing;
                }
                (Expected::Element, b']') => {
                    self.pass(byte);
                    self.expected = Expected::Nothing;
                    return Ok(Some(
                        self.bad("nothing follows on the last comma; remove it"),
                    ));
                }
                (Expected::Comma, b',') => {
                    self.pass(byte);
                    self.expected = Expected::Element;
                }
                (Expected::Comma, _) => {
                    self.expected = Expected::Element;
                    return Ok(Some(self.bad("expected a comma or ] before this")));
                }
                (Expected::Nothing, _) => {
                    // Said once; what follows is not looked at.
                    let bad = self.bad("expected nothing after the end of the array");
                    self.input = Box::new(std::io::empty());
                    return Ok(Some(bad));
                }
                (Expected::First | Expected::Element, _) => {
                    self.expected = Expected::Comma;
                    return self.element().map(Some);
                }
            }
        }
    }

    /// Reads one element, to the end of its brackets.
    fn element(&mut self) -> Result<Found> {
        let start = self.line;
        let mut text = Vec::new();
        let (mut depth, mut in_text, mut escaped, mut length) = (0_u64, false, false, 0_usize);
        while let Some(byte) = self.peek()? {
            if !in_text && depth == 0 && length > 0 && matches!(byte, b',' | b']') {
                break;
            }
            self.pass(byte);
            length = length.saturating_add(1);
            if length <= TEXT_BYTES_MAX {
                text.push(byte);
            }
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        if depth > 0 || in_text {
            // The file ended in it, which is what parsing it will say.
            self.expected = Expected::Nothing;
        }
        if length > TEXT_BYTES_MAX {
            return Ok((start, print_of(b""), Err(too_long(start))));
        }
        Ok(found(&text, start))
    }
}

impl Iterator for Array<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(item) => item.map(Ok),
            Err(error) => {
                self.expected = Expected::Nothing;
                self.input = Box::new(std::io::empty());
                Some(Err(error))
            }
        }
    }
}
