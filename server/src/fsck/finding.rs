//! What can be wrong with a data directory.

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing is wrong.
    pub problem: Problem,
    /// The further account in whose drive it is; `None`: the directory's own.
    pub account: Option<String>,
    /// The id of the node it is about.
    pub node: Option<String>,
    /// Where that node is, or the file it is about: `/folder/name` on the drive, with `?` in
    /// front if no way leads there; or the name of an object's file below the data directory.
    pub path: Option<String>,
    /// What exactly.
    pub detail: String,
    /// Whether it was put right.
    pub repaired: bool,
}

/// A kind of thing that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// SQLite says that its file is damaged.
    DamagedDatabase,
    /// A row refers to one that is not there.
    DanglingReference,
    /// There is no root, or more than one.
    NotOneRoot,
    /// The root is no folder, is in the trash, or lies in a folder.
    BadRoot,
    /// A node that is not the root lies in no folder.
    NoParent,
    /// A node lies in a file.
    ParentNotAFolder,
    /// A node has parents, but none of them can be reached from the root.
    Unreachable,
    /// A folder lies in itself, through others or not.
    Cycle,
    /// A folder has a node as available that is not, or the other way round.
    WrongLiveFlag,
    /// A folder has a node under another name in lower case than its own.
    WrongLowerCase,
    /// A node's status and its two flags of being in the trash contradict each other.
    WrongTrashFlags,
    /// The number of nodes kept for a folder is not that of its nodes.
    WrongCount,
    /// How much there is, as kept for each category, is not what the files add up to.
    WrongUsage,
    /// A node that is not among the changes.
    MissingChange,
    /// A file without size, digest, type or version.
    IncompleteFile,
    /// An object that a node uses is on the list of those to be deleted.
    UsedGarbage,
    /// A file's object is not there.
    MissingContent,
    /// A file's object is longer or shorter than the file.
    WrongSize,
    /// A file's object has other bytes than were uploaded.
    WrongDigest,
    /// An object that nothing refers to.
    UnusedContent,
}

impl Problem {
    /// A stable word for it.
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        self.words().1
    }

    /// Whether a repair can put it right, which never takes away a node or a file's content.
    pub fn is_repairable(self) -> bool {
        matches!(
            self,
            Self::WrongLiveFlag
                | Self::WrongCount
                | Self::WrongUsage
                | Self::MissingChange
                | Self::UsedGarbage
                | Self::UnusedContent
        )
    }

    fn words(self) -> (&'static str, &'static str) {
        const RESTORE: &str = "go back to a backup";
        const REPAIR: &str = "run with --repair";
        match self {
            Self::DamagedDatabase => ("damaged-database", RESTORE),
            Self::DanglingReference => ("dangling-reference", RESTORE),
            Self::NotOneRoot => ("not-one-root", RESTORE),
            Self::BadRoot => ("bad-root", RESTORE),
            Self::NoParent => (
                "no-parent",
                "put the node into a folder, or go back to a backup",
            ),
            Self::ParentNotAFolder => ("parent-not-a-folder", "move the node into a folder"),
            Self::Unreachable => (
                "unreachable",
                "move the node, or one above it, into a folder that can be reached",
            ),
            Self::Cycle => ("cycle", "move one of the folders to another place"),
            Self::WrongLiveFlag => ("wrong-live-flag", REPAIR),
            Self::WrongLowerCase => ("wrong-lower-case", "rename the node, and back"),
            Self::WrongTrashFlags => (
                "wrong-trash-flags",
                "put the node into the trash and restore it",
            ),
            Self::WrongCount => ("wrong-count", REPAIR),
            Self::WrongUsage => ("wrong-usage", REPAIR),
            Self::MissingChange => ("missing-change", REPAIR),
            Self::IncompleteFile => ("incomplete-file", "upload the file's content again"),
            Self::UsedGarbage => (
                "used-garbage",
                "run with --repair before a server is started on it",
            ),
            Self::MissingContent => (
                "missing-content",
                "upload the file's content again, or go back to a backup",
            ),
            Self::WrongSize => (
                "wrong-size",
                "upload the file's content again, or go back to a backup",
            ),
            Self::WrongDigest => (
                "wrong-digest",
                "upload the file's content again, or go back to a backup",
            ),
            Self::UnusedContent => ("unused-content", "run with --repair to delete it"),
        }
    }
}
