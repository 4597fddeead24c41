//! Dates and times of the Gregorian calendar, as RFC 3339 writes them.

use std::fmt;
use std::ops::RangeInclusive;

const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Reads a text bit by bit.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        number.parse().ok()
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        self.0 = self.0.strip_prefix(sign)?;
        Some(())
    }

    fn part(&mut self, sign: char, digits: usize, max: i64) -> Option<i64> {
        self.sign(sign)?;
        self.number(digits).filter(|number| *number <= max)
    }

    /// A day, as the days since 1970.
    fn day(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let month = self.part('-', 2, 12)?;
        let day = self.part('-', 2, 31)?;
        let days = days_from_civil(year, month, day);
        (civil_from_days(days) == (year, month, day)).then_some(days)
    }

    /// A fraction of a second in milliseconds; digits beyond them are cut off.
    fn fraction(&mut self) -> Option<i64> {
        if self.sign('.').is_none() {
            return Some(0);
        }
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
        millis.parse().ok().filter(|_| digits > 0)
    }
}

/// Whether this is a day, without a time.
pub(super) fn is_day(text: &str) -> bool {
    let mut digits = Digits(text);
    digits.day().is_some() && digits.0.is_empty()
}

/// Whether whoever wrote this meant a day or a time, right or wrong.
pub(super) fn looks_like_one(text: &str) -> bool {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let mut parts = day.split('-');
    let mut is_number = |digits: RangeInclusive<usize>| {
        parts.next().is_some_and(|part| {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            is_number && digits.contains(&part.len())
        })
    };
    let is_day = is_number(4..=4) && is_number(1..=2) && is_number(1..=2);
    is_day && parts.next().is_none() && !time.starts_with(|first: char| !first.is_ascii_digit())
}

/// Milliseconds since 1970 of a day or of a time with its offset; `None` for anything else.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut digits = Digits(text);
    let days = digits.day()?;
    if digits.0.is_empty() {
        return Some(days * DAY_MS);
    }
    digits.sign('T')?;
    let hour = digits.number(2).filter(|hour| *hour < 24)?;
    let minute = digits.part(':', 2, 59)?;
    let second = digits.part(':', 2, 59)?;
    let millis = digits.fraction()?;
    let offset = match digits.0 {
        "Z" => 0,
        _ => {
            let sign = if digits.sign('+').is_some() {
                1
            } else {
                digits.sign('-').map(|()| -1)?
            };
            let hours = digits.number(2).filter(|hours| *hours < 24)?;
            let minutes = digits.part(':', 2, 59)?;
            if !digits.0.is_empty() {
                return None;
            }
            sign * (hours * 60 + minutes)
        }
    };
    let minutes = hour * 60 + minute - offset;
    Some(days * DAY_MS + (minutes * 60 + second) * 1000 + millis)
}

/// A time as [`parse`] reads it, where four digits are enough for the year. It is never a day alone,
/// which also stands for texts.
pub(super) fn print(ms: i64) -> Option<impl fmt::Display> {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let within = ms.rem_euclid(DAY_MS);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let (seconds, millis) = (within / 1000, within % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_and_times_are_milliseconds_since_1970() {
        for (text, ms) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2026-12-01", 1_796_083_200_000),
            ("2026-12-01T10:30:00Z", 1_796_121_000_000),
            ("2026-12-01T12:30:00.5+02:00", 1_796_121_000_500),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0000-01-01", -62_167_219_200_000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-00-01",
            "2026-1-1",
            "2026-12-01T",
            "2026-12-01T10:30",
            "2026-12-01T10:30:00",
            "2026-12-01T10:30:00.Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01 ",
            "2026-12-01T10:30:00+2",
            "+026-12-01",
            "２０２６-12-01",
            "2026-12-01T10:30:00Zx",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(ms in -70_000_000_000_000_i64..300_000_000_000_000) {
            match print(ms) {
                Some(text) => {
                    let text = text.to_string();
                    prop_assert_eq!(parse(&text), Some(ms));
                    prop_assert!(!is_day(&text));
                }
                None => prop_assert!(!(-62_167_219_200_000..253_402_300_800_000).contains(&ms)),
            }
        }

        #[test]
        fn no_number_is_too_large(ms: i64) {
            let _ = print(ms).map(|text| text.to_string());
        }
    }
}
