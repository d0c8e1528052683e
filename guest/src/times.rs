//! The files' own times, kept in a property of this program.
//!
//! A property has an owner: the name that the service knows a program by. A program may
//! set its own only, and is told its name nowhere but in the `createdBy` of what it makes.

use std::cell::RefCell;

use crate::{
    error::{Detail, Error},
    lookup::Target,
    platform::{Level, Method, Platform},
    service::{Call, Service, path_segment},
    wire::{Instant, ORIGINAL_TIME},
};

/// What is known of this program's name.
#[derive(Default)]
pub(crate) struct Owner {
    own: RefCell<Option<String>>,
    /// The last one that turned out to be another program's.
    other: RefCell<Option<String>>,
    /// Whether it was said that a time could not be kept.
    warned: std::cell::Cell<bool>,
}

impl Owner {
    /// Learns it from a node that this program made.
    pub(crate) fn learn(&self, created_by: &str) {
        if !created_by.is_empty() {
            self.own.replace(Some(created_by.to_owned()));
        }
    }

    /// It, where it is known.
    pub(crate) fn known(&self) -> Option<String> {
        self.own.borrow().clone()
    }
}

impl<P: Platform> Service<P> {
    /// Keeps a file's own time with a node that is there.
    pub(crate) async fn set_original_time(
        &self,
        target: &Target,
        time: Instant,
    ) -> Result<(), Error> {
        let id = match target {
            Target::Id(id) => id.clone(),
            Target::Path(_) => self.stat(target).await?.id,
        };
        let mut created_by = String::new();
        if self.owner.known().is_none() {
            let what = "look at a node";
            let body = self.whole(&Call::get(what, self.node_url(&id))).await?;
            created_by = self.node(what, &body)?.created_by.into_owned();
        }
        self.put_time(&id, &created_by, time).await
    }

    /// The same after content was written, which that must not fail: says whether the time
    /// is kept.
    pub(crate) async fn keep_time(&self, id: &str, created_by: &str, time: Instant) -> bool {
        let Err(error) = self.put_time(id, created_by, time).await else {
            return true;
        };
        if !self.owner.warned.replace(true) {
            let why = match error {
                Error::InvalidArgument(detail)
                | Error::Forbidden(detail)
                | Error::Throttled(detail)
                | Error::Unavailable(detail) => detail.message,
                _ => "the service did not take it".to_owned(),
            };
            let line = format!("the time of a file, and maybe of more, is not kept: {why}");
            self.platform.log(Level::Warn, &line);
        }
        false
    }

    /// Sets the property. `created_by` may be this program, where nothing better is known.
    async fn put_time(&self, id: &str, created_by: &str, time: Instant) -> Result<(), Error> {
        let what = "keep the time of a file";
        let known = self.owner.known();
        let owner = known.as_deref().unwrap_or(created_by);
        let is_other = known.is_none() && self.owner.other.borrow().as_deref() == Some(owner);
        if is_other || owner.is_empty() {
            return Err(Error::Forbidden(Detail::new(
                "another program made the file, and this one has made none yet",
            )));
        }
        let Some(value) = time.text() else {
            return Err(Error::InvalidArgument(Detail::new(
                "the year has not four digits",
            )));
        };
        let owner_segment = path_segment(owner);
        let call = Call {
            what,
            method: Method::Put,
            url: [
                &self.node_url(id),
                "/properties/",
                &owner_segment,
                "/",
                ORIGINAL_TIME,
            ]
            .concat(),
            json: Some(["{\"value\":\"", &value, "\"}"].concat().into_bytes()),
            range: None,
            authorized: true,
            idempotent: true,
        };
        match self.whole(&call).await {
            Ok(_) => {
                self.owner.learn(owner);
                Ok(())
            }
            Err(error) => {
                if known.is_none() && matches!(error, Error::Forbidden(_)) {
                    self.owner.other.replace(Some(owner.to_owned()));
                }
                Err(error)
            }
        }
    }
}
