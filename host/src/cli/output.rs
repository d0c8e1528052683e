//! Standard output: data, and nothing else.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use super::failure::Failure;

/// Why a command ended early.
pub(super) enum Stop {
    /// It failed.
    Failed(Failure),
    /// Whoever read standard output has seen enough.
    Closed,
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Buffered standard output.
pub(super) struct Output(BufWriter<Stdout>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(64 * 1024, io::stdout()))
    }

    /// Writes bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        outcome(self.0.write_all(bytes))
    }

    /// Hands over what is buffered if a person is watching; programs get larger pieces.
    pub(super) fn show(&mut self) -> Result<(), Stop> {
        if self.0.get_ref().is_terminal() {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands over what is buffered, so that a reader sees it now.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        outcome(self.0.flush())
    }
}

fn outcome(result: io::Result<()>) -> Result<(), Stop> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Closed,
        _ => Failure::from(error).into(),
    })
}
