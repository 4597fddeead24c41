//! Rust source with everything blanked that is no code, so that a rule can search for a word
//! without finding it in a comment or a string.

/// Returns `source` with comments and the contents of literals replaced by spaces. Lines and
/// columns (in characters) stay where they were.
pub(super) fn code_only(source: &str) -> String {
    let mut blanker = Blanker {
        characters: source.chars().collect(),
        position: 0,
        code: String::with_capacity(source.len()),
    };
    while let Some(character) = blanker.at(0) {
        match (character, blanker.at(1)) {
            ('/', Some('/')) => blanker.line_comment(),
            ('/', Some('*')) => blanker.block_comment(),
            ('"', _) => blanker.string(),
            ('\'', _) => blanker.quote(),
            _ => blanker.keep(),
        }
    }
    blanker.code
}

/// Returns how many lines of a Rust file come before its test module.
pub(super) fn lines_before_tests(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    lines
        .windows(2)
        .position(|pair| match pair {
            [attribute, module] => {
                *attribute == "#[cfg(test)]" && module.starts_with("mod ") && module.ends_with('{')
            }
            _ => false,
        })
        .unwrap_or(lines.len())
}

struct Blanker {
    characters: Vec<char>,
    position: usize,
    code: String,
}

impl Blanker {
    fn at(&self, offset: usize) -> Option<char> {
        self.characters.get(self.position + offset).copied()
    }

    fn before(&self, offset: usize) -> Option<char> {
        let index = self.position.checked_sub(offset)?;
        self.characters.get(index).copied()
    }

    fn keep(&mut self) {
        if let Some(character) = self.at(0) {
            self.code.push(character);
            self.position += 1;
        }
    }

    fn blank(&mut self) {
        if let Some(character) = self.at(0) {
            self.code.push(if character == '\n' { '\n' } else { ' ' });
            self.position += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.at(0).is_some_and(|character| character != '\n') {
            self.blank();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_u32;
        loop {
            match (self.at(0), self.at(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.blank();
                }
                (Some('*'), Some('/')) => {
                    depth = depth.saturating_sub(1);
                    self.blank();
                    if depth == 0 {
                        self.blank();
                        return;
                    }
                }
                (None, _) => return,
                _ => {}
            }
            self.blank();
        }
    }

    /// At the opening quote of a string, raw or not.
    fn string(&mut self) {
        let raw = self.raw_hashes();
        self.keep();
        while let Some(character) = self.at(0) {
            match (character, raw) {
                ('\\', None) => {
                    self.blank();
                    self.blank();
                }
                ('"', None) => return self.keep(),
                ('"', Some(hashes)) if (1..=hashes).all(|offset| self.at(offset) == Some('#')) => {
                    return self.keep();
                }
                _ => self.blank(),
            }
        }
    }

    /// How many hashes the raw string has whose quote we are at; `None` when it is not raw.
    fn raw_hashes(&self) -> Option<usize> {
        let mut hashes = 0;
        while self.before(hashes + 1) == Some('#') {
            hashes += 1;
        }
        if self.before(hashes + 1) != Some('r') {
            return None;
        }
        let prefix = match self.before(hashes + 2) {
            Some('b' | 'c') => 3,
            _ => 2,
        };
        let part_of_a_word = self.before(hashes + prefix).is_some_and(is_word);
        (!part_of_a_word).then_some(hashes)
    }

    /// At a single quote: a character literal, or a lifetime, which is code.
    fn quote(&mut self) {
        let escaped = self.at(1) == Some('\\');
        if !escaped && self.at(2) != Some('\'') {
            return self.keep();
        }
        self.keep();
        if escaped {
            self.blank();
        }
        self.blank();
        while self.at(0).is_some_and(|character| character != '\'') {
            self.blank();
        }
        self.keep();
    }
}

/// Whether the character can be part of an identifier.
pub(super) fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}
