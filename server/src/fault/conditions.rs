//! Which requests a rule is about.

use http::Method;

use super::call::Call;

/// What is known of a request.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) call: Call,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// As it came: `%` escapes and all.
    pub(crate) query: String,
    /// Bytes of the request's body as its head has it; `None` if it says nothing.
    pub(crate) size: Option<u64>,
    /// What the log has the request under.
    pub(crate) request: String,
}

/// What a request must be like. Nothing given: any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) method: Option<String>,
    pub(crate) path: Option<Pattern>,
    pub(crate) query: Option<Pattern>,
    pub(crate) size: Option<Size>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Is(u64),
    AtLeast(u64),
}

impl Conditions {
    /// `size`: of the request's body or of the content, as far as it is known by now.
    pub(crate) fn hold(&self, facts: &Facts, size: Option<u64>) -> bool {
        let holds = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
        };
        let method = facts.method.as_str();
        self.method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && holds(&self.path, &facts.path)
            && holds(&self.query, &decoded(&facts.query))
            && match self.size {
                None => true,
                Some(Size::Is(wanted)) => size == Some(wanted),
                Some(Size::AtLeast(least)) => size.is_some_and(|size| size >= least),
            }
    }
}

/// Text with `*` for any letters and `?` for one, which is about the whole; without either, a
/// part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        match self.0.contains(['*', '?']) {
            true => glob(&self.0, text),
            false => text.contains(&self.0),
        }
    }

    /// As [`fits`](Self::fits), but the whole must be the same where there is no `*` or `?`.
    pub(crate) fn is(&self, text: &str) -> bool {
        glob(&self.0, text)
    }
}

/// Goes back to the last `*` only, so it takes no longer than the product of the lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how far the text was then.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((starred, reached)) => {
                    star = Some((starred, reached + 1));
                    at = starred + 1;
                    from = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&letter| letter == '*')
}

/// A query as a person writes it.
fn decoded(query: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(method: Method, path: &str, query: &str) -> Facts {
        Facts {
            call: Call::of(&method, path, query),
            method,
            path: path.into(),
            query: query.into(),
            size: None,
            request: String::new(),
        }
    }

    #[test]
    fn pattern_is_a_part_or_a_glob_of_the_whole() {
        for (pattern, text, fits) in [
            ("children", "/nodes/x/children", true),
            ("child", "/nodes/x/children", true),
            ("/nodes/*/children", "/nodes/x/children", true),
            ("*children", "/nodes/x/children", true),
            ("nodes/*", "/nodes/x", false),
            ("/nodes/?", "/nodes/x", true),
            ("/nodes/?", "/nodes/xy", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("*", "", true),
            ("", "anything", true),
            ("ü?*", "üä", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
        assert!(!Pattern::new("a").is("ab"));
        assert!(Pattern::new("a*").is("ab"));
    }

    #[test]
    fn all_conditions_must_hold() {
        let conditions = Conditions {
            method: Some("get".into()),
            path: Some(Pattern::new("*/nodes")),
            query: Some(Pattern::new("filters=name:a b")),
            size: Some(Size::AtLeast(10)),
        };
        let right = facts(Method::GET, "/drive/v1/nodes", "filters=name%3Aa+b");
        assert!(conditions.hold(&right, Some(10)));
        assert!(!conditions.hold(&right, Some(9)));
        assert!(!conditions.hold(&right, None));
        for wrong in [
            facts(Method::POST, "/drive/v1/nodes", "filters=name%3Aa+b"),
            facts(Method::GET, "/drive/v1/nodes/x", "filters=name%3Aa+b"),
            facts(Method::GET, "/drive/v1/nodes", "filters=name%3Aab"),
        ] {
            assert!(!conditions.hold(&wrong, Some(10)), "{wrong:?}");
        }
        let exact = Conditions {
            size: Some(Size::Is(5)),
            ..Conditions::default()
        };
        assert!(exact.hold(&right, Some(5)));
        assert!(!exact.hold(&right, Some(6)));
    }
}
