//! What a run needs of a place, whatever it is: the seam that local folders, remotes and
//! the tests' scripted places stand behind.

use std::{borrow::Cow, time::SystemTime};

use async_trait::async_trait;

use super::{Error, content::Passing, content::Readable};
use crate::{
    component::{self, Clashes, Decision, Item, NameRule, PlanOptions, Sandbox, Unconfirmed},
    files::{Digest, Kind},
};

/// One of a run's two places. Names are raw, in paths relative to the place's base.
#[async_trait]
pub(super) trait Side: Send + Sync {
    /// How it tells names apart.
    fn rule(&self) -> NameRule;

    /// The name it gives to what another place calls `raw`.
    fn own_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]>;

    /// Whether a failed write may turn out to have worked, so that looking at what is
    /// there can save sending it again.
    fn may_land_late(&self) -> bool;

    /// What is there, without following a link; `None` where nothing is.
    async fn stat(&self, spot: &Spot) -> Result<Option<Entry>, Error>;

    /// All of a folder's entries. An error means that nothing is known.
    async fn list(&self, folder: &Spot) -> Result<Listed, Error>;

    /// Removes leftovers of killed runs that a listing named.
    async fn clean_up(&self, folder: &Spot, leftovers: &[Vec<u8>]) -> Result<(), Error>;

    /// Size and MD5 of a file as it is now; `None` where the place cannot tell.
    async fn digest(&self, file: &Spot) -> Result<Option<Digest>, Error>;

    /// The content of the file that a listing or a look found as `known`.
    async fn read(&self, file: &Spot, known: &Entry) -> Result<Box<dyn Readable>, Error>;

    /// Writes a file, over the one with `to`'s id (on places with ids) or path if
    /// `exists`. Says what is there now, as far as the place tells.
    /// Tries to write the same file have the same `key`.
    async fn write(
        &self,
        to: &Spot,
        content: Passing,
        exists: bool,
        key: &str,
    ) -> Result<Landed, Error>;

    /// Looks for what a write without a clear answer wrote, whose content had this MD5: waits
    /// for as long as it may come late. `None` where it is not there, and for places that
    /// answer clearly.
    async fn confirm(
        &self,
        _to: &Spot,
        _write: &Unconfirmed,
        _md5: &str,
    ) -> Result<Option<Landed>, Error> {
        Ok(None)
    }

    /// Sets the time of a file whose content a listing or a look found as `known`.
    async fn set_time(&self, file: &Spot, known: &Entry, time: SystemTime) -> Result<(), Error>;

    /// Makes a folder and those on the way to it; one that is there is fine. Returns its
    /// id on places with ids.
    async fn make_folder(&self, folder: &Spot) -> Result<Option<String>, Error>;

    /// Removes a file, or a folder with all it holds.
    async fn remove(&self, spot: &Spot, kind: Kind) -> Result<(), Error>;
}

/// Where something is on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// Raw names below the side's base; empty is the base.
    pub(super) names: Vec<Vec<u8>>,
    /// The place's own name for it, if it has such and it is known.
    pub(super) id: Option<String>,
    /// The path for people; `.` is the base.
    pub(super) label: String,
}

impl Spot {
    pub(super) fn base(id: Option<String>) -> Self {
        Self {
            names: Vec::new(),
            id,
            label: ".".to_owned(),
        }
    }

    /// Something in this folder, with its own label.
    pub(super) fn child(&self, name: &[u8], id: Option<String>, label: String) -> Self {
        let mut names = Vec::with_capacity(self.names.len() + 1);
        names.extend_from_slice(&self.names);
        names.push(name.to_owned());
        Self { names, id, label }
    }

    /// The label of something in this folder.
    pub(super) fn label_of(&self, shown: &str) -> String {
        if self.names.is_empty() {
            shown.to_owned()
        } else {
            format!("{}/{shown}", self.label)
        }
    }
}

/// One name of a folder. Small: folders of a million names are held in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The raw name.
    pub(super) name: Box<[u8]>,
    pub(super) kind: Kind,
    /// `None` for folders, and for content that is not there yet.
    pub(super) size: Option<u64>,
    pub(super) md5: Option<Md5>,
    pub(super) id: Option<Box<str>>,
    /// A file's own time, where known; the service's own times are none of a file's.
    pub(super) time: Option<SystemTime>,
}

/// A folder's entries.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) entries: Vec<Entry>,
    /// Names of what killed runs may have left, which are no entries.
    pub(super) leftovers: Vec<Vec<u8>>,
}

/// An MD5 in its binary form, which takes a third of the text's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Md5([u8; 16]);

impl Md5 {
    /// Reads 32 hexadecimal digits; anything else is no MD5.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Lower-case hexadecimal.
    pub(super) fn text(&self) -> String {
        hex::encode(self.0)
    }
}

/// What a place says it has after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Landed {
    pub(super) id: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) md5: Option<Md5>,
}

impl Landed {
    /// Whether it is proven to be `sent`.
    pub(super) fn proves(&self, sent: &Digest) -> bool {
        self.size == Some(sent.size) && self.md5.is_some() && self.md5 == Md5::parse(&sent.md5)
    }
}

impl std::fmt::Display for Landed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.size {
            Some(size) => write!(f, "{size} bytes with ")?,
            None => f.write_str("bytes of unknown number with ")?,
        }
        match &self.md5 {
            Some(md5) => write!(f, "MD5 {}", md5.text()),
            None => f.write_str("unknown MD5"),
        }
    }
}

/// Who decides what is to be done: the component, through its pure calls.
#[async_trait]
pub(super) trait Decider: Send + Sync {
    /// What to do with the names of one folder, or of one slice of it.
    async fn plan(
        &self,
        source: Vec<Item>,
        destination: Vec<Item>,
        options: PlanOptions,
    ) -> Result<Vec<Decision>, component::Error>;

    /// What makes two names the same; equal keys are one name, or where clashes are
    /// renamed, names that one plan must see together.
    async fn match_keys(
        &self,
        names: Vec<Vec<u8>>,
        rule: NameRule,
        clashes: Clashes,
    ) -> Result<Vec<Vec<u8>>, component::Error>;

    /// Names as people see them.
    async fn display(&self, names: Vec<Vec<u8>>) -> Result<Vec<String>, component::Error>;
}

#[async_trait]
impl Decider for Sandbox {
    async fn plan(
        &self,
        source: Vec<Item>,
        destination: Vec<Item>,
        options: PlanOptions,
    ) -> Result<Vec<Decision>, component::Error> {
        Self::plan(self, source, destination, options).await
    }

    async fn match_keys(
        &self,
        names: Vec<Vec<u8>>,
        rule: NameRule,
        clashes: Clashes,
    ) -> Result<Vec<Vec<u8>>, component::Error> {
        Self::match_keys(self, names, rule, clashes).await
    }

    async fn display(&self, names: Vec<Vec<u8>>) -> Result<Vec<String>, component::Error> {
        Self::display(self, names).await
    }
}
