//! `NAME[=ARGUMENT][,key=value...]` into a rule.

use std::{collections::BTreeMap, time::Duration};

use thiserror::Error;

use super::{
    conditions::{Conditions, Pattern, Size},
    rule::{Often, Rule},
    table::{self, Definition, Parameter},
    values::{self, Value},
};

/// Why a text is no fault rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("fault rule '{rule}': {problem}")]
pub struct InvalidFault {
    rule: String,
    problem: String,
    allowed: String,
}

impl InvalidFault {
    /// What would be right: a sentence for the user.
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

/// The values that were given, and the defaults of the others.
pub(crate) struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// A parameter of words; `""` is the argument. Empty if it is none of them.
    pub(crate) fn word(&self, key: &str) -> &'static str {
        match self.0.get(key) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    /// `None` if it is a word, or not given and without default.
    pub(crate) fn time(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }

    pub(crate) fn milliseconds(&self, key: &str) -> i64 {
        let time = self.time(key).unwrap_or_default();
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        match self.0.get(key) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        match self.0.get(key) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

/// Reads one rule.
pub(crate) fn rule(id: u64, text: &str) -> Result<Rule, InvalidFault> {
    let text = text.trim();
    let wrong = |problem: String, allowed: String| InvalidFault {
        rule: text.to_owned(),
        problem,
        allowed,
    };
    let mut parts = text.split(',').map(str::trim);
    let (name, argument) = split(parts.next().unwrap_or_default());
    let definition = table::find(name).ok_or_else(|| unknown(text, name))?;
    let mut given = BTreeMap::new();
    let set = |given: &mut BTreeMap<_, _>, parameter: &'static Parameter, text: &str| {
        let value = parameter.kind.read(text).ok_or_else(|| {
            wrong(
                format!("'{text}' is no {}", parameter.placeholder),
                format!("{} is {}", parameter.placeholder, parameter.kind.allowed()),
            )
        })?;
        given.insert(parameter.key, value);
        Ok(())
    };
    match (argument, &definition.argument) {
        (None, _) => {}
        (Some(argument), Some(parameter)) => set(&mut given, parameter, argument)?,
        (Some(argument), None) => {
            return Err(wrong(
                format!("it takes no argument, and '{argument}' is one"),
                usage(definition),
            ));
        }
    }
    let mut conditions = Conditions::default();
    let mut often = Often {
        count: definition.count,
        after: 0,
        probability: 1.0,
        seed: 0,
    };
    for part in parts {
        let (key, value) = pair(part).ok_or_else(|| {
            wrong(
                format!("'{part}' is not of the form key=value"),
                usage(definition),
            )
        })?;
        if let Some(parameter) = definition.keys.iter().find(|known| known.key == key) {
            set(&mut given, parameter, value)?;
            continue;
        }
        let common = set_common(&mut conditions, &mut often, key, value);
        match common {
            Some(Ok(())) => {}
            Some(Err(allowed)) => {
                return Err(wrong(
                    format!("'{value}' is no value of '{key}'"),
                    format!("{key} is {allowed}"),
                ));
            }
            None => return Err(wrong(format!("it has no key '{key}'"), usage(definition))),
        }
    }
    for parameter in definition.argument.iter().chain(definition.keys) {
        if !given.contains_key(parameter.key)
            && let Some(default) = parameter.default.and_then(|text| parameter.kind.read(text))
        {
            given.insert(parameter.key, default);
        }
    }
    let effect = (definition.make)(&Values(given));
    Ok(Rule::new(
        id,
        text.to_owned(),
        definition,
        effect,
        conditions,
        often,
    ))
}

/// The keys that every rule has. `None`: it is none of them; an error: what is allowed.
fn set_common(
    conditions: &mut Conditions,
    often: &mut Often,
    key: &str,
    value: &str,
) -> Option<Result<(), &'static str>> {
    let number = || value.parse::<u64>().map_err(|_| "a whole number");
    let bytes = || values::bytes(value).ok_or("a number of bytes such as 500, 64KiB or 10GiB");
    let pattern = || match value.is_empty() {
        true => Err("a text, or a pattern with * and ?"),
        false => Ok(Some(Pattern::new(value))),
    };
    Some(match key {
        "count" => number().map(|count| often.count = Some(count)),
        "after" => number().map(|after| often.after = after),
        "seed" => number().map(|seed| often.seed = seed),
        "probability" => match value.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => {
                often.probability = share;
                Ok(())
            }
            _ => Err("a number from 0 to 1"),
        },
        "method" => match http::Method::from_bytes(value.to_ascii_uppercase().as_bytes()) {
            Ok(method) => {
                conditions.method = Some(method.as_str().to_owned());
                Ok(())
            }
            Err(_) => Err("a method such as GET"),
        },
        "path" => pattern().map(|pattern| conditions.path = pattern),
        "query" => pattern().map(|pattern| conditions.query = pattern),
        "size" => bytes().map(|size| conditions.size = Some(Size::Is(size))),
        "size>" => bytes().map(|size| conditions.size = Some(Size::AtLeast(size))),
        _ => return None,
    })
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((name, argument)) => (name.trim(), Some(argument.trim())),
        None => (text, None),
    }
}

fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim(), value.trim()))
}

fn unknown(rule: &str, name: &str) -> InvalidFault {
    let near = table::RULES
        .iter()
        .map(|definition| definition.name)
        .filter(|known| !name.is_empty() && (known.contains(name) || name.contains(known)))
        .collect::<Vec<_>>();
    let allowed = match near.is_empty() {
        true => "the rules are listed by `acd serve --list-faults`".to_owned(),
        false => format!(
            "there is {}; all are listed by `acd serve --list-faults`",
            near.join(", ")
        ),
    };
    InvalidFault {
        rule: rule.to_owned(),
        problem: format!("there is no fault '{name}'"),
        allowed,
    }
}

/// What a rule of this name looks like.
fn usage(definition: &Definition) -> String {
    let keys: Vec<String> = definition
        .keys
        .iter()
        .map(|parameter| format!("{}={}", parameter.key, parameter.placeholder))
        .chain(table::COMMON_KEYS.iter().map(|(key, _)| (*key).to_owned()))
        .collect();
    format!(
        "it is {}, with any of: {}",
        definition.form(),
        keys.join(" ")
    )
}

/// The rules of a file: one a line; empty lines and those that begin with `#` are none.
///
/// # Errors
/// The first that is wrong, with its line.
pub(crate) fn lines(text: &str) -> Result<Vec<String>, InvalidFault> {
    let mut rules = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        rule(0, line).map_err(|invalid| InvalidFault {
            problem: format!("{} (line {})", invalid.problem, index + 1),
            ..invalid
        })?;
        rules.push(line.to_owned());
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_rule_says_what_is_wrong_and_what_is_right() {
        for (text, problem, allowed) in [
            ("", "there is no fault ''", "--list-faults"),
            ("tea", "there is no fault 'tea'", "--list-faults"),
            (
                "late",
                "there is no fault 'late'",
                "late-upload, late-overwrite",
            ),
            (
                "429=tea",
                "'tea' is no SHAPE",
                "SHAPE is one of logref, message",
            ),
            (
                "429,count",
                "'count' is not of the form key=value",
                "it is 429[=SHAPE]",
            ),
            (
                "429,count=x",
                "'x' is no value of 'count'",
                "count is a whole number",
            ),
            (
                "429,colour=red",
                "it has no key 'colour'",
                "retry-after=SECONDS count=",
            ),
            (
                "429,retry-after=x",
                "'x' is no SECONDS",
                "SECONDS is a time",
            ),
            (
                "403-credential=1",
                "it takes no argument",
                "it is 403-credential",
            ),
            (
                "500,probability=1.5",
                "'1.5' is no value of 'probability'",
                "from 0 to 1",
            ),
            (
                "500,probability=NaN",
                "'NaN' is no value of 'probability'",
                "from 0 to 1",
            ),
            ("500,size>=x", "'x' is no value of 'size>'", "bytes"),
            ("500,path=", "'' is no value of 'path'", "pattern"),
            ("500,method=G T", "'G T' is no value of 'method'", "GET"),
            (
                "late-upload=soon",
                "'soon' is no WHEN",
                "now, never, or a time",
            ),
            ("partial-pages=0", "'0' is no NODES", "from 1"),
        ] {
            let invalid = rule(1, text).err().unwrap_or_else(|| panic!("{text}"));
            let shown = invalid.to_string();
            assert!(
                shown.starts_with(&format!("fault rule '{text}': ")),
                "{shown}"
            );
            assert!(shown.contains(problem), "{shown}");
            assert!(invalid.allowed().contains(allowed), "{}", invalid.allowed());
        }
    }

    #[test]
    fn file_has_a_rule_a_line() {
        let text = "# of one night\n\n  429,count=3\n500 , path = /nodes \n";
        assert_eq!(lines(text).unwrap(), ["429,count=3", "500 , path = /nodes"]);
        let wrong = lines("429\n\ntea\n").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "fault rule 'tea': there is no fault 'tea' (line 3)"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,40}") {
            let _ = rule(1, &text);
        }

        #[test]
        fn no_argument_makes_reading_panic(index in 0..table::RULES.len(), text in "[0-9a-z.=,>-]{0,20}") {
            let _ = rule(1, &format!("{}={text}", table::RULES[index].name));
        }
    }
}
