//! The thread whose call waits: its descriptors and its memory.
//!
//! A thread id can pass to another thread once its owner is dead. So whatever is read here counts
//! only after [`Notifier::still_waits`](super::notification::Notifier::still_waits) has said yes
//! *afterwards*.

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

    /// A duplicate of one of its descriptors, given as the argument of a system call.
    pub(super) fn descriptor(&self, argument: u64) -> Result<OwnedFd> {
        sockvs_sys::process::pidfd_getfd(self.pidfd()?.as_fd(), low_half(argument))
    }

    /// Before Linux 6.9 a pidfd stands for a whole process, named by its first thread. There, a
    /// process whose first thread has ended is out of reach, and talks to the kernel.
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

    /// Reads several pieces into one buffer. Anything less than all of it is an error.
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

    /// Writes into its memory.
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

/// What the kernel makes of an argument that is an `int`: its low 32 bits.
pub(super) fn low_half(argument: u64) -> RawFd {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    RawFd::from_le_bytes([a, b, c, d])
}
