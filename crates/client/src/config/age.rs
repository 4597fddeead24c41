//! Ages in a configuration: a number and a unit, such as `30d`.

use std::fmt;
use std::time::Duration;

use serde::{Deserializer, Serializer, de};

/// Units and how many seconds they have, the longest first.
const UNITS: [(char, u64); 5] = [
    ('w', 7 * 24 * 3600),
    ('d', 24 * 3600),
    ('h', 3600),
    ('m', 60),
    ('s', 1),
];
/// The longest: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
const EXPECTED: &str = "a number and s, m, h, d or w, such as 30d, or 0 for never";

fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let unit = text.chars().next_back()?;
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let age = Duration::from_secs(number.checked_mul(*seconds)?);
    (age <= LONGEST).then_some(age)
}

pub(super) fn serialize<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = age.as_secs();
    if seconds == 0 {
        return serializer.serialize_str("0");
    }
    let mut units = UNITS.iter();
    let unit = units.find(|(_, unit)| seconds.is_multiple_of(*unit));
    let (name, unit) = unit.copied().unwrap_or(('s', 1));
    serializer.collect_str(&format_args!("{}{name}", seconds / unit))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Age)
}

struct Age;

impl de::Visitor<'_> for Age {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    // `0` stands for a number in every format, and every other number lacks its unit.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        if number == 0 {
            return Ok(Duration::ZERO);
        }
        Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        u64::try_from(number)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            .and_then(|number| self.visit_u64(number))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Setting {
        #[serde(with = "super")]
        age: Duration,
    }

    fn read(value: &str) -> Result<Duration, String> {
        let setting = serde_json::from_str::<Setting>(&format!("{{\"age\":{value}}}"));
        setting
            .map(|setting| setting.age)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("\"0\"", 0),
            ("0", 0),
            ("\"0s\"", 0),
            ("\"90s\"", 90),
            ("\"5m\"", 300),
            ("\"12h\"", 43_200),
            ("\"30d\"", 2_592_000),
            ("\"2w\"", 1_209_600),
        ] {
            assert_eq!(read(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "\"\"",
            "\"d\"",
            "30",
            "-1",
            "\"30\"",
            "\"-1d\"",
            "\"1.5d\"",
            "\"3 d\"",
            "\"3y\"",
            "\"99999999999w\"",
            "\"18446744073709551615w\"",
            "\"3ä\"",
            "null",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("such as 30d"), "{wrong}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0..3_000_000_000_u64) {
            let setting = Setting { age: Duration::from_secs(seconds) };
            let text = serde_json::to_string(&setting).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Setting>(&text).unwrap(), setting);
        }
    }
}
