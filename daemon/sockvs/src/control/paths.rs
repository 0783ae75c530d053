//! The default paths of the daemon.

use std::path::{Path, PathBuf};

/// The control socket.
pub const DEFAULT_SOCKET: &str = "/run/sockvs/sockvs.sock";
/// The directory for pinned maps and links.
pub const DEFAULT_PIN_DIR: &str = "/sys/fs/bpf/sockvs";

/// The socket of `sockvs exec`, beside the control socket. All users may use it: permissions are
/// checked for each request.
#[must_use]
pub fn exec_socket(control: &Path) -> PathBuf {
    let mut path = control.as_os_str().to_owned();
    path.push(".exec");
    path.into()
}
