//! The tests need root: they make namespaces, cgroups and pinned maps.

use std::sync::atomic::{AtomicU32, Ordering};

/// Ends the test with one clear line unless it runs as root. A test that cannot run has failed.
///
/// # Panics
///
/// When this process is not root's.
pub fn require() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "the compatibility tests need root: run them with sudo"
    );
}

/// A name that nothing else on this machine has, for what a test makes outside of any folder.
#[must_use]
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("sockvs-test-{}-{number}", std::process::id())
}

/// Says that something is left behind. A test that leaves something behind has failed, but a test
/// that fails already shall show its own reason.
pub(crate) fn left_behind(what: &str) {
    if std::thread::panicking() {
        eprintln!("left behind: {what}");
    } else {
        panic!("left behind: {what}");
    }
}
