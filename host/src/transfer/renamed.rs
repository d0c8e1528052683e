//! A folder of which one file goes by another name: what it is to be called where it goes.

use std::{borrow::Cow, time::SystemTime};

use async_trait::async_trait;

use super::{
    Error,
    content::{Passing, Readable},
    side::{Entry, Landed, Listed, Side, Spot},
};
use crate::{
    component::{NameRule, Unconfirmed},
    files::{Digest, Kind},
};

/// A side as a source of one file.
pub(super) struct Renamed {
    side: std::sync::Arc<dyn Side>,
    /// The file's name.
    actual: Vec<u8>,
    /// The name it goes by.
    alias: Vec<u8>,
}

impl Renamed {
    pub(super) fn new(side: std::sync::Arc<dyn Side>, actual: Vec<u8>, alias: Vec<u8>) -> Self {
        Self {
            side,
            actual,
            alias,
        }
    }

    fn spot(&self, spot: &Spot) -> Spot {
        let mut spot = spot.clone();
        if let [name] = &mut spot.names[..]
            && *name == self.alias
        {
            name.clone_from(&self.actual);
        }
        spot
    }
}

#[async_trait]
impl Side for Renamed {
    fn rule(&self) -> NameRule {
        self.side.rule()
    }

    fn own_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        self.side.own_name(raw)
    }

    fn may_land_late(&self) -> bool {
        self.side.may_land_late()
    }

    async fn stat(&self, spot: &Spot) -> Result<Option<Entry>, Error> {
        let found = self.side.stat(&self.spot(spot)).await?;
        Ok(found.map(|entry| Entry {
            name: self.alias.clone().into(),
            ..entry
        }))
    }

    async fn list(&self, folder: &Spot) -> Result<Listed, Error> {
        self.side.list(folder).await
    }

    async fn clean_up(&self, folder: &Spot, leftovers: &[Vec<u8>]) -> Result<(), Error> {
        self.side.clean_up(folder, leftovers).await
    }

    async fn digest(&self, file: &Spot) -> Result<Option<Digest>, Error> {
        self.side.digest(&self.spot(file)).await
    }

    async fn read(&self, file: &Spot, known: &Entry) -> Result<Box<dyn Readable>, Error> {
        self.side.read(&self.spot(file), known).await
    }

    async fn write(
        &self,
        to: &Spot,
        content: Passing,
        exists: bool,
        key: &str,
    ) -> Result<Landed, Error> {
        self.side.write(&self.spot(to), content, exists, key).await
    }

    async fn confirm(
        &self,
        to: &Spot,
        write: &Unconfirmed,
        md5: &str,
    ) -> Result<Option<Landed>, Error> {
        self.side.confirm(&self.spot(to), write, md5).await
    }

    async fn set_time(&self, file: &Spot, known: &Entry, time: SystemTime) -> Result<(), Error> {
        self.side.set_time(&self.spot(file), known, time).await
    }

    async fn make_folder(&self, folder: &Spot) -> Result<Option<String>, Error> {
        self.side.make_folder(folder).await
    }

    async fn remove(&self, spot: &Spot, kind: Kind) -> Result<(), Error> {
        self.side.remove(&self.spot(spot), kind).await
    }
}
