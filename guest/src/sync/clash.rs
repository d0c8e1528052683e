//! Names for what clashes: made of a name alone, so that the next run makes the same.

use std::borrow::Cow;

/// `a (clash 1a2b3c4d).txt` for `a.txt`: as long as a local file system takes, and another
/// for each name and each attempt.
pub(super) fn made_name(name: &[u8], attempt: u32) -> Vec<u8> {
    let (stem, extension) = split(name);
    let room = LONGEST - MARK - extension.len();
    let stem = &stem[..end_of_character(stem, room)];
    let mut made = Vec::with_capacity(stem.len() + MARK + extension.len());
    made.extend_from_slice(stem);
    made.extend_from_slice(OPENING);
    let hash = hash(name, attempt);
    for place in (0..DIGITS).rev() {
        let digit = hash >> (4 * place) & 0xf;
        made.push(b"0123456789abcdef"[digit as usize]);
    }
    made.push(b')');
    made.extend_from_slice(extension);
    made
}

/// The name without what [`made_name`] put in, as often as it did.
pub(super) fn unmarked(name: &[u8]) -> Cow<'_, [u8]> {
    let mut name = Cow::Borrowed(name);
    loop {
        let (stem, extension) = split(&name);
        // An extension that is too long to be one was part of the stem.
        let (stem, extension) = match without_mark(stem) {
            Some(stem) => (stem, extension),
            None => return name,
        };
        name = Cow::Owned([stem, extension].concat());
    }
}

fn without_mark(stem: &[u8]) -> Option<&[u8]> {
    let (stem, digits) = stem.strip_suffix(b")")?.split_last_chunk::<DIGITS>()?;
    let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits
        .iter()
        .all(hexadecimal)
        .then(|| stem.strip_suffix(OPENING))?
}

/// A name's stem and its extension with the dot, where it has a short one.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 && (2..=EXTENSION).contains(&(name.len() - dot)) => name.split_at(dot),
        _ => (name, b""),
    }
}

/// The most of `bytes` that is no longer than `most` and ends where a character does.
fn end_of_character(bytes: &[u8], most: usize) -> usize {
    if bytes.len() <= most {
        return bytes.len();
    }
    let continues = |at: &usize| bytes[*at] & 0xc0 == 0x80;
    // A character has four bytes; what has more is none.
    (most.saturating_sub(3)..=most)
        .rev()
        .find(|at| !continues(at))
        .unwrap_or(most)
}

/// FNV-1a, both halves: short, the same for ever, and no one's secret depends on it.
fn hash(name: &[u8], attempt: u32) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let attempt = attempt.to_le_bytes();
    let more: &[u8] = if attempt == [0; 4] { &[] } else { &attempt };
    for byte in name.iter().chain(more) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    (hash >> 32) as u32 ^ hash as u32
}

const OPENING: &[u8] = b" (clash ";

const DIGITS: usize = 8;

/// Bytes put in.
const MARK: usize = OPENING.len() + DIGITS + 1;

/// Bytes of the longest extension, with its dot; what is longer is no extension.
const EXTENSION: usize = 17;

/// Bytes of a name on the local file systems it may have to go back to.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &[u8]) -> Vec<u8> {
        made_name(name, 0)
    }

    #[test]
    fn made_names_are_the_same_for_ever() {
        for (name, made) in [
            ("a.txt", "a (clash 29ce3fef).txt"),
            ("\u{e9}", "\u{e9} (clash bdda0906)"),
            (".tar.gz", ".tar (clash 8339b802).gz"),
        ] {
            assert_eq!(
                String::from_utf8(made_name(name.as_bytes(), 0)).unwrap(),
                made
            );
        }
        assert_ne!(made(b"a.txt"), made_name(b"a.txt", 1));
        assert_ne!(made(b"a.txt"), made(b"A.txt"));
    }

    #[test]
    fn made_names_fit_a_local_file_system_and_stay_text() {
        for name in [
            "x".repeat(255),
            "\u{e9}".repeat(127),
            "\u{1f980}".repeat(63) + ".rs",
            "x".repeat(250) + ".jpg",
            "x".repeat(238),
        ] {
            let made = made(name.as_bytes());
            assert!((238..=255).contains(&made.len()), "{}", made.len());
            assert!(std::str::from_utf8(&made).is_ok(), "{name}");
            let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
            assert!(made.ends_with(extension.as_bytes()));
        }
        assert_eq!(made(&[0xff; 255]).len(), 255);
        assert_eq!(made(&[0x80; 255]).len(), 255);
    }

    #[test]
    fn what_was_put_in_is_taken_out_and_nothing_else() {
        for name in [
            "a.txt",
            "a",
            ".a",
            "a.",
            "a.b.c",
            "a. not an extension",
            "v1.long enough to be none",
            "(clash 12345678)",
        ] {
            let (mut once, name) = (made(name.as_bytes()), name.as_bytes());
            assert_eq!(unmarked(&once), name, "{}", name.escape_ascii());
            once = made(&once);
            assert_eq!(unmarked(&once), name, "{}", name.escape_ascii());
        }
        for name in [
            "a (clash 1234567).b",
            "a (clash 1234567G).b",
            "a (clash 12345678) .b",
        ] {
            assert_eq!(unmarked(name.as_bytes()), name.as_bytes(), "{name}");
        }
    }
}
