//! The tests need root: they make namespaces, cgroups and pinned maps.

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
