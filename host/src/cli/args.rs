//! What can be typed. Pure data: nothing is read or looked up here. The comments are the
//! help.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{env, requests::Format};
use crate::config::value;

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
    /// Connections for one large file that is read and comes slowly
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 4,
        hide_short_help = true
    )]
    pub(super) multi_thread_streams: usize,
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
    /// How long an upload without a clear answer is looked for, for each GiB of it; 0 looks
    /// once
    #[arg(long, global = true, value_name = "TIME", value_parser = value::duration, hide_short_help = true)]
    pub(super) acd_upload_wait_per_gb: Option<Duration>,
    /// Read files of at least this size by a temporary link
    #[arg(long, global = true, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    pub(super) acd_templink_threshold: Option<MaybeSize>,
    /// Refuse to send larger files: the service takes none
    #[arg(long, global = true, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    pub(super) acd_max_file_size: Option<MaybeSize>,
    /// How names are written on remotes, in rclone's words such as Slash,InvalidUtf8,Dot, or
    /// None; goes before `encoding` in the config file
    #[arg(long, global = true, value_name = "WORDS")]
    pub(super) acd_encoding: Option<String>,
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
    /// Write standard input to a file, as it comes
    ///
    /// However long it is, nothing of it is kept on the way: it goes in one piece or not at
    /// all. Folders that are missing are made.
    Rcat {
        /// The file
        place: OsString,
    },
    /// Show how much room a remote's account has, and how much is used
    About {
        /// A remote
        remote: OsString,
    },
    /// Write what happened on a remote since a checkpoint, and the new checkpoint
    ///
    /// One line for each change: `changed`, `trashed` or `purged`, and the path, or the id
    /// where there is no path any more. The checkpoint to go on from comes last, on standard
    /// error; with --json each object has its own.
    Changes(Changes),
    /// Write a link that gives a file to whoever has it, for some two days
    Link {
        /// A file on a remote
        place: OsString,
    },
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
    /// Move the files of one folder into another, or one file into a folder
    ///
    /// Within one remote nothing is sent: the service moves what the destination does not
    /// have, a folder with all it holds at once. Elsewhere a file is copied, the copy is proven
    /// by its MD5, and then the file is removed. A file over another one: that one goes to the
    /// trash, on a remote.
    Move(MoveEnds),
    /// Move or rename one file or folder
    ///
    /// As `move`, but the destination is what the source is to be called, and not a folder
    /// that it goes into.
    Moveto(MoveEnds),
    /// List or restore what is in a remote's trash
    Trash(Trash),
    /// Refused: the service lets no program but its own empty the trash
    ///
    /// It does so itself: what went to the trash is gone for good 30 days later.
    Cleanup {
        /// A remote
        place: OsString,
    },
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
    Serve(Box<Serve>),
    /// Show the version
    Version,
}

#[derive(Args, Debug)]
pub(super) struct Ends {
    /// A folder or a file
    pub(super) source: OsString,
    /// A folder; made if it is not there
    pub(super) destination: OsString,
    /// What to do with a name that is the same as another one to the destination
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub(super) name_clash: NameClash,
}

/// What to do with names that differ by case only, or by how letters are composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum NameClash {
    /// Leave it out; that is an error
    Fail,
    /// Leave it out and say so
    Skip,
    /// Give it another name there, the same in every run, such as "a (clash 1a2b3c4d).txt"
    Rename,
}

#[derive(Args, Debug)]
pub(super) struct MoveEnds {
    /// A folder or a file
    pub(super) source: OsString,
    /// Where it goes; folders on the way are made
    pub(super) destination: OsString,
    /// Remove the source's folders as well that nothing is left in
    #[arg(long)]
    pub(super) delete_empty_src_dirs: bool,
}

#[derive(Args, Debug)]
pub(super) struct Trash {
    #[command(subcommand)]
    pub(super) command: TrashCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum TrashCommand {
    /// List what is in the trash, with the ids that `restore` takes
    ///
    /// Size, time of the last change, id and name. Of a folder only the folder itself.
    Ls {
        /// A remote
        place: OsString,
    },
    /// Put things back to where they were, with all that went to the trash with them
    Restore(Restore),
    /// Refused: the service lets no program but its own empty the trash
    Empty {
        /// A remote
        place: OsString,
    },
}

#[derive(Args, Debug)]
pub(super) struct Restore {
    /// A remote
    pub(super) place: OsString,
    /// Ids, as `acd trash ls` shows them; behind -- where one begins with -
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(super) ids: Vec<String>,
    /// All that is in the trash
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Args, Debug)]
pub(super) struct Changes {
    /// A remote
    pub(super) remote: OsString,
    /// Begin after this one; without it at the config's `checkpoint`, or with all there is
    #[arg(long, value_name = "CHECKPOINT")]
    pub(super) checkpoint: Option<String>,
    /// Go on until interrupted, asking again after this time, such as 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) poll: Option<Duration>,
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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Serve {
    #[command(subcommand)]
    pub(super) command: Option<ServeCommand>,
    #[command(flatten)]
    pub(super) options: ServeOptions,
}

#[derive(Subcommand, Debug)]
pub(super) enum ServeCommand {
    /// Say who may sign in to a server; the server may be running
    ///
    /// Each user has a drive of their own. The first that is added gets the one that the
    /// folder has already.
    User(ServeUser),
    /// Say which programs may ask users for leave; the server may be running
    Client(ServeClient),
    /// Copy a server's data to another folder; the server may be running
    ///
    /// The copy is of one moment, and is itself a folder that a server can run on. What it
    /// has already is not copied again; until the new one is whole, the one before stays.
    /// Files that lie on the same disk are not doubled: copy to another disk to be safe from
    /// the loss of this one.
    Backup(ServeBackup),
    /// Check that a server's data are whole; the server may be running
    ///
    /// One line for each thing that is wrong, with the node and what to do about it. Ends
    /// with status 0 if nothing is wrong, or nothing any more, and with 6 if something is.
    Fsck(ServeFsck),
}

#[derive(Args, Debug)]
pub(super) struct ServeUser {
    #[command(subcommand)]
    pub(super) command: UserCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum UserCommand {
    /// Add a user; asks for a password, or reads a line from standard input
    Add(NamedUser),
    /// List the users and where their drives are
    List(ServedData),
    /// Change a user's password; they have to sign in again
    Passwd(NamedUser),
    /// Remove a user with all tokens; what is in their drive stays
    Remove(NamedUser),
}

#[derive(Args, Debug)]
pub(super) struct ServeClient {
    #[command(subcommand)]
    pub(super) command: ClientCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum ClientCommand {
    /// Add a program, and show its id and its secret this once
    Add(NewClient),
    /// List the programs
    List(ServedData),
}

#[derive(Args, Debug)]
pub(super) struct NamedUser {
    /// The user's name, or an address of mail
    pub(super) name: String,
    #[command(flatten)]
    pub(super) data: ServedData,
}

#[derive(Args, Debug)]
pub(super) struct NewClient {
    /// What users are told it is called
    pub(super) name: String,
    /// Where users are sent back to; `:*` is any port, on this machine only
    #[arg(long = "redirect-uri", value_name = "URI", required = true)]
    pub(super) redirect_uris: Vec<String>,
    #[command(flatten)]
    pub(super) data: ServedData,
}

#[derive(Args, Debug)]
pub(super) struct ServedData {
    /// The server's data
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct ServeBackup {
    /// The server's data
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: PathBuf,
    /// Where the copy goes: a folder that is not there, empty, or an earlier backup
    #[arg(long, value_name = "FOLDER")]
    pub(super) to: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct ServeFsck {
    /// The server's data
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: PathBuf,
    /// Only look at the files' sizes, and do not read them
    #[arg(long)]
    pub(super) quick: bool,
    /// Put right what can be without losing anything
    #[arg(long)]
    pub(super) repair: bool,
}

/// When what was acknowledged is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ServeDurability {
    /// At once: nothing is lost even if the power fails
    Full,
    /// When the system likes: much faster, and the last seconds are lost if the power fails
    Relaxed,
}

#[derive(Args, Debug)]
pub(super) struct ServeOptions {
    /// Where it keeps its data; made if it is not there
    #[arg(long, value_name = "FOLDER", required_unless_present = "list_faults")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where it listens; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8181")]
    pub(super) listen: SocketAddr,
    /// Encrypt connections with this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// What clients reach it by, such as https://drive.example, if not by an address of this
    /// machine
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<String>,
    /// Listen on an address that other machines reach, without encryption
    #[arg(long)]
    pub(super) allow_remote: bool,
    /// When what it has acknowledged is on the disk
    #[arg(long, value_name = "WHEN", default_value = "full")]
    pub(super) durability: ServeDurability,
    /// Days until a node in the trash is gone for good; 0 keeps it for ever
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(super) purge_trash_after: u32,
    #[command(flatten)]
    pub(super) watch: ServeWatch,
    #[command(flatten)]
    pub(super) faults: ServeFaults,
}

/// What is told of a server that runs.
#[derive(Args, Debug)]
#[command(next_help_heading = "Watching it")]
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

/// What the real service did wrong, at will: for the tests of clients.
#[derive(Args, Debug)]
#[command(next_help_heading = "Faults of the service, for the tests of clients")]
pub(super) struct ServeFaults {
    /// Do what the service did wrong, such as 429,count=3; can be given several times
    #[arg(long, value_name = "RULE")]
    pub(super) fault: Vec<String>,
    /// More such rules: one a line, # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(super) fault_file: Vec<PathBuf>,
    /// Let who has the token in fault-admin.token change the rules, by /admin/faults
    #[arg(long)]
    pub(super) fault_admin: bool,
    /// List the faults there are, and end
    #[arg(long)]
    pub(super) list_faults: bool,
    /// List them as the document docs/faults.md
    #[arg(long, requires = "list_faults")]
    pub(super) markdown: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// A time that passes.
fn duration(text: &str) -> Result<Duration, String> {
    match value::duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// A size, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaybeSize(pub(super) Option<u64>);

fn size(text: &str) -> Result<MaybeSize, String> {
    value::size(text).map(MaybeSize)
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
    fn times_that_must_pass_are_no_nothing() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("0").is_err() && duration("x").is_err());
    }
}
