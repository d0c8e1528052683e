//! How fast an instance may ask, for all of its calls together.
//!
//! There is no pace until the service complains. Then one is found as TCP finds it: each
//! complaint takes a part of the rate away, and time brings it back, quickly at first,
//! slowly around the rate that was too much, and ever faster beyond it (CUBIC, RFC 9438).
//! After some minutes without a complaint there is no pace any more.
//!
//! A turn is a moment, given out in the order in which it was asked for. Nobody has to be
//! woken by another: tasks of a component cannot wake each other.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use crate::platform::{Level, Platform};

/// Gives out turns. One for each instance of a remote.
#[derive(Default)]
pub(crate) struct Pacer {
    state: RefCell<State>,
    /// The end of the last wait that was told.
    told: Cell<Duration>,
}

/// Leave to send one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Slow-downs before it was given. What this request meets says nothing of later ones.
    slow_downs: u32,
}

#[derive(Default)]
struct State {
    pace: Option<Pace>,
    /// Nothing is sent before: the service asked for it.
    hold: Duration,
    slow_downs: u32,
    /// Those who wait, and when their turn is. Times never fall.
    queue: VecDeque<(u64, Duration)>,
    /// Numbers given to those who wait.
    tickets: u64,
    /// When the next turn is free.
    free: Duration,
    passed: Passed,
}

/// A rate, as a function of the time since the last slow-down.
#[derive(Clone, Copy)]
struct Pace {
    /// Requests a second that were too many.
    ceiling: f64,
    /// The share of it that was taken away.
    taken: f64,
    since: Duration,
}

impl Pace {
    fn rate(self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.since).as_secs_f64();
        let time = passed / self.recovery() - 1.0;
        let scale = if time < 0.0 { self.taken } else { TAKEN };
        (self.ceiling * (1.0 + scale * time * time * time)).max(SLOWEST)
    }

    /// Seconds until the rate is again the one that was too much.
    fn recovery(self) -> f64 {
        let [shortest, longest] = RECOVERY;
        (RECOVERED / self.ceiling).clamp(shortest, longest)
    }

    /// Whether the rate is 26 times the one that was too much, and so means nothing.
    fn is_over(self, now: Duration) -> bool {
        now.saturating_sub(self.since).as_secs_f64() >= 6.0 * self.recovery()
    }

    /// Time between two turns.
    fn interval(self, now: Duration) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate(now))
    }
}

/// Requests that were let pass, by seconds of the clock.
#[derive(Default)]
struct Passed {
    second: u64,
    count: u32,
    /// Of the second before.
    before: u32,
}

impl Passed {
    fn turn_to(&mut self, now: Duration) {
        let second = now.as_secs();
        if second != self.second {
            self.before = match second == self.second + 1 {
                true => self.count,
                false => 0,
            };
            (self.second, self.count) = (second, 0);
        }
    }

    fn add(&mut self, now: Duration) {
        self.turn_to(now);
        self.count = self.count.saturating_add(1);
    }

    /// Of the last second or a little more: the next complaint soon tells if it is too
    /// much, and nothing does if it is too little.
    fn lately(&mut self, now: Duration) -> u32 {
        self.turn_to(now);
        self.count.saturating_add(self.before)
    }
}

impl State {
    /// A place in the queue, or none where there is nothing to wait for.
    fn queue_up(&mut self, now: Duration) -> Option<u64> {
        let last = self.queue.back().map_or(Duration::ZERO, |(_, time)| *time);
        let mut time = now.max(self.hold).max(last);
        if let Some(pace) = self.pace {
            time = time.max(self.free);
            self.free = time + pace.interval(time);
        }
        if time <= now {
            return None;
        }
        self.tickets += 1;
        self.queue.push_back((self.tickets, time));
        Some(self.tickets)
    }

    /// How long until a place's turn.
    fn left(&self, ticket: u64, now: Duration) -> Duration {
        let mut queue = self.queue.iter();
        let time = queue.find(|(other, _)| *other == ticket);
        time.map_or(Duration::ZERO, |(_, time)| time.saturating_sub(now))
    }

    /// Takes a part of the rate away, unless the request had left before that was done
    /// last. Says whether it was.
    fn slow_down(&mut self, turn: Turn, now: Duration) -> bool {
        if turn.slow_downs != self.slow_downs {
            return false;
        }
        self.slow_downs += 1;
        let (ceiling, taken) = match self.pace {
            // So soon again: the rate is not a little too high.
            Some(pace) if now < pace.since + SOON => (pace.rate(now), TAKEN_SOON),
            Some(pace) => (pace.rate(now), TAKEN),
            None => (f64::from(self.passed.lately(now)).max(FIRST_GUESS), TAKEN),
        };
        self.pace = Some(Pace {
            ceiling,
            taken,
            since: now.max(self.hold),
        });
        true
    }

    /// Moves all turns to come, as far as there is need to.
    fn put_off(&mut self, now: Duration) {
        let Some(pace) = self.pace else { return };
        // What has just been asked for too much is not asked for at once again.
        let mut time = self.hold.max(now + pace.interval(now));
        for (_, turn) in &mut self.queue {
            *turn = time.max(*turn);
            time = *turn + pace.interval(*turn);
        }
        self.free = self.free.max(time);
    }
}

/// A place in the queue, left when dropped: those behind do not wait for it.
struct Place<'a> {
    pacer: &'a Pacer,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.state.borrow_mut();
        state.queue.retain(|(ticket, _)| *ticket != self.ticket);
    }
}

impl Pacer {
    /// Waits for a turn. Dropping the future gives the place up.
    pub(crate) async fn turn(&self, platform: &impl Platform) -> Turn {
        self.end_if_over(platform);
        let ticket = self.state.borrow_mut().queue_up(platform.now());
        if let Some(ticket) = ticket {
            let place = Place {
                pacer: self,
                ticket,
            };
            loop {
                let left = self.state.borrow().left(place.ticket, platform.now());
                if left.is_zero() {
                    break;
                }
                self.tell(platform, left);
                platform.sleep(left).await;
            }
        }
        Turn {
            slow_downs: self.state.borrow().slow_downs,
        }
    }

    /// The request of a turn was let pass, whatever else came of it.
    pub(crate) fn passed(&self, now: Duration) {
        self.state.borrow_mut().passed.add(now);
    }

    /// Whether nothing is to be sent, and for longer than any turn that was given out.
    pub(crate) fn holds(&self, now: Duration) -> bool {
        now < self.state.borrow().hold
    }

    /// The request of a turn was too much for the service, which may have said for how
    /// long it wants none.
    pub(crate) fn complaint(
        &self,
        platform: &impl Platform,
        turn: Turn,
        retry_after: Option<Duration>,
    ) {
        let now = platform.now();
        let mut state = self.state.borrow_mut();
        if let Some(wait) = retry_after {
            state.hold = state.hold.max(now.saturating_add(wait));
        }
        let first = state.pace.is_none();
        if state.slow_down(turn, now) || retry_after.is_some() {
            state.put_off(now);
        }
        if let (true, Some(pace)) = (first, state.pace) {
            let rate = tenths((pace.rate(now) * 10.0).round() as u64);
            let line = format!("rate limited: trying {rate} requests a second");
            platform.log(Level::Info, &line);
        }
    }

    /// Says that something waits for the service's limit: once for those that wait at the
    /// same time.
    pub(crate) fn tell(&self, platform: &impl Platform, wait: Duration) {
        let end = platform.now() + wait;
        if end <= self.told.get() + WORTH_SAYING {
            return;
        }
        self.told.set(end);
        let level = match wait >= WORTH_SAYING {
            true => Level::Warn,
            false => Level::Debug,
        };
        let line = format!("waiting {} s: rate limited", seconds(wait));
        platform.log(level, &line);
    }

    fn end_if_over(&self, platform: &impl Platform) {
        let mut state = self.state.borrow_mut();
        if state.pace.is_some_and(|pace| pace.is_over(platform.now())) {
            state.pace = None;
            platform.log(Level::Info, "no longer rate limited");
        }
    }
}

/// A time in seconds with one decimal.
pub(crate) fn seconds(time: Duration) -> String {
    tenths(time.as_secs() * 10 + u64::from((time.subsec_millis() + 50) / 100))
}

/// A number of tenths, written by hand: what writes decimals would be here for this alone,
/// and takes 8 KB.
fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// The share of the rate that a complaint takes away: small, as the service is busy with
/// all that it has let pass. RFC 9438 has 0.3.
const TAKEN: f64 = 0.2;

/// The share where the one before was not enough.
const TAKEN_SOON: f64 = 0.5;

/// How soon after the one before that is.
const SOON: Duration = Duration::from_secs(1);

/// Requests to be let pass until the rate is back at what was too much. Some two are refused
/// each time: this is what keeps them below one in a hundred.
const RECOVERED: f64 = 150.0;

/// Seconds that this takes, at least and at most: a service that has had enough for a moment
/// should not be crept up to for long.
const RECOVERY: [f64; 2] = [10.0, 30.0];

/// Requests a second that a service is taken to stand at the first complaint, if it has
/// not stood more: it may have come before any other request.
const FIRST_GUESS: f64 = 10.0;

/// Requests a second below which no pace goes. A service that refuses these refuses all,
/// and the retries of each request end that.
const SLOWEST: f64 = 0.5;

/// Waits from here on are told without being asked for.
pub(crate) const WORTH_SAYING: Duration = Duration::from_secs(5);
