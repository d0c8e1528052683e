//! The server's time: where it comes from, and how the service writes it.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// Where a server takes the time from.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Milliseconds since 1970; 0 for times before.
    pub(crate) fn now(&self) -> i64 {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `2015-03-17T16:04:05.123Z`: how the service writes a time given in milliseconds since
/// 1970.
pub(crate) fn iso8601(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(FORMAT)
        .expect("a date of four-digit year always formats")
}

/// Milliseconds since 1970 of a date as [`iso8601`] writes it, or as any RFC 3339 has it.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_milliseconds_and_come_back() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(1_426_608_245_123), "2015-03-17T16:04:05.123Z");
        assert_eq!(parse("2015-03-17T16:04:05.123Z"), Some(1_426_608_245_123));
        assert_eq!(parse("2015-03-17T17:04:05+01:00"), Some(1_426_608_245_000));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn times_out_of_range_do_not_panic() {
        for far in [i64::MIN, i64::MAX] {
            assert_eq!(iso8601(far), iso8601(0));
        }
    }
}
