//! What goes to standard error: lines of the log, and reports.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use time::{
    OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description,
};
use tracing::{Event, Level, Subscriber, field::Visit, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use super::{
    failure::Failure,
    requests::{self, Format, Requests},
};

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

    /// How lines of other kinds are to be written where they go elsewhere.
    pub(super) fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => Format::Text,
        }
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
        let now = SystemTime::now();
        if self.json {
            self.write_json(&json(now, level, message));
        } else {
            self.write(&format!("{}\n", text(local(now), level, message)));
        }
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

/// Whose requests the log of a server in this process shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// Our own, of interest only where details are.
    Embedded,
    /// Those of others: what serving is about.
    Serving,
}

/// Sends the log of this program, its component and its server to the console.
pub(super) fn init(console: Console, level: LevelFilter, server: Server, requests: Requests) {
    let details = match server {
        Server::Serving => LevelFilter::INFO,
        Server::Embedded if level >= LevelFilter::DEBUG => LevelFilter::INFO,
        Server::Embedded => LevelFilter::WARN,
    };
    // Who serves wants to see who asks, without -v.
    let asked = match server {
        Server::Serving if level > LevelFilter::ERROR => LevelFilter::INFO,
        _ => level.min(details),
    };
    // What libraries say in detail is about them and may quote requests.
    let ours = Targets::new()
        .with_target("acd", level)
        .with_target("amazon_drive_server", level.min(details))
        .with_target(requests::TARGET, asked)
        .with_default(level.min(LevelFilter::ERROR));
    let lines = Lines { console, requests };
    // Fails where a test has set one already, and then that one is meant.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(ours))
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

struct Lines {
    console: Console,
    requests: Requests,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == requests::TARGET {
            return self.requests.write(event);
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.console
            .line(*event.metadata().level(), message.0.trim_start());
    }
}

/// An event's message and fields, on one line.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

/// A line of the log, in rclone's layout.
pub(super) fn text(time: OffsetDateTime, level: Level, message: &str) -> String {
    let format = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
    let time = time.format(format).unwrap_or_default();
    let word = match level {
        Level::ERROR => "ERROR ",
        Level::WARN => "NOTICE",
        Level::INFO => "INFO  ",
        _ => "DEBUG ",
    };
    format!("{time} {word}: {}", one_line(message))
}

/// A line of the log as an object.
fn json(time: SystemTime, level: Level, message: &str) -> serde_json::Value {
    let time = OffsetDateTime::from(time).format(&Rfc3339);
    serde_json::json!({
        "level": level.as_str().to_ascii_lowercase(),
        "time": time.unwrap_or_default(),
        "msg": message,
    })
}

/// Text that neither breaks its line nor commands a terminal: what a server says may
/// hold anything.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// A moment as clocks here showed it then; as UTC showed it where that cannot be told.
pub(super) fn local(time: SystemTime) -> OffsetDateTime {
    let utc = OffsetDateTime::from(time);
    utc.to_offset(UtcOffset::local_offset_at(utc).unwrap_or(UtcOffset::UTC))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn lines_have_rclones_layout() {
        let time = datetime!(2026-11-24 9:05:07 +1);
        for (level, line) in [
            (Level::ERROR, "2026/11/24 09:05:07 ERROR : a: b"),
            (Level::WARN, "2026/11/24 09:05:07 NOTICE: a: b"),
            (Level::INFO, "2026/11/24 09:05:07 INFO  : a: b"),
            (Level::DEBUG, "2026/11/24 09:05:07 DEBUG : a: b"),
        ] {
            assert_eq!(text(time, level, "a: b"), line);
        }
    }

    #[test]
    fn message_cannot_break_its_line_or_command_a_terminal() {
        let line = text(
            datetime!(2026-11-24 9:05:07 UTC),
            Level::INFO,
            "a\n\x1b[31mé",
        );
        assert_eq!(line, "2026/11/24 09:05:07 INFO  : a\\n\\u{1b}[31mé");
    }

    #[test]
    fn object_has_level_time_and_message() {
        let line = json(SystemTime::UNIX_EPOCH, Level::WARN, "a\nb");
        assert_eq!(
            line.to_string(),
            r#"{"level":"warn","msg":"a\nb","time":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn each_v_says_more_and_q_less() {
        for (quiet, verbose, expected) in [
            (true, 0, LevelFilter::ERROR),
            (false, 0, LevelFilter::WARN),
            (false, 1, LevelFilter::INFO),
            (false, 2, LevelFilter::DEBUG),
            (false, 9, LevelFilter::DEBUG),
        ] {
            assert_eq!(level(quiet, verbose), expected);
        }
    }
}
