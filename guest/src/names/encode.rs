//! From raw names to text.

use super::{
    Encoding,
    chars::{AsciiSet, QUOTE, Rules, Unit, look_alike, original, units},
};

/// The service name for a raw name. Never fails; the empty name stays empty.
///
/// With [`Encoding::INVALID_UTF8`], [`decode`](super::decode) gives back the same bytes.
pub fn encode(raw: &[u8], encoding: Encoding) -> String {
    encode_by(raw, &Rules::new(encoding), LoneQuote::Spelled)
}

/// A raw name as people see and type it: rclone's standard form (`/`, NUL, control
/// characters, DEL, `.` and `..` replaced), with bytes that are not UTF-8 spelled. A `‛`
/// that quotes nothing stays where it cannot be misread.
///
/// [`from_display`](super::from_display) gives back the same bytes. The result has no
/// `/` and no control character, and is neither `.` nor `..`.
pub fn display(raw: &[u8]) -> String {
    encode_by(raw, &Rules::new(STANDARD), LoneQuote::BareIfClear)
}

/// What people see: rclone's standard form, and invalid UTF-8.
pub(super) const STANDARD: Encoding = Encoding::from_bits(
    Encoding::SLASH.bits()
        | Encoding::CTL.bits()
        | Encoding::DEL.bits()
        | Encoding::DOT.bits()
        | Encoding::INVALID_UTF8.bits(),
);

/// What becomes of a `‛` that quotes nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoneQuote {
    /// Always spelled: bare, it reads as rclone's `‛‛`.
    Spelled,
    /// Spelled only where, bare, it would quote what follows.
    BareIfClear,
}

fn encode_by(raw: &[u8], rules: &Rules, lone_quote: LoneQuote) -> String {
    if let Ok(text) = str::from_utf8(raw)
        && is_plain(text, rules)
    {
        return text.to_owned();
    }
    if rules.dot
        && let Some(name) = dots(raw)
    {
        return name.to_owned();
    }
    let mut name = String::with_capacity(raw.len() + raw.len() / 2 + 8);
    let all = units(raw);
    let mut rest = all.as_slice();
    let mut replaced = rules.anywhere.union(rules.first);
    while let Some((meaning, after)) = read(rest, rules.spell) {
        if after.is_empty() {
            replaced = replaced.union(rules.last);
        }
        match meaning {
            Meaning::Char(char) => {
                let ambiguous = rules.spell
                    && after.is_empty()
                    && name.ends_with(QUOTE)
                    && u8::try_from(char).is_ok_and(|ascii| rules.last.contains(ascii));
                if ambiguous {
                    spell(char, &mut name);
                } else {
                    replace(char, replaced, &mut name);
                }
            }
            Meaning::LoneQuote
                if lone_quote == LoneQuote::BareIfClear && is_clear(after, rules) =>
            {
                name.push(QUOTE);
            }
            Meaning::LoneQuote => spell(QUOTE, &mut name),
            Meaning::Byte(byte) if rules.spell => spell_byte(byte, &mut name),
            Meaning::Byte(_) => name.push(char::REPLACEMENT_CHARACTER),
        }
        rest = after;
        replaced = rules.anywhere;
    }
    if rules.dot
        && rules.spell
        && name == TWO_DOTS
        && let Some(Unit::Char(last)) = all.last()
    {
        name.truncate(ONE_DOT.len());
        spell(*last, &mut name);
    }
    name
}

/// What units of a raw name stand for, as rclone reads a local name.
enum Meaning {
    /// A character of the name.
    Char(char),
    /// A `‛` that quotes nothing.
    LoneQuote,
    /// A byte to spell.
    Byte(u8),
}

/// The meaning of the first units, and the units after them. Bytes that need a spelling
/// mean the closest character where there is none.
fn read(units: &[Unit], spell: bool) -> Option<(Meaning, &[Unit])> {
    let (first, rest) = units.split_first()?;
    let read = match (*first, rest) {
        (Unit::Char(QUOTE), [Unit::Char(quoted @ (QUOTE | '␀')), rest @ ..]) => {
            (Meaning::Char(*quoted), rest)
        }
        (Unit::Char(QUOTE), _) if spell => (Meaning::LoneQuote, rest),
        (Unit::Char('␀'), _) => (Meaning::Char('\0'), rest),
        (Unit::Char('\0'), _) if spell => (Meaning::Byte(0), rest),
        (Unit::Char(char), _) => (Meaning::Char(char), rest),
        (Unit::Byte(byte), _) => (Meaning::Byte(byte), rest),
    };
    Some(read)
}

/// Whether encoding changes nothing; false at the least doubt.
fn is_plain(text: &str, rules: &Rules) -> bool {
    let bytes = text.as_bytes();
    text.chars().all(|char| match u8::try_from(char) {
        Ok(byte) if byte.is_ascii() => !rules.anywhere.contains(byte),
        _ => char != QUOTE && original(char).is_none(),
    }) && bytes
        .first()
        .is_none_or(|first| !rules.first.contains(*first))
        && bytes.last().is_none_or(|last| !rules.last.contains(*last))
        && !(rules.dot && matches!(text, "." | ".."))
}

/// What [`Encoding::DOT`] replaces.
fn dots(raw: &[u8]) -> Option<&'static str> {
    match str::from_utf8(raw).ok()? {
        "." => Some(ONE_DOT),
        ".." => Some(TWO_DOTS),
        ONE_DOT => Some("‛．"),
        TWO_DOTS => Some("‛．‛．"),
        _ => None,
    }
}

const ONE_DOT: &str = "．";
const TWO_DOTS: &str = "．．";

fn replace(char: char, replaced: AsciiSet, name: &mut String) {
    let special = |ascii| replaced.contains(ascii);
    match u8::try_from(char) {
        Ok(ascii) if special(ascii) => name.push(look_alike(ascii)),
        _ => {
            if char == QUOTE || original(char).is_some_and(special) {
                name.push(QUOTE);
            }
            name.push(char);
        }
    }
}

/// Whether a bare `‛` before `after` is read as quoting nothing.
fn is_clear(after: &[Unit], rules: &Rules) -> bool {
    let is_digit = |unit: &Unit| matches!(unit, Unit::Char(char) if char.is_ascii_hexdigit());
    match after {
        [] => true,
        [high, low, ..] if is_digit(high) && is_digit(low) => false,
        [Unit::Byte(_), ..] => false,
        [Unit::Char(char), ..] => match u8::try_from(*char) {
            Ok(byte) if byte.is_ascii() => !rules.anywhere.contains(byte),
            _ => *char != QUOTE && original(*char).is_none(),
        },
    }
}

fn spell(char: char, name: &mut String) {
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        spell_byte(byte, name);
    }
}

fn spell_byte(byte: u8, name: &mut String) {
    name.push(QUOTE);
    for digit in [byte >> 4, byte & 15] {
        name.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}
