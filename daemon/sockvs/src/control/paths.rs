//! Where the daemon is found.

use std::path::{Path, PathBuf};

/// The control socket, unless another is given.
pub const DEFAULT_SOCKET: &str = "/run/sockvs/sockvs.sock";
/// Where maps and links are pinned, unless elsewhere.
pub const DEFAULT_PIN_DIR: &str = "/sys/fs/bpf/sockvs";

/// The socket of `sockvs exec`, beside the control socket. Everybody may use it: what a client may
/// do is decided for each request.
#[must_use]
pub fn exec_socket(control: &Path) -> PathBuf {
    let mut path = control.as_os_str().to_owned();
    path.push(".exec");
    path.into()
}
