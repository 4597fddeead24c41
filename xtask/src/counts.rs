//! Counting tests by what the runners themselves report.
//!
//! A count is never assumed: when a runner ends without its result line (a test binary that
//! was killed, a build that failed), the caller is told that the counts are incomplete.

use std::ops::AddAssign;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Ended with success.
    pub(crate) passed: u64,
    /// Failed, ran out of time, or could not be started.
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads the standard output of `cargo test`.
#[derive(Debug, Default)]
pub(crate) struct Libtest {
    counts: Counts,
    started: u64,
    finished: u64,
}

impl Libtest {
    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let Some((_, numbers)) = rest.split_once(". ") else {
                return;
            };
            self.finished += 1;
            self.counts += sum(numbers.split(';'));
        } else if is_start(line) {
            self.started += 1;
        }
    }

    /// Returns the counts if they are complete, given whether the runner ended with success.
    pub(crate) fn finish(&self, success: bool) -> Option<Counts> {
        let agrees = success == (self.counts.failed == 0);
        (self.started == self.finished && agrees).then_some(self.counts)
    }
}

/// Reads the standard error of `cargo nextest run`.
#[derive(Debug, Default)]
pub(crate) struct Nextest {
    counts: Option<Counts>,
}

impl Nextest {
    /// Takes the next line, colours included.
    pub(crate) fn line(&mut self, line: &str) {
        let line = without_colours(line);
        let Some(rest) = line.trim_start().strip_prefix("Summary [") else {
            return;
        };
        let numbers = ["tests run: ", "test run: "]
            .iter()
            .find_map(|marker| rest.split_once(marker));
        if let Some((before, numbers)) = numbers {
            // `3/8 tests run` means that it was cancelled: the rest is not known.
            self.counts = (!before.contains('/')).then(|| sum(outside_parentheses(numbers)));
        }
    }

    /// Returns the counts if they are complete, given whether the runner ended with success.
    pub(crate) fn finish(&self, success: bool) -> Option<Counts> {
        self.counts.filter(|counts| success == (counts.failed == 0))
    }
}

fn is_start(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next() == Some("running")
        && words
            .next()
            .is_some_and(|count| count.parse::<u64>().is_ok())
        && matches!(words.next(), Some("test" | "tests"))
        && words.next().is_none()
}

/// Adds up parts such as `12 passed`, `1 timed out`; other words are left aside.
fn sum<'a>(parts: impl IntoIterator<Item = &'a str>) -> Counts {
    let mut counts = Counts::default();
    for part in parts {
        let Some((number, word)) = part.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word.trim() {
            "passed" => counts.passed += number,
            "failed" | "exec failed" | "timed out" => counts.failed += number,
            _ => {}
        }
    }
    counts
}

/// Splits at the commas that are not inside parentheses and drops what parentheses hold.
fn outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(|part| part.split_once('(').map_or(part, |(before, _)| before))
    .collect()
}

fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // An escape sequence ends with its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtest(lines: &[&str], success: bool) -> Option<Counts> {
        let mut reader = Libtest::default();
        for line in lines {
            reader.line(line);
        }
        reader.finish(success)
    }

    fn nextest(line: &str, success: bool) -> Option<Counts> {
        let mut reader = Nextest::default();
        reader.line(line);
        reader.finish(success)
    }

    #[test]
    fn libtest_results_are_added_up() {
        let lines = [
            "running 3 tests",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "running 1 test",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ];
        let counts = Counts {
            passed: 3,
            failed: 1,
        };
        assert_eq!(libtest(&lines, false), Some(counts));
    }

    #[test]
    fn a_binary_that_dies_leaves_no_count() {
        assert_eq!(libtest(&["running 3 tests", "test a ... ok"], false), None);
        assert_eq!(libtest(&[], false), None);
        assert_eq!(libtest(&[], true), Some(Counts::default()));
    }

    #[test]
    fn a_runner_that_disagrees_with_its_counts_is_not_believed() {
        let lines = [
            "running 1 test",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(libtest(&lines, false), None);
    }

    #[test]
    fn nextest_summaries_are_read() {
        let plain = "     Summary [   0.512s] 12 tests run: 12 passed, 3 skipped";
        let full = "\u{1b}[31;1m     Summary\u{1b}[0m [ 120.1s] 9 tests run: 6 passed (1 slow, 2 flaky), 1 failed, 1 timed out, 1 exec failed, 0 skipped";
        let cut = "     Summary [   0.5s] 3/8 tests run: 2 passed, 1 failed, 0 skipped";
        let counts = |passed, failed| Some(Counts { passed, failed });
        assert_eq!(nextest(plain, true), counts(12, 0));
        assert_eq!(nextest(full, false), counts(6, 3));
        assert_eq!(nextest(cut, false), None);
        assert_eq!(nextest("error: could not compile", false), None);
    }
}
