//! Calls that the daemon answers as a whole, unlike datagrams, of which a part may be for the
//! kernel.

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

/// Whether a call may be such a call.
pub(super) fn is_one(notification: &Notification) -> bool {
    option::direction(notification).is_some() || file::opens(notification)
}

/// Reads a call. `None` leaves it to the kernel.
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

    /// The contents of the request to the daemon.
    pub(super) fn contents(&self) -> Vec<u8> {
        match self {
            Self::Option(call) => wire::encode_call(&call.call),
            Self::File(call) => call.path.clone().into_bytes(),
        }
    }

    /// The descriptor that is sent with the request.
    pub(super) fn descriptor(&self) -> Descriptor {
        match self {
            Self::Option(call) => Arc::<InternetSocket>::clone(&call.socket),
            Self::File(call) => Arc::<OwnedFd>::clone(&call.namespace),
        }
    }

    /// Appends a piece of the answer.
    pub(super) fn take(&mut self, piece: &[u8]) {
        match self {
            Self::Option(call) => call.take(piece),
            Self::File(call) => call.take(piece),
        }
    }

    /// Ends the call with the daemon's complete answer. `None` if the call has ended already.
    pub(super) fn succeed(&self, notifier: &Notifier) -> Option<Verdict> {
        match self {
            Self::Option(call) => Some(call.succeed(notifier)),
            Self::File(call) => call.succeed(notifier).err().map(Verdict::Fails),
        }
    }

    /// The result on a kernel without IPVS. The kernel itself is not asked, as an ip_vs module that
    /// happens to be loaded would answer with its own table.
    pub(super) fn without_daemon(&self) -> Verdict {
        Verdict::Fails(match self {
            Self::Option(_) => Errno::ENOPROTOOPT,
            Self::File(_) => Errno::ENOENT,
        })
    }
}
