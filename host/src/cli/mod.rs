//! The command line: what was typed, what it means, and what came of it.

use std::{
    env::consts::{ARCH, OS},
    ffi::OsStr,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser as _;
use etcetera::BaseStrategy as _;
use tracing::Level;

mod about;
mod args;
mod change;
mod changes;
mod copy;
mod env;
mod exit;
mod failure;
mod list;
mod log;
mod moves;
mod output;
mod progress;
mod rcat;
mod relocate;
mod requests;
mod serve;
mod store;
mod trash;
mod walk;

use args::{Cli, Command, Global};
use exit::Exit;
use failure::Failure;
use log::Console;
use output::{Output, Stop};
use requests::{Format, Requests};

use crate::{
    component::{BUILT_IN_SHA256, Budget, HttpOptions},
    config::ServiceOptions,
    place::{self, Context, Place},
    transfer::Mode,
};

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error).into(),
    };
    let json = cli.global.json
        || matches!(&cli.command, Command::Serve(serve) if serve.options.watch.log_format == Format::Json);
    let console = Console::new(json);
    // Nothing else is needed for it, so nothing else is started.
    if matches!(cli.command, Command::Version) {
        return end(&console, version());
    }
    let level = log::level(cli.global.quiet, cli.global.verbose);
    let server = match &cli.command {
        Command::Serve(_) => log::Server::Serving,
        _ => log::Server::Embedded,
    };
    let requests = match &cli.command {
        Command::Serve(serve) => serve::requests(&serve.options.watch, &console),
        _ => Ok(Requests::to_console(console.clone())),
    };
    match requests {
        Ok(requests) => log::init(console.clone(), level, server, requests),
        Err(failure) => return end(&console, Err(failure.into())),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(cli, console.clone()));
            // What was on its way is removed; what still reads a file, nobody waits for.
            runtime.shutdown_timeout(CLEAN_UP);
            outcome
        }
        Err(error) => Err(Failure::new("runtime", Exit::Other, error.to_string()).into()),
    };
    end(&console, outcome)
}

/// Help where it was asked for, or what is wrong with the command line.
fn misread(error: &clap::Error) -> Exit {
    // Nobody is left to be told if it cannot be printed.
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(what) => {
            let _ = write!(io::stderr(), "error[usage]: {what}");
        }
        None => {
            let _ = error.print();
        }
    }
    Exit::Usage
}

fn end(console: &Console, outcome: Result<Exit, Stop>) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(Stop::Closed) => Exit::Done.into(),
        Err(Stop::Failed(failure)) => {
            console.failure(&failure);
            failure.exit.into()
        }
    }
}

async fn run(cli: Cli, console: Console) -> Result<Exit, Stop> {
    let app = App::new(cli.global, console)?;
    // `serve` ends in an orderly way by itself.
    if let Command::Serve(serve) = &cli.command {
        return serve::run(&app, serve).await;
    }
    tokio::select! {
        outcome = app.command(&cli.command) => outcome,
        Ok(()) = tokio::signal::ctrl_c() => {
            let failure = Failure::new("interrupted", Exit::Interrupted, "interrupted");
            Err(Stop::Failed(match cli.command {
                Command::Move(_) | Command::Moveto(_) => failure.hint(
                    "nothing is lost: run it again, and it goes on from where it is",
                ),
                Command::Copy(_) | Command::Sync(_) => failure.hint(
                    "files that were on their way are not there; run it again: what is done \
                     already is not done twice",
                ),
                _ => failure,
            }))
        }
    }
}

/// The program, as far as all commands share it.
struct App {
    console: Console,
    options: Global,
    context: Context,
}

impl App {
    fn new(options: Global, console: Console) -> Result<Self, Failure> {
        let directories = || {
            etcetera::choose_base_strategy().map_err(|_| {
                Failure::new("no-home", Exit::Usage, "this user has no home folder")
                    .hint("set HOME, or say --config and --embedded-dir")
            })
        };
        let config = match &options.config {
            Some(path) => (path.clone(), true),
            None => (directories()?.config_dir().join("acd/acd.conf"), false),
        };
        let embedded_dir: PathBuf = match &options.embedded_dir {
            Some(path) => path.clone(),
            None => directories()?.data_dir().join("acd/embedded"),
        };
        let context = Context::new(place::Options {
            config,
            embedded_dir,
            encoding: options.acd_encoding.clone(),
            component: options.component.clone(),
            http: HttpOptions {
                ca_certificates: options.ca_cert.clone(),
                connect_timeout: options.contimeout,
                idle_timeout: options.timeout,
                ..HttpOptions::default()
            },
            retry: Budget {
                attempts: options.low_level_retries,
                ..Budget::default()
            },
            service: ServiceOptions {
                upload_wait_per_gb: options.acd_upload_wait_per_gb,
                templink_threshold: options.acd_templink_threshold.map(|size| size.0),
                max_file_size: options.acd_max_file_size.map(|size| size.0),
            },
        });
        Ok(Self {
            console,
            options,
            context,
        })
    }

    async fn command(&self, command: &Command) -> Result<Exit, Stop> {
        match command {
            Command::Ls { place } => list::ls(self, place).await,
            Command::Lsd { place } => list::lsd(self, place).await,
            Command::Cat(cat) => list::cat(self, cat).await,
            Command::Rcat { place } => rcat::rcat(self, place).await,
            Command::About { remote } => about::about(self, remote).await,
            Command::Changes(options) => changes::run(self, options).await,
            Command::Link { place } => about::link(self, place).await,
            Command::Copy(ends) => copy::run(self, Mode::Copy, ends).await,
            Command::Sync(ends) => copy::run(self, Mode::Sync, ends).await,
            Command::Move(ends) => moves::move_into(self, ends).await,
            Command::Moveto(ends) => moves::move_to(self, ends).await,
            Command::Trash(trash) => trash::run(self, &trash.command).await,
            Command::Cleanup { place } => trash::empty(self, place).await,
            Command::Mkdir { place } => change::mkdir(self, place).await,
            Command::Delete { place } => change::delete(self, place).await,
            Command::Purge { place } => change::purge(self, place).await,
            Command::Serve(serve) => serve::run(self, serve).await,
            Command::Version => version(),
        }
    }

    fn context(&self) -> &Context {
        &self.context
    }

    async fn open(&self, text: &OsStr) -> Result<Place, Failure> {
        Ok(place::open(text, &self.context).await?)
    }

    /// Tells of an item that failed while others go on.
    fn item_failed(&self, item: &str, failure: &Failure) -> Exit {
        let item = crate::files::shown(item).to_string();
        let line = failure.line();
        if line.contains(&item) {
            self.console.line(Level::ERROR, &line);
        } else {
            self.console.line(Level::ERROR, &format!("{item}: {line}"));
        }
        failure.exit
    }

    /// Tells what a dry run leaves undone.
    fn would(&self, action: &str, item: &str) {
        let item = crate::files::shown(item);
        self.console_line(Level::WARN, &format!("would {action}: {item}"));
    }

    /// A line of the log, if its level is wanted.
    fn console_line(&self, level: Level, line: &str) {
        if level <= log::level(self.options.quiet, self.options.verbose) {
            self.console.line(level, line);
        }
    }
}

/// `version`: works wherever the program starts.
fn version() -> Result<Exit, Stop> {
    let mut output = Output::new();
    output.write(
        format!(
            "acd v{}\n- os/arch: {OS}/{ARCH}\n- component: sha256 {BUILT_IN_SHA256}\n",
            env!("CARGO_PKG_VERSION"),
        )
        .as_bytes(),
    )?;
    output.flush()?;
    Ok(Exit::Done)
}

/// Longest time for the removal of unfinished files at the end.
const CLEAN_UP: std::time::Duration = std::time::Duration::from_secs(2);
