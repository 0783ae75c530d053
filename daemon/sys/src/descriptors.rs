//! Keeps file descriptors in reserve. Each request that is being served needs some, so new
//! connections are accepted only while enough are left.

use std::{fs, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many are reserved for requests.
const RESERVE: usize = 32;
/// How often to check for free descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Raises the soft limit to the hard limit. The usual limit of 1024 exists for programs that use
/// `select(2)`.
pub fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of descriptors stays");
    }
}

/// Waits until there are enough descriptors for one more connection.
pub async fn wait_for_room() {
    while !is_room() {
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_room() -> bool {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(now, _)| now);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // If this directory cannot be opened, no descriptor is left.
    let open = fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count);
    open.saturating_add(RESERVE) < most
}
