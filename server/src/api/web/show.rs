//! How names, sizes and times are written for people.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::clock::iso8601;

/// A name as text that is what it looks like, and cannot reorder what is around it.
pub(super) fn name(name: &str) -> Markup {
    html! { bdi { (visible(name)) } }
}

/// The name with letters that would not show, or would change how others show, spelled out.
pub(super) fn visible(name: &str) -> Cow<'_, str> {
    if !name.chars().any(is_hidden) {
        return Cow::Borrowed(name);
    }
    let mut shown = String::with_capacity(name.len() + 16);
    for letter in name.chars() {
        match is_hidden(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// The name with `_` for such letters, as a browser may store it.
pub(super) fn storable(name: &str) -> String {
    let letters = name.chars();
    letters
        .map(|letter| if is_hidden(letter) { '_' } else { letter })
        .collect()
}

/// Controls, marks of direction, separators of lines, and spaces without width. Not the
/// joiners, of which some scripts and many emoji are made.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0001}'..='\u{e007f}'
        )
}

/// About how much that is; exactly, if one points at it.
pub(super) fn size(bytes: i64) -> Markup {
    let exact = format!("{} {}", grouped(bytes), plural(bytes, "byte", "bytes"));
    html! { data value=(bytes) title=(exact) { (human(bytes)) } }
}

/// In decimal units, as disks are sold.
fn human(bytes: i64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        // What would be rounded up to a thousand has the next unit.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    // Between 9.95 and 999.5 there is no room for a decimal, and for bytes no use.
    match unit == "B" || value >= 9.95 {
        true => format!("{value:.0} {unit}"),
        false => format!("{value:.1} {unit}"),
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn plural<'a>(number: i64, one: &'a str, more: &'a str) -> &'a str {
    if number == 1 { one } else { more }
}

/// To the minute, in UTC: where the reader is, the server does not know.
pub(super) fn time(milliseconds: i64) -> Markup {
    let exact = iso8601(milliseconds);
    let minute = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) title=(exact) { (minute) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_that_count() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1499, "1.5 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (73_400_320, "73 MB"),
            (1_099_511_627_776, "1.1 TB"),
            (i64::MAX, "9223 PB"),
        ] {
            assert_eq!(human(bytes), text, "{bytes}");
        }
        assert_eq!(
            size(1).into_string(),
            r#"<data value="1" title="1 byte">1 B</data>"#
        );
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(-1000), "-1,000");
    }

    #[test]
    fn names_show_all_their_letters() {
        for (name, shown) in [
            ("plain é 日本 👩\u{200d}💻", "plain é 日本 👩\u{200d}💻"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\nb\u{0}\u{7f}", "a\\u{a}b\\u{0}\\u{7f}"),
            ("x\u{200b}y\u{feff}", "x\\u{200b}y\\u{feff}"),
        ] {
            assert_eq!(visible(name), shown);
        }
        assert_eq!(storable("gpj.\u{202e}exe\r\n"), "gpj._exe__");
        assert_eq!(
            name("<b>&\"'").into_string(),
            "<bdi>&lt;b&gt;&amp;&quot;'</bdi>"
        );
    }

    #[test]
    fn times_are_for_people_and_programs() {
        assert_eq!(
            time(1_426_608_245_123).into_string(),
            "<time datetime=\"2015-03-17T16:04:05.123Z\" title=\"2015-03-17T16:04:05.123Z\">\
             2015-03-17 16:04</time>"
        );
    }
}
