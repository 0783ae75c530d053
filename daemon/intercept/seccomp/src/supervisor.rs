//! The supervisor: one process for all calls of a command and its children.
//!
//! Its death would make every trapped call fail with ENOSYS, so nothing that goes wrong with one
//! call ends it; what it cannot understand it lets through. What it holds is bounded.
//!
//! One thread listens to the daemon ([`Session`]) and waits for nobody else. Calls are worked on by
//! others ([`Workers`]): to look at a call can take as long as its caller wants, as its memory may
//! be a file system's in user space, and its descriptor may linger when our duplicate of it is
//! closed.

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

/// Serves a filter's listener until nobody is left under the filter.
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

/// Waits for the daemon, and hears it; says whether calls can still come.
fn wait(calls: &Calls) -> bool {
    let (link, wants_to_send) = calls.session.descriptor();
    let mut interest = PollFlags::POLLIN;
    interest.set(PollFlags::POLLOUT, wants_to_send);
    // Calls are not this thread's: of the listener it hears its end only.
    let listener = PollFd::new(calls.notifier.as_fd(), PollFlags::empty());
    let changed = PollFd::new(calls.session.changed(), PollFlags::POLLIN);
    let link = link
        .as_ref()
        .map(|link| PollFd::new(link.as_fd(), interest));
    let mut descriptors: Vec<_> = [listener, changed].into_iter().chain(link).collect();
    let pause = calls.session.pause();
    let pause = pause.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
    if poll(&mut descriptors, pause.unwrap_or(PollTimeout::ZERO)).is_err() {
        // An interruption, or no memory: neither is a reason to leave, nor to spin.
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
