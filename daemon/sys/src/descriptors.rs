//! Descriptors are limited. Whoever is being served needs some for each request, so new connections
//! are let in only as long as enough are left for that.

use std::{fs, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many are kept for those who are served.
const RESERVE: usize = 32;
/// How long to wait for somebody to go.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes as many as there are to be had. The custom limit of 1024 is one for programs that use
/// `select(2)`.
pub fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of descriptors stays");
    }
}

/// Waits until one more connection would leave enough for the others.
pub async fn wait_for_room() {
    while !is_room() {
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_room() -> bool {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(now, _)| now);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // When not even this folder can be opened, there is none left.
    let open = fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count);
    open.saturating_add(RESERVE) < most
}
