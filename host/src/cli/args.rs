//! What can be typed. Pure data: nothing is read or looked up here. The comments are the
//! help.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use super::{env, requests::Format};

/// Amazon Drive, and everything that still speaks its API.
///
/// A PLACE is a local path or `remote:path`. The remote `embedded:` is a drive in a
/// folder of yours and needs no configuration; others come from a config file in rclone's
/// format.
#[derive(Parser, Debug)]
#[command(name = "acd", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of all commands.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of all commands")]
pub(super) struct Global {
    /// The config file, in rclone's format; never written
    #[arg(long, global = true, value_name = "FILE", env = env::CONFIG)]
    pub(super) config: Option<PathBuf>,
    /// Where `embedded:` keeps its data
    #[arg(long, global = true, value_name = "FOLDER", env = env::EMBEDDED_DIR)]
    pub(super) embedded_dir: Option<PathBuf>,
    /// More certificate authorities to trust, in PEM
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) ca_cert: Vec<PathBuf>,
    /// Files on their way at once
    #[arg(long, global = true, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(super) transfers: usize,
    /// Folders listed and files compared at once
    #[arg(long, global = true, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(super) checkers: usize,
    /// Times a file is sent again after a broken connection
    #[arg(long, global = true, value_name = "N", default_value_t = 3)]
    pub(super) retries: u32,
    /// Times one request is sent, the first included
    #[arg(long, global = true, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) low_level_retries: u32,
    /// Longest time without a byte of a reply, such as 30s, 5m or 1h30m
    #[arg(long, global = true, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Longest time for a connection to come about
    #[arg(long, global = true, value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub(super) contimeout: Duration,
    /// Only say what would be done
    #[arg(long, short = 'n', global = true)]
    pub(super) dry_run: bool,
    /// Show how far it is
    #[arg(long, short = 'P', global = true)]
    pub(super) progress: bool,
    /// Say more: -v each file, -vv each request's troubles
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Say errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Write JSON, one object a line: data to standard output, all else to standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Run this backend component instead of the one built in
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(super) component: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// List the files below a place, with their sizes
    Ls {
        /// A folder or a file
        place: OsString,
    },
    /// List the folders of a place, one level
    Lsd {
        /// A folder
        place: OsString,
    },
    /// Write files to standard output, one after another
    Cat(Cat),
    /// Copy what differs from one folder into another; removes nothing
    ///
    /// The contents of a folder go into the destination folder; a single file goes into it
    /// under its own name. Files of the same size and MD5 are left alone.
    Copy(Ends),
    /// Make one folder like another, removing what the source does not have
    ///
    /// As `copy`, and then what only the destination has is removed (on a remote: moved to
    /// the trash), folder by folder, where all went well.
    Sync(Ends),
    /// Make a folder, with those above it
    Mkdir {
        /// The folder
        place: OsString,
    },
    /// Remove the files below a place; folders stay
    Delete {
        /// A folder or a file
        place: OsString,
    },
    /// Remove a folder with all it holds (on a remote: move it to the trash)
    Purge {
        /// The folder
        place: OsString,
    },
    /// Run an Amazon Drive for other programs, until interrupted
    Serve(Serve),
    /// Show the version
    Version,
}

#[derive(Args, Debug)]
pub(super) struct Ends {
    /// A folder or a file
    pub(super) source: OsString,
    /// A folder; made if it is not there
    pub(super) destination: OsString,
}

#[derive(Args, Debug)]
pub(super) struct Cat {
    /// Files
    #[arg(required = true)]
    pub(super) places: Vec<OsString>,
    /// Start at this byte
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "head")]
    pub(super) offset: u64,
    /// Write this many bytes
    #[arg(long, value_name = "N", conflicts_with = "head")]
    pub(super) count: Option<u64>,
    /// Write only the first bytes
    #[arg(long, value_name = "N")]
    pub(super) head: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Where it keeps its data; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: PathBuf,
    /// Where it listens; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8181")]
    pub(super) listen: SocketAddr,
    /// Listen on an address that other machines reach, without encryption
    #[arg(long)]
    pub(super) allow_remote: bool,
    #[command(flatten)]
    pub(super) watch: ServeWatch,
}

/// What is told of a server that runs.
#[derive(Args, Debug)]
pub(super) struct ServeWatch {
    /// How the line of each request is written; --json is for json as well
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: Format,
    /// Write the lines of requests to the end of this file, not to standard error
    #[arg(long, value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,
    /// Let who sends the bearer token in this file read /metrics from anywhere; programs on
    /// this machine need none, unless a proxy asks for others
    #[arg(long, value_name = "FILE")]
    pub(super) metrics_token_file: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// Go's form of a duration, as rclone takes it: numbers with units, or bare seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 30s, 5m or 1h30m");
    let bare;
    let mut rest = text;
    if text.parse::<f64>().is_ok() {
        bare = format!("{text}s");
        rest = &bare;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(digits);
        let end = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        let seconds = match &unit[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &unit[end..];
    }
    if total.is_zero() {
        return Err(wrong());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("5m", 300.0),
            ("3m0s", 180.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
            ("2d", 172_800.0),
            ("90", 90.0),
            ("0.5", 0.5),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "x", "5x", "m", "-5", "-5m", "5m-", "1e400s", "0s", "0"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
