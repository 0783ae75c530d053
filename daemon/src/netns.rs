//! Entering network namespaces.

use std::{io, os::fd::BorrowedFd, thread};

use nix::sched::{CloneFlags, setns};

/// Does something inside a namespace, on a thread that ends with it. That there is no such thread
/// to be had is an error like others.
pub(crate) fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    act: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let entered = thread::Builder::new().spawn_scoped(scope, || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            act()
        })?;
        entered
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}
