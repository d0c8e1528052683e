//! A folder's nodes, page by page, complete or an error.

use std::{collections::HashSet, rc::Rc};

use crate::{
    error::{Detail, Error},
    lookup::{PROPERTIES, Target, shown},
    platform::{Level, Platform},
    service::{Call, Service},
    wire::{Kind, Node, Odd, Page},
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    First,
    After(String),
    End,
}

/// Ids, in little room: a folder may have a million.
#[derive(Default)]
struct Seen {
    /// What the service's ids are: 128 bits in 22 characters.
    usual: HashSet<u128>,
    other: HashSet<String>,
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, id: &str) -> bool {
        match bits(id) {
            Some(bits) => self.usual.insert(bits),
            None => self.other.insert(id.to_owned()),
        }
    }

    fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.other.is_empty()
    }
}

/// The bits behind 22 characters of URL-safe base64, if the id is just that.
fn bits(id: &str) -> Option<u128> {
    if id.len() != 22 {
        return None;
    }
    let mut bits = 0_u128;
    for (place, byte) in id.bytes().enumerate() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        // 21 characters have 126 bits; the last one has two, and four that must be 0.
        if place == 21 {
            return (six & 0b1111 == 0).then_some(bits << 2 | u128::from(six >> 4));
        }
        bits = bits << 6 | u128::from(six);
    }
    None
}

impl<P: Platform> Listing<P> {
    /// Finds the folder. No page is asked for yet.
    pub(crate) async fn open(service: Rc<Service<P>>, target: &Target) -> Result<Self, Error> {
        let path = match target {
            Target::Path(path) => Some(path.clone()),
            Target::Id(_) => None,
        };
        Ok(Self {
            folder: Some(service.folder_target(target).await?),
            service,
            path,
            next: Next::First,
            seen: Seen::default(),
            restarts: 0,
        })
    }

    /// Of what is in the trash by itself.
    pub(crate) fn of_trash(service: Rc<Service<P>>) -> Self {
        Self {
            folder: None,
            service,
            path: None,
            next: Next::First,
            seen: Seen::default(),
            restarts: 0,
        }
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
        let page: Page<'_> =
            serde_json::from_slice(&body).map_err(|error| Error::protocol(what, error))?;
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
                self.tell(&node.id, odd);
            } else if self.seen.insert(&node.id) {
                nodes.push(node.into_node(self.service.encoding));
            }
        }
        if self.next == Next::End && self.seen.is_empty() {
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

    fn tell(&self, id: &str, odd: Odd) {
        let why = match odd {
            Odd::Kind => "it is neither file nor folder",
            Odd::Nameless => "it has no name",
            Odd::Elsewhere => "it is in another folder",
            // Trashed nodes may linger in the index, uploads may be under way: no news.
            Odd::NotAvailable | Odd::NotTrashed | Odd::Pending => {
                let line = format!("a listing has node {id}, which is not there (any more)");
                self.service.platform.log(Level::Debug, &line);
                return;
            }
        };
        let line = format!("left out of a listing: node {id}, as {why}");
        self.service.platform.log(Level::Warn, &line);
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
            assert!(seen.insert(id), "{id}");
            assert!(!seen.insert(id), "{id}");
        }
        assert_eq!((seen.usual.len(), seen.other.len()), (5, 4));
    }
}
