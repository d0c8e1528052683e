//! The contract's records (`wit/`) as ordinary Rust types.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// A path on a remote: raw names from the root down. Empty is the root.
pub type NodePath = Vec<Vec<u8>>;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Content under a name.
    File,
    /// Holds other nodes.
    Folder,
}

/// A file or folder on the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Stable under rename and move.
    pub id: String,
    /// Raw name; empty for the root.
    pub name: Vec<u8>,
    /// File or folder.
    pub kind: Kind,
    /// Size in bytes; `None` for folders and for content that is not there yet.
    pub size: Option<u64>,
    /// Lower-case hexadecimal MD5; `None` where the service told none.
    pub md5: Option<String>,
    /// MIME type as the service has it.
    pub content_type: Option<String>,
    /// When the service created it.
    pub created: SystemTime,
    /// When the service last changed it; not the time of the file it was made from.
    pub modified: SystemTime,
    /// The time of the file it was made from, where it was kept with the node.
    pub original_time: Option<SystemTime>,
    /// The folders it is in; none for the root.
    pub parents: Vec<String>,
    /// Moves on each change of the node.
    pub version: u64,
}

/// A node by either of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By its path.
    Path(NodePath),
    /// By its id, which saves the lookup.
    Id(String),
}

/// A range of bytes; past the end is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte, from 0.
    pub start: u64,
    /// Number of bytes; `None` is all the rest.
    pub length: Option<u64>,
}

/// What the caller knows about the node a write goes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Existing {
    /// Nothing: look first, then create or overwrite.
    #[default]
    Unknown,
    /// There is none: create.
    Absent,
    /// Overwrite the content of this one.
    Node(String),
}

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Exact number of bytes to come; `None` when not known.
    pub size: Option<u64>,
    /// What is there now.
    pub existing: Existing,
    /// MIME type to declare; `None` is `application/octet-stream`.
    pub content_type: Option<String>,
    /// The file's own time, to be kept with the node.
    pub original_time: Option<SystemTime>,
    /// The same for all tries to send the same content, at most 100 characters: the service
    /// makes at most one node of them. `None` is a fresh one.
    pub idempotency_key: Option<String>,
}

/// How to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// What to read; `None` is all.
    pub range: Option<ByteRange>,
    /// Size of the whole file, which saves a look at the node.
    pub size: Option<u64>,
    /// MD5 that the whole file must have: with it the node is looked at first, and another
    /// content is [`Error::Changed`](super::Error::Changed).
    pub md5: Option<String>,
}

/// A write that may or may not have worked. Opaque: [`Remote::confirm`] finds out.
///
/// [`Remote::confirm`]: super::Remote::confirm
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    pub(super) place: UnconfirmedPlace,
    pub(super) size: u64,
    pub(super) detail: super::Detail,
}

impl Unconfirmed {
    /// Why it is not known.
    pub fn detail(&self) -> &super::Detail {
        &self.detail
    }
}

/// Where a write went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnconfirmedPlace {
    New { parent: String, name: String },
    Over { id: String, version: u64 },
}

/// Nowhere: for tests of callers.
impl Default for UnconfirmedPlace {
    fn default() -> Self {
        Self::New {
            parent: String::new(),
            name: String::new(),
        }
    }
}

/// A node below the folder that a walk began in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Names from that folder down, the node's own last.
    pub path: NodePath,
    /// The node.
    pub node: Node,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is there, and like this.
    Present(Node),
    /// It is in the trash.
    Trashed(Node),
    /// It is gone for good: its id.
    Purged(String),
}

/// Changes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Where to go on after this set.
    pub checkpoint: String,
    /// What was known before is void: all there is comes with this set and those after it.
    pub reset: bool,
    /// In order; may be none.
    pub changes: Vec<Change>,
}

/// So many files of so many bytes together, as far as the service tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Files.
    pub count: Option<u64>,
}

/// The files of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The service's word: `doc`, `photo`, `video`, `other`.
    pub category: String,
    /// All of them.
    pub total: Amount,
    /// Those that count towards the quota.
    pub billable: Amount,
}

/// An account, as far as the service tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The service's word, such as `ACTIVE`.
    pub status: Option<String>,
    /// Bytes there is room for altogether.
    pub quota: Option<u64>,
    /// Bytes there is room for still.
    pub available: Option<u64>,
    /// What is there, by category; behind what really is.
    pub usage: Vec<Usage>,
}

/// How a remote is reached. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Base URL of the discovery call, with its trailing `/`.
    pub endpoint: String,
    /// How raw names become service names.
    pub encoding: Encoding,
    /// How long to retry each request.
    pub retry: Budget,
    /// How long a write without a clear answer is looked for, for each GiB of its content.
    pub upload_wait_per_gb: Duration,
    /// Files of at least so many bytes are read by a temporary link; `None` is never.
    pub templink_threshold: Option<u64>,
    /// The most bytes the service takes as one file; `None` is no limit.
    pub largest_file: Option<u64>,
}

impl RemoteOptions {
    /// The defaults for a service whose discovery call is at `{endpoint}account/endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            encoding: Encoding::default(),
            retry: Budget::default(),
            // All three as rclone's defaults for this service.
            upload_wait_per_gb: Duration::from_secs(180),
            templink_threshold: Some(9 << 30),
            largest_file: Some(50_000 << 20),
        }
    }
}

/// How long to go on with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most sends, the first included.
    pub attempts: u32,
    /// Longest time from the first send to the last.
    pub elapsed: Duration,
}

impl Default for Budget {
    /// Ten sends, as rclone's `--low-level-retries`, within ten minutes: at the service's
    /// own pace of waits (up to 256 s each) a request that gets through at all does so
    /// well within that.
    fn default() -> Self {
        Self {
            attempts: 10,
            elapsed: Duration::from_secs(600),
        }
    }
}

/// A set of replacements in names, by rclone's words. [`Sandbox::parse_encoding`] makes
/// one of text.
///
/// [`Sandbox::parse_encoding`]: super::Sandbox::parse_encoding
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(pub(super) super::bindings::names::Encoding);

impl Default for Encoding {
    /// `Slash,InvalidUtf8,Dot`: rclone's default for this service.
    fn default() -> Self {
        use super::bindings::names::Encoding as Flags;
        Self(Flags::SLASH | Flags::INVALID_UTF8 | Flags::DOT | Flags::ZERO)
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One name on one side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The raw name.
    pub name: Vec<u8>,
    /// File or folder.
    pub kind: Kind,
    /// Size in bytes; `None` for folders and for content that is not there yet.
    pub size: Option<u64>,
    /// Lower-case hexadecimal MD5, where already known.
    pub md5: Option<String>,
}

/// How a destination tells names apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// By bytes.
    Exact,
    /// Ignoring case and how letters are composed, as the service may do.
    IgnoreCase,
}

/// What becomes of a name that the destination cannot hold beside another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clashes {
    /// It is an error.
    #[default]
    Fail,
    /// It is left out.
    Skip,
    /// It goes under another name, made of its own.
    Rename,
}

/// What a plan is allowed and asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// How the destination tells names apart.
    pub destination_names: NameRule,
    /// Whether items only the destination has are to be removed.
    pub remove_extra: bool,
    /// What becomes of names that clash.
    pub clashes: Clashes,
}

/// What to do with one name; see `wit/sync.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: known to be the same.
    Skip,
    /// Same size, and an MD5 is missing: find out both, then compare.
    Compare,
    /// Send: the destination has no such file.
    Create,
    /// Send over the destination's file.
    Overwrite,
    /// Make the folder, then go into it.
    MakeFolder,
    /// Go into the folder both sides have.
    Descend,
    /// Only the destination has it, and it is to go.
    Remove,
    /// Only the destination has it, and it stays.
    Keep,
    /// A file on one side, a folder on the other.
    KindConflict,
    /// The destination cannot hold this name beside another of the source's.
    NameClash,
    /// The same, and that it is left out was asked for.
    LeaveOut,
    /// The source's content is not there yet.
    NotReady,
}

/// One decision of a plan. Indices count into the two lists the plan was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The source's item; `None` for `Remove` and `Keep`.
    pub source: Option<u32>,
    /// The destination's item.
    pub destination: Option<u32>,
    /// Of a name that clashes: the source's item that goes first.
    pub winner: Option<u32>,
    /// The raw name it has or gets at the destination instead of its own.
    pub new_name: Option<Vec<u8>>,
}
