//! The log of requests that a server of this process answers: a line each.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, macros::format_description};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::{
    exit::Exit,
    failure::Failure,
    log::{self, Console},
};
use crate::files::shown;

/// How lines are written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// Where lines go, and how they look.
#[derive(Clone)]
pub(super) struct Requests {
    format: Format,
    sink: Sink,
}

#[derive(Clone)]
enum Sink {
    Console(Console),
    /// Opened for appending: each line is one write, so that others can write as well.
    File(Arc<File>),
}

impl Requests {
    /// Lines between those of the rest of the log.
    pub(super) fn to_console(console: Console) -> Self {
        Self {
            format: console.format(),
            sink: Sink::Console(console),
        }
    }

    /// Lines at the end of this file, which is made if it is not there, for its owner alone:
    /// names of files are in them.
    pub(super) fn to_file(path: &Path, format: Format) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        let opened = options.append(true).create(true).mode(0o600).open(path);
        let file = opened.map_err(|error| {
            let what = format!("{} cannot be written", shown(path));
            Failure::new("log-file", Exit::Usage, what).because(error)
        })?;
        let sink = Sink::File(Arc::new(file));
        Ok(Self { format, sink })
    }

    /// Writes the line of an event of [`TARGET`].
    pub(super) fn write(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = SystemTime::now();
        let line = match self.format {
            Format::Text => log::text(log::local(now), Level::INFO, &fields.text()),
            Format::Json => fields.json(now).to_string(),
        };
        let line = format!("{line}\n");
        match &self.sink {
            Sink::Console(console) => console.write(&line),
            // Nobody can be told that the disk is full: the console says enough by then.
            Sink::File(file) => {
                let _ = (&**file).write_all(line.as_bytes());
            }
        }
    }
}

/// What the server says of a request, by name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn word(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or("-")
    }

    fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    fn text(&self) -> String {
        let status = match self.0.get("status") {
            Some(status) => status.to_string(),
            None => "-".to_owned(),
        };
        let end = match self.word("end") {
            "complete" => "",
            "client-gone" => ", client went away",
            _ => ", reply broke off",
        };
        format!(
            "{} {}: {} {} {status}, {} B in, {} B out, {} ms{end} [{}]",
            self.word("peer"),
            self.word("client"),
            self.word("method"),
            self.word("path"),
            self.number("received"),
            self.number("sent"),
            self.number("milliseconds"),
            self.word("id"),
        )
    }

    /// Every key is in every line.
    fn json(&self, now: SystemTime) -> Value {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let time = OffsetDateTime::from(now).format(format);
        let field = |name: &str| self.0.get(name).cloned().unwrap_or_default();
        json!({
            "level": "info",
            "msg": "request",
            "time": time.unwrap_or_default(),
            "request_id": field("id"),
            "method": field("method"),
            "path": field("path"),
            "status": field("status"),
            "bytes_in": field("received"),
            "bytes_out": field("sent"),
            "milliseconds": field("milliseconds"),
            "client": field("client"),
            "peer": field("peer"),
            "end": field("end"),
        })
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.0.insert(field.name().into(), text.into());
    }
}

/// What the server logs requests under.
pub(super) const TARGET: &str = "amazon_drive_server::request";

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(status: Option<u64>, end: &str) -> Fields {
        let mut map = Map::new();
        for (name, value) in [
            ("id", "6f9c"),
            ("method", "GET"),
            ("path", "/drive/v1/nodes"),
            ("client", "rclone"),
            ("peer", "127.0.0.1:5000"),
            ("end", end),
        ] {
            map.insert(name.into(), value.into());
        }
        if let Some(status) = status {
            map.insert("status".into(), status.into());
        }
        for (name, value) in [("received", 0), ("sent", 512), ("milliseconds", 3)] {
            map.insert(name.into(), value.into());
        }
        Fields(map)
    }

    #[test]
    fn people_read_who_asked_for_what_and_what_came_of_it() {
        assert_eq!(
            fields(Some(200), "complete").text(),
            "127.0.0.1:5000 rclone: GET /drive/v1/nodes 200, 0 B in, 512 B out, 3 ms [6f9c]"
        );
        assert_eq!(
            fields(None, "client-gone").text(),
            "127.0.0.1:5000 rclone: GET /drive/v1/nodes -, 0 B in, 512 B out, 3 ms, client went away [6f9c]"
        );
    }

    #[test]
    fn programs_find_every_key_in_every_line() {
        let moment = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_426_608_245_007);
        let line = fields(None, "client-gone").json(moment);
        assert_eq!(
            line,
            json!({
                "level": "info", "msg": "request", "time": "2015-03-17T16:04:05.007Z",
                "request_id": "6f9c", "method": "GET", "path": "/drive/v1/nodes", "status": null,
                "bytes_in": 0, "bytes_out": 512, "milliseconds": 3, "client": "rclone",
                "peer": "127.0.0.1:5000", "end": "client-gone",
            })
        );
    }
}
