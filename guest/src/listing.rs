//! A folder's nodes, page by page, complete or an error.

use std::{collections::HashSet, rc::Rc};

use crate::{
    error::{Detail, Error},
    lookup::{Target, shown},
    platform::{Level, Platform},
    service::{Call, Service},
    wire::{Kind, Node, Odd, Page},
};

/// A listing under way.
pub(crate) struct Listing<P> {
    service: Rc<Service<P>>,
    folder: String,
    /// The way it was asked for, where memory of it may be wrong.
    path: Option<Vec<Vec<u8>>>,
    next: Next,
    /// Handed out already: pages can repeat nodes, and a listing can start anew.
    seen: HashSet<String>,
    restarts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    First,
    After(String),
    End,
}

impl<P: Platform> Listing<P> {
    /// Finds the folder. No page is asked for yet.
    pub(crate) async fn open(service: Rc<Service<P>>, target: &Target) -> Result<Self, Error> {
        let path = match target {
            Target::Path(path) => Some(path.clone()),
            Target::Id(_) => None,
        };
        Ok(Self {
            folder: service.folder_target(target).await?,
            service,
            path,
            next: Next::First,
            seen: HashSet::new(),
            restarts: 0,
        })
    }

    /// The nodes of the next page, which may be none; `None` after the last one.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<Node>>, Error> {
        let token = match &self.next {
            Next::First => None,
            Next::After(token) => Some(token.clone()),
            Next::End => return Ok(None),
        };
        let what = "list a folder";
        let filter = format!("parents:{}", self.folder);
        let mut query = vec![("filters", filter.as_str()), ("limit", PAGE)];
        query.extend(token.as_deref().map(|token| ("startToken", token)));
        let url = self.service.nodes_url(&query);
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
            if let Some(odd) = node.oddity(Some(&self.folder)) {
                self.tell(&node.id, odd);
            } else if self.seen.insert(node.id.to_string()) {
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
        match self.service.stat(&Target::Id(self.folder.clone())).await {
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
            Odd::NotAvailable | Odd::Pending => {
                let line = format!("a listing has node {id}, which is not available");
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
