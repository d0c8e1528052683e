//! Whether every file's content is there and right, and nothing else is.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use fast_md5::Md5;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Check, Finding, FsckEvent, Problem};
use crate::{Error, content, data_dir::blocking, store::UsedObject};

/// What a look at an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    /// As it should be; so many bytes were read for that.
    Right(u64),
    Wrong(Problem, String),
}

impl<F: FnMut(FsckEvent<'_>)> Check<'_, F> {
    pub(super) async fn contents(&mut self) -> Result<(), Error> {
        self.used_objects().await?;
        self.unused_objects().await
    }

    async fn used_objects(&mut self) -> Result<(), Error> {
        let at_once = available_parallelism().map_or(1, usize::from);
        let quick = self.options.quick;
        let mut last = String::new();
        loop {
            let piece = self.then.objects_after(&last).await;
            let piece = piece.map_err(|error| self.storage(error))?;
            let Some(end) = piece.last() else {
                return Ok(());
            };
            last.clone_from(&end.object);
            let (content, root) = (self.paths.content.clone(), self.paths.root.clone());
            let mut looks =
                stream::iter(piece)
                    .map(|used| {
                        let path = content::path(&content, &used.object);
                        let root = root.clone();
                        async move {
                            blocking(&root, move || Ok((look(&path, &used, quick)?, used))).await
                        }
                    })
                    .buffer_unordered(at_once);
            while let Some((found, used)) = looks.try_next().await? {
                self.summary.contents += 1;
                match found {
                    Look::Right(bytes) => self.summary.bytes += bytes,
                    Look::Wrong(..) => self.suspect(used).await?,
                }
                self.progress();
            }
        }
    }

    /// Looks once more at what was wrong: the file may have been overwritten meanwhile, and
    /// its old content deleted.
    async fn suspect(&mut self, used: UsedObject) -> Result<(), Error> {
        let path = content::path(&self.paths.content, &used.object);
        let (quick, node) = (self.options.quick, used.node.clone());
        let object = used.object.clone();
        let again = blocking(&self.paths.root, move || look(&path, &used, quick)).await?;
        let Look::Wrong(problem, detail) = again else {
            return Ok(());
        };
        let uses = self.now.uses(&node, &object).await;
        if !uses.map_err(|error| self.storage(error))? {
            return Ok(());
        }
        let path = self.now.path(&node).await;
        let finding = Finding {
            problem,
            account: self.account.clone(),
            path: path.map_err(|error| self.storage(error))?,
            node: Some(node),
            detail,
            repaired: false,
        };
        self.found(&finding);
        Ok(())
    }

    async fn unused_objects(&mut self) -> Result<(), Error> {
        for folder in content::folders(&self.paths.content) {
            let mut names = Names::default();
            loop {
                let (read, piece) = {
                    let folder = folder.clone();
                    blocking(&self.paths.root, move || names.piece(&folder)).await?
                };
                names = read;
                if piece.is_empty() {
                    break;
                }
                let misplaced =
                    |name: &String| content::path(&self.paths.content, name) != folder.join(name);
                let (mut suspects, placed): (Vec<_>, Vec<_>) =
                    piece.into_iter().partition(misplaced);
                let unused = self.then.unused(&placed).await;
                suspects.extend(unused.map_err(|error| self.storage(error))?);
                for name in suspects {
                    self.unused_suspect(&folder.join(&name), &name).await?;
                }
            }
        }
        Ok(())
    }

    /// Looks once more: it may be on its way in, or out.
    async fn unused_suspect(&mut self, file: &Path, name: &str) -> Result<(), Error> {
        // In this order: an upload's content has a staged name until a node refers to it.
        let staged = {
            let (staging, name) = (self.paths.staging.clone(), name.to_owned());
            blocking(&self.paths.root, move || is_staged(&staging, &name)).await?
        };
        let misplaced = content::path(&self.paths.content, name) != file;
        let known = self.now.knows(name).await;
        let known = known.map_err(|error| self.storage(error))?;
        if staged || (known && !misplaced) || !file.exists() {
            return Ok(());
        }
        // In the wrong folder it may be the only copy of what a node refers to.
        let is_needed = known && !content::path(&self.paths.content, name).exists();
        let repaired = self.options.repair && !is_needed && {
            let file = file.to_owned();
            let deleted = blocking(&self.paths.root, move || content::remove(&file)).await;
            deleted.is_ok()
        };
        let shown = file.strip_prefix(&self.paths.root).unwrap_or(file);
        let finding = Finding {
            problem: Problem::UnusedContent,
            account: self.account.clone(),
            node: None,
            path: Some(shown.to_string_lossy().into_owned()),
            detail: match is_needed {
                true => "a node refers to it, but it lies in the wrong folder".into(),
                false => "nothing refers to it".into(),
            },
            repaired,
        };
        self.found(&finding);
        Ok(())
    }
}

/// Whether the object is what the metadata say. Blocking.
fn look(path: &Path, used: &UsedObject, quick: bool) -> io::Result<Look> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let detail = format!("object {} is not there", used.object);
            return Ok(Look::Wrong(Problem::MissingContent, detail));
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    if u64::try_from(used.size).ok() != Some(size) {
        let detail = format!("object {} has {size} bytes, not {}", used.object, used.size);
        return Ok(Look::Wrong(Problem::WrongSize, detail));
    }
    if quick {
        return Ok(Look::Right(0));
    }
    let mut md5 = Md5::new();
    let mut block = vec![0; BLOCK.min(usize::try_from(size).unwrap_or(BLOCK)).max(1)];
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => md5.update(&block[..read]),
        }
    }
    let digest = hex::encode(md5.finalize());
    Ok(match digest == used.md5 {
        true => Look::Right(size),
        false => {
            let detail = format!(
                "object {} has the MD5 {digest}, not {}",
                used.object, used.md5
            );
            Look::Wrong(Problem::WrongDigest, detail)
        }
    })
}

/// Whether a server has the object among its uploads, or a dead one had: the next start
/// sees to those.
fn is_staged(staging: &Path, object: &str) -> io::Result<bool> {
    let servers = match fs::read_dir(staging) {
        Ok(servers) => servers,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for server in servers {
        if server?.path().join(object).exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A folder read some names at a time.
#[derive(Default)]
struct Names(Option<fs::ReadDir>);

impl Names {
    /// The next names; none at the end. Blocking.
    fn piece(mut self, folder: &PathBuf) -> io::Result<(Self, Vec<String>)> {
        let mut entries = match self.0.take() {
            Some(entries) => entries,
            None => match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                    return Ok((self, Vec::new()));
                }
                Err(error) => return Err(error),
            },
        };
        let names = entries
            .by_ref()
            .take(PIECE)
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<io::Result<_>>()?;
        self.0 = Some(entries);
        Ok((self, names))
    }
}

/// Bytes read at once.
const BLOCK: usize = 256 * 1024;

/// Names looked up at once.
const PIECE: usize = 500;
