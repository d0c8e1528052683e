//! Exit statuses: rclone's table.

use std::process::ExitCode;

/// How the program ended. Ordered by how much it says about what to do next; of several
/// errors the greatest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// 0: all was done.
    Done,
    /// 5: a temporary error; trying again may help.
    Temporary,
    /// 6: some items failed in a way that trying again will not change.
    Lasting,
    /// 2: another error.
    Other,
    /// 4: a file was not found.
    FileNotFound,
    /// 3: a folder was not found.
    FolderNotFound,
    /// 1: the command line or the configuration is wrong.
    Usage,
    /// 7: nothing more can be done before somebody does something about it.
    Fatal,
    /// 130: interrupted by the user, as shells have it for SIGINT.
    Interrupted,
}

impl Exit {
    /// The status.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Other => 2,
            Self::FolderNotFound => 3,
            Self::FileNotFound => 4,
            Self::Temporary => 5,
            Self::Lasting => 6,
            Self::Fatal => 7,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.status().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greatest_of_several_errors_decides() {
        let several = [Exit::Temporary, Exit::Fatal, Exit::Done, Exit::Lasting];
        assert_eq!(several.into_iter().max(), Some(Exit::Fatal));
        assert_eq!(Exit::Done.max(Exit::Temporary).status(), 5);
        assert_eq!(Exit::Lasting.max(Exit::Temporary).status(), 6);
    }
}
