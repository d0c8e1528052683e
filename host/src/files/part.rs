//! Part files: content on its way to a final name.
//!
//! A part file lies beside its final path as `.{name}.{random}.acd-part`, where `name` is
//! cut so that the whole stays far under 255 bytes. Its writer holds an exclusive `flock`
//! on it for life, and the system gives that lock up with the process, however it dies.
//! So a part file whose lock can be had is debris, and nothing else is.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions, TryLockError},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use super::{Error, blocking};

/// An open part file. Dropping it removes it.
pub(super) struct Part {
    temporary: NamedTempFile,
    path: PathBuf,
    /// The ordinary file that has the final name now.
    replaced: Option<fs::Metadata>,
}

impl Part {
    /// A new part file for `path`. Blocking.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let folder = || Error::IsADirectory {
            path: path.to_owned(),
        };
        let name = path.file_name().ok_or_else(folder)?;
        if is_part_file(name) {
            return Err(Error::NameReserved {
                path: path.to_owned(),
            });
        }
        // Also says now, and not after the last byte, that a name is too long.
        let replaced = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => return Err(folder()),
            Ok(found) if found.is_file() => Some(found),
            Ok(found) if found.is_symlink() => None,
            Ok(_) => {
                return Err(Error::NotAFile {
                    path: path.to_owned(),
                });
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::new(CREATE, path, source)),
        };
        // A new file gets what an ordinary one gets, 0666 less the umask, from the kernel:
        // its content will be readable that far anyway. Over an old file, nobody else may
        // look until `persist` has restored its mode.
        let mode = if replaced.is_some() { 0o600 } else { 0o666 };
        loop {
            let temporary = tempfile::Builder::new()
                .prefix(&prefix(name))
                .rand_bytes(RANDOM)
                .suffix(SUFFIX)
                .permissions(Permissions::from_mode(mode))
                .tempfile_in(folder_of(path))
                .map_err(|source| Error::new(CREATE, path, source))?;
            // A sweep can come between creation and lock. It holds the lock while it
            // removes, so a file that still has its name once locked will keep it.
            match temporary.as_file().try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                // A file system without locks: no sweep can lock there either.
                Err(TryLockError::Error(_)) => {}
            }
            let links = temporary.as_file().metadata().map(|found| found.nlink());
            if links.map_err(|source| Error::new(CREATE, path, source))? > 0 {
                return Ok(Self {
                    temporary,
                    path: path.to_owned(),
                    replaced,
                });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Puts the content under its final name: all of it on the disk first, then the name,
    /// then the folder, so that neither a crash nor a power cut can show half a file, and
    /// success means the file is there to stay. Blocking.
    pub(super) fn persist(self) -> Result<(), Error> {
        let Self {
            temporary,
            path,
            replaced,
        } = self;
        let failed = |source| Error::new("finish", &path, source);
        let file = temporary.as_file();
        if let Some(old) = replaced {
            let new = file.metadata().map_err(failed)?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                // Only root may give files away; for all others the file is now theirs.
                let _ = fchown(file, Some(old.uid()), Some(old.gid()));
            }
            // Set-id bits were granted to the old content.
            let mode = Permissions::from_mode(old.mode() & 0o777);
            file.set_permissions(mode).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        // Keeps the file open, and so locked, until the part's name is gone.
        let _file = temporary
            .persist(&path)
            .map_err(|lost| failed(lost.error))?;
        sync_folder(folder_of(&path)).map_err(failed)
    }

    /// A part whose bytes go to another file instead, to make writing fail as that does.
    #[cfg(test)]
    pub(super) fn divert(&mut self, file: File) {
        *self.temporary.as_file_mut() = file;
    }
}

/// Whether this is the name of a part file. Listings that are compared skip those.
pub fn is_part_file(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let Some(rest) = bytes.strip_suffix(SUFFIX.as_bytes()) else {
        return false;
    };
    let Some((front, random)) = rest.split_last_chunk::<RANDOM>() else {
        return false;
    };
    random.iter().all(u8::is_ascii_alphanumeric)
        && front.len() > 2
        && front[0] == b'.'
        && front.ends_with(b".")
}

/// Removes a part file whose writer is dead; says whether it did. Anything else stays: a
/// name [`is_part_file`] does not know, a part being written, one that cannot be opened
/// or locked by this user or on this file system, one that is gone already.
///
/// # Errors
/// It is debris and cannot be removed.
pub async fn sweep_part(path: &Path) -> Result<bool, Error> {
    let owned = path.to_owned();
    blocking(SWEEP, path, move || sweep(&owned)).await
}

/// Removes the part files in this folder whose writers are dead, not those in folders
/// below; says how many. The rules are [`sweep_part`]'s.
///
/// # Errors
/// The folder cannot be read, or debris cannot be removed.
pub async fn sweep_parts(dir: &Path) -> Result<u64, Error> {
    let owned = dir.to_owned();
    blocking(SWEEP, dir, move || {
        let failed = |source| Error::new(SWEEP, &owned, source);
        let mut removed = 0;
        for entry in fs::read_dir(&owned).map_err(failed)? {
            removed += u64::from(sweep(&entry.map_err(failed)?.path())?);
        }
        Ok(removed)
    })
    .await
}

fn sweep(path: &Path) -> Result<bool, Error> {
    if !path.file_name().is_some_and(is_part_file) {
        return Ok(false);
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as _)
        .open(path);
    let Ok(file) = opened else {
        return Ok(false);
    };
    if !file.metadata().is_ok_and(|found| found.is_file()) || file.try_lock().is_err() {
        return Ok(false);
    }
    // Still locked: a writer that made the file a moment ago sees that and starts anew.
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::new(SWEEP, path, source)),
    }
}

/// `.{name}.`, cut at a character's end where the name is text, since some file systems
/// take nothing else.
fn prefix(name: &OsStr) -> OsString {
    let name = name.as_bytes();
    let end = match std::str::from_utf8(name) {
        Ok(text) => text.floor_char_boundary(NAME_KEPT),
        Err(_) => name.len().min(NAME_KEPT),
    };
    OsString::from_vec([b".", &name[..end], b"."].concat())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // A folder may be writable and not readable; its files are no worse for that.
    let Ok(folder) = File::open(folder) else {
        return Ok(());
    };
    match folder.sync_all() {
        // Some network file systems have no such thing for folders.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

const CREATE: &str = "create";
const SWEEP: &str = "clean up";
const SUFFIX: &str = ".acd-part";

/// Random characters of `[A-Za-z0-9]`: enough that a name never meets a stranger's file.
const RANDOM: usize = 12;

/// Bytes kept of the final name, so people see what a part belongs to. With all around
/// it 123 bytes: also fits encrypting file systems, which leave 143.
const NAME_KEPT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn part_files_are_told_from_others() {
        for (name, is) in [
            (".a.0123456789Ab.acd-part", true),
            ("...0123456789Ab.acd-part", true),
            (".x y.jpg.0123456789Ab.acd-part", true),
            ("a.0123456789Ab.acd-part", false),
            (".a.0123456789A.acd-part", false),
            (".a.0123456789-b.acd-part", false),
            (".a.0123456789Ab.acd-part2", false),
            ("..0123456789Ab.acd-part", false),
            (".0123456789Ab.acd-part", false),
            (".acd-part", false),
            ("", false),
        ] {
            assert_eq!(is_part_file(OsStr::new(name)), is, "{name}");
        }
    }

    #[test]
    fn part_name_is_known_and_short_whatever_the_final_name() {
        let dir = tempfile::tempdir().unwrap();
        let long = "é".repeat(127);
        for name in ["a", ".hidden", long.as_str()] {
            let part = Part::create(&dir.path().join(name)).unwrap();
            let names = names(dir.path());
            assert_eq!(names.len(), 1);
            assert!(is_part_file(&names[0]), "{names:?}");
            assert!(names[0].len() <= 123, "{names:?}");
            assert!(names[0].to_str().is_some(), "{names:?}");
            drop(part);
        }
        assert!(names(dir.path()).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn part_name_takes_bytes_that_are_no_text() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::create(&dir.path().join(OsStr::from_bytes(&[0xff; 255]))).unwrap();
        assert!(is_part_file(&names(dir.path())[0]));
        part.persist().unwrap();
        assert_eq!(names(dir.path()), [OsStr::from_bytes(&[0xff; 255])]);
    }

    #[tokio::test]
    async fn sweep_removes_parts_of_dead_writers_only() {
        let dir = tempfile::tempdir().unwrap();
        let live = Part::create(&dir.path().join("live")).unwrap();
        let live_path = live.temporary.path().to_owned();
        let dead = dir.path().join(".dead.0123456789Ab.acd-part");
        fs::write(&dead, "half").unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        let kept = [
            dir.path().join("mine.acd-part"),
            dir.path().join(".mine.acd-part"),
            below.join(".b.0123456789Ab.acd-part"),
        ];
        for path in &kept {
            fs::write(path, "mine").unwrap();
        }
        let folder = dir.path().join(".f.0123456789Ab.acd-part");
        fs::create_dir(&folder).unwrap();
        let link = dir.path().join(".l.0123456789Ab.acd-part");
        std::os::unix::fs::symlink(&kept[0], &link).unwrap();

        assert_eq!(sweep_parts(dir.path()).await.unwrap(), 1);
        assert!(!dead.exists());
        assert!(live_path.exists() && folder.exists() && link.is_symlink());
        assert!(kept.iter().all(|path| path.exists()));
        assert!(!sweep_part(&live_path).await.unwrap());

        drop(live);
        assert!(!live_path.exists());
    }

    /// The lock must end with the process and not with a destructor: here the writer is
    /// another process, killed with the lock held.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn sweep_sees_the_lock_of_another_process_and_its_death() {
        use std::{
            io::Read,
            process::{Command, Stdio},
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".a.0123456789Ab.acd-part");
        fs::write(&path, "half").unwrap();
        // `exec 9<` and `flock 9` keep the lock in the shell, which then waits for input.
        let mut writer = Command::new("sh")
            .args([
                "-c",
                "exec 9<\"$1\"; flock -x 9 && echo locked; read -r never",
                "sh",
            ])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        let stdout = writer.stdout.as_mut().unwrap();
        stdout.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"locked\n");
        assert!(!sweep_part(&path).await.unwrap());
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert!(sweep_part(&path).await.unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn writer_survives_a_sweep_at_any_moment() {
        let dir = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    for name in names(dir.path()) {
                        sweep(&dir.path().join(name)).unwrap();
                    }
                }
            });
            let finished: Vec<_> = (0..300)
                .map(|i| {
                    let part = Part::create(&dir.path().join(format!("file{i}")))?;
                    part.temporary
                        .persist(&part.path)
                        .map(drop)
                        .map_err(|lost| Error::new("finish", &part.path, lost.error))
                })
                .collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            for outcome in finished {
                outcome.unwrap();
            }
        });
        assert_eq!(names(dir.path()).len(), 300);
    }
}
