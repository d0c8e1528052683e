//! Which of the service's calls a request is.

use http::Method;
use url::form_urlencoded;

/// A call, by method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST {content}nodes`
    Create,
    /// `PUT {content}nodes/{id}/content`
    Overwrite,
    /// `GET {content}nodes/{id}/content`
    Download,
    /// A listing; of this folder, if it is one of a folder.
    List {
        folder: Option<String>,
        /// Not the first page.
        goes_on: bool,
    },
    /// `GET {metadata}nodes/{id}`
    Read { id: String },
    /// `POST {metadata}nodes/{id}/children`
    Move,
    /// `DELETE {metadata}nodes/{folder}/children/{child}`
    Detach { folder: String },
    /// `POST {metadata}changes`
    Changes,
    /// Any other of the metadata or content calls.
    Other,
    /// The token endpoint.
    Token,
    /// What is not the service's: no fault touches it.
    Elsewhere,
}

impl Call {
    pub(crate) fn of(method: &Method, path: &str, query: &str) -> Self {
        if path == "/auth/o2/token" {
            return Self::Token;
        }
        let content = path.strip_prefix("/cdproxy/");
        let metadata = path.strip_prefix("/drive/v1/");
        let Some(rest) = content.or(metadata) else {
            return Self::Elsewhere;
        };
        let steps: Vec<&str> = rest.split('/').filter(|step| !step.is_empty()).collect();
        match (content.is_some(), method, steps.as_slice()) {
            (true, &Method::POST, ["nodes"]) => Self::Create,
            (true, &Method::PUT, ["nodes", _, "content"]) => Self::Overwrite,
            (true, &Method::GET, ["nodes", _, "content"]) => Self::Download,
            (false, &Method::GET, ["nodes"]) => Self::list(folder_of(query), query),
            (false, &Method::GET, ["trash"]) => Self::list(None, query),
            (false, &Method::GET, ["nodes", id, "children"]) => {
                Self::list(Some((*id).to_owned()), query)
            }
            (false, &Method::GET, ["nodes", id]) => Self::Read {
                id: (*id).to_owned(),
            },
            (false, &Method::POST, ["nodes", _, "children"]) => Self::Move,
            (false, &Method::DELETE, ["nodes", folder, "children", _]) => Self::Detach {
                folder: (*folder).to_owned(),
            },
            (false, &Method::POST, ["changes"]) => Self::Changes,
            _ => Self::Other,
        }
    }

    fn list(folder: Option<String>, query: &str) -> Self {
        let token = parameter(query, "startToken");
        Self::List {
            folder,
            goes_on: token.is_some_and(|token| !token.is_empty()),
        }
    }
}

/// The calls that a rule can apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of the service, the token endpoint included.
    Everything,
    /// Metadata and content.
    Drive,
    Uploads,
    Creates,
    Overwrites,
    Downloads,
    Listings,
    LaterPages,
    FolderListings,
    Moves,
    Changes,
    Tokens,
    /// Uploads and downloads, and everything that shows nodes.
    Nodes,
}

impl Scope {
    pub(crate) fn covers(self, call: &Call) -> bool {
        match self {
            Self::Everything => *call != Call::Elsewhere,
            Self::Drive => !matches!(call, Call::Elsewhere | Call::Token),
            Self::Uploads => matches!(call, Call::Create | Call::Overwrite),
            Self::Creates => *call == Call::Create,
            Self::Overwrites => *call == Call::Overwrite,
            Self::Downloads => *call == Call::Download,
            Self::Listings => matches!(call, Call::List { .. }),
            Self::LaterPages => matches!(call, Call::List { goes_on: true, .. }),
            Self::FolderListings => {
                matches!(
                    call,
                    Call::List {
                        folder: Some(_),
                        ..
                    } | Call::Changes
                )
            }
            Self::Moves => matches!(call, Call::Move | Call::Detach { .. }),
            Self::Changes => *call == Call::Changes,
            Self::Tokens => *call == Call::Token,
            Self::Nodes => matches!(
                call,
                Call::Create
                    | Call::Overwrite
                    | Call::Download
                    | Call::List { .. }
                    | Call::Read { .. }
            ),
        }
    }

    /// For people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Everything => "every call, the token endpoint included",
            Self::Drive => "every metadata and content call",
            Self::Uploads => "uploads: `POST {content}nodes`, `PUT {content}nodes/{id}/content`",
            Self::Creates => "uploads of new files: `POST {content}nodes`",
            Self::Overwrites => "overwrites: `PUT {content}nodes/{id}/content`",
            Self::Downloads => "downloads: `GET {content}nodes/{id}/content`",
            Self::Listings => "listings: `GET` of `nodes`, `nodes/{id}/children` and `trash`",
            Self::LaterPages => "listings with a `startToken`",
            Self::FolderListings => {
                "listings of one folder (by `children` or by a filter `parents:ID`), and `changes`"
            }
            Self::Moves => {
                "moves: `POST nodes/{id}/children`, and `DELETE nodes/{id}/children/{child}`"
            }
            Self::Changes => "`POST changes`",
            Self::Tokens => "the token endpoint",
            Self::Nodes => "uploads, downloads, listings and `GET nodes/{id}`",
        }
    }
}

/// A parameter of a query, decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The folder that a filter asks for the nodes of.
fn folder_of(query: &str) -> Option<String> {
    let filters = parameter(query, "filters")?;
    let (_, rest) = filters.split_once("parents:")?;
    let id: String = rest
        .trim_start_matches('"')
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        .collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_method_and_path() {
        let list = |folder: Option<&str>, goes_on| Call::List {
            folder: folder.map(str::to_owned),
            goes_on,
        };
        for (method, path, query, call) in [
            (Method::POST, "/cdproxy/nodes", "suppress=x", Call::Create),
            (Method::PUT, "/cdproxy/nodes/a/content", "", Call::Overwrite),
            (Method::GET, "/cdproxy/nodes/a/content", "", Call::Download),
            (Method::GET, "/cdproxy/templink/a", "", Call::Other),
            (Method::GET, "/drive/v1/nodes", "", list(None, false)),
            (
                Method::GET,
                "/drive/v1/nodes",
                "filters=parents%3A%22a-b%22+AND+name%3Ax",
                list(Some("a-b"), false),
            ),
            (
                Method::GET,
                "/drive/v1/nodes/a/children",
                "startToken=x",
                list(Some("a"), true),
            ),
            (
                Method::GET,
                "/drive/v1/trash",
                "startToken=",
                list(None, false),
            ),
            (
                Method::GET,
                "/drive/v1/nodes/a",
                "",
                Call::Read { id: "a".into() },
            ),
            (Method::POST, "/drive/v1/nodes/a/children", "", Call::Move),
            (Method::POST, "/drive/v1/changes", "", Call::Changes),
            (Method::POST, "/drive/v1/nodes", "", Call::Other),
            (Method::POST, "/auth/o2/token", "", Call::Token),
            (Method::GET, "/admin/faults", "", Call::Elsewhere),
            (Method::GET, "/", "", Call::Elsewhere),
        ] {
            assert_eq!(
                Call::of(&method, path, query),
                call,
                "{method} {path}?{query}"
            );
        }
    }
}
