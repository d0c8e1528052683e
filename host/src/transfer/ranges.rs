//! The rest of a large file, in parts that come over several connections at once.

use std::{future::Future, ops::Range, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};

use crate::component::Error;

/// Whether more connections may be faster than the one that brought so many bytes in this
/// time. One that is fast enough has all of the line or of the processor already.
pub(super) fn may_help(bytes: u64, elapsed: Duration) -> bool {
    // Below 2^53, and a rate need not be exact.
    bytes as f64 / elapsed.as_secs_f64().max(1e-9) < FAST
}

/// The bytes of `whole`, in order, fetched part by part, `streams` parts at once. Holds as
/// many parts in memory.
pub(super) fn fetch_all<F, R>(
    whole: Range<u64>,
    streams: usize,
    fetch: F,
) -> impl Stream<Item = Result<Bytes, Error>> + Send
where
    F: Fn(Range<u64>) -> R + Send,
    R: Future<Output = Result<Vec<Bytes>, Error>> + Send,
{
    let end = whole.end;
    let starts = std::iter::successors(Some(whole.start), |start| start.checked_add(PART));
    let parts = starts
        .take_while(move |start| *start < end)
        .map(move |start| start..end.min(start.saturating_add(PART)));
    stream::iter(parts)
        .map(fetch)
        .buffered(streams.max(1))
        .map_ok(|blocks| stream::iter(blocks.into_iter().map(Ok)))
        .try_flatten()
}

/// Bytes that come over one connection before more are thought of.
pub(super) const FIRST: u64 = 16 << 20;

/// Bytes of a part: large beside what asking for it costs.
const PART: u64 = 8 << 20;

/// Bytes a second from which on one connection is enough: more than most lines have.
const FAST: f64 = 50.0 * 1024.0 * 1024.0;

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::component::Detail;

    #[test]
    fn only_slow_connections_are_helped() {
        assert!(may_help(FIRST, Duration::from_secs(1)));
        assert!(!may_help(FIRST, Duration::from_millis(100)));
        assert!(!may_help(FIRST, Duration::ZERO));
    }

    #[tokio::test]
    async fn parts_come_in_order_however_they_end_and_few_at_once() {
        let start = 5;
        let end = 6 * PART + 17;
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let fetch = |range: Range<u64>| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                // Later parts are faster.
                for _ in 0..(20 - (range.start / PART).min(20)) {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::Relaxed);
                let part = format!("{}-{};", range.start, range.end);
                Ok(vec![Bytes::from(part)])
            }
        };
        let got: Vec<_> = fetch_all(start..end, 3, fetch).try_collect().await.unwrap();
        let mut expected = Vec::new();
        let mut at = start;
        while at < end {
            let to = end.min(at + PART);
            expected.push(format!("{at}-{to};"));
            at = to;
        }
        assert_eq!(got, expected);
        assert_eq!(most.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn part_that_cannot_be_had_ends_it() {
        let fetch = |range: Range<u64>| async move {
            if range.start == PART {
                return Err(Error::Unavailable(Detail::default()));
            }
            Ok(vec![Bytes::from_static(b"x")])
        };
        let got: Vec<_> = fetch_all(0..3 * PART, 2, fetch).take(2).collect().await;
        assert!(got[0].is_ok() && got[1].is_err());
    }
}
