//! What may be a node's name, and when two names are the same.

/// The name in lower case: names that agree in this are one name in a folder. Character by
/// character, without regard to language or to the place in a word, so `Σ` and `σ` agree
/// everywhere; composed and decomposed letters stay different.
pub(crate) fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// The name's extension in lower case, without its dot.
pub(crate) fn extension(name: &str) -> Option<String> {
    let (front, extension) = name.rsplit_once('.')?;
    (!front.is_empty() && !extension.is_empty()).then(|| fold(extension))
}

/// The name with a node's id in it, before the extension, and as short as names must be.
pub(crate) fn with_id(name: &str, id: &str) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => {
            (stem, format!(".{extension}"))
        }
        _ => (name, String::new()),
    };
    let behind = format!(" ({id}){extension}");
    let room = LONGEST.saturating_sub(behind.chars().count());
    let stem: String = stem.chars().take(room).collect();
    stem + &behind
}

/// The rule that a value breaks, in the service's words.
pub(crate) fn constraint(field: &str, value: &str, rule: &str) -> String {
    format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}"
    )
}

/// What the service says of a name it does not take.
///
/// # Errors
/// The name is empty, longer than 280 characters, or holds `/` or NUL.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let rule = if name.is_empty() {
        "Member must have length greater than or equal to 1".into()
    } else if name.chars().count() > LONGEST {
        format!("Member must have length less than or equal to {LONGEST}")
    } else if name.contains(['/', '\0']) {
        r"Member must satisfy regular expression pattern: [^/\u0000]+".into()
    } else {
        return Ok(());
    };
    Err(constraint("name", name, &rule))
}

/// Characters of the longest name. The service documented 256 and enforced this.
const LONGEST: usize = 280;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_by_character_and_are_not_normalised() {
        assert_eq!(fold("ÄΣ.TXT"), "äσ.txt");
        assert_eq!(fold("straße"), "straße");
        assert_ne!(fold("\u{e9}"), fold("e\u{301}"));
    }

    #[test]
    fn extension_is_what_follows_the_last_dot() {
        for (name, expected) in [
            ("a.JPG", Some("jpg")),
            ("a.tar.gz", Some("gz")),
            (".profile", None),
            ("a.", None),
            ("a", None),
        ] {
            assert_eq!(extension(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn id_comes_before_the_extension_and_fits() {
        assert_eq!(with_id("a.tar.gz", "ID"), "a.tar (ID).gz");
        assert_eq!(with_id(".profile", "ID"), ".profile (ID)");
        let long = with_id(&format!("{}.txt", "x".repeat(276)), "ID");
        assert_eq!(long.chars().count(), 280);
        assert!(long.ends_with("x (ID).txt"), "{long}");
    }

    #[test]
    fn limits_of_a_name() {
        assert!(check("a").is_ok());
        assert!(check(&"é".repeat(280)).is_ok());
        assert!(check(" . ").is_ok());
        assert!(check("").is_err());
        assert!(check("a/b").is_err());
        assert!(check("a\0b").is_err());
        let long = check(&"x".repeat(281)).unwrap_err();
        assert!(
            long.ends_with("Member must have length less than or equal to 280"),
            "{long}"
        );
    }
}
