//! Size and MD5 of content, counted while it passes.

use std::fmt;

use md5::{Digest as _, Md5};

/// What content turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Lower-case hexadecimal MD5, 32 digits.
    pub md5: String,
    /// Size in bytes.
    pub size: u64,
}

/// What content is supposed to be. `None` means not known, and is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Hexadecimal MD5 in either case.
    pub md5: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
}

impl Expected {
    /// Whether `actual` agrees in everything that is known.
    pub fn agrees(&self, actual: &Digest) -> bool {
        self.size.is_none_or(|size| size == actual.size)
            && self
                .md5
                .as_ref()
                .is_none_or(|md5| md5.eq_ignore_ascii_case(&actual.md5))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with MD5 {}", self.size, self.md5)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.size, &self.md5) {
            (Some(size), Some(md5)) => write!(f, "{size} bytes with MD5 {md5}"),
            (Some(size), None) => write!(f, "{size} bytes"),
            (None, Some(md5)) => write!(f, "MD5 {md5}"),
            (None, None) => f.write_str("anything"),
        }
    }
}

/// Builds a [`Digest`] block by block.
#[derive(Default)]
pub(super) struct Hasher {
    md5: Md5,
    size: u64,
}

impl Hasher {
    pub(super) fn update(&mut self, block: &[u8]) {
        self.md5.update(block);
        self.size += block.len() as u64;
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn finish(self) -> Digest {
        Digest {
            md5: hex::encode(self.md5.finalize()),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(content: &[u8]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(content);
        hasher.finish()
    }

    /// Values from RFC 1321, A.5.
    #[test]
    fn digest_is_lower_case_md5_and_size() {
        for (content, md5) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ] {
            let expected = Digest {
                md5: md5.to_owned(),
                size: content.len() as u64,
            };
            assert_eq!(digest(content.as_bytes()), expected);
        }
    }

    #[test]
    fn only_what_is_known_is_checked() {
        let abc = digest(b"abc");
        let other = "0".repeat(32);
        for (size, md5, agrees) in [
            (None, None, true),
            (Some(3), None, true),
            (Some(4), None, false),
            (None, Some(abc.md5.to_uppercase()), true),
            (None, Some(other.clone()), false),
            (Some(3), Some(other), false),
            (Some(4), Some(abc.md5.clone()), false),
        ] {
            let expected = Expected { md5, size };
            assert_eq!(expected.agrees(&abc), agrees, "{expected}");
        }
    }
}
