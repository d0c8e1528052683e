//! What to do after a request, and how long to wait for it.
//!
//! Pure functions of what happened: the caller brings the elapsed time and the random
//! number, waits and sends. A caller keeps to three steps, [`classify`], [`next_wait`] and
//! the next send, and holds the content and the credentials itself.

use std::time::Duration;

/// How much of a request had left when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: the service cannot have seen it.
    Unsent,
    /// Some of it: the service cannot have acted on it, for its end is missing.
    Partial,
    /// All of it: the service may have acted on it.
    Sent,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// The HTTP status, or `None` when no reply came.
    pub status: Option<u16>,
    /// The reply's error text (its `message`), or the transport's; may be empty.
    pub message: &'a str,
    /// The reply's `Retry-After`, as a wait from now.
    pub retry_after: Option<Duration>,
    /// How much had been sent.
    pub progress: Progress,
    /// Whether sending it twice is the same as sending it once.
    pub idempotent: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It worked.
    Done,
    /// Send it again after the schedule's wait.
    Retry,
    /// Send it again, no earlier than this.
    RetryAfter(Duration),
    /// The token was refused: get another one and send it again, once.
    RefreshCredentials,
    /// It may have worked: look at the service's state before sending it again.
    LookFirst,
    /// Sending it again cannot help.
    GiveUp,
}

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most sends of one request, the first included; 0 counts as 1.
    pub attempts: u32,
    /// Longest time from the first send to the last.
    pub elapsed: Duration,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Sends made so far.
    pub attempts: u32,
    /// Time since the first send.
    pub elapsed: Duration,
}

/// The class of an outcome. The first row that fits decides:
///
/// | status | message contains | progress | idempotent | class |
/// |---|---|---|---|---|
/// | 200–399 | | | | done |
/// | 401 | | | | refresh credentials |
/// | 400 | `Cannot complete upload`, `Cannot read from request` | unsent or partial | | retry |
/// | 400 | the same | sent | yes | retry |
/// | 400 | the same | sent | no | look first |
/// | 403 | `Authorization header requires` | | | retry |
/// | 429 | | | | retry |
/// | 408, 500, 502, 503, 504, none | | unsent or partial | | retry |
/// | 408, 500, 502, 503, 504, none | | sent | yes | retry |
/// | 408, 500, 502, 503, 504, none | | sent | no | look first |
/// | any other | | | | give up |
///
/// Every *retry* is a *retry after* where the reply has a `Retry-After`.
///
/// - 400: the service says that it could not read the body to its end. Where the end had
///   left, it may have been stored all the same. Other texts mean the request itself, `Next token is expired` among them: the page can
///   never be had again, only the listing restarted.
/// - 403: the service's front end answers so at random, mostly right after a login, in
///   words about AWS signatures that the request never needed.
/// - 408, 500 and 504 are the usual answer to a large upload that nevertheless gets
///   stored, so an upload that is all sent is never sent again unseen.
/// - 409 and 404 are facts to act on, not failures to repeat.
pub fn classify(outcome: &Outcome<'_>) -> Class {
    let retry = match outcome.retry_after {
        Some(wait) => Class::RetryAfter(wait),
        None => Class::Retry,
    };
    let says = |text| outcome.message.contains(text);
    match outcome.status {
        Some(200..=399) => Class::Done,
        Some(401) => Class::RefreshCredentials,
        Some(403) if says(GATEWAY_MOOD) => retry,
        Some(429) => retry,
        Some(400) if !BROKEN_BODY.into_iter().any(says) => Class::GiveUp,
        Some(400 | 408 | 500 | 502 | 503 | 504) | None => match outcome.progress {
            Progress::Unsent | Progress::Partial => retry,
            Progress::Sent if outcome.idempotent => retry,
            Progress::Sent => Class::LookFirst,
        },
        Some(_) => Class::GiveUp,
    }
}

/// The wait before the next send, or `None` when the budget is used up.
///
/// `retry_after`, when given, is the wait. Otherwise it is `random` mapped to the range
/// from 10 ms to 2^(n-1) s after n failed sends (at least 1), n capped at 9: the rule the
/// service asked of its clients, as rclone had it. `random` is uniform over all u64
/// values. A wait that would pass `budget.elapsed` is `None`.
pub fn next_wait(
    state: State,
    budget: Budget,
    retry_after: Option<Duration>,
    random: u64,
) -> Option<Duration> {
    if state.attempts >= budget.attempts.max(1) {
        return None;
    }
    let wait = retry_after.unwrap_or_else(|| jittered(state.attempts, random));
    let next_send = state.elapsed.checked_add(wait)?;
    (next_send <= budget.elapsed).then_some(wait)
}

/// How long a write of so many bytes that got no clear answer is looked for.
pub fn upload_wait(size: u64, per_gb: Duration) -> Duration {
    let nanos = per_gb.as_nanos().saturating_mul(u128::from(size)) >> 30;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How a file's content is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By the content's URL, with the caller's token.
    Content,
    /// By a temporary link, without it.
    TemporaryLink,
}

/// How to get the content of a file of so many bytes: the service did not give files from
/// some 10 GiB on by the content's URL.
pub fn download_route(size: u64, templink_threshold: Option<u64>) -> Route {
    match templink_threshold {
        Some(threshold) if size >= threshold => Route::TemporaryLink,
        _ => Route::Content,
    }
}

fn jittered(failures: u32, random: u64) -> Duration {
    let doublings = failures.clamp(1, MOST_DOUBLINGS) - 1;
    let longest = Duration::from_secs(1 << doublings);
    let choices = (longest - SHORTEST_WAIT).as_nanos() + 1;
    // The high half of the product: `random` scaled down to `choices`.
    let chosen = (choices * u128::from(random)) >> u64::BITS;
    let nanos = u64::try_from(chosen).expect("256 s are fewer than 2^64 ns");
    SHORTEST_WAIT + Duration::from_nanos(nanos)
}

/// What the front end says when it fails to see a good request's token.
const GATEWAY_MOOD: &str = "Authorization header requires";

/// What the service says when a body breaks off or comes too slowly.
const BROKEN_BODY: [&str; 2] = ["Cannot complete upload", "Cannot read from request"];

/// Where the waits stop growing: 256 s. The service's advice to its clients.
const MOST_DOUBLINGS: u32 = 9;

/// rclone's floor: with less, a burst of lucky draws is no back-off at all.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Progress::*, *};

    const EVERY_PROGRESS: [Progress; 3] = [Unsent, Partial, Sent];
    const TRANSIENT: [Option<u16>; 6] =
        [Some(408), Some(500), Some(502), Some(503), Some(504), None];
    const GATEWAY_403: &str = "Authorization header requires 'Credential' parameter. \
        Authorization header requires 'Signature' parameter. Authorization=Bearer";

    /// Asserts one row of the table for all its statuses, and for `Retry-After` where
    /// that makes a difference.
    fn assert_row(
        statuses: impl IntoIterator<Item = Option<u16>>,
        message: &str,
        progresses: &[Progress],
        idempotent: &[bool],
        class: Class,
    ) {
        for status in statuses {
            for &progress in progresses {
                for &idempotent in idempotent {
                    for retry_after in [None, Some(Duration::ZERO), Some(Duration::from_secs(7))] {
                        let outcome = Outcome {
                            status,
                            message,
                            retry_after,
                            progress,
                            idempotent,
                        };
                        let expected = match (class, retry_after) {
                            (Class::Retry, Some(wait)) => Class::RetryAfter(wait),
                            _ => class,
                        };
                        assert_eq!(classify(&outcome), expected, "{outcome:?}");
                    }
                }
            }
        }
    }

    fn assert_always(statuses: impl IntoIterator<Item = u16>, message: &str, class: Class) {
        let statuses = statuses.into_iter().map(Some);
        assert_row(statuses, message, &EVERY_PROGRESS, &[true, false], class);
    }

    #[test]
    fn row_success_is_done() {
        assert_always(200..=399, "", Class::Done);
        assert_always([200], "Rate exceeded", Class::Done);
    }

    #[test]
    fn row_a_refused_token_is_refreshed() {
        assert_always([401], "Token has expired", Class::RefreshCredentials);
        assert_always([401], "", Class::RefreshCredentials);
    }

    #[test]
    fn row_a_body_the_service_could_not_read_is_as_no_answer() {
        for message in ["Cannot complete upload", "Cannot read from request."] {
            let row = |progresses: &[Progress], idempotent: &[bool], class| {
                assert_row([Some(400)], message, progresses, idempotent, class);
            };
            row(&[Unsent, Partial], &[true, false], Class::Retry);
            row(&[Sent], &[true], Class::Retry);
            row(&[Sent], &[false], Class::LookFirst);
        }
    }

    #[test]
    fn upload_waits_grow_with_the_content() {
        let three_minutes = Duration::from_secs(180);
        for (size, per_gb, wait) in [
            (1 << 30, three_minutes, three_minutes),
            (10 << 30, three_minutes, 10 * three_minutes),
            (1 << 20, three_minutes, Duration::from_nanos(175_781_250)),
            (0, three_minutes, Duration::ZERO),
            (1 << 40, Duration::ZERO, Duration::ZERO),
            (u64::MAX, Duration::MAX, Duration::from_nanos(u64::MAX)),
        ] {
            assert_eq!(upload_wait(size, per_gb), wait, "{size}");
        }
    }

    #[test]
    fn large_files_are_read_by_links() {
        for (size, threshold, route) in [
            (9, Some(10), Route::Content),
            (10, Some(10), Route::TemporaryLink),
            (0, Some(0), Route::TemporaryLink),
            (u64::MAX, None, Route::Content),
        ] {
            assert_eq!(download_route(size, threshold), route, "{size}");
        }
    }

    #[test]
    fn row_the_front_ends_random_403_is_sent_again() {
        assert_always([403], GATEWAY_403, Class::Retry);
    }

    #[test]
    fn row_too_many_requests_is_always_safe_to_send_again() {
        assert_always([429], "Rate exceeded", Class::Retry);
        assert_always([429], "", Class::Retry);
    }

    #[test]
    fn row_what_did_not_all_leave_is_sent_again() {
        let progresses = [Unsent, Partial];
        assert_row(TRANSIENT, "", &progresses, &[true, false], Class::Retry);
    }

    #[test]
    fn row_what_may_be_sent_twice_is_sent_again() {
        let message = "Internal failure";
        assert_row(TRANSIENT, message, &[Sent], &[true], Class::Retry);
    }

    #[test]
    fn row_what_may_have_worked_is_looked_for_first() {
        assert_row(TRANSIENT, "", &[Sent], &[false], Class::LookFirst);
    }

    #[test]
    fn row_anything_else_cannot_be_helped() {
        let others = (0..=u16::MAX)
            .filter(|status| !matches!(status, 200..=399 | 401 | 408 | 429 | 500 | 502..=504));
        assert_always(others, "Node does not exist", Class::GiveUp);
        assert_always([400], "Next token is expired", Class::GiveUp);
        assert_always([403], "File size exceeds account allowance.", Class::GiveUp);
        for moved_text in ["Cannot complete upload", GATEWAY_403] {
            assert_always([404, 409], moved_text, Class::GiveUp);
        }
        assert_always([400], GATEWAY_403, Class::GiveUp);
        assert_always([403], "Cannot complete upload", Class::GiveUp);
    }

    const PLENTY: Budget = Budget {
        attempts: u32::MAX,
        elapsed: Duration::MAX,
    };

    fn after(attempts: u32) -> State {
        State {
            attempts,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn jitter_spans_ten_milliseconds_to_a_power_of_two() {
        for (failures, longest_secs) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (100, 256)] {
            let wait = |random| next_wait(after(failures), PLENTY, None, random);
            assert_eq!(wait(0), Some(Duration::from_millis(10)), "{failures}");
            assert_eq!(wait(u64::MAX), Some(Duration::from_secs(longest_secs)));
            let middle = Duration::from_millis(longest_secs * 500 + 5);
            assert_eq!(wait(1 << 63), Some(middle), "{failures}");
        }
    }

    #[test]
    fn retry_after_beats_jitter_even_below_its_floor() {
        for wait in [Duration::ZERO, Duration::from_secs(3600)] {
            assert_eq!(next_wait(after(3), PLENTY, Some(wait), 42), Some(wait));
        }
    }

    #[test]
    fn the_last_attempt_is_the_budgets() {
        let budget = |attempts| Budget { attempts, ..PLENTY };
        let wait = |sent, attempts| next_wait(after(sent), budget(attempts), None, 0);
        assert!(wait(9, 10).is_some());
        assert_eq!(wait(10, 10), None);
        assert_eq!(wait(11, 10), None);
        assert_eq!(wait(1, 1), None);
        assert!(wait(0, 0).is_some(), "0 attempts count as 1");
        assert_eq!(wait(1, 0), None);
        assert_eq!(wait(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn a_wait_may_end_with_the_budget_but_not_pass_it() {
        let budget = Budget {
            attempts: 10,
            elapsed: Duration::from_secs(60),
        };
        let state = State {
            attempts: 1,
            elapsed: Duration::from_millis(59_990),
        };
        let shortest = Duration::from_millis(10);
        assert_eq!(next_wait(state, budget, None, 0), Some(shortest));
        assert_eq!(next_wait(state, budget, None, u64::MAX), None);
        assert_eq!(next_wait(state, budget, Some(shortest), 0), Some(shortest));
        let longer = shortest + Duration::from_nanos(1);
        assert_eq!(next_wait(state, budget, Some(longer), 0), None);
        let past = State {
            elapsed: Duration::from_secs(61),
            ..state
        };
        assert_eq!(next_wait(past, budget, Some(Duration::ZERO), 0), None);
    }

    #[test]
    fn a_retry_after_larger_than_the_budget_is_not_waited_for() {
        let budget = Budget {
            attempts: 10,
            elapsed: Duration::from_secs(60),
        };
        let wait = |secs| next_wait(after(1), budget, Some(Duration::from_secs(secs)), 0);
        assert_eq!(wait(60), Some(Duration::from_secs(60)));
        assert_eq!(wait(61), None);
        let forever = State {
            attempts: 1,
            elapsed: Duration::from_secs(1),
        };
        assert_eq!(next_wait(forever, PLENTY, Some(Duration::MAX), 0), None);
    }

    proptest! {
        #[test]
        fn waits_stay_in_range_and_grow_with_the_random_number(
            failures in 1..200_u32,
            mut randoms in any::<[u64; 2]>(),
        ) {
            randoms.sort_unstable();
            let [low, high] = randoms.map(|random| {
                next_wait(after(failures), PLENTY, None, random).unwrap()
            });
            prop_assert!(low <= high);
            prop_assert!(low >= Duration::from_millis(10));
            prop_assert!(high <= Duration::from_secs(1 << (failures.min(9) - 1)));
        }
    }
}
