//! The INI dialect of rclone's config files, with the lines things were found in.
//!
//! Values are taken as they stand: a token is full of quotes, a password may hold a
//! backslash or a `#`, and rclone escapes none of them. That, and the line numbers, is
//! what general INI readers do not give.

use std::{collections::BTreeMap, fmt};

/// The sections of a file, by name. A name that comes twice is one section, and of a key
/// that comes twice the last one counts.
pub(super) type Sections = BTreeMap<String, Section>;

/// The keys of a section.
pub(super) type Section = BTreeMap<String, Value>;

/// What follows a key. Shows itself nowhere: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value(redacted, line {})", self.line)
    }
}

/// A line that is not in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mistake {
    /// From 1.
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// Reads a whole file. Keys above the first section belong to no remote and are left out.
pub(super) fn parse(text: &str) -> Result<Sections, Mistake> {
    let mut sections = Sections::new();
    let mut section = None;
    for (line, text) in lines(text) {
        let mistake = |what| Mistake { line, what };
        if let Some(rest) = text.strip_prefix('[') {
            let name = rest
                .strip_suffix(']')
                .ok_or_else(|| mistake("a section's name ends with ]"))?;
            section = Some(sections.entry(name.trim().to_owned()).or_default());
            continue;
        }
        let (key, value) = text
            .split_once(['=', ':'])
            .ok_or_else(|| mistake("it is neither [section] nor key = value"))?;
        let key = key.trim_end();
        if key.is_empty() {
            return Err(mistake("there is no key before the ="));
        }
        if let Some(section) = &mut section {
            let text = unquoted(value.trim_start()).to_owned();
            section.insert(key.to_owned(), Value { text, line });
        }
    }
    Ok(sections)
}

/// The lines that say something, trimmed and with their numbers.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .map(str::trim)
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// Values with spaces around them, and few others, are written in these quotes. Plain
/// quotes are part of the value.
fn unquoted(value: &str) -> &str {
    ["\"\"\"", "`"]
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        let section = &parse(text).unwrap()["a"];
        section
            .iter()
            .map(|(key, value)| (key.clone(), value.text.clone(), value.line))
            .collect()
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        for (line, key, value) in [
            ("k = v", "k", "v"),
            ("k=v", "k", "v"),
            ("  k : v  ", "k", "v"),
            ("k =", "k", ""),
            ("two words = v", "two words", "v"),
            ("k = {\"a\":\"b=c\"}", "k", "{\"a\":\"b=c\"}"),
            ("k = a\\nb#c;d", "k", "a\\nb#c;d"),
            ("k = \"v\"", "k", "\"v\""),
            ("k = ` v `", "k", " v "),
            ("k = \"\"\"a`b\"c\"\"\"", "k", "a`b\"c"),
            ("k = `", "k", "`"),
        ] {
            let expected = [(key.to_owned(), value.to_owned(), 2)];
            assert_eq!(pairs(&format!("[a]\n{line}\n")), expected, "{line}");
        }
    }

    #[test]
    fn comments_and_what_belongs_to_no_section_are_left_out() {
        let text = "\u{feff}x = 1\r\n# k = 2\r\n[ a ]\r\n; k = 3\r\n\r\nk = 4\r\n";
        assert_eq!(pairs(text), [("k".to_owned(), "4".to_owned(), 6)]);
        assert_eq!(parse(text).unwrap().len(), 1);
    }

    #[test]
    fn last_of_several_values_counts() {
        let text = "[a]\nk = 1\n[b]\nk = 2\n[a]\nk = 3\nl = 4";
        let (k, l) = (
            ("k".to_owned(), "3".to_owned(), 6),
            ("l".to_owned(), "4".to_owned(), 7),
        );
        assert_eq!(pairs(text), [k, l]);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line) in [
            ("[open\n", 1),
            ("[a]\n\nnonsense\n", 3),
            ("[a]\nk = v\n= v\n", 3),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let sections = parse("[a]\nk = canary").unwrap();
        assert!(!format!("{sections:?}").contains("canary"));
    }
}
