//! The supervisor: one process for all calls of a command and its children.
//!
//! If it ended, every trapped call would fail with ENOSYS. So no error in one call ends it; calls
//! that it cannot decode go to the kernel. Its memory and descriptors are limited.
//!
//! One thread polls the daemon's connection ([`Session`]) and never blocks on a caller. Other
//! threads ([`Workers`]) process calls, because that can block for as long as the caller wants: its
//! memory may belong to a file system in user space, and its descriptor may linger when our
//! duplicate is closed.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::call_work::Calls;
use super::notification::Notifier;
use super::session::Session;
use super::workers::Workers;

/// Serves a filter's listener until no process has the filter any more.
pub(super) fn run(listener: OwnedFd, daemon: PathBuf) -> nix::Result<()> {
    let calls = Arc::new(Calls {
        notifier: Notifier::new(listener),
        session: Session::new(daemon)?,
        workers: Workers::default(),
    });
    let work: Arc<dyn Fn() + Send + Sync> = {
        let calls = Arc::clone(&calls);
        Arc::new(move || calls.receive())
    };
    calls.workers.start(&work);
    while wait(&calls) {}
    Ok(())
}

/// Waits for the daemon, and reads its answers; returns whether calls can still come.
fn wait(calls: &Calls) -> bool {
    let (link, wants_to_send) = calls.session.descriptor();
    let mut interest = PollFlags::POLLIN;
    interest.set(PollFlags::POLLOUT, wants_to_send);
    // This thread receives no calls: it only polls the listener for its end.
    let listener = PollFd::new(calls.notifier.as_fd(), PollFlags::empty());
    let changed = PollFd::new(calls.session.changed(), PollFlags::POLLIN);
    let link = link
        .as_ref()
        .map(|link| PollFd::new(link.as_fd(), interest));
    let mut descriptors: Vec<_> = [listener, changed].into_iter().chain(link).collect();
    let pause = calls.session.pause();
    let pause = pause.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
    if poll(&mut descriptors, pause.unwrap_or(PollTimeout::ZERO)).is_err() {
        // Interrupted, or out of memory: neither ends the supervisor, and it must not spin.
        thread::sleep(Duration::from_millis(5));
        return true;
    }
    if descriptors[0].any() == Some(true) {
        return false;
    }
    let heard = descriptors.get(2).and_then(PollFd::any) == Some(true);
    calls.session.go_on(heard);
    true
}
