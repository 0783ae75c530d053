//! The command line's end of the control socket.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{STATUS, Status};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("sockvsd is not running (nobody listens at {}); start it: sockvsd", .0.display())]
    NotRunning(PathBuf),
    /// Not for this user.
    #[error("only root may ask sockvsd for its status (at {})", .0.display())]
    NotAllowed(PathBuf),
    /// The conversation failed.
    #[error("sockvsd does not answer at {}: {error}", path.display())]
    Failed {
        /// The socket.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// Asks the daemon for its status.
///
/// # Errors
///
/// When the daemon does not run, does not answer, or may not be asked.
pub fn ask_status(socket: &Path) -> Result<Status, Error> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Error::NotRunning(socket.to_owned())
        }
        io::ErrorKind::PermissionDenied => Error::NotAllowed(socket.to_owned()),
        _ => Error::Failed {
            path: socket.to_owned(),
            error,
        },
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let mut ask = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{STATUS}\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    ask().map_err(failed)
}
