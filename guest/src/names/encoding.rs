//! Which characters are replaced, and the text form of that choice.

use std::{collections::BinaryHeap, fmt, ops::BitOr, str::FromStr};

/// What to replace in names: rclone's encoding option.
///
/// NUL is always replaced, so each value contains [`ZERO`](Self::ZERO). The text form is
/// rclone's: flag names separated by commas, case-sensitive, as in
/// `Slash,InvalidUtf8,Dot`; `None` and the empty text are `ZERO` alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoding(u32);

impl Encoding {
    /// `*` ↔ `＊`.
    pub const ASTERISK: Self = Self::flag(0);
    /// `` ` `` ↔ `｀`.
    pub const BACK_QUOTE: Self = Self::flag(1);
    /// `\` ↔ `＼`.
    pub const BACK_SLASH: Self = Self::flag(2);
    /// `:` ↔ `：`.
    pub const COLON: Self = Self::flag(3);
    /// Carriage return ↔ `␍`, line feed ↔ `␊`.
    pub const CR_LF: Self = Self::flag(4);
    /// Control characters 0x01–0x1F ↔ U+2401–U+241F.
    pub const CTL: Self = Self::flag(5);
    /// DEL 0x7F ↔ `␡`.
    pub const DEL: Self = Self::flag(6);
    /// `$` ↔ `＄`.
    pub const DOLLAR: Self = Self::flag(7);
    /// The whole names `.` and `..` ↔ `．` and `．．`.
    pub const DOT: Self = Self::flag(8);
    /// `"` ↔ `＂`.
    pub const DOUBLE_QUOTE: Self = Self::flag(9);
    /// `#` ↔ `＃`.
    pub const HASH: Self = Self::flag(10);
    /// A byte that is not part of valid UTF-8 ↔ `‛` and its two hexadecimal digits.
    pub const INVALID_UTF8: Self = Self::flag(11);
    /// CR, LF, HT or VT at the start of a name ↔ `␍`, `␊`, `␉`, `␋`.
    pub const LEFT_CR_LF_HT_VT: Self = Self::flag(12);
    /// `.` at the start of a name ↔ `．`.
    pub const LEFT_PERIOD: Self = Self::flag(13);
    /// Space at the start of a name ↔ `␠`.
    pub const LEFT_SPACE: Self = Self::flag(14);
    /// `~` at the start of a name ↔ `～`.
    pub const LEFT_TILDE: Self = Self::flag(15);
    /// `<` ↔ `＜`, `>` ↔ `＞`.
    pub const LT_GT: Self = Self::flag(16);
    /// `%` ↔ `％`.
    pub const PERCENT: Self = Self::flag(17);
    /// `|` ↔ `｜`.
    pub const PIPE: Self = Self::flag(18);
    /// `?` ↔ `？`.
    pub const QUESTION: Self = Self::flag(19);
    /// CR, LF, HT or VT at the end of a name ↔ `␍`, `␊`, `␉`, `␋`.
    pub const RIGHT_CR_LF_HT_VT: Self = Self::flag(20);
    /// `.` at the end of a name ↔ `．`.
    pub const RIGHT_PERIOD: Self = Self::flag(21);
    /// Space at the end of a name ↔ `␠`.
    pub const RIGHT_SPACE: Self = Self::flag(22);
    /// `;` ↔ `；`.
    pub const SEMICOLON: Self = Self::flag(23);
    /// `'` ↔ `＇`.
    pub const SINGLE_QUOTE: Self = Self::flag(24);
    /// `/` ↔ `／`.
    pub const SLASH: Self = Self::flag(25);
    /// `[` ↔ `［`, `]` ↔ `］`.
    pub const SQUARE_BRACKET: Self = Self::flag(26);
    /// NUL, which has no other form in a service name. Always there.
    pub const ZERO: Self = Self(ZERO);

    /// The flags of `bits`, bit `i` for the `i`-th flag in alphabetical order, from
    /// asterisk in bit 0 to zero in bit 27. Bits beyond these are dropped, zero is added.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & (ZERO | (ZERO - 1)) | ZERO)
    }

    /// The flags, one bit each, as [`from_bits`](Self::from_bits) takes them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn flag(bit: u32) -> Self {
        Self(1 << bit | ZERO)
    }
}

impl Default for Encoding {
    /// What the service needs: `Slash,InvalidUtf8,Dot`.
    fn default() -> Self {
        Self::SLASH | Self::INVALID_UTF8 | Self::DOT
    }
}

impl BitOr for Encoding {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for Encoding {
    /// A sentence that names the unknown word and the known ones.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::ZERO);
        }
        text.split(',')
            .map(str::trim)
            .try_fold(Self::ZERO, |encoding, word| {
                Ok(encoding | Self::from_word(word)?)
            })
    }
}

impl Encoding {
    fn from_word(word: &str) -> Result<Self, String> {
        if word == NONE {
            return Ok(Self::ZERO);
        }
        if let Some((_, flag)) = WORDS.iter().find(|(known, _)| *known == word) {
            return Ok(*flag);
        }
        let known = WORDS.iter().map(|(known, _)| *known).chain([NONE]);
        // A heap sorts as well, and in a tenth of the code.
        let known = known.collect::<BinaryHeap<_>>().into_sorted_vec();
        Err(format!(
            "unknown encoding {word:?}; known are {}",
            known.join(", ")
        ))
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ZERO {
            return f.write_str(NONE);
        }
        let words = WORDS.iter().filter(|(_, flag)| self.contains(*flag));
        for (i, (word, _)) in words.enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

const ZERO: u32 = 1 << 27;

/// The text form of no flag but [`Encoding::ZERO`].
const NONE: &str = "None";

/// rclone's words in the order rclone writes them.
pub(super) const WORDS: [(&str, Encoding); 27] = [
    ("Slash", Encoding::SLASH),
    ("LtGt", Encoding::LT_GT),
    ("DoubleQuote", Encoding::DOUBLE_QUOTE),
    ("SingleQuote", Encoding::SINGLE_QUOTE),
    ("BackQuote", Encoding::BACK_QUOTE),
    ("Dollar", Encoding::DOLLAR),
    ("Colon", Encoding::COLON),
    ("Question", Encoding::QUESTION),
    ("Asterisk", Encoding::ASTERISK),
    ("Pipe", Encoding::PIPE),
    ("Hash", Encoding::HASH),
    ("Percent", Encoding::PERCENT),
    ("BackSlash", Encoding::BACK_SLASH),
    ("CrLf", Encoding::CR_LF),
    ("Del", Encoding::DEL),
    ("Ctl", Encoding::CTL),
    ("LeftSpace", Encoding::LEFT_SPACE),
    ("LeftPeriod", Encoding::LEFT_PERIOD),
    ("LeftTilde", Encoding::LEFT_TILDE),
    ("LeftCrLfHtVt", Encoding::LEFT_CR_LF_HT_VT),
    ("RightSpace", Encoding::RIGHT_SPACE),
    ("RightPeriod", Encoding::RIGHT_PERIOD),
    ("RightCrLfHtVt", Encoding::RIGHT_CR_LF_HT_VT),
    ("InvalidUtf8", Encoding::INVALID_UTF8),
    ("Dot", Encoding::DOT),
    ("SquareBracket", Encoding::SQUARE_BRACKET),
    ("Semicolon", Encoding::SEMICOLON),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_bit_its_word_and_zero() {
        let mut bits: Vec<_> = WORDS.iter().map(|(word, flag)| (flag.0, *word)).collect();
        bits.sort_by_key(|(_, word)| *word);
        for (i, (bits, word)) in bits.into_iter().enumerate() {
            assert_eq!(bits, 1 << i | ZERO, "{word}");
            assert_eq!(word.parse(), Ok(Encoding(bits)));
            assert_eq!(Encoding(bits).to_string(), word);
        }
    }

    #[test]
    fn text_is_written_in_rclones_order_and_read_in_any() {
        let mixed: Encoding = "Dot, Slash,InvalidUtf8,Slash,None".parse().unwrap();
        assert_eq!(mixed, Encoding::default());
        assert_eq!(mixed.to_string(), "Slash,InvalidUtf8,Dot");
        let all = Encoding::from_bits(u32::MAX);
        assert_eq!(all.to_string().parse(), Ok(all));
        assert_eq!(all.to_string().split(',').count(), WORDS.len());
    }

    #[test]
    fn none_and_the_empty_text_are_zero_alone() {
        for text in ["None", "", " "] {
            assert_eq!(text.parse(), Ok(Encoding::ZERO), "{text:?}");
        }
        assert_eq!(Encoding::ZERO.to_string(), "None");
        assert_eq!(Encoding::from_bits(0), Encoding::ZERO);
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known_ones() {
        let error = "Slash,slash".parse::<Encoding>().unwrap_err();
        assert!(error.starts_with("unknown encoding \"slash\"; known are Asterisk, BackQuote, "));
        assert!(error.contains(", None, ") && error.ends_with(", SquareBracket"));
        assert!("Slash,".parse::<Encoding>().is_err());
    }

    #[test]
    fn bits_beyond_the_flags_are_dropped() {
        assert_eq!(Encoding::from_bits(u32::MAX).bits(), (1 << 28) - 1);
        assert_eq!(Encoding::from_bits(1 << 28), Encoding::ZERO);
        assert_eq!(Encoding::from_bits(1), Encoding::ASTERISK);
    }
}
