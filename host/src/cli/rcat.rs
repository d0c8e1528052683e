//! `rcat`: standard input into a file, as it comes.

use std::{
    ffi::OsStr,
    io::{self, Read as _},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tracing::Level;

use super::{App, exit::Exit, failure::Failure, output::Stop, store};
use crate::{
    component::{self, Node, NodePath, Remote, WriteOptions},
    files::{Expected, Sink},
    place::Place,
};

/// Nothing is kept of it, so it is sent once: where that fails, whoever made it has to
/// make it again.
pub(super) async fn rcat(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    store::spare(&place, app.context().embedded_dir())?;
    if app.options.dry_run {
        app.would("write standard input to", &place.shown());
        return Ok(Exit::Done);
    }
    let mut input = Input::open()?;
    let size = match &place {
        Place::Local(path) => {
            let mut sink = Sink::create(path, Expected::default()).await?;
            while let Some(block) = input.next().await {
                sink.write(block.map_err(|error| cannot_read(&error))?)
                    .await?;
            }
            sink.commit().await?.size
        }
        Place::Remote { remote, path, .. } => {
            let Some((_, parents)) = path.split_last() else {
                let what = format!("{} is the root, and not a file", place.shown());
                return Err(Failure::new("not-a-file", Exit::Usage, what)
                    .hint("name the file that standard input is to become")
                    .into());
            };
            remote.make_directory(parents.to_vec()).await?;
            send(app, &place, remote, path, input).await?
        }
    };
    let line = format!("{}: {size} bytes written", place.shown());
    app.console_line(Level::INFO, &line);
    Ok(Exit::Done)
}

/// Sends it, and proves by its MD5 that it is there. Returns its bytes.
async fn send(
    app: &App,
    place: &Place,
    remote: &Remote,
    path: &NodePath,
    input: Input,
) -> Result<u64, Failure> {
    let passed = input.passed();
    let written = remote
        .write(path.clone(), input, WriteOptions::default())
        .await;
    let (size, md5) = passed.digest();
    let node: Node = match written {
        Err(component::Error::OutcomeUnknown(write)) => {
            let line = format!(
                "{}: all sent, without a clear answer: looking whether it is there",
                place.shown()
            );
            app.console_line(Level::WARN, &line);
            let found = remote.confirm((*write).clone(), md5.clone()).await?;
            found.ok_or_else(|| Failure::from(component::Error::OutcomeUnknown(write)))?
        }
        written => written?,
    };
    let proven = node.size == Some(size) && node.md5.as_ref() == Some(&md5);
    if proven {
        return Ok(size);
    }
    let what = format!(
        "{} has another MD5 than the {size} bytes that were sent",
        place.shown()
    );
    Err(Failure::new("content-mismatch", Exit::Temporary, what).hint("send it again"))
}

fn cannot_read(error: &io::Error) -> Failure {
    let what = format!("could not read standard input: {error}");
    Failure::new("stdin", Exit::Lasting, what)
}

/// Standard input, read on a thread of its own, since it may make anybody wait.
struct Input {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    passed: Passed,
}

/// What has passed so far.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<(u64, Md5)>>);

impl Passed {
    /// Bytes and MD5.
    fn digest(&self) -> (u64, String) {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (passed.0, hex::encode(passed.1.clone().finalize()))
    }

    fn add(&self, bytes: &[u8]) {
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.0 += bytes.len() as u64;
        passed.1.update(bytes);
    }
}

impl Input {
    fn open() -> Result<Self, Failure> {
        let (sender, blocks) = mpsc::channel(BLOCKS);
        let read = move || {
            let mut input = io::stdin().lock();
            loop {
                let mut block = vec![0; BLOCK];
                let block = match input.read(&mut block) {
                    Ok(0) => return,
                    Ok(count) => {
                        block.truncate(count);
                        Ok(Bytes::from(block))
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = block.is_err();
                if sender.blocking_send(block).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("acd-stdin".to_owned())
            .spawn(read)
            .map_err(|error| cannot_read(&error))?;
        Ok(Self {
            blocks,
            passed: Passed::default(),
        })
    }

    fn passed(&self) -> Passed {
        self.passed.clone()
    }
}

impl Stream for Input {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let block = std::task::ready!(self.blocks.poll_recv(context));
        if let Some(Ok(bytes)) = &block {
            self.passed.add(bytes);
        }
        Poll::Ready(block)
    }
}

/// Bytes read at once.
const BLOCK: usize = 256 << 10;

/// Blocks read ahead.
const BLOCKS: usize = 4;
