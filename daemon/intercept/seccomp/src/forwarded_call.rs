//! A call that the daemon answers as a whole, unlike a datagram, which may be partly the kernel's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::file::{self, FileCall};
use super::link::Descriptor;
use super::notification::{Notification, Notifier, Verdict};
use super::option::{self, InternetSocket, OptionCall};
use super::target::Target;
use super::wire::{self, Kind};

/// A call that waits for the daemon.
pub(super) enum ForwardedCall {
    Option(OptionCall),
    File(FileCall),
}

/// Whether a call may be such a one.
pub(super) fn is_one(notification: &Notification) -> bool {
    option::direction(notification).is_some() || file::opens(notification)
}

/// Reads a call. "No" leaves it to the kernel.
pub(super) fn read(notification: &Notification) -> Option<ForwardedCall> {
    let target = Target::new(notification.tid);
    match option::direction(notification) {
        Some(direction) => {
            option::read(notification, direction, &target).map(ForwardedCall::Option)
        }
        None => file::read(notification, &target).map(ForwardedCall::File),
    }
}

impl ForwardedCall {
    pub(super) fn tid(&self) -> libc::pid_t {
        match self {
            Self::Option(call) => call.tid,
            Self::File(call) => call.tid,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Option(_) => Kind::Option,
            Self::File(_) => Kind::File,
        }
    }

    /// What the daemon is told of it.
    pub(super) fn contents(&self) -> Vec<u8> {
        match self {
            Self::Option(call) => wire::encode_call(&call.call),
            Self::File(call) => call.path.clone().into_bytes(),
        }
    }

    /// What goes to the daemon with it.
    pub(super) fn descriptor(&self) -> Descriptor {
        match self {
            Self::Option(call) => Arc::<InternetSocket>::clone(&call.socket),
            Self::File(call) => Arc::<OwnedFd>::clone(&call.namespace),
        }
    }

    /// Takes a piece of the answer.
    pub(super) fn take(&mut self, piece: &[u8]) {
        match self {
            Self::Option(call) => call.take(piece),
            Self::File(call) => call.take(piece),
        }
    }

    /// Ends the call as the daemon's answer, which is complete, has it. None is for one that is
    /// over.
    pub(super) fn succeed(&self, notifier: &Notifier) -> Option<Verdict> {
        match self {
            Self::Option(call) => Some(call.succeed(notifier)),
            Self::File(call) => call.succeed(notifier).err().map(Verdict::Fails),
        }
    }

    /// What the caller sees of a kernel without IPVS. It would be asked itself, if an ip_vs that
    /// was loaded without need could not answer in earnest.
    pub(super) fn without_daemon(&self) -> Verdict {
        Verdict::Fails(match self {
            Self::Option(_) => Errno::ENOPROTOOPT,
            Self::File(_) => Errno::ENOENT,
        })
    }
}
