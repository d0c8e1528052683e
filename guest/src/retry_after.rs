//! The header `Retry-After`, in both of its forms.

use std::time::Duration;

use crate::wire;

/// The wait that a reply asks for. Where it is a date (RFC 9110, 10.2.3), it counts from
/// the reply's own `Date`: this machine's clock may be wrong, and without a `Date` nothing
/// is known.
pub(crate) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = seconds(value)? - seconds(date?)?;
    // In the past: at once.
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`. The two older forms are sent by nobody.
fn seconds(date: &str) -> Option<i64> {
    let mut parts = date.split_ascii_whitespace().skip(1);
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next() != Some("GMT") || month.len() != 3 {
        return None;
    }
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? / 3 + 1;
    let instant = wire::instant(&format!("{year}-{month}-{day}T{clock}Z"))?;
    Some(instant.seconds)
}

const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<&str> = Some("Tue, 24 Nov 2015 23:59:57 GMT");

    #[test]
    fn seconds_need_no_clock() {
        for (value, wait) in [("7", 7), (" 0 ", 0), ("3600", 3600)] {
            assert_eq!(retry_after(value, None), Some(Duration::from_secs(wait)));
        }
    }

    #[test]
    fn date_counts_from_the_date_of_the_reply() {
        for (value, wait) in [
            ("Wed, 25 Nov 2015 00:00:04 GMT", 7),
            ("Tue, 24 Nov 2015 23:59:57 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Fri, 25 Dec 2015 23:59:57 GMT", 31 * 86_400),
        ] {
            assert_eq!(retry_after(value, NOW), Some(Duration::from_secs(wait)));
        }
        assert_eq!(retry_after("Wed, 25 Nov 2015 00:00:04 GMT", None), None);
    }

    #[test]
    fn what_is_neither_asks_for_nothing() {
        for value in [
            "",
            "-1",
            "1.5",
            "soon",
            "Wed, 25 Nov 2015 00:00:04",
            "Wed, 25 Nov 2015 00:00:04 CET",
            "Wed, 25 anF 2015 00:00:04 GMT",
            "Wed, 32 Nov 2015 00:00:04 GMT",
            "Wednesday, 25-Nov-15 00:00:04 GMT",
        ] {
            assert_eq!(retry_after(value, NOW), None, "{value}");
        }
    }
}
