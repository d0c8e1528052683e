//! Folders of files: made, and looked at.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs,
    io::{Read as _, Write as _},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use md5::{Digest as _, Md5};

/// What a folder holds, at any depth, by the bytes of the paths below it.
#[derive(PartialEq, Eq, Clone, Default)]
pub struct Tree(pub BTreeMap<Vec<u8>, Entry>);

/// One file or folder.
#[derive(PartialEq, Eq, Clone, Debug)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A file: size and hexadecimal MD5.
    File(u64, String),
}

impl Tree {
    /// What `root` holds.
    pub fn of(root: &Path) -> Self {
        let mut tree = Self::default();
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            for entry in fs::read_dir(root.join(&below)).expect("the folder can be read") {
                let entry = entry.expect("the folder can be read");
                let below = below.join(entry.file_name());
                let kind = entry.file_type().expect("an entry has a type");
                let found = if kind.is_dir() {
                    open.push(below.clone());
                    Entry::Folder
                } else {
                    let (size, md5) = md5_of(&entry.path());
                    Entry::File(size, md5)
                };
                tree.0.insert(below.into_os_string().into_vec(), found);
            }
        }
        tree
    }

    /// The number of files.
    pub fn files(&self) -> usize {
        let is_file = |entry: &&Entry| matches!(entry, Entry::File(..));
        self.0.values().filter(is_file).count()
    }

    /// Writes a file below `root`, folders and all.
    pub fn write(root: &Path, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
        let path = root.join(OsStr::from_bytes(path.as_ref()));
        let folder = path.parent().expect("it lies below the root");
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes a file of `size` bytes that do not repeat, without holding it in memory.
    pub fn write_large(root: &Path, path: &str, size: u64) {
        let mut file = fs::File::create(root.join(path)).expect("a file can be made");
        let mut left = size;
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ size;
        let mut block = vec![0_u8; 1 << 20];
        while left > 0 {
            for word in block.chunks_exact_mut(8) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                word.copy_from_slice(&seed.to_le_bytes());
            }
            let count = left.min(block.len() as u64);
            let part = &block[..usize::try_from(count).expect("a block fits memory")];
            file.write_all(part).expect("the disk has room");
            left -= count;
        }
    }

    /// Names that have broken clients: quotes, control characters, bytes that are no
    /// text, quote runes and look-alikes, spaces and dots at the ends, both forms of
    /// composed letters.
    pub fn awkward_names() -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = [
            "it's \"quoted\" `here`",
            "new\nline",
            "tab\tand\x01control\x1f\x7f",
            "‛",
            "‛‛／",
            "full／width␀",
            "‛FF",
            "trailing space ",
            " leading space",
            "trailing dot.",
            "...",
            "．",
            "nfc-\u{e9}",
            "nfd-e\u{301}",
            "back\\slash",
            "a&b%41+c#d?e*f|g<h>i:j;k$l~m",
            "(brackets) [square] {curly} ^caret!",
            "emoji-\u{1f980}",
            "AND",
            "kind:FILE OR x",
            "-starts-with-dash",
            "\u{202e}right-to-left",
        ]
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
        names.extend([
            b"\xff".to_vec(),
            b"invalid-\xfe\x80-utf8".to_vec(),
            b"cut-\xe2\x82".to_vec(),
            vec![b'n'; 200],
        ]);
        names
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, entry) in &self.0 {
            writeln!(f, "{}: {entry:?}", path.escape_ascii())?;
        }
        Ok(())
    }
}

/// Size and hexadecimal MD5 of a file.
pub fn md5_of(path: &Path) -> (u64, String) {
    let mut file =
        fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hash = Md5::new();
    let mut block = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let count = file.read(&mut block).expect("the file can be read");
        if count == 0 {
            return (size, hex::encode(hash.finalize()));
        }
        hash.update(&block[..count]);
        size += count as u64;
    }
}
