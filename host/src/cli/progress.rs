//! How far a run is: bars on a terminal, a line now and then elsewhere.
//!
//! Events only change numbers; a thread of its own looks at those and redraws. So a run
//! of many small files is not slowed down by its display, and one that waits for
//! something still shows that it is alive.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::log::Console;
use crate::{
    files::shown,
    transfer::{Event, Observer, Stats},
};

/// A progress display, up from `start` to `finish`, or until it is dropped.
pub(super) struct Progress {
    console: Console,
    follower: Arc<Follower>,
    started: Instant,
    /// Dropped to stop the thread.
    running: Option<mpsc::Sender<()>>,
    painter: Option<JoinHandle<()>>,
}

impl Progress {
    /// Puts one up. All events also go to `next`, whose lines appear above it.
    pub(super) fn start(console: &Console, next: Arc<dyn Observer>) -> Self {
        let started = Instant::now();
        let follower = Arc::new(Follower {
            next,
            state: Mutex::default(),
        });
        let view = if std::io::stderr().is_terminal() {
            View::Bars(Bars::new(console))
        } else {
            View::Lines {
                console: console.clone(),
                started,
                pace: Pace::new(started),
            }
        };
        let (running, stopped) = mpsc::channel();
        let painter = {
            let follower = Arc::clone(&follower);
            thread::Builder::new()
                .name("acd-progress".to_owned())
                .spawn(move || paint(view, &follower, &stopped))
        };
        Self {
            console: console.clone(),
            follower,
            started,
            running: Some(running),
            // Without a thread there is no display, and the run is none the worse.
            painter: painter.ok(),
        }
    }

    /// What the run tells.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.follower) as Arc<dyn Observer>
    }

    /// Takes it down and says how it ended.
    pub(super) fn finish(mut self) {
        self.take_down();
        let elapsed = self.started.elapsed();
        let stats = self.follower.state().stats;
        let rate = rate(stats.bytes_moved, elapsed);
        self.console
            .write(&format!("{}\n", line(&stats, rate, elapsed)));
    }

    fn take_down(&mut self) {
        self.running = None;
        if let Some(painter) = self.painter.take() {
            // It has nothing to say.
            let _ = painter.join();
        }
        self.console.set_around(None);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.take_down();
    }
}

struct Follower {
    next: Arc<dyn Observer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stats: Stats,
    /// Files on their way, the first begun first.
    active: BTreeMap<u64, File>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    name: String,
    bytes: u64,
    moved: u64,
}

impl Follower {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Follower {
    fn event(&self, event: Event<'_>) {
        self.state().add(&event);
        self.next.event(event);
    }
}

impl State {
    fn add(&mut self, event: &Event<'_>) {
        self.stats.add(event);
        match event {
            Event::Started {
                transfer,
                name,
                bytes,
            } => {
                let file = File {
                    name: (*name).to_owned(),
                    bytes: *bytes,
                    moved: 0,
                };
                self.active.insert(*transfer, file);
            }
            Event::Resized { transfer, now, .. } => self.change(*transfer, |it| it.bytes = *now),
            Event::Advanced { transfer, bytes } => self.change(*transfer, |it| it.moved += bytes),
            Event::Restarted { transfer, .. } => self.change(*transfer, |it| it.moved = 0),
            Event::Finished { transfer, .. }
            | Event::Failed {
                transfer: Some(transfer),
                ..
            } => {
                self.active.remove(transfer);
            }
            _ => {}
        }
    }

    fn change(&mut self, transfer: u64, change: impl FnOnce(&mut File)) {
        if let Some(file) = self.active.get_mut(&transfer) {
            change(file);
        }
    }
}

enum View {
    Bars(Bars),
    Lines {
        console: Console,
        started: Instant,
        pace: Pace,
    },
}

/// Redraws until told to stop.
fn paint(mut view: View, follower: &Follower, stopped: &mpsc::Receiver<()>) {
    let period = match view {
        View::Bars(_) => REDRAW,
        View::Lines { .. } => PERIOD,
    };
    while stopped.recv_timeout(period) == Err(mpsc::RecvTimeoutError::Timeout) {
        match &mut view {
            View::Bars(bars) => {
                // Not held while drawing: a slow terminal must not slow down the run.
                let (stats, files) = {
                    let state = follower.state();
                    let files = state.active.values().take(BARS).cloned();
                    (state.stats, files.collect::<Vec<_>>())
                };
                bars.draw(&stats, &files);
            }
            View::Lines {
                console,
                started,
                pace,
            } => {
                let stats = follower.state().stats;
                let rate = pace.rate(Instant::now(), stats.bytes_moved);
                console.write(&format!("{}\n", line(&stats, rate, started.elapsed())));
            }
        }
    }
    if let View::Bars(bars) = view {
        bars.clear();
    }
}

/// One bar for all, and one for each of the files that have been on their way longest.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    files: Vec<ProgressBar>,
}

impl Bars {
    fn new(console: &Console) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let around = all.clone();
        console.set_around(Some(Box::new(move |write| around.suspend(write))));
        Self {
            total: all.add(ProgressBar::new(0).with_style(style(TOTAL))),
            files: Vec::new(),
            all,
        }
    }

    fn draw(&mut self, stats: &Stats, files: &[File]) {
        self.total.set_length(stats.bytes_planned);
        self.total.set_position(stats.bytes_moved);
        self.total.set_message(counts(stats));
        // Also moves the rate and the time left where nothing else has moved.
        self.total.tick();
        while self.files.len() > files.len() {
            if let Some(bar) = self.files.pop() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        while self.files.len() < files.len() {
            let bar = ProgressBar::new(0).with_style(style(FILE));
            self.files.push(self.all.add(bar));
        }
        for (bar, file) in self.files.iter().zip(files) {
            bar.set_length(file.bytes);
            bar.set_position(file.moved);
            bar.set_message(shown(&file.name).to_string());
        }
    }

    fn clear(self) {
        for bar in self.files.iter().chain([&self.total]) {
            bar.finish_and_clear();
        }
        // A terminal that is gone needs no cleaning.
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Bytes per second between one look and the next.
struct Pace {
    at: Instant,
    moved: u64,
}

impl Pace {
    fn new(at: Instant) -> Self {
        Self { at, moved: 0 }
    }

    fn rate(&mut self, now: Instant, moved: u64) -> u64 {
        let since = now.saturating_duration_since(self.at);
        let rate = rate(moved.saturating_sub(self.moved), since);
        *self = Self { at: now, moved };
        rate
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let per_second = u128::from(bytes) * 1000 / time.as_millis().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// All of it on one line, as rclone has it and then the counts.
fn line(stats: &Stats, rate: u64, elapsed: Duration) -> String {
    let Stats {
        bytes_moved: moved,
        bytes_planned: planned,
        ..
    } = *stats;
    let share = match planned {
        0 => 100,
        _ => u128::from(moved) * 100 / u128::from(planned),
    };
    let left = planned.saturating_sub(moved);
    let eta = match (left, rate) {
        (0, _) => "0s".to_owned(),
        (_, 0) => "-".to_owned(),
        (left, rate) => short(left.div_ceil(rate)),
    };
    format!(
        "Transferred: {} / {}, {share}%, {}/s, ETA {eta}; {}; elapsed {}",
        BinaryBytes(moved),
        BinaryBytes(planned),
        BinaryBytes(rate),
        counts(stats),
        short(elapsed.as_secs()),
    )
}

/// Files and other items, without what did not happen.
fn counts(stats: &Stats) -> String {
    let mut counts = format!("{} / {} files", stats.files_sent, stats.files_planned);
    for (count, what) in [
        (stats.unchanged, "the same"),
        (stats.deleted, "removed"),
        (stats.errors, "failed"),
    ] {
        if count > 0 {
            counts.push_str(&format!(", {count} {what}"));
        }
    }
    counts
}

/// A time as rclone writes it: `2h5m10s`.
fn short(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

const TOTAL: &str =
    "{binary_bytes} / {binary_total_bytes} {wide_bar} {binary_bytes_per_sec}, ETA {eta}; {msg}";
const FILE: &str = " {percent:>3}% {binary_total_bytes:>10} {wide_msg}";

/// Bars for single files: more would push the log off the screen.
const BARS: usize = 8;

/// Between redraws: smooth to the eye, and no work to speak of.
const REDRAW: Duration = Duration::from_millis(200);

/// Between two lines where there is no terminal: a log file must stay readable.
const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Outcome;

    fn state(events: &[Event<'_>]) -> State {
        let mut state = State::default();
        for event in events {
            state.add(event);
        }
        state
    }

    fn started(transfer: u64, name: &str) -> [Event<'_>; 2] {
        let bytes = 100;
        [
            Event::Planned { name, bytes },
            Event::Started {
                transfer,
                name,
                bytes,
            },
        ]
    }

    #[test]
    fn line_tells_bytes_share_rate_time_left_and_counts() {
        let mut stats = state(&started(1, "a")).stats;
        stats.bytes_planned = 300 << 20;
        stats.bytes_moved = 12 << 20;
        let said = line(&stats, 10 << 20, Duration::from_secs(3725));
        assert_eq!(
            said,
            "Transferred: 12.00 MiB / 300.00 MiB, 4%, 10.00 MiB/s, ETA 29s; \
             0 / 1 files; elapsed 1h2m5s"
        );
        stats.errors = 2;
        stats.unchanged = 7;
        let said = line(&stats, 0, Duration::from_secs(65));
        let end = ", 0 B/s, ETA -; 0 / 1 files, 7 the same, 2 failed; elapsed 1m5s";
        assert!(said.ends_with(end), "{said}");
    }

    #[test]
    fn line_of_a_run_without_bytes_is_sound() {
        let said = line(&Stats::default(), 0, Duration::ZERO);
        assert_eq!(
            said,
            "Transferred: 0 B / 0 B, 100%, 0 B/s, ETA 0s; 0 / 0 files; elapsed 0s"
        );
    }

    #[test]
    fn files_are_shown_from_their_start_to_their_end() {
        let (a, b) = (started(1, "a"), started(2, "b"));
        let mut state = state(&[]);
        for event in b.iter().chain(&a) {
            state.add(event);
        }
        state.add(&Event::Advanced {
            transfer: 2,
            bytes: 40,
        });
        let seen = |state: &State| -> Vec<_> {
            let files = state.active.values();
            files
                .map(|it| (it.name.clone(), it.moved, it.bytes))
                .collect()
        };
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(seen(&state), [(a.clone(), 0, 100), (b, 40, 100)]);
        state.add(&Event::Finished {
            transfer: 2,
            name: "b",
            bytes: 100,
            outcome: Outcome::Created,
        });
        assert_eq!(seen(&state), [(a, 0, 100)]);
    }

    #[test]
    fn rate_is_that_of_the_last_period() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.rate(after(10), 1000), 100);
        assert_eq!(pace.rate(after(20), 1000), 0);
        assert_eq!(pace.rate(after(22), 1500), 250);
    }
}
