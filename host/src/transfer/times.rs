//! The files' own times, where contents are the same.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use super::{
    Event, Notice, Run,
    event::Change,
    side::{Entry, Spot},
};

/// What a run knows of times.
#[derive(Default)]
pub(super) struct Times {
    /// Whether it was told that one could not be set.
    told: AtomicBool,
}

impl Times {
    /// Sets the time of a file whose content is that of the source, if the times differ.
    /// That it cannot be set is told once in a run, and no error: the content is there.
    pub(super) async fn agree(&self, run: &Run, file: &Spot, source: &Entry, there: &Entry) {
        let Some(time) = source.time.filter(|_| differ(source, there)) else {
            return;
        };
        let name = &file.label;
        if run.options.dry_run {
            let change = Change::SetTime;
            run.observer.event(Event::Would { name, change });
            return;
        }
        let set = run
            .patiently(|| run.destination.set_time(file, there, time))
            .await;
        match set {
            Ok(()) => run.observer.event(Event::TimeSet { name }),
            Err(error) if !self.told.swap(true, Ordering::Relaxed) => {
                let reason = reason(&error);
                let notice = Notice::TimeNotKept { reason };
                run.observer.event(Event::Notice { name, notice });
            }
            Err(_) => {}
        }
    }
}

/// Whether the destination is to be told the source's time. A file system that keeps whole
/// seconds only is not told for ever.
pub(super) fn differ(source: &Entry, destination: &Entry) -> bool {
    match (source.time, destination.time) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(time), Some(there)) => time != there && whole_second(time) != there,
    }
}

/// The start of a moment's second.
fn whole_second(time: SystemTime) -> SystemTime {
    let part = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.subsec_nanos(),
        Err(before) => match before.duration().subsec_nanos() {
            0 => 0,
            part => 1_000_000_000 - part,
        },
    };
    time - Duration::from_nanos(part.into())
}

/// An error and its causes on one line.
fn reason(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", reason(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Kind;

    fn entry(time: Option<(i64, u32)>) -> Entry {
        let epoch = SystemTime::UNIX_EPOCH;
        let time = time.map(|(seconds, part)| {
            let whole = Duration::from_secs(seconds.unsigned_abs());
            let second = if seconds < 0 {
                epoch - whole
            } else {
                epoch + whole
            };
            second + Duration::from_nanos(part.into())
        });
        Entry {
            name: Box::default(),
            kind: Kind::File,
            size: Some(0),
            md5: None,
            id: None,
            time,
        }
    }

    #[test]
    fn times_differ_if_the_destination_could_tell_them_apart() {
        for (source, destination, result) in [
            (None, None, false),
            (None, Some((5, 0)), false),
            (Some((5, 0)), None, true),
            (Some((5, 7)), Some((5, 7)), false),
            (Some((5, 7)), Some((5, 8)), true),
            (Some((5, 7)), Some((5, 0)), false),
            (Some((5, 0)), Some((5, 7)), true),
            (Some((5, 7)), Some((6, 0)), true),
            (Some((-5, 7)), Some((-5, 0)), false),
            (Some((-5, 7)), Some((-4, 0)), true),
        ] {
            let case = format!("{source:?} {destination:?}");
            assert_eq!(
                differ(&entry(source), &entry(destination)),
                result,
                "{case}"
            );
        }
    }
}
