//! What users let programs do.

use std::fmt;

use crate::media::Category;

/// One thing a program may ask leave for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    ReadImage,
    ReadVideo,
    ReadDocument,
    ReadOther,
    ReadAll,
    /// What `ReadAll` was called before June 2015.
    Read,
    Write,
    Profile,
    UserId,
    PostalCode,
}

/// Scopes in the order they were asked for, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ReadImage => "clouddrive:read_image",
            Self::ReadVideo => "clouddrive:read_video",
            Self::ReadDocument => "clouddrive:read_document",
            Self::ReadOther => "clouddrive:read_other",
            Self::ReadAll => "clouddrive:read_all",
            Self::Read => "clouddrive:read",
            Self::Write => "clouddrive:write",
            Self::Profile => "profile",
            Self::UserId => "profile:user_id",
            Self::PostalCode => "postal_code",
        }
    }

    /// What a user is asked to agree to.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::ReadImage => "See all names and folders, and read your pictures",
            Self::ReadVideo => "See all names and folders, and read your videos",
            Self::ReadDocument => "See all names and folders, and read your documents",
            Self::ReadOther => {
                "See all names and folders, and read files that are no pictures, videos or documents"
            }
            Self::ReadAll | Self::Read => "See all names and folders, and read all your files",
            Self::Write => "Add files, change them, and move them to the trash",
            Self::Profile => "See your user name and account number",
            Self::UserId => "See your account number",
            Self::PostalCode => "Ask for your postal code, which this server does not know",
        }
    }

    const ALL: [Self; 10] = [
        Self::ReadImage,
        Self::ReadVideo,
        Self::ReadDocument,
        Self::ReadOther,
        Self::ReadAll,
        Self::Read,
        Self::Write,
        Self::Profile,
        Self::UserId,
        Self::PostalCode,
    ];
}

impl Scopes {
    /// A list separated by spaces, or by pluses that were encoded once too often. `None`: one
    /// of them is unknown, or there is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut scopes = Vec::new();
        for word in text.split([' ', '+']).filter(|word| !word.is_empty()) {
            let scope = *Scope::ALL.iter().find(|scope| scope.as_str() == word)?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// All of the drive, as the programs of the service's days asked for it.
    pub(crate) fn drive() -> Self {
        Self(vec![Scope::ReadAll, Scope::Write])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether nodes may be listed and looked at.
    pub(crate) fn may_list(&self) -> bool {
        const READING: [Scope; 6] = [
            Scope::ReadImage,
            Scope::ReadVideo,
            Scope::ReadDocument,
            Scope::ReadOther,
            Scope::ReadAll,
            Scope::Read,
        ];
        READING.iter().any(|scope| self.has(*scope))
    }

    /// Whether nodes may be made, changed and trashed.
    pub(crate) fn may_write(&self) -> bool {
        self.has(Scope::Write)
    }

    /// Whether the bytes of such files may be read.
    pub(crate) fn may_read(&self, category: Category) -> bool {
        let narrow = match category {
            Category::Photo => Scope::ReadImage,
            Category::Video => Scope::ReadVideo,
            Category::Document => Scope::ReadDocument,
            Category::Other => Scope::ReadOther,
        };
        self.has(narrow) || self.has(Scope::ReadAll) || self.has(Scope::Read)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, scope) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_however_they_are_separated() {
        for text in [
            "clouddrive:read_all clouddrive:write",
            "clouddrive:read_all+clouddrive:write",
            " clouddrive:read_all  clouddrive:write clouddrive:read_all",
        ] {
            let scopes = Scopes::parse(text).unwrap();
            assert_eq!(scopes, Scopes::drive(), "{text}");
            assert_eq!(scopes.to_string(), "clouddrive:read_all clouddrive:write");
        }
        for text in ["", "  ", "clouddrive:all", "clouddrive:write x"] {
            assert_eq!(Scopes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn narrow_scopes_read_their_own_category_only() {
        use Category::{Document, Other, Photo, Video};
        for (scope, readable) in [
            ("clouddrive:read_image", vec![Photo]),
            ("clouddrive:read_video", vec![Video]),
            ("clouddrive:read_document", vec![Document]),
            ("clouddrive:read_other", vec![Other]),
            ("clouddrive:read_all", vec![Photo, Video, Document, Other]),
            ("clouddrive:read", vec![Photo, Video, Document, Other]),
            ("clouddrive:write", vec![]),
            ("profile", vec![]),
        ] {
            let scopes = Scopes::parse(scope).unwrap();
            for category in [Photo, Video, Document, Other] {
                let expected = readable.contains(&category);
                assert_eq!(scopes.may_read(category), expected, "{scope} {category:?}");
            }
            assert_eq!(scopes.may_list(), !readable.is_empty(), "{scope}");
            assert_eq!(scopes.may_write(), scope == "clouddrive:write");
        }
    }
}
