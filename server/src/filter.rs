//! The filter language of `GET nodes` and of listings: text in, a checked tree out.
//!
//! ```text
//! filter  = and { OR and }            AND and OR in any case
//! and     = term { AND term }
//! term    = field ":" value           the field's name in any case
//! value   = "quoted" | bare | bare*   a backslash takes the next character as it is, in both
//!         | range | labels
//! range   = ("[" | "{") bound TO bound ("]" | "}")      of dates and sizes; bound = value | *
//! labels  = "(" value { AND value } ")"
//! ```
//!
//! There are no other parentheses: the service did not take them either.

use std::{iter::Peekable, str::Chars};

use thiserror::Error;

use crate::{
    clock,
    store::{Kind, Status},
};

/// What the nodes of a listing have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Term(Term),
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    IsRoot,
    Kind(Kind),
    Status(Status),
    /// Lies in the folder with this id.
    Parent(String),
    Text(TextField, Match),
    Number(NumberField, Range),
}

/// A field of text. Equality counts case, as it did at the service, names included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    Name,
    Description,
    CreatedBy,
    Md5,
    ContentType,
    Extension,
    Label,
}

/// A field that has an order: sizes in bytes, times in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberField {
    Size,
    Created,
    Modified,
    /// When a picture was taken.
    ContentDate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Is(String),
    StartsWith(String),
}

/// From `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Invalid filter: {0}")]
pub(crate) struct Invalid(String);

impl Filter {
    /// `None` for a text of nothing but white space, which asks for everything.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        let mut parser = Parser {
            rest: text.chars().peekable(),
            terms: 0,
        };
        parser.skip_space();
        if parser.rest.peek().is_none() {
            return Ok(None);
        }
        parser.any().map(Some)
    }

    /// The terms that every match meets.
    pub(crate) fn required(&self) -> Vec<&Term> {
        match self {
            Self::Term(term) => vec![term],
            Self::All(parts) => parts.iter().flat_map(Self::required).collect(),
            Self::Any(_) => Vec::new(),
        }
    }

    /// Whether it has no alternatives: every match meets all its terms.
    pub(crate) fn is_conjunction(&self) -> bool {
        match self {
            Self::Term(_) => true,
            Self::All(parts) => parts.iter().all(Self::is_conjunction),
            Self::Any(_) => false,
        }
    }

    /// The status that every match has, if the filter says so.
    pub(crate) fn required_status(&self) -> Option<Status> {
        self.required().into_iter().find_map(|term| match term {
            Term::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Whether the status is asked for anywhere: if not, a listing has only available nodes.
    pub(crate) fn mentions_status(&self) -> bool {
        match self {
            Self::Term(term) => matches!(term, Term::Status(_)),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::mentions_status),
        }
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    terms: usize,
}

/// A value as written, unescaped.
struct Value {
    text: String,
    /// A bare `*` stood behind it.
    prefix: bool,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Filter, Invalid> {
        let mut alternatives = Vec::new();
        let mut together = vec![self.term()?];
        loop {
            self.skip_space();
            if self.rest.peek().is_none() {
                alternatives.push(one_or(together, Filter::All));
                return Ok(one_or(alternatives, Filter::Any));
            }
            let word = self.word();
            if word.eq_ignore_ascii_case("OR") {
                alternatives.push(one_or(std::mem::take(&mut together), Filter::All));
            } else if !word.eq_ignore_ascii_case("AND") {
                return Err(invalid(format!(
                    "'{word}' found where AND or OR was expected"
                )));
            }
            together.push(self.term()?);
        }
    }

    fn term(&mut self) -> Result<Filter, Invalid> {
        self.skip_space();
        let mut field = String::new();
        loop {
            match self.rest.next() {
                Some(':') => break,
                Some(letter) if letter.is_ascii_alphanumeric() || letter == '.' => {
                    field.push(letter);
                }
                Some(other) => {
                    return Err(invalid(format!("unexpected '{other}' after '{field}'")));
                }
                None if field.is_empty() => return Err(invalid("the last term is missing")),
                None => return Err(invalid(format!("'{field}' has no value"))),
            }
        }
        self.value_of(&field)
    }

    fn value_of(&mut self, field: &str) -> Result<Filter, Invalid> {
        let term = match field.to_ascii_lowercase().as_str() {
            "isroot" => match self.exact(field)?.as_str() {
                "true" => Term::IsRoot,
                other => return Err(not_a_value(field, other)),
            },
            "kind" => {
                let text = self.exact(field)?;
                Term::Kind(Kind::parse(&text).ok_or_else(|| not_a_value(field, &text))?)
            }
            "status" => {
                let text = self.exact(field)?;
                Term::Status(Status::parse(&text).ok_or_else(|| not_a_value(field, &text))?)
            }
            "parents" | "parentids" => Term::Parent(self.exact(field)?),
            "name" => Term::Text(TextField::Name, self.matching(field)?),
            "description" => Term::Text(TextField::Description, self.matching(field)?),
            "createdby" => Term::Text(TextField::CreatedBy, self.matching(field)?),
            "contentproperties.md5" => Term::Text(TextField::Md5, self.matching(field)?),
            "contentproperties.contenttype" => {
                Term::Text(TextField::ContentType, self.matching(field)?)
            }
            "contentproperties.extension" => {
                Term::Text(TextField::Extension, self.matching(field)?)
            }
            "labels" => return self.labels(field),
            "contentproperties.size" => Term::Number(NumberField::Size, self.range(field, size)?),
            "createddate" => Term::Number(NumberField::Created, self.range(field, clock::parse)?),
            "contentproperties.contentdate" => {
                Term::Number(NumberField::ContentDate, self.range(field, clock::parse)?)
            }
            "modifieddate" => Term::Number(NumberField::Modified, self.range(field, clock::parse)?),
            _ => return Err(invalid(format!("unknown field '{field}'"))),
        };
        self.counted(term)
    }

    /// `labels:a` or `labels:(a AND b)`.
    fn labels(&mut self, field: &str) -> Result<Filter, Invalid> {
        if self.rest.next_if_eq(&'(').is_none() {
            let matching = self.matching(field)?;
            return self.counted(Term::Text(TextField::Label, matching));
        }
        let mut all = Vec::new();
        loop {
            self.skip_space();
            let label = self.value(field)?;
            all.push(self.counted(Term::Text(TextField::Label, label.into_match()))?);
            self.skip_space();
            if self.rest.next_if_eq(&')').is_some() {
                return Ok(one_or(all, Filter::All));
            }
            let word = self.word();
            if !word.eq_ignore_ascii_case("AND") {
                return Err(invalid(format!(
                    "'{word}' found where AND or ')' was expected in '{field}'"
                )));
            }
        }
    }

    fn counted(&mut self, term: Term) -> Result<Filter, Invalid> {
        self.terms += 1;
        if self.terms > MOST_TERMS {
            return Err(invalid(format!("more than {MOST_TERMS} terms")));
        }
        Ok(Filter::Term(term))
    }

    fn matching(&mut self, field: &str) -> Result<Match, Invalid> {
        self.value(field).map(Value::into_match)
    }

    fn exact(&mut self, field: &str) -> Result<String, Invalid> {
        match self.value(field)? {
            Value {
                text,
                prefix: false,
            } => Ok(text),
            Value { .. } => Err(invalid(format!("'{field}' has no prefixes"))),
        }
    }

    fn range(&mut self, field: &str, parse: fn(&str) -> Option<i64>) -> Result<Range, Invalid> {
        let number = |text: String| parse(&text).ok_or_else(|| not_a_value(field, &text));
        let Some(open) = self.rest.next_if(|c| matches!(c, '[' | '{')) else {
            let number = number(self.exact(field)?)?;
            return Ok(Range {
                low: number,
                high: number,
            });
        };
        self.skip_space();
        let low = self.bound(field)?.map(number).transpose()?;
        self.skip_space();
        let word = self.word();
        if !word.eq_ignore_ascii_case("TO") {
            return Err(invalid(format!(
                "'{word}' found where TO was expected in '{field}'"
            )));
        }
        self.skip_space();
        let high = self.bound(field)?.map(number).transpose()?;
        self.skip_space();
        let Some(close) = self.rest.next_if(|c| matches!(c, ']' | '}')) else {
            return Err(invalid(format!("the range of '{field}' has no end")));
        };
        Ok(Range {
            low: low.map_or(i64::MIN, |low| low.saturating_add(i64::from(open == '{'))),
            high: high.map_or(i64::MAX, |high| {
                high.saturating_sub(i64::from(close == '}'))
            }),
        })
    }

    /// One end of a range; `None` for `*`.
    fn bound(&mut self, field: &str) -> Result<Option<String>, Invalid> {
        if self.rest.next_if_eq(&'*').is_some() {
            return Ok(None);
        }
        self.exact(field).map(Some)
    }

    fn value(&mut self, field: &str) -> Result<Value, Invalid> {
        let unfinished = || invalid(format!("the value of '{field}' has no end"));
        let mut text = String::new();
        let mut prefix = false;
        if self.rest.next_if_eq(&'"').is_some() {
            loop {
                match self.rest.next().ok_or_else(unfinished)? {
                    '"' => break,
                    '\\' => text.push(self.rest.next().ok_or_else(unfinished)?),
                    other => text.push(other),
                }
            }
        } else {
            while let Some(next) = self.rest.next_if(|c| !ends_bare_value(*c)) {
                match next {
                    _ if prefix => {
                        return Err(invalid(format!("'*' within the value of '{field}'")));
                    }
                    '*' => prefix = true,
                    '\\' => text.push(self.rest.next().ok_or_else(unfinished)?),
                    '(' | '"' => {
                        return Err(invalid(format!(
                            "unexpected '{next}' in the value of '{field}'"
                        )));
                    }
                    other => text.push(other),
                }
            }
            if text.is_empty() {
                return Err(invalid(format!("'{field}' has no value")));
            }
        }
        Ok(Value { text, prefix })
    }

    /// The text up to the next white space.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(letter) = self.rest.next_if(|c| !c.is_whitespace()) {
            word.push(letter);
        }
        word
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }
}

impl Value {
    fn into_match(self) -> Match {
        match self.prefix {
            true => Match::StartsWith(self.text),
            false => Match::Is(self.text),
        }
    }
}

/// Besides white space, what clients escape and what closes a group.
fn ends_bare_value(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ')' | ']' | '}')
}

fn size(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn one_or(mut parts: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}

fn not_a_value(field: &str, text: &str) -> Invalid {
    invalid(format!("'{text}' is no value of '{field}'"))
}

fn invalid(reason: impl Into<String>) -> Invalid {
    Invalid(reason.into())
}

/// The service's own limit. It also bounds the SQL made of a filter.
const MOST_TERMS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Filter {
        Filter::parse(text).unwrap().unwrap()
    }

    fn parent(id: &str) -> Filter {
        Filter::Term(Term::Parent(id.into()))
    }

    fn kind(kind: Kind) -> Filter {
        Filter::Term(Term::Kind(kind))
    }

    fn name(name: &str) -> Filter {
        Filter::Term(Term::Text(TextField::Name, Match::Is(name.into())))
    }

    #[test]
    fn every_filter_clients_send_is_understood() {
        let root = Filter::Term(Term::IsRoot);
        let id = "4MetneuXRdSx6erQ_B2ECw";
        let odd = "-0_4neuXRdSx6erQ_B-ECw";
        let trash = Filter::Term(Term::Status(Status::Trash));
        let md5 = "6f5902ac237024bdd0c176cb93063dc4";
        for (text, expected) in [
            ("isRoot:true".to_owned(), root.clone()),
            (
                "kind:FOLDER AND isRoot:true".into(),
                Filter::All(vec![kind(Kind::Folder), root.clone()]),
            ),
            (
                "Kind:FOLDER AND isRoot:true".into(),
                Filter::All(vec![kind(Kind::Folder), root]),
            ),
            (format!("parents:{id}"), parent(id)),
            (format!("parents:{odd}"), parent(odd)),
            (
                format!("parents:{id} AND kind:FOLDER"),
                Filter::All(vec![parent(id), kind(Kind::Folder)]),
            ),
            (
                format!("parents:{id} AND kind:FILE"),
                Filter::All(vec![parent(id), kind(Kind::File)]),
            ),
            (
                format!(r#"parents:"{id}" AND name:"My\ File\ \(1\).txt""#),
                Filter::All(vec![parent(id), name("My File (1).txt")]),
            ),
            (
                format!(r"parents:{id} AND name:My\ File\ \(1\).txt"),
                Filter::All(vec![parent(id), name("My File (1).txt")]),
            ),
            (
                format!(r"kind:FOLDER and parents:{id} and name:My\ Folder"),
                Filter::All(vec![kind(Kind::Folder), parent(id), name("My Folder")]),
            ),
            ("kind:ASSET".into(), kind(Kind::Asset)),
            (
                "status:TRASH AND kind:FILE".into(),
                Filter::All(vec![trash, kind(Kind::File)]),
            ),
            (
                format!("contentProperties.md5:{md5}"),
                Filter::Term(Term::Text(TextField::Md5, Match::Is(md5.into()))),
            ),
            ("name:abc".into(), name("abc")),
            (
                "name:prefix*".into(),
                Filter::Term(Term::Text(
                    TextField::Name,
                    Match::StartsWith("prefix".into()),
                )),
            ),
            (r"name:t\\.txt".into(), name(r"t\.txt")),
            (r"name:t\&.txt".into(), name("t&.txt")),
            ("name:a/b#c,d@e=f<g>;ü".into(), name("a/b#c,d@e=f<g>;ü")),
            (r#"name:"say \"hi\"*""#.into(), name("say \"hi\"*")),
            (r"name:100\*".into(), name("100*")),
        ] {
            assert_eq!(parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        let filter = parse("name:a OR name:b and name:c Or name:d");
        let both = Filter::All(vec![name("b"), name("c")]);
        assert_eq!(filter, Filter::Any(vec![name("a"), both, name("d")]));
    }

    #[test]
    fn labels_may_be_listed() {
        let label = |text: &str| Filter::Term(Term::Text(TextField::Label, Match::Is(text.into())));
        assert_eq!(parse("labels:a"), label("a"));
        assert_eq!(
            parse("labels:(a AND \"b c\")"),
            Filter::All(vec![label("a"), label("b c")])
        );
    }

    #[test]
    fn ranges_include_or_exclude_their_ends() {
        let created =
            |low, high| Filter::Term(Term::Number(NumberField::Created, Range { low, high }));
        for (text, expected) in [
            (
                r#"createdDate:{"1970-01-01T00:00:01.000Z" TO *}"#,
                created(1001, i64::MAX),
            ),
            (
                r#"createdDate:["1970-01-01T00:00:01.000Z" TO *]"#,
                created(1000, i64::MAX),
            ),
            (
                r#"createdDate:{* TO "1970-01-01T00:00:01.000Z"}"#,
                created(i64::MIN, 999),
            ),
            (
                r#"createdDate:{"1970-01-01T00:00:01.000Z" TO *]"#,
                created(1001, i64::MAX),
            ),
            (
                "contentProperties.size:[1 TO 20}",
                Filter::Term(Term::Number(NumberField::Size, Range { low: 1, high: 19 })),
            ),
            (
                "contentProperties.size:0",
                Filter::Term(Term::Number(NumberField::Size, Range { low: 0, high: 0 })),
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_asks_for_everything() {
        assert_eq!(Filter::parse("").unwrap(), None);
        assert_eq!(Filter::parse(" \t").unwrap(), None);
    }

    #[test]
    fn what_the_service_refused_is_refused_with_a_reason() {
        for (text, reason) in [
            (
                "kind:(FILE OR FOLDER)",
                "unexpected '(' in the value of 'kind'",
            ),
            ("(kind:FILE OR kind:FOLDER)", "unexpected '(' after ''"),
            ("kind:GROUP", "'GROUP' is no value of 'kind'"),
            ("kind:FI*", "'kind' has no prefixes"),
            ("isRoot:TRUE", "'TRUE' is no value of 'isRoot'"),
            ("colour:red", "unknown field 'colour'"),
            (
                "name:a name:b",
                "'name:b' found where AND or OR was expected",
            ),
            ("name:a AND", "the last term is missing"),
            ("name", "'name' has no value"),
            ("name:", "'name' has no value"),
            ("name:\"a", "the value of 'name' has no end"),
            ("name:a*b", "'*' within the value of 'name'"),
            (
                "createdDate:yesterday",
                "'yesterday' is no value of 'createdDate'",
            ),
            (
                "createdDate:[* UNTIL *]",
                "'UNTIL' found where TO was expected in 'createdDate'",
            ),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("Invalid filter: {reason}"), "{text}");
        }
        let nine = ["name:a"; 9].join(" OR ");
        let error = Filter::parse(&nine).unwrap_err().to_string();
        assert_eq!(error, "Invalid filter: more than 8 terms");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in r#"([a-zA-Z.:*"\\()\[\]{} ]|TO|AND|OR|name:|labels:\(|createdDate:\[|\PC){0,40}"#) {
            let _ = Filter::parse(&text);
        }

        #[test]
        fn any_name_is_found_again_once_escaped(wanted in "\\PC{1,40}") {
            let special = r#"+-&|!(){}[]^'"~*?:\ "#;
            let escaped: String = wanted
                .chars()
                .flat_map(|c| (special.contains(c) || c.is_whitespace()).then_some('\\').into_iter().chain([c]))
                .collect();
            prop_assert_eq!(parse(&format!("name:{escaped}")), name(&wanted));
            prop_assert_eq!(parse(&format!("name:\"{escaped}\"")), name(&wanted));
        }
    }
}
