//! All that lies below a folder, in as few calls as can be.
//!
//! There are two ways. One lists folder after folder, some at a time: at least a call for
//! each. The other reads the whole drive as one stream of changes from its beginning, some
//! 2,000 nodes in each set, however few of them are wanted. It begins with the first way.
//! Once more than [`ASK`] folders are waiting to be listed it asks how many files there are
//! (one call), and goes over to the other way when more folders wait than sets would come.
//! It stays with the first way for drives of more than [`MOST_NODES`] nodes, whose nodes
//! have to be held until the last one is there, and where their number is not told; and it
//! comes back to it when the stream cannot be had whole.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::Poll,
};

use crate::{
    changes::Changes,
    error::Error,
    listing::{Listing, short},
    lookup::{Target, shown},
    platform::{Level, Platform},
    service::Service,
    view::{Nodes, View},
    wire::{Kind, Node},
};

/// A walk under way.
pub(crate) struct Walk<P: Platform> {
    service: Rc<Service<P>>,
    /// Folders that were found and not looked into; the last ones go first, so that few are
    /// waiting at any time.
    waiting: Vec<Rc<Place>>,
    open: Vec<Asked<P>>,
    way: Way,
    drive: Option<Drive>,
    /// What went wrong first, while the rest goes on, and how often something did.
    failed: Option<Error>,
    failures: u32,
}

/// A node, and the way to it from the folder that the walk began in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) node: Node,
}

/// A folder, and how it was come to.
struct Place {
    id: String,
    name: Vec<u8>,
    above: Option<Rc<Self>>,
}

/// A page of a folder's listing.
struct Step<P> {
    place: Rc<Place>,
    listing: Listing<P>,
    page: Result<Option<Vec<Node>>, Error>,
}

/// A page on its way.
type Asked<P> = Pin<Box<dyn Future<Output = Step<P>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Folder after folder, as long as it is not known how many files there are.
    Unasked,
    /// Folder after folder, until more than so many wait.
    Until(usize),
    /// Folder after folder to the end.
    Folders,
    /// No more folders are begun, and then the whole drive is read.
    Whole,
}

/// The drive as a stream of changes told it.
struct Drive {
    nodes: Nodes,
    /// What is in folders: a node, and where the next one of the same folder is. (A list
    /// through one vector: sorting and more maps are code that nothing else needs.)
    links: Vec<(u128, Option<u32>)>,
    /// Folders it does not know, which are too new for it.
    unknown: Vec<Rc<Place>>,
}

impl<P: Platform + 'static> Walk<P> {
    /// Finds the folder. No page is asked for yet.
    pub(crate) async fn open(service: Rc<Service<P>>, target: &Target) -> Result<Self, Error> {
        let listing = Listing::open(Rc::clone(&service), target).await?;
        let top = Rc::new(Place {
            id: listing.folder().to_owned(),
            name: Vec::new(),
            above: None,
        });
        let open = vec![step(top, listing)];
        Ok(Self {
            service,
            waiting: Vec::new(),
            open,
            way: Way::Unasked,
            drive: None,
            failed: None,
            failures: 0,
        })
    }

    /// Some more of what there is, never nothing; `None` when that was all. An error comes
    /// after all else that could be found.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Found>>, Error> {
        loop {
            if self.drive.is_some() {
                let found = self.take();
                if !found.is_empty() {
                    return Ok(Some(found));
                }
                continue;
            }
            self.decide().await;
            while self.way != Way::Whole && self.open.len() < AT_ONCE {
                let Some(place) = self.waiting.pop() else {
                    break;
                };
                let listing = Listing::of_folder(Rc::clone(&self.service), place.id.clone());
                self.open.push(step(place, listing));
            }
            match first(&mut self.open).await {
                Some(step) => {
                    let found = self.page(step);
                    if !found.is_empty() {
                        return Ok(Some(found));
                    }
                }
                None if self.way == Way::Whole => {
                    self.way = Way::Folders;
                    self.drive = self.whole_drive().await;
                }
                None => return self.failed.take().map_or(Ok(None), Err),
            }
        }
    }

    /// Which way to go from here.
    async fn decide(&mut self) {
        if self.way == Way::Unasked && self.waiting.len() > ASK {
            self.way = match self.service.usage().await {
                Ok(usage) if !usage.is_empty() => {
                    let counts = usage.iter().map(|it| it.total.count.unwrap_or(0));
                    let files = counts.fold(0, u64::saturating_add);
                    match usize::try_from(files) {
                        Ok(files) if files <= MOST_NODES => Way::Until(files / NODES_OF_SET + 1),
                        _ => Way::Folders,
                    }
                }
                // It is no more than a way to save calls.
                Ok(_) | Err(_) => Way::Folders,
            };
        }
        if let Way::Until(most) = self.way
            && self.waiting.len() > most
        {
            self.way = Way::Whole;
        }
    }

    /// What a page of a listing has.
    fn page(&mut self, step_taken: Step<P>) -> Vec<Found> {
        let Step {
            place,
            listing,
            page,
        } = step_taken;
        match page {
            Ok(Some(nodes)) => {
                self.open.push(step(Rc::clone(&place), listing));
                let found = nodes.into_iter().map(|node| self.found(&place, node));
                found.collect()
            }
            Ok(None) => Vec::new(),
            // It was there a moment ago, and is not any more: so is all that was in it.
            Err(Error::NotFound(_)) if place.above.is_some() => Vec::new(),
            Err(error) => {
                let name = shown(&place.path());
                let line = format!("what is in {name:?} is not known");
                self.service.platform.log(Level::Warn, &line);
                self.failures += 1;
                let hopeless = matches!(
                    error,
                    Error::Unauthenticated(_) | Error::EgressDenied(_) | Error::Throttled(_)
                );
                if hopeless || self.failures == FAILURES {
                    // Each of the others would only take as long to fail.
                    self.waiting.clear();
                    self.open.clear();
                    self.way = Way::Folders;
                }
                self.failed.get_or_insert(error);
                Vec::new()
            }
        }
    }

    /// A node of a folder; if it is a folder itself, it is to be looked into.
    fn found(&mut self, place: &Rc<Place>, node: Node) -> Found {
        let mut path = place.path();
        path.push(node.name.clone());
        if node.kind == Kind::Folder && !place.is_below(&node.id) {
            self.waiting.push(Rc::new(Place {
                id: node.id.clone(),
                name: node.name.clone(),
                above: Some(Rc::clone(place)),
            }));
        }
        Found { path, node }
    }

    /// The whole drive, or `None` if it cannot be had.
    async fn whole_drive(&self) -> Option<Drive> {
        let mut view = View::default();
        let mut tries = 0;
        loop {
            let from = view.checkpoint().map(str::to_owned);
            match self.read(&mut view).await {
                Ok(true) => break,
                Ok(false) => return None,
                Err(error) => {
                    // Whatever brought something is worth another try.
                    tries = match from.as_deref() == view.checkpoint() {
                        true => tries + 1,
                        false => 0,
                    };
                    if tries == TRIES {
                        let line = "the changes cannot be had whole: listing folder by folder";
                        self.service.platform.log(Level::Info, line);
                        return None;
                    }
                    drop(error);
                }
            }
        }
        let mut nodes = view.into_nodes();
        let mut edges = Vec::new();
        for (id, held) in &nodes {
            let parents = held.node.parents.iter();
            edges.extend(parents.map(|parent| (short(parent), *id)));
        }
        let mut links = Vec::with_capacity(edges.len());
        for (parent, child) in edges {
            if let Some(folder) = nodes.get_mut(&parent) {
                let here = u32::try_from(links.len()).ok();
                links.push((child, std::mem::replace(&mut folder.first, here)));
            }
        }
        Some(Drive {
            nodes,
            links,
            unknown: Vec::new(),
        })
    }

    /// Reads changes to their end; false where there are more nodes than can be held.
    async fn read(&self, view: &mut View) -> Result<bool, Error> {
        let service = Rc::clone(&self.service);
        let mut changes = Changes::open(service, view.checkpoint()).await?;
        while let Some(set) = changes.next().await? {
            view.apply(set);
            if view.held() > MOST_NODES {
                return Ok(false);
            }
        }
        view.end();
        Ok(true)
    }

    /// Some of what the drive has below the folders that wait.
    fn take(&mut self) -> Vec<Found> {
        let mut all = Vec::new();
        let Some(mut drive) = self.drive.take() else {
            return all;
        };
        while all.len() < BATCH {
            let Some(place) = self.waiting.pop() else {
                self.waiting = drive.unknown;
                return all;
            };
            let Some(folder) = drive.nodes.get(&short(&place.id)) else {
                drive.unknown.push(place);
                continue;
            };
            let mut next = folder.first;
            while let Some((child, after)) = next.and_then(|at| drive.links.get(at as usize)) {
                next = *after;
                if let Some(held) = drive.nodes.get(child) {
                    all.push(self.found(&place, Node::clone(&held.node)));
                }
            }
        }
        self.drive = Some(drive);
        all
    }
}

/// The first page that is there; `None` where none was asked for.
///
/// All are looked at each time: there are few, and it takes less code than to know which.
async fn first<P>(open: &mut Vec<Asked<P>>) -> Option<Step<P>> {
    if open.is_empty() {
        return None;
    }
    poll_fn(|context| {
        for at in 0..open.len() {
            if let Poll::Ready(step) = open[at].as_mut().poll(context) {
                drop(open.swap_remove(at));
                return Poll::Ready(Some(step));
            }
        }
        Poll::Pending
    })
    .await
}

/// Asks for the next page of a listing.
fn step<P: Platform + 'static>(place: Rc<Place>, mut listing: Listing<P>) -> Asked<P> {
    Box::pin(async move {
        let page = listing.next_page().await;
        Step {
            place,
            listing,
            page,
        }
    })
}

impl Place {
    /// The names from the walk's first folder down.
    fn path(&self) -> Vec<Vec<u8>> {
        let mut path = match &self.above {
            Some(above) => above.path(),
            None => return Vec::new(),
        };
        path.push(self.name.clone());
        path
    }

    /// Whether it is this folder, or lies in it: a folder that was put into itself would
    /// have no end.
    fn is_below(&self, id: &str) -> bool {
        self.id == id || self.above.as_ref().is_some_and(|above| above.is_below(id))
    }
}

/// Folders listed at once, as many as a run of the program lists.
const AT_ONCE: usize = 16;

/// Folders that may wait before it is worth a call to know how many files there are.
const ASK: usize = 8;

/// Nodes of a set of changes: what the service sent if not told otherwise.
const NODES_OF_SET: usize = 2000;

/// Nodes that are held at most: each takes some 450 bytes, together 90 MB of the 256 MiB
/// that an instance has.
pub(crate) const MOST_NODES: usize = 200_000;

/// Nodes handed on at once.
const BATCH: usize = 500;

/// Folders that may fail before the others are given up.
const FAILURES: u32 = 4;

/// Times in a row that the changes break off without having brought anything.
const TRIES: u32 = 3;
