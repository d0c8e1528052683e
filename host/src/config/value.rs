//! Sizes and times as rclone writes them, on the command line and in config files.

use std::time::Duration;

/// Reads a size in bytes: a number with one of the suffixes `B`, `K`, `M`, `G`, `T`, `P`,
/// `E` for powers of 1024, also as `Ki`, `KiB` and so on, in either case; a number alone
/// counts KiB. `off` is `None`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn size(text: &str) -> Result<Option<u64>, String> {
    let wrong = || format!("{text:?} is not a size such as 500M, 9Gi or off");
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let suffix = suffix.to_ascii_lowercase();
    let binary = suffix
        .strip_suffix("ib")
        .or_else(|| suffix.strip_suffix('i'));
    let shift = match binary.filter(|it| !it.is_empty()).unwrap_or(&suffix) {
        "b" if binary.is_none() => 0,
        "" | "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        "e" => 60,
        _ => return Err(wrong()),
    };
    let factor = 1_u64 << shift;
    // Whole numbers are read as such: a fraction loses what is below its 53 bits.
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(factor).map(Some).ok_or_else(wrong);
    }
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    // The largest number of that form below 2^64.
    if bytes < 18_446_744_073_709_549_568.0 {
        Ok(Some(bytes as u64))
    } else {
        Err(wrong())
    }
}

/// Reads Go's form of a duration, as rclone takes it: numbers with units, such as `3m0s`,
/// or seconds without. `0` is no time.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 30s, 5m or 1h30m");
    let bare;
    let mut rest = text;
    if text.parse::<f64>().is_ok() {
        bare = format!("{text}s");
        rest = &bare;
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(digits);
        let end = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        let seconds = match &unit[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &unit[end..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_rclone_writes_them() {
        for (text, bytes) in [
            ("9Gi", Some(9 << 30)),
            ("9G", Some(9 << 30)),
            ("9gib", Some(9 << 30)),
            ("1.5M", Some(3 << 19)),
            ("100", Some(100 << 10)),
            ("0", Some(0)),
            ("17b", Some(17)),
            ("50000Mi", Some(50_000 << 20)),
            ("15E", Some(15 << 60)),
            ("off", None),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "", "x", "9X", "-1", "1.2.3M", "16E", "1e3", "9é", "9i", "9bi", "9 G", "Gi", "NaN",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("5m", 300.0),
            ("3m0s", 180.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
            ("2d", 172_800.0),
            ("90", 90.0),
            ("0.5", 0.5),
            ("0s", 0.0),
            ("0", 0.0),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "x", "5x", "m", "-5", "-5m", "5m-", "1e400s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
