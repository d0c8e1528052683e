//! Names: from a drive to this machine, and from this machine to a message.

use std::{borrow::Cow, ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

/// The local name for a drive's raw name: the same bytes, except where no Unix file
/// system can hold them. Those get the look-alikes rclone uses: `／` for `/`, `␀` for
/// NUL, `．` and `．．` for the whole names `.` and `..`; the empty name becomes `␀`.
///
/// The result is one path component: it never holds `/` or NUL and is never empty, `.`
/// or `..`, so joining it to a folder cannot leave that folder. Two raw names can get
/// the same local name only if one of them holds a look-alike already. Length is not
/// looked at; creating the file says [`NameTooLong`](super::Error::NameTooLong).
pub fn local_name(raw: &[u8]) -> Cow<'_, OsStr> {
    let whole = match raw {
        b"" => Some("␀"),
        b"." => Some("．"),
        b".." => Some("．．"),
        _ => None,
    };
    if let Some(name) = whole {
        return Cow::Borrowed(OsStr::new(name));
    }
    if !raw.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Cow::Borrowed(OsStr::from_bytes(raw));
    }
    let mut name = Vec::with_capacity(raw.len() + 8);
    for &byte in raw {
        match byte {
            b'/' => name.extend_from_slice("／".as_bytes()),
            0 => name.extend_from_slice("␀".as_bytes()),
            _ => name.push(byte),
        }
    }
    Cow::Owned(OsStr::from_bytes(&name).to_owned())
}

/// A path as text for messages: printable text as it is, `\` doubled, control and
/// invisible characters as `\n` or `\u{202e}`, bytes that are not UTF-8 as `\xff`. Never
/// breaks a line, never commands a terminal, and no two paths look the same.
pub fn shown<P: AsRef<Path> + ?Sized>(path: &P) -> impl fmt::Display + '_ {
    Shown(path.as_ref().as_os_str().as_bytes())
}

struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            // `escape_debug` also escapes quotes, which need no care here.
            for piece in chunk.valid().split_inclusive(['\'', '"']) {
                let text = piece.trim_end_matches(['\'', '"']);
                write!(f, "{}{}", text.escape_debug(), &piece[text.len()..])?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_a_file_system_cannot_hold_get_look_alikes() {
        for (raw, local) in [
            (&b""[..], "␀".as_bytes()),
            (b".", "．".as_bytes()),
            (b"..", "．．".as_bytes()),
            (b"...", b"..."),
            (b"../x", "..／x".as_bytes()),
            (b"/", "／".as_bytes()),
            (b"a\0b", "a␀b".as_bytes()),
            (b"a\xff/", b"a\xff\xef\xbc\x8f"),
            (b" a\n'\" ", b" a\n'\" "),
            (b"\xff\xfe", b"\xff\xfe"),
            ("‛／é".as_bytes(), "‛／é".as_bytes()),
        ] {
            assert_eq!(local_name(raw).as_bytes(), local, "{}", raw.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn local_name_is_one_ordinary_component(
            raw in prop::collection::vec(
                prop_oneof![Just(b'/'), Just(0), Just(b'.'), any::<u8>()], 0..12)
        ) {
            let name = local_name(&raw);
            prop_assert!(!name.as_bytes().contains(&b'/'));
            prop_assert!(!name.as_bytes().contains(&0));
            let parts: Vec<_> = Path::new(&name).components().collect();
            prop_assert_eq!(parts, [Component::Normal(&name)]);
        }

        #[test]
        fn shown_paths_are_one_line_and_differ(
            a in prop::collection::vec(any::<u8>(), 0..8),
            b in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let text = |bytes| shown(OsStr::from_bytes(bytes)).to_string();
            prop_assert!(!text(&a).contains(char::is_control));
            prop_assert_eq!(a == b, text(&a) == text(&b));
        }
    }

    #[test]
    fn shown_paths_read_as_written_where_they_can() {
        for (path, text) in [
            (&b"photos/it's \"me\".jpg"[..], "photos/it's \"me\".jpg"),
            (
                "Zürich/e\u{301}te\u{301}".as_bytes(),
                "Zürich/e\u{301}te\u{301}",
            ),
            (b"a\nb\x1b[31m", "a\\nb\\u{1b}[31m"),
            (b"\xff\\xff", "\\xff\\\\xff"),
            ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
        ] {
            assert_eq!(shown(OsStr::from_bytes(path)).to_string(), text);
        }
    }
}
