//! The local file system: names as bytes, streamed content with its MD5, atomic writes.
//!
//! Knows nothing of any remote. All calls are async and do their work on tokio's blocking
//! threads, so they need a tokio runtime but no I/O driver. Every error names its path.
//!
//! What a crash or a `kill -9` can leave behind is a part file, never half a file under
//! its final name; [`is_part_file`] knows those and [`sweep_parts`] removes them.

use std::{io, path::Path};

mod digest;
mod error;
mod list;
mod media;
mod name;
mod part;
mod sink;
mod source;
mod tree;

pub use digest::{Digest, Expected};
pub use error::Error;
pub use list::{Entry, Kind, Listing, list, stat};
pub use media::media_type;
pub use name::{local_name, shown};
pub use part::{is_part_file, sweep_part, sweep_parts};
pub use sink::Sink;
pub use source::{Source, md5_of};
pub use tree::{
    Identity, identity, make_dir_all, remove_dir, remove_dir_all, remove_file, rename_new,
    set_modified,
};

/// Runs `work` on a blocking thread. The thread can only be lost to a panic or to the
/// runtime's end; that too becomes an [`Error::Io`] of this action and path.
async fn blocking<T, F>(action: &'static str, path: &Path, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(lost) => Err(Error::new(action, path, io::Error::other(lost))),
    }
}
