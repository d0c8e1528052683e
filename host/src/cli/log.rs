//! What goes to standard error: lines of the log, and reports.

use std::{
    fmt,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use time::{OffsetDateTime, UtcOffset, macros::format_description};
use tracing::{Event, Level, Subscriber, field::Visit, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use super::failure::Failure;

/// Standard error, shared by all that write to it, so that lines stay whole and do not
/// run into a progress display.
#[derive(Clone)]
pub(super) struct Console {
    json: bool,
    /// How to write while a progress display is up.
    around: Arc<Mutex<Option<Around>>>,
}

/// Takes the progress display away, runs the writing, and puts it back.
type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

impl Console {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            around: Arc::default(),
        }
    }

    /// Whether lines are JSON objects.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes around a display from now on, or no longer.
    pub(super) fn set_around(&self, around: Option<Around>) {
        *self.around.lock().unwrap_or_else(PoisonError::into_inner) = around;
    }

    /// Writes whole lines. Nobody can be told that standard error is gone.
    pub(super) fn write(&self, text: &str) {
        let mut write = || {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(text.as_bytes());
            let _ = stderr.flush();
        };
        match &*self.around.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(around) => around(&mut write),
            None => write(),
        }
    }

    /// Writes one JSON object as a line.
    pub(super) fn write_json(&self, value: &serde_json::Value) {
        self.write(&format!("{value}\n"));
    }

    /// Writes one line of the log.
    pub(super) fn line(&self, level: Level, message: &str) {
        let now = OffsetDateTime::from(SystemTime::now());
        if self.json {
            let rfc3339 = &time::format_description::well_known::Rfc3339;
            self.write_json(&serde_json::json!({
                "level": level.as_str().to_ascii_lowercase(),
                "time": now.format(rfc3339).unwrap_or_default(),
                "msg": message,
            }));
            return;
        }
        let local = now.to_offset(local_offset());
        let format = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
        let time = local.format(format).unwrap_or_default();
        let word = match level {
            Level::ERROR => "ERROR ",
            Level::WARN => "NOTICE",
            Level::INFO => "INFO  ",
            _ => "DEBUG ",
        };
        self.write(&format!("{time} {word}: {message}\n"));
    }

    /// Writes why the program failed.
    pub(super) fn failure(&self, failure: &Failure) {
        if self.json {
            self.write_json(&failure.json());
        } else {
            self.write(&failure.to_string());
        }
    }
}

/// Sends the log of this program and its component to the console.
pub(super) fn init(console: Console, level: LevelFilter) {
    // What libraries say in detail is about them and may quote requests.
    let ours = Targets::new()
        .with_target("acd", level)
        .with_target("amazon_drive_server", level.min(LevelFilter::INFO))
        .with_default(level.min(LevelFilter::ERROR));
    // Fails where a test has set one already, and then that one is meant.
    let _ = tracing_subscriber::registry()
        .with(Lines(console).with_filter(ours))
        .try_init();
}

/// The level behind `-q`, `-v` and `-vv`.
pub(super) fn level(quiet: bool, verbose: u8) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    }
}

struct Lines(Console);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.line(*event.metadata().level(), &message.0);
    }
}

/// An event's message and fields, on one line.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        let before = self.0.len();
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        // A name in a message must not break the line or command the terminal.
        if self.0[before..].contains(char::is_control) {
            let clean: String = self.0[before..]
                .chars()
                .flat_map(|c| {
                    let escaped = c.is_control().then(|| c.escape_default());
                    let plain = (!c.is_control()).then_some(c);
                    escaped.into_iter().flatten().chain(plain)
                })
                .collect();
            self.0.truncate(before);
            self.0.push_str(&clean);
        }
    }
}

/// This machine's offset from UTC, or UTC where it cannot be told.
pub(super) fn local_offset() -> UtcOffset {
    static OFFSET: std::sync::OnceLock<UtcOffset> = std::sync::OnceLock::new();
    *OFFSET.get_or_init(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC))
}
