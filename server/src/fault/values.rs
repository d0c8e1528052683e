//! The values of a rule's parameters: what a kind of value allows, and how it is read.

use std::time::Duration;

/// What a parameter can be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    Seconds,
    /// A time, or one of these words.
    SecondsOr(&'static [&'static str]),
    Bytes,
    Number,
    /// Any text.
    Text,
}

/// A parameter's value, as its kind has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Word(&'static str),
    Time(Duration),
    Number(u64),
    Text(String),
}

impl Kind {
    pub(crate) fn read(self, text: &str) -> Option<Value> {
        let word = |words: &[&'static str]| {
            let found = words.iter().find(|word| **word == text);
            found.map(|word| Value::Word(word))
        };
        match self {
            Self::Word(words) => word(words),
            Self::SecondsOr(words) => word(words).or_else(|| seconds(text).map(Value::Time)),
            Self::Seconds => seconds(text).map(Value::Time),
            Self::Bytes => bytes(text).map(Value::Number),
            Self::Number => text
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .map(Value::Number),
            Self::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
        }
    }

    /// What is allowed, for people.
    pub(crate) fn allowed(self) -> String {
        const TIME: &str = "a time such as 20, 1.5, 250ms, 2m or 1h (seconds without a unit)";
        match self {
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Seconds => TIME.into(),
            Self::SecondsOr(words) => format!("{}, or {TIME}", words.join(", ")),
            Self::Bytes => "a number of bytes such as 500, 64KiB, 1MiB or 10GiB".into(),
            Self::Number => "a whole number from 1".into(),
            Self::Text => "a text without commas".into(),
        }
    }
}

/// Seconds, or a number with a unit.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let unit = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()?;
    // More is no time to wait, and its end would be no date.
    (seconds <= LONGEST).then_some(seconds)
}

/// Bytes, or a number with a unit of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let unit = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        for (text, milliseconds) in [
            ("20", Some(20_000)),
            ("1.5", Some(1500)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1d", None),
            ("1.2.3", None),
            ("1e9", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(
                seconds(text),
                milliseconds.map(Duration::from_millis),
                "{text}"
            );
        }
        for (text, size) in [
            ("0", Some(0)),
            ("500", Some(500)),
            ("2K", Some(2048)),
            ("1MiB", Some(1 << 20)),
            ("10GiB", Some(10 << 30)),
            ("1.5M", None),
            ("MiB", None),
            ("-1", None),
            ("99999999T", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
