//! From text to raw names.

use super::{
    Encoding,
    chars::{AsciiSet, QUOTE, Rules, Unit, original, units},
    encode::STANDARD,
};

/// The raw name for a service name. Never fails: what [`encode`](super::encode) cannot
/// have written is read as rclone reads it.
///
/// The result may hold `/` or NUL, for a service name that holds `/` or spells NUL.
pub fn decode(name: &str, encoding: Encoding) -> Vec<u8> {
    decode_by(name.as_bytes(), &Rules::new(encoding), "‛‛")
}

/// The raw name for what a person typed; undoes [`display`](super::display). Bytes that
/// are not UTF-8 pass unchanged, and so does a `‛` that quotes nothing.
pub fn from_display(typed: &[u8]) -> Vec<u8> {
    decode_by(typed, &Rules::new(STANDARD), "‛")
}

/// `lone_quote` is what a `‛` that quotes nothing stands for.
fn decode_by(name: &[u8], rules: &Rules, lone_quote: &str) -> Vec<u8> {
    if let Ok(text) = str::from_utf8(name) {
        if is_plain(text) {
            return name.to_owned();
        }
        if rules.dot
            && let Some(raw) = dots(text)
        {
            return raw.into();
        }
    }
    let all = units(name);
    let mut rest = all.as_slice();
    let mut raw = Vec::with_capacity(name.len());

    match rest {
        [Unit::Char(first), after @ ..] if let Some(ascii) = within(rules.first, *first) => {
            raw.push(ascii);
            rest = after;
        }
        [Unit::Char(QUOTE), Unit::Char(first), after @ ..]
            if within(rules.first, *first).is_some() =>
        {
            push(*first, &mut raw);
            rest = after;
        }
        _ => {}
    }
    let mut last = None;
    if let [before @ .., Unit::Char(char)] = rest
        && let Some(ascii) = within(rules.last, *char)
    {
        // rclone's reading: a `‛` here quotes, even as the second of `‛‛`.
        (rest, last) = match before {
            [before @ .., Unit::Char(QUOTE)] => (before, Some(*char)),
            _ => (before, Some(char::from(ascii))),
        };
    }

    while let Some((first, after)) = rest.split_first() {
        rest = match (*first, after) {
            (Unit::Char(QUOTE), [Unit::Char(quoted), after @ ..])
                if *quoted == QUOTE || within(rules.anywhere, *quoted).is_some() =>
            {
                push_local(*quoted, &mut raw);
                after
            }
            (Unit::Char(QUOTE), [high, low, after @ ..])
                if rules.spell
                    && let Some(byte) = spelled(*high, *low) =>
            {
                raw.push(byte);
                after
            }
            (Unit::Char(QUOTE), _) => {
                raw.extend_from_slice(lone_quote.as_bytes());
                after
            }
            (Unit::Char(char), _) => {
                let meant = within(rules.anywhere, char).map_or(char, char::from);
                push_local(meant, &mut raw);
                after
            }
            (Unit::Byte(byte), _) => {
                raw.push(byte);
                after
            }
        };
    }
    if let Some(last) = last {
        push(last, &mut raw);
    }
    raw
}

/// Whether decoding changes nothing; false at the least doubt.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|char| char != '\0' && char != QUOTE && original(char).is_none())
}

/// What [`Encoding::DOT`] replaced.
fn dots(name: &str) -> Option<&'static str> {
    match name {
        "．" => Some("."),
        "．．" => Some(".."),
        "‛．" => Some("．"),
        "‛．‛．" => Some("．．"),
        _ => None,
    }
}

/// What `char` stands for, if it is a look-alike of one of `replaced`.
fn within(replaced: AsciiSet, char: char) -> Option<u8> {
    original(char).filter(|ascii| replaced.contains(*ascii))
}

fn spelled(high: Unit, low: Unit) -> Option<u8> {
    let digit = |unit| match unit {
        Unit::Char(char) => u8::try_from(char.to_digit(16)?).ok(),
        Unit::Byte(_) => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// A character as rclone writes it to a local disk.
fn push_local(char: char, raw: &mut Vec<u8>) {
    match char {
        '\0' => push('␀', raw),
        '␀' | QUOTE => {
            push(QUOTE, raw);
            push(char, raw);
        }
        _ => push(char, raw),
    }
}

fn push(char: char, raw: &mut Vec<u8>) {
    raw.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}
