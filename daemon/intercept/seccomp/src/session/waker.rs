//! Wakes a thread that waits in poll(2).

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::Result;
use nix::errno::Errno;

/// Wakes the thread that polls the daemon's connection.
pub(super) struct Waker {
    reader: PipeReader,
    writer: PipeWriter,
    woken: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> Result<Self> {
        let (reader, writer) = pipe().map_err(|_| Errno::EMFILE)?;
        let woken = AtomicBool::new(false);
        Ok(Self {
            reader,
            writer,
            woken,
        })
    }

    /// Readable after `wake`.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Wakes it.
    pub(super) fn wake(&self) {
        // One byte is enough, and always fits.
        if !self.woken.swap(true, Ordering::AcqRel) {
            let _ = (&self.writer).write(&[0]);
        }
    }

    /// Resets it. Must be called after it was readable.
    pub(super) fn reset(&self) {
        if self.woken.swap(false, Ordering::AcqRel) {
            let _ = (&self.reader).read(&mut [0]);
        }
    }
}
