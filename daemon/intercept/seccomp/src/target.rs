//! The thread whose call waits: its descriptors and its memory.
//!
//! A thread id can be reused once the thread has ended. So data that was read is valid only if
//! [`Notifier::still_waits`](super::notification::Notifier::still_waits) returns true *afterwards*.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use super::process;

/// One thread.
pub(super) struct Target {
    tid: libc::pid_t,
}

impl Target {
    pub(super) fn new(tid: libc::pid_t) -> Self {
        Self { tid }
    }

    /// Duplicates one of its descriptors, which is an argument of a system call.
    pub(super) fn descriptor(&self, argument: u64) -> Result<OwnedFd> {
        sockvs_sys::process::pidfd_getfd(self.pidfd()?.as_fd(), low_half(argument))
    }

    /// Before Linux 6.9 a pidfd refers to a whole process, by its first thread. There, a process
    /// whose first thread has ended cannot be accessed, and reaches the kernel.
    fn pidfd(&self) -> Result<OwnedFd> {
        match sockvs_sys::process::pidfd_open(self.tid, sockvs_sys::process::PIDFD_THREAD) {
            Err(Errno::EINVAL) => sockvs_sys::process::pidfd_open(process::group(self.tid)?, 0),
            result => result,
        }
    }

    /// Reads `length` bytes.
    pub(super) fn read(&self, address: u64, length: usize) -> Result<Vec<u8>> {
        self.read_pieces(&[(address, length)])
    }

    /// Reads several pieces into one buffer. A partial read is an error.
    pub(super) fn read_pieces(&self, pieces: &[(u64, usize)]) -> Result<Vec<u8>> {
        let mut length = 0_usize;
        let mut remote = Vec::with_capacity(pieces.len());
        for &(address, piece) in pieces {
            length = length.checked_add(piece).ok_or(Errno::EMSGSIZE)?;
            let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
            remote.push(RemoteIoVec { base, len: piece });
        }
        let mut buffer = vec![0; length];
        if length > 0 {
            let mut local = [IoSliceMut::new(&mut buffer)];
            let read = process_vm_readv(Pid::from_raw(self.tid), &mut local, &remote)?;
            if read != length {
                return Err(Errno::EFAULT);
            }
        }
        Ok(buffer)
    }

    /// Writes to its memory.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
        let remote = [RemoteIoVec {
            base,
            len: bytes.len(),
        }];
        let written = process_vm_writev(Pid::from_raw(self.tid), &[IoSlice::new(bytes)], &remote)?;
        if written == bytes.len() {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }
}

/// The value of an `int` argument, as the kernel sees it: the low 32 bits.
pub(super) fn low_half(argument: u64) -> RawFd {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    RawFd::from_le_bytes([a, b, c, d])
}
