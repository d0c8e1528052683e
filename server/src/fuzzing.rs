//! Doors for `cargo fuzz`, which is all that is built with them.

use std::sync::LazyLock;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::{
    api::read_pieces,
    content::{Objects, Staging},
    durability::{Disk, Durability},
    filter::Filter,
    store::{Order, Query, Scope, SortField, SortKey, Store},
};

/// Parses a filter; lists an empty drive by it.
///
/// # Panics
/// SQLite does not take what became of it.
pub fn filter(text: &str) {
    let Ok(filter) = Filter::parse(text) else {
        return;
    };
    static DRIVE: LazyLock<(Runtime, Store)> = LazyLock::new(|| {
        let runtime = runtime();
        let file = folder("filters").join("metadata.sqlite3");
        std::fs::write(&file, "").expect("the folder is there");
        let store = runtime.block_on(Store::open(&file, 0, Durability::Relaxed));
        (runtime, store.expect("a new database opens"))
    });
    let (runtime, store) = &*DRIVE;
    let sorted = SortKey {
        field: SortField::Name,
        order: Order::Ascending,
    };
    for (scope, sort) in [
        (Scope::Everything, Vec::new()),
        (Scope::Children("x".into()), vec![sorted]),
        (Scope::Trash, Vec::new()),
    ] {
        let query = Query {
            scope,
            filter: filter.clone(),
            sort,
            limit: 2,
            after: None,
        };
        runtime
            .block_on(store.list(&query))
            .expect("every filter is SQL");
    }
}

/// Reads an upload whose body comes in pieces of this many bytes, and all at once.
///
/// # Panics
/// The two differ.
pub fn multipart(body: &[u8], piece: usize) {
    static DRIVE: LazyLock<(Runtime, Objects)> = LazyLock::new(|| {
        let root = folder("multipart");
        let (staging, content) = (root.join("staging"), root.join("content"));
        std::fs::create_dir(&staging).expect("the folder is new");
        let disk = Disk::new(Durability::Relaxed);
        let staging = Staging::create(&staging, &content, disk).expect("the folder is there");
        let objects = Objects::open(&content, staging).expect("the folder is there");
        (runtime(), objects)
    });
    let (runtime, objects) = &*DRIVE;
    let whole = Bytes::copy_from_slice(body);
    let pieces = body.chunks(piece).map(Bytes::copy_from_slice).collect();
    let read = |pieces| {
        let read = runtime.block_on(read_pieces("7f3c", pieces, objects));
        read.map(|(metadata, stored, declared)| {
            let (size, md5) = (stored.size(), stored.md5().to_owned());
            (metadata, size, md5, declared)
        })
    };
    assert_eq!(read(vec![whole]), read(pieces));
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_all().build();
    built.expect("the system has threads")
}

/// A new folder, in memory where that is possible.
fn folder(name: &str) -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    let above = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = above.join(format!("acd-fuzz-{name}-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("the name is free");
    folder
}
