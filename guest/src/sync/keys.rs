//! Which names are one name.

use std::borrow::Cow;

use super::{
    NameRule, clash,
    decompose::{combining_class, decompose},
};

/// Equal keys, same name.
pub(super) fn match_key(name: &[u8], rule: NameRule) -> Cow<'_, [u8]> {
    match rule {
        NameRule::Exact => Cow::Borrowed(name),
        NameRule::IgnoreCase => fold(name),
    }
}

/// Equal for names that one plan must see together: those that are one name, and those
/// that were made of such. Cut, since a made name may be cut too; what begins so long alike
/// is planned together for nothing.
pub(super) fn slice_key(name: &[u8]) -> Vec<u8> {
    let mut key = fold(&clash::unmarked(name)).into_owned();
    key.truncate(SLICE_KEY);
    key
}

/// The name decomposed as Unicode has it, each character in lower case, and bytes that are
/// not UTF-8 as they are.
fn fold(name: &[u8]) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        return if name.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
    }
    let mut key = Vec::with_capacity(name.len() + name.len() / 2);
    let mut folded = Folded::default();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Not `str::to_lowercase`: its `Σ` depends on the place in a word.
            decompose(c, &mut |part| {
                for lower in part.to_lowercase() {
                    decompose(lower, &mut |part| folded.push(part));
                }
            });
        }
        folded.write(&mut key);
        key.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(key)
}

/// Characters with their classes. Marks that do not touch each other have one order: that
/// of their classes, and within a class their own.
#[derive(Default)]
struct Folded(Vec<(u8, char)>);

impl Folded {
    fn push(&mut self, c: char) {
        let class = combining_class(c);
        let mut at = self.0.len();
        // A mark has few before it. A character that is none has class 0, and stops all.
        while class > 0 && at > 0 && self.0[at - 1].0 > class {
            at -= 1;
        }
        self.0.insert(at, (class, c));
    }

    fn write(&mut self, key: &mut Vec<u8>) {
        for (_, c) in self.0.drain(..) {
            key.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Bytes of the key that a made name shares with what it was made of: it keeps at least
/// 221 bytes of that, and no character's key is less than a third as long.
const SLICE_KEY: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{Clashes, match_keys};

    fn key(name: &str) -> String {
        String::from_utf8(fold(name.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn composed_and_decomposed_letters_of_any_case_are_one() {
        for same in [
            &["\u{e9}", "e\u{301}", "\u{c9}", "E\u{301}"][..],
            // Two marks, in all orders that look alike.
            &[
                "\u{1ec7}",
                "\u{1eb9}\u{302}",
                "\u{ea}\u{323}",
                "e\u{302}\u{323}",
                "E\u{323}\u{302}",
            ],
            &["\u{212b}", "\u{c5}", "A\u{30a}", "\u{e5}"],
            &["\u{212a}", "K", "k"],
            &["\u{ac01}", "\u{1100}\u{1161}\u{11a8}", "\u{ac00}\u{11a8}"],
            &["\u{3c9}\u{301}", "\u{3ce}", "\u{38f}", "\u{3a9}\u{301}"],
            &["\u{130}", "I\u{307}", "i\u{307}"],
            &["\u{f900}", "\u{8c48}"],
            &["\u{2f800}", "\u{4e3d}"],
            &["\u{1fb7}", "\u{3b1}\u{342}\u{345}", "\u{1fb3}\u{342}"],
        ] {
            for name in same {
                assert_eq!(key(name), key(same[0]), "{same:?}");
            }
        }
    }

    #[test]
    fn what_looks_alike_and_is_not_the_same_differs() {
        for (a, b) in [
            // Marks that touch each other.
            ("e\u{301}\u{302}", "e\u{302}\u{301}"),
            ("\u{e9}", "e"),
            // Compatible, not canonical.
            ("\u{fb01}", "fi"),
            ("\u{2460}", "1"),
            ("\u{ff21}", "A"),
            ("\u{131}", "i"),
            // A word's last letter.
            ("\u{3c2}", "\u{3c3}"),
            ("\u{df}", "ss"),
        ] {
            assert_ne!(key(a), key(b), "{a} {b}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_and_part_what_is_around_them() {
        let key = |name: &[u8]| fold(name).into_owned();
        assert_eq!(key(b"\xc3A\xff"), b"\xc3a\xff");
        assert_eq!(key(b"E\xff\xcc\x81"), b"e\xff\xcc\x81");
        assert_ne!(key(b"\xff"), key(b"\xfe"));
        // No mark passes such a byte.
        assert_ne!(key(b"\xcc\x82\xff\xcc\xa3"), key(b"\xcc\xa3\xff\xcc\x82"),);
    }

    #[test]
    fn key_of_every_character_is_its_own_and_that_of_its_other_case() {
        for c in '\0'..=char::MAX {
            let one = key(&c.to_string());
            assert_eq!(key(&one), one, "{c:?}");
            assert_eq!(key(&c.to_lowercase().to_string()), one, "{c:?}");
        }
    }

    #[test]
    fn made_names_are_in_one_slice_with_what_they_are_made_of() {
        let keys = |names: &[Vec<u8>], clashes| match_keys(names, NameRule::IgnoreCase, clashes);
        for name in [
            "a.txt".to_owned(),
            "No Extension".to_owned(),
            ".hidden".to_owned(),
            "e\u{301}.tar.gz".to_owned(),
            "x".repeat(255),
            "K\u{212a}".repeat(63) + ".jpeg",
            "\u{1100}\u{1161}\u{11a8}".repeat(28),
        ] {
            let name = name.into_bytes();
            let once = clash::made_name(&name, 0);
            let twice = clash::made_name(&once, 3);
            let names = [name.to_ascii_uppercase(), name.clone(), once, twice];
            let slices = keys(&names, Clashes::Rename);
            assert!(slices.iter().all(|key| *key == slices[0]), "{slices:?}");
            // Else they are names like any others.
            for clashes in [Clashes::Fail, Clashes::Skip] {
                let own = keys(&names, clashes);
                assert_eq!(own[0], own[1]);
                assert!(own[1] != own[2] && own[2] != own[3]);
                assert_eq!(own[1], fold(&names[1]).into_owned());
            }
        }
        let names = [b"a".to_vec(), b"A".to_vec()];
        assert_eq!(match_keys(&names, NameRule::Exact, Clashes::Rename), names);
    }
}
