//! A folder's nodes, page by page, complete or an error.

use std::{collections::HashSet, rc::Rc};

use crate::{
    error::{Detail, Error},
    lookup::{PROPERTIES, Target, shown},
    platform::{Level, Platform},
    service::{Call, Service},
    wire::{Kind, Node, Page},
};

/// A listing under way.
pub(crate) struct Listing<P> {
    service: Rc<Service<P>>,
    /// The folder; `None` is the trash.
    folder: Option<String>,
    /// The way it was asked for, where memory of it may be wrong.
    path: Option<Vec<Vec<u8>>>,
    next: Next,
    /// Handed out already: pages can repeat nodes, and a listing can start anew.
    seen: Seen,
    restarts: u32,
    check: Check,
}

/// Whether a folder that seems to be empty is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// It may be no folder.
    IfEmpty,
    /// Its own parent's listing has just said that it is one.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    First,
    After(String),
    End,
}

/// Ids, in little room: a folder may have a million.
pub(crate) type Seen = HashSet<u128>;

/// A node's id, in little room: the bits behind 22 characters of URL-safe base64, which all
/// ids of the service were, or a number made of another text. That two such texts give the
/// same one is as good as impossible, where nobody tries; and only the service could.
pub(crate) fn short(id: &str) -> u128 {
    let mut bits = 0_u128;
    for (place, byte) in id.bytes().enumerate() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return mixed(id),
        };
        // 21 characters have 126 bits; the last one has two, and four that must be 0.
        match place {
            0..21 => bits = bits << 6 | u128::from(six),
            21 if id.len() == 22 && six & 0b1111 == 0 => {
                return bits << 2 | u128::from(six >> 4);
            }
            _ => break,
        }
    }
    mixed(id)
}

/// FNV-1a of 128 bits.
fn mixed(id: &str) -> u128 {
    id.bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}

impl<P: Platform> Listing<P> {
    /// Finds the folder. No page is asked for yet.
    pub(crate) async fn open(service: Rc<Service<P>>, target: &Target) -> Result<Self, Error> {
        let path = match target {
            Target::Path(path) => Some(path.clone()),
            Target::Id(_) => None,
        };
        let folder = service.folder_target(target).await?;
        Ok(Self::new(service, Some(folder), path, Check::IfEmpty))
    }

    /// Of what is in the trash by itself.
    pub(crate) fn of_trash(service: Rc<Service<P>>) -> Self {
        Self::new(service, None, None, Check::Never)
    }

    /// Lists a folder that another listing has just shown.
    pub(crate) fn of_folder(service: Rc<Service<P>>, id: String) -> Self {
        Self::new(service, Some(id), None, Check::Never)
    }

    fn new(
        service: Rc<Service<P>>,
        folder: Option<String>,
        path: Option<Vec<Vec<u8>>>,
        check: Check,
    ) -> Self {
        Self {
            folder,
            service,
            path,
            next: Next::First,
            seen: Seen::default(),
            restarts: 0,
            check,
        }
    }

    /// The folder's id; the trash has none.
    pub(crate) fn folder(&self) -> &str {
        self.folder.as_deref().unwrap_or_default()
    }

    /// The nodes of the next page, which may be none; `None` after the last one.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<Node>>, Error> {
        let token = match &self.next {
            Next::First => None,
            Next::After(token) => Some(token.clone()),
            Next::End => return Ok(None),
        };
        let (what, within, filter) = match &self.folder {
            Some(folder) => ("list a folder", "nodes", Some(format!("parents:{folder}"))),
            None => ("list the trash", "trash", None),
        };
        let mut query = Vec::with_capacity(4);
        query.extend(filter.as_deref().map(|filter| ("filters", filter)));
        query.extend([("limit", PAGE), PROPERTIES]);
        query.extend(token.as_deref().map(|token| ("startToken", token)));
        let url = self.service.query_url(within, &query);
        let body = match self.service.whole(&Call::get(what, url)).await {
            Ok(body) => body,
            Err(Error::InvalidArgument(detail))
                if token.is_some() && detail.message.contains(EXPIRED) =>
            {
                return self.restart(detail);
            }
            Err(error) => return Err(error),
        };
        let page = Page::read(&body).map_err(|error| Error::protocol(what, error))?;
        self.next = match page.next_token {
            None => Next::End,
            Some(next) if next.is_empty() => Next::End,
            Some(next) if Some(&next) == token.as_ref() => {
                return Err(Error::protocol(what, "a page names itself as the next one"));
            }
            Some(next) => Next::After(next),
        };
        let mut nodes = Vec::with_capacity(page.data.len());
        for node in page.data {
            let odd = match &self.folder {
                Some(folder) => node.oddity(Some(folder)),
                None => node.oddity_in_trash(),
            };
            if let Some(odd) = odd {
                self.service.tell_odd(&node, odd);
            } else if self.seen.insert(short(&node.id)) {
                nodes.push(node.into_node(self.service.encoding));
            } else if self.restarts == 0 {
                self.service.tell_repeated(&node);
            }
        }
        if self.next == Next::End && self.seen.is_empty() && self.check == Check::IfEmpty {
            self.check_folder().await?;
        }
        Ok(Some(nodes))
    }

    /// Begins again: the page after the token can never be had any more.
    fn restart(&mut self, detail: Detail) -> Result<Option<Vec<Node>>, Error> {
        if self.restarts == RESTARTS {
            return Err(Error::Unavailable(detail));
        }
        self.restarts += 1;
        self.next = Next::First;
        let line = "the listing took too long for the service and begins again";
        self.service.platform.log(Level::Info, line);
        Ok(Some(Vec::new()))
    }

    /// The service lists nothing for what is no folder, or is gone. Only of a folder that
    /// is there may be said that it is empty.
    async fn check_folder(&self) -> Result<(), Error> {
        let name = || match &self.path {
            Some(path) => shown(path),
            None => "the node".to_owned(),
        };
        let Some(folder) = &self.folder else {
            // The trash is always there.
            return Ok(());
        };
        match self.service.stat_id(folder).await {
            Ok(node) if node.kind == Kind::Folder => Ok(()),
            Ok(_) => Err(Error::NotAFolder(Detail::new(format!(
                "not a folder: {}",
                name()
            )))),
            Err(error) => {
                if let Some(path) = &self.path {
                    self.service.forget(path);
                }
                Err(error)
            }
        }
    }
}

/// The service's largest page.
const PAGE: &str = "200";

/// What it says of a token older than ten minutes.
const EXPIRED: &str = "Next token is expired";

/// How often a listing begins again: each time means ten minutes without a page.
const RESTARTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_in_either_form() {
        let ids = [
            "RRjt6JR7QF-O1GM3auqWKw",
            "RRjt6JR7QF-O1GM3auqWKg",
            "-Rjt6JR7QF_O1GM3auqWKw",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "__________________4_5Q",
            // Not such a number, or not such characters.
            "RRjt6JR7QF-O1GM3auqWKx",
            "RRjt6JR7QF-O1GM3auqWK.",
            "short",
            "",
        ];
        let mut seen = Seen::default();
        for id in ids {
            assert!(seen.insert(short(id)), "{id}");
            assert!(!seen.insert(short(id)), "{id}");
        }
        assert_eq!(short("AAAAAAAAAAAAAAAAAAAAAA"), 0);
        assert_eq!(short("_____________________w"), u128::MAX);
    }
}
