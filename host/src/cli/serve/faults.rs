//! Fault rules on the command line.

use std::fs;

use amazon_drive_server::{InvalidFault, Options, fault};

use super::super::{
    args,
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::files::shown;

/// Writes the list of faults, or the document of them.
pub(super) fn list(asked: &args::ServeFaults) -> Result<Exit, Stop> {
    let text = match asked.markdown {
        true => fault::markdown(),
        false => fault::list(),
    };
    let mut output = Output::new();
    output.write(text.as_bytes())?;
    output.flush()?;
    Ok(Exit::Done)
}

/// The options with all rules asked for: those of the command line first.
pub(super) fn add(mut options: Options, asked: &args::ServeFaults) -> Result<Options, Failure> {
    options = options
        .with_faults(asked.fault.iter().map(String::as_str))
        .map_err(|invalid| wrong(&invalid, None))?;
    for path in &asked.fault_file {
        let text = fs::read_to_string(path).map_err(|error| {
            let what = format!("cannot read the fault rules in {}: {error}", shown(path));
            Failure::new("bad-fault", Exit::Usage, what)
                .hint("it has a rule a line, and comments that begin with #")
        })?;
        let file = Some(shown(path).to_string());
        let rules = fault::rules_of(&text).map_err(|invalid| wrong(&invalid, file.as_deref()))?;
        options = options
            .with_faults(rules)
            .map_err(|invalid| wrong(&invalid, file.as_deref()))?;
    }
    if asked.fault_admin {
        options = options.with_fault_admin();
    }
    Ok(options)
}

fn wrong(invalid: &InvalidFault, file: Option<&str>) -> Failure {
    let what = match file {
        Some(file) => format!("{file}: {invalid}"),
        None => invalid.to_string(),
    };
    Failure::new("bad-fault", Exit::Usage, what).hint(invalid.allowed())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn asked(rules: &[&str], file: Option<&Path>) -> args::ServeFaults {
        args::ServeFaults {
            fault: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            fault_file: file.map(Path::to_owned).into_iter().collect(),
            fault_admin: false,
            list_faults: false,
            markdown: false,
        }
    }

    fn options() -> Options {
        Options::new("nowhere", ([127, 0, 0, 1], 0).into())
    }

    #[test]
    fn wrong_rule_is_a_usage_error_with_what_is_allowed() {
        let failure = add(options(), &asked(&["503", "429=tea"], None)).unwrap_err();
        assert_eq!((failure.code, failure.exit.status()), ("bad-fault", 1));
        assert_eq!(failure.line(), "fault rule '429=tea': 'tea' is no SHAPE");
        let hint = failure.hint.unwrap();
        assert!(hint.starts_with("SHAPE is one of logref, "), "{hint}");
        assert!(add(options(), &asked(&["503", "429=empty,count=3"], None)).is_ok());
    }

    #[test]
    fn wrong_file_is_named_with_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("night.txt");
        let missing = add(options(), &asked(&[], Some(&path))).unwrap_err();
        assert_eq!((missing.code, missing.exit.status()), ("bad-fault", 1));
        assert!(missing.line().contains("night.txt"), "{}", missing.line());
        fs::write(&path, "# a night\n503\n\ntea\n").unwrap();
        let failure = add(options(), &asked(&[], Some(&path))).unwrap_err();
        let line = failure.line();
        assert!(
            line.ends_with("night.txt: fault rule 'tea': there is no fault 'tea' (line 4)"),
            "{line}"
        );
        fs::write(&path, "503,count=1\n# the end\n").unwrap();
        assert!(add(options(), &asked(&[], Some(&path))).is_ok());
    }
}
