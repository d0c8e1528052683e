//! `copy` and `sync`: a run, followed and reported.

use std::sync::Arc;

use tracing::Level;

use super::{
    App, args, exit::Exit, failure::Failure, log::Console, output::Stop, progress::Progress, store,
};
use crate::{
    component::{Clashes, Sandbox},
    files::{Kind, shown},
    place::Place,
    transfer::{self, Change, Event, Mode, Observer, Outcome, Stats, Summary},
};

/// Runs one.
pub(super) async fn run(app: &App, mode: Mode, ends: &args::Ends) -> Result<Exit, Stop> {
    let source = app.open(&ends.source).await?;
    let destination = app.open(&ends.destination).await?;
    let data_dir = app.context().embedded_dir();
    // A source that holds the drive it goes to would hold all it sent before.
    if matches!(&destination, Place::Remote { shown, .. } if shown.starts_with("embedded:")) {
        store::spare(&source, data_dir)?;
    }
    if mode == Mode::Sync {
        store::spare(&destination, data_dir)?;
    }
    let clashes = match ends.name_clash {
        args::NameClash::Fail => Clashes::Fail,
        args::NameClash::Skip => Clashes::Skip,
        args::NameClash::Rename => Clashes::Rename,
    };
    let summary = transfer(app, clashes, async |sandbox, options, observer| {
        transfer::run(mode, source, destination, sandbox, options, observer).await
    });
    conclude(app, &summary.await?)
}

/// Has a run followed and reported, but for what became of it.
pub(super) async fn transfer(
    app: &App,
    clashes: Clashes,
    run: impl AsyncFnOnce(
        &Sandbox,
        transfer::Options,
        Arc<dyn Observer>,
    ) -> Result<Summary, transfer::Error>,
) -> Result<Summary, Failure> {
    let sandbox = app.context().sandbox().await?;
    let options = transfer::Options {
        transfers: app.options.transfers,
        checkers: app.options.checkers,
        dry_run: app.options.dry_run,
        clashes,
        retries: app.options.retries,
        streams: app.options.multi_thread_streams,
    };
    let console = app.console.clone();
    let reporter: Arc<dyn Observer> = if console.is_json() {
        Arc::new(Json { console })
    } else {
        Arc::new(Lines { console })
    };
    if app.options.progress && !app.console.is_json() {
        let progress = Progress::start(&app.console, reporter);
        let outcome = run(sandbox, options, progress.observer()).await;
        progress.finish();
        outcome
    } else {
        run(sandbox, options, reporter).await
    }
    .map_err(|error| Failure::from(&error))
}

/// Tells the numbers of a run, and its gravest error.
pub(super) fn conclude(app: &App, summary: &Summary) -> Result<Exit, Stop> {
    let stats = &summary.stats;
    if app.console.is_json() {
        app.console.write_json(&summary_json(stats));
    } else {
        let mut line = format!(
            "{} files transferred, {} the same, {} removed, {} errors",
            stats.files_sent, stats.unchanged, stats.deleted, stats.errors
        );
        if stats.files_confirmed > 0 {
            line.push_str(&format!("; {} confirmed late", stats.files_confirmed));
        }
        if stats.bytes_discarded > 0 {
            line.push_str(&format!("; {} bytes sent in vain", stats.bytes_discarded));
        }
        app.console_line(Level::INFO, &line);
    }
    // The gravest error is what has to be dealt with; each was told when it came.
    let worst = summary
        .errors
        .iter()
        .max_by_key(|item| item.error.severity());
    let Some(worst) = worst else {
        return Ok(Exit::Done);
    };
    let mut failure = Failure::from(&worst.error);
    let what = match stats.errors {
        1 => "1 item was not done".to_owned(),
        many => format!("{many} items were not done, this among them"),
    };
    failure.causes.insert(0, what);
    if summary.stopped {
        failure.causes[0].push_str(", and the run was broken off");
    }
    Err(Stop::Failed(failure))
}

fn summary_json(stats: &Stats) -> serde_json::Value {
    serde_json::json!({
        "event": "summary",
        "transferred": stats.files_sent,
        "confirmed": stats.files_confirmed,
        "bytes": stats.bytes_moved,
        "bytes_in_vain": stats.bytes_discarded,
        "same": stats.unchanged,
        "times_set": stats.times_set,
        "removed": stats.deleted,
        "folders_made": stats.folders_made,
        "listed": stats.listed,
        "errors": stats.errors,
    })
}

/// Tells what happens as lines of the log.
struct Lines {
    console: Console,
}

impl Observer for Lines {
    fn event(&self, event: Event<'_>) {
        let info = |line: String| {
            if tracing::enabled!(target: "acd", Level::INFO) {
                self.console.line(Level::INFO, &line);
            }
        };
        let notice = |line: String| {
            if tracing::enabled!(target: "acd", Level::WARN) {
                self.console.line(Level::WARN, &line);
            }
        };
        match event {
            Event::Finished { name, outcome, .. } => {
                info(format!("{}: {}", shown(name), outcome_word(outcome)));
            }
            Event::TimeSet { name } => info(format!("{}: time set", shown(name))),
            Event::FolderMade { name } => info(format!("{}: folder made", shown(name))),
            Event::Deleted { name, .. } => info(format!("{}: removed", shown(name))),
            Event::Would { name, change } => {
                notice(format!("{}: would {}", shown(name), change_words(change)));
            }
            Event::Notice { name, notice: what } => {
                notice(format!("{}: {what}", shown(name)));
            }
            Event::Unconfirmed { name, error, .. } => {
                let why = Failure::from(error).line();
                notice(format!(
                    "{}: all sent, without a clear answer ({why}): looking whether it is there",
                    shown(name)
                ));
            }
            Event::Restarted { name, error, .. } => {
                let why = Failure::from(error).line();
                notice(format!("{}: sent again: {why}", shown(name)));
            }
            Event::Failed { name, error, .. } => {
                let why = Failure::from(error).line();
                self.console
                    .line(Level::ERROR, &format!("{}: {why}", shown(name)));
            }
            _ => {}
        }
    }
}

/// Tells what happens as JSON objects.
struct Json {
    console: Console,
}

impl Observer for Json {
    fn event(&self, event: Event<'_>) {
        let value = match event {
            Event::Finished {
                name,
                bytes,
                outcome,
                ..
            } => serde_json::json!({
                "event": "sent", "path": name, "size": bytes, "how": outcome_word(outcome),
            }),
            Event::TimeSet { name } => {
                serde_json::json!({ "event": "time-set", "path": name })
            }
            Event::FolderMade { name } => {
                serde_json::json!({ "event": "folder-made", "path": name })
            }
            Event::Deleted { name, kind } => serde_json::json!({
                "event": "removed", "path": name, "folder": kind == Kind::Folder,
            }),
            Event::Would { name, change } => serde_json::json!({
                "event": "would", "path": name, "what": change_words(change),
            }),
            Event::Notice { name, notice } => serde_json::json!({
                "event": "notice", "path": name, "msg": notice.to_string(),
            }),
            Event::Failed { name, error, .. } => serde_json::json!({
                "event": "failed", "path": name, "code": error.code(),
                "msg": Failure::from(error).line(),
            }),
            _ => return,
        };
        self.console.write_json(&value);
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "copied (new)",
        Outcome::Overwritten => "copied (replaced existing)",
        Outcome::Confirmed => "copied (found there, and confirmed)",
        Outcome::ConfirmedLate => "copied (confirmed late)",
    }
}

fn change_words(change: Change) -> String {
    match change {
        Change::Create { bytes } => format!("copy it ({bytes} bytes)"),
        Change::Overwrite { bytes } => format!("replace what is there ({bytes} bytes)"),
        Change::SetTime => "set its time".to_owned(),
        Change::MakeFolder => "make the folder".to_owned(),
        Change::Remove { kind: Kind::Folder } => "remove the folder with all it holds".to_owned(),
        Change::Remove { .. } => "remove it".to_owned(),
    }
}
