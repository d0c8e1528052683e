//! How far a run is: bars on a terminal, lines now and then elsewhere.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{
    BinaryBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle,
};

use super::log::Console;
use crate::{
    files::shown,
    transfer::{Event, Observer, Stats},
};

/// A progress display, up from `start` to `finish`.
pub(super) struct Progress {
    console: Console,
    follower: Arc<Follower>,
}

impl Progress {
    /// Puts one up. All events also go to `next`, whose lines appear above it.
    pub(super) fn start(console: &Console, next: Arc<dyn Observer>) -> Self {
        let view = if std::io::stderr().is_terminal() {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let total = bars.add(ProgressBar::new(0).with_style(total_style()));
            total.enable_steady_tick(TICK);
            let around = bars.clone();
            console.set_around(Some(Box::new(move |write| around.suspend(|| write()))));
            View::Bars {
                bars,
                total,
                files: HashMap::new(),
            }
        } else {
            View::Lines {
                told: Instant::now(),
            }
        };
        let follower = Arc::new(Follower {
            console: console.clone(),
            next,
            state: Mutex::new(State {
                stats: Stats::default(),
                started: Instant::now(),
                view,
            }),
        });
        Self {
            console: console.clone(),
            follower,
        }
    }

    /// What the run tells.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.follower) as Arc<dyn Observer>
    }

    /// Takes it down and says how it ended.
    pub(super) fn finish(self) {
        let mut state = self.follower.state();
        if let View::Bars { bars, total, files } = &mut state.view {
            files.clear();
            total.finish_and_clear();
            // A terminal that is gone needs no cleaning.
            let _ = bars.clear();
        }
        self.console.set_around(None);
        self.console.write(&format!("{}\n", state.line()));
    }
}

struct Follower {
    console: Console,
    next: Arc<dyn Observer>,
    state: Mutex<State>,
}

struct State {
    stats: Stats,
    started: Instant,
    view: View,
}

enum View {
    Bars {
        bars: MultiProgress,
        total: ProgressBar,
        files: HashMap<u64, ProgressBar>,
    },
    Lines {
        told: Instant,
    },
}

impl Follower {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Follower {
    fn event(&self, event: Event<'_>) {
        let line = {
            let mut state = self.state();
            state.stats.add(&event);
            state.show(&event)
        };
        // Outside of the lock: the line may have to wait for the display.
        if let Some(line) = line {
            self.console.write(&line);
        }
        self.next.event(event);
    }
}

impl State {
    /// Brings the bars up to date; the answer is a line to write where there are none.
    fn show(&mut self, event: &Event<'_>) -> Option<String> {
        let message = self.message();
        match &mut self.view {
            View::Bars { bars, total, files } => {
                total.set_length(self.stats.bytes_planned);
                total.set_position(self.stats.bytes_moved);
                total.set_message(message);
                match event {
                    Event::Started {
                        transfer,
                        name,
                        bytes,
                    } if files.len() < BARS => {
                        let bar = bars.add(ProgressBar::new(*bytes).with_style(file_style()));
                        bar.set_message(shown(*name).to_string());
                        files.insert(*transfer, bar);
                    }
                    Event::Advanced { transfer, bytes } => {
                        if let Some(bar) = files.get(transfer) {
                            bar.inc(*bytes);
                        }
                    }
                    Event::Resized { transfer, now, .. } => {
                        if let Some(bar) = files.get(transfer) {
                            bar.set_length(*now);
                        }
                    }
                    Event::Restarted { transfer, .. } => {
                        if let Some(bar) = files.get(transfer) {
                            bar.reset();
                        }
                    }
                    Event::Finished { transfer, .. }
                    | Event::Failed {
                        transfer: Some(transfer),
                        ..
                    } => {
                        if let Some(bar) = files.remove(transfer) {
                            bar.finish_and_clear();
                            bars.remove(&bar);
                        }
                    }
                    _ => {}
                }
                None
            }
            View::Lines { told } => {
                if told.elapsed() < PERIOD {
                    return None;
                }
                *told = Instant::now();
                Some(format!("{}\n", self.line()))
            }
        }
    }

    fn message(&self) -> String {
        format!("{} / {} files", self.stats.files_sent, self.stats.files_planned)
    }

    /// All of it on one line: bytes, share, rate, time left, files.
    fn line(&self) -> String {
        let Stats {
            bytes_moved,
            bytes_planned,
            ..
        } = self.stats;
        let elapsed = self.started.elapsed();
        let share = match bytes_planned {
            0 => 100,
            planned => u128::from(bytes_moved) * 100 / u128::from(planned),
        };
        let rate = u128::from(bytes_moved) * 1000 / elapsed.as_millis().max(1);
        let left = u128::from(bytes_planned.saturating_sub(bytes_moved));
        let eta = match left.checked_div(rate) {
            Some(seconds) => {
                let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                HumanDuration(Duration::from_secs(seconds)).to_string()
            }
            None if left == 0 => HumanDuration(Duration::ZERO).to_string(),
            None => "unknown".to_owned(),
        };
        format!(
            "Transferred: {} / {}, {share}%, {}/s, ETA {eta}; {}, {} the same, {} errors",
            BinaryBytes(bytes_moved),
            BinaryBytes(bytes_planned),
            BinaryBytes(u64::try_from(rate).unwrap_or(u64::MAX)),
            self.message(),
            self.stats.unchanged,
            self.stats.errors,
        )
    }
}

fn total_style() -> ProgressStyle {
    style("{binary_bytes} / {binary_total_bytes} {wide_bar} {binary_bytes_per_sec} ETA {eta}  {msg}")
}

fn file_style() -> ProgressStyle {
    style(" {percent:>3}% {binary_total_bytes:>10} {wide_msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Bars for single files: more would push the log off the screen.
const BARS: usize = 8;

/// Between redraws while nothing happens, so that rate and time left stay true.
const TICK: Duration = Duration::from_millis(250);

/// Between two lines where there is no terminal: a log file must stay readable.
const PERIOD: Duration = Duration::from_secs(10);
