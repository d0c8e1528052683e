//! Look-alikes, and which of them an encoding uses where.

use super::Encoding;

/// SINGLE HIGH-REVERSED-9 QUOTATION MARK: what follows is meant as it is, or is a
/// spelled byte.
pub(super) const QUOTE: char = '‛';

/// What stands for `ascii`: its full-width form, or its control picture.
///
/// Full-width forms run from `!` to `~`, pictures from NUL to space and for DEL, each in
/// the order of ASCII.
pub(super) fn look_alike(ascii: u8) -> char {
    let code = match ascii {
        b'!'..=b'~' => FULL_WIDTH + u32::from(ascii),
        0x7f => DEL_PICTURE,
        _ => PICTURES + u32::from(ascii),
    };
    char::from_u32(code).expect("these blocks hold no surrogates")
}

/// The character that `look_alike` stands for, if it is one.
pub(super) fn original(look_alike: char) -> Option<u8> {
    let code = u32::from(look_alike);
    let ascii = match code {
        PICTURES..=SPACE_PICTURE => code - PICTURES,
        DEL_PICTURE => 0x7f,
        FULL_WIDTH_FIRST..=FULL_WIDTH_LAST => code - FULL_WIDTH,
        _ => return None,
    };
    u8::try_from(ascii).ok()
}

const FULL_WIDTH: u32 = 0xfee0;
const FULL_WIDTH_FIRST: u32 = FULL_WIDTH + b'!' as u32;
const FULL_WIDTH_LAST: u32 = FULL_WIDTH + b'~' as u32;
const PICTURES: u32 = 0x2400;
const SPACE_PICTURE: u32 = PICTURES + b' ' as u32;
const DEL_PICTURE: u32 = 0x2421;

/// An [`Encoding`] as sets of ASCII characters, by where in a name they are replaced.
pub(super) struct Rules {
    /// Replaced everywhere. Always has NUL.
    pub(super) anywhere: AsciiSet,
    /// Replaced as the first character, besides.
    pub(super) first: AsciiSet,
    /// Replaced as the last character, besides.
    pub(super) last: AsciiSet,
    /// Whether `.` and `..` are replaced.
    pub(super) dot: bool,
    /// Whether bytes are spelled.
    pub(super) spell: bool,
}

impl Rules {
    pub(super) fn new(encoding: Encoding) -> Self {
        let set = |choices: &[(Encoding, AsciiSet)]| {
            choices
                .iter()
                .filter(|(flag, _)| encoding.contains(*flag))
                .fold(AsciiSet::EMPTY, |set, (_, more)| set.union(*more))
        };
        Self {
            anywhere: set(&ANYWHERE),
            first: set(&FIRST),
            last: set(&LAST),
            dot: encoding.contains(Encoding::DOT),
            spell: encoding.contains(Encoding::INVALID_UTF8),
        }
    }
}

const ANYWHERE: [(Encoding, AsciiSet); 19] = [
    (Encoding::ASTERISK, AsciiSet::of(b"*")),
    (Encoding::BACK_QUOTE, AsciiSet::of(b"`")),
    (Encoding::BACK_SLASH, AsciiSet::of(b"\\")),
    (Encoding::COLON, AsciiSet::of(b":")),
    (Encoding::CR_LF, AsciiSet::of(b"\r\n")),
    (Encoding::CTL, AsciiSet::CONTROLS),
    (Encoding::DEL, AsciiSet::of(b"\x7f")),
    (Encoding::DOLLAR, AsciiSet::of(b"$")),
    (Encoding::DOUBLE_QUOTE, AsciiSet::of(b"\"")),
    (Encoding::HASH, AsciiSet::of(b"#")),
    (Encoding::LT_GT, AsciiSet::of(b"<>")),
    (Encoding::PERCENT, AsciiSet::of(b"%")),
    (Encoding::PIPE, AsciiSet::of(b"|")),
    (Encoding::QUESTION, AsciiSet::of(b"?")),
    (Encoding::SEMICOLON, AsciiSet::of(b";")),
    (Encoding::SINGLE_QUOTE, AsciiSet::of(b"'")),
    (Encoding::SLASH, AsciiSet::of(b"/")),
    (Encoding::SQUARE_BRACKET, AsciiSet::of(b"[]")),
    (Encoding::ZERO, AsciiSet::of(b"\0")),
];

const FIRST: [(Encoding, AsciiSet); 4] = [
    (Encoding::LEFT_CR_LF_HT_VT, AsciiSet::of(b"\r\n\t\x0b")),
    (Encoding::LEFT_PERIOD, AsciiSet::of(b".")),
    (Encoding::LEFT_SPACE, AsciiSet::of(b" ")),
    (Encoding::LEFT_TILDE, AsciiSet::of(b"~")),
];

const LAST: [(Encoding, AsciiSet); 3] = [
    (Encoding::RIGHT_CR_LF_HT_VT, AsciiSet::of(b"\r\n\t\x0b")),
    (Encoding::RIGHT_PERIOD, AsciiSet::of(b".")),
    (Encoding::RIGHT_SPACE, AsciiSet::of(b" ")),
];

/// A set of ASCII characters.
#[derive(Clone, Copy)]
pub(super) struct AsciiSet([u64; 2]);

impl AsciiSet {
    pub(super) const EMPTY: Self = Self([0; 2]);
    /// 0x01–0x1F.
    const CONTROLS: Self = Self([0xffff_fffe, 0]);

    const fn of(ascii: &[u8]) -> Self {
        let mut halves = [0; 2];
        let mut i = 0;
        while i < ascii.len() {
            halves[(ascii[i] >> 6) as usize] |= 1 << (ascii[i] & 63);
            i += 1;
        }
        Self(halves)
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// False for bytes beyond ASCII.
    pub(super) const fn contains(self, byte: u8) -> bool {
        byte < 0x80 && self.0[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
    }
}

/// One step through bytes that are mostly UTF-8.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// A character.
    Char(char),
    /// A byte that is not part of one.
    Byte(u8),
}

/// All steps through `bytes`.
pub(super) fn units(bytes: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().chars().map(Unit::Char));
        units.extend(chunk.invalid().iter().copied().map(Unit::Byte));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ascii_character_has_one_look_alike() {
        for ascii in 0..0x80 {
            assert_eq!(original(look_alike(ascii)), Some(ascii), "{ascii:#x}");
        }
        let all = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
        assert_eq!(all.filter_map(original).count(), 0x80);
    }

    #[test]
    fn look_alikes_are_the_pictures_and_the_full_width_forms() {
        for (ascii, look) in "\0\u{1} \u{7f}!./~".chars().zip("␀␁␠␡！．／～".chars()) {
            assert_eq!(look_alike(ascii as u8), look);
        }
    }

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let set = AsciiSet::of(b"\0/\x7f").union(AsciiSet::CONTROLS);
        let members: Vec<_> = (0..=u8::MAX).filter(|byte| set.contains(*byte)).collect();
        let expected: Vec<_> = (0..=0x1f).chain([b'/', 0x7f]).collect();
        assert_eq!(members, expected);
    }
}
