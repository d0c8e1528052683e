//! What is on its way past the system's cache.

use std::io::{self, IoSlice, Write};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Gathers what is written into it until it is worth a write of its own. It lies in memory as
/// disks want it that fetch it from there themselves.
pub(super) struct Direct {
    /// Never grows, so that it stays where it is.
    memory: Vec<u8>,
    start: usize,
    filled: usize,
    _one_of_few: SemaphorePermit<'static>,
}

impl Direct {
    /// `None` if there are many already.
    pub(super) fn new() -> Option<Self> {
        let permit = MANY.try_acquire().ok()?;
        let memory = vec![0; SIZE + ALIGNMENT - 1];
        Some(Self {
            start: memory.as_ptr().align_offset(ALIGNMENT),
            memory,
            filled: 0,
            _one_of_few: permit,
        })
    }

    /// Whether a write can begin so far into a file.
    pub(super) fn can_begin_at(offset: u64) -> bool {
        offset.is_multiple_of(ALIGNMENT as u64)
    }

    /// Takes as much as there is room for.
    pub(super) fn gather(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut room = &mut self.memory[self.start..][self.filled..SIZE];
        let taken = room.write_vectored(pieces)?;
        self.filled += taken;
        Ok(taken)
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == SIZE
    }

    pub(super) fn gathered(&self) -> &[u8] {
        &self.memory[self.start..][..self.filled]
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }
}

/// What all disks and file systems are content with, in the file and in memory; few want more
/// than 512.
const ALIGNMENT: usize = 4096;

/// Bytes of a write. Each is waited for: small ones would leave the disk idle for too long.
const SIZE: usize = 1024 * 1024;

/// How many there may be: bounds the memory that many uploads take.
static MANY: Semaphore = Semaphore::const_new(64);
