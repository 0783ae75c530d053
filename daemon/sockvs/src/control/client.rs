//! The client side of the control socket.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;

use sockvs_ipvs::Setting;
use sockvs_server::{
    control::{ConnectionEntry, Request, Status},
    procfs::File,
};

/// How long to wait for an answer of the daemon.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No process listens.
    #[error("sockvsd is not running (no process listens at {}); start it: sockvsd", .0.display())]
    NotRunning(PathBuf),
    /// The user has no permission.
    #[error("only root may ask sockvsd (at {})", .0.display())]
    NotAllowed(PathBuf),
    /// The daemon's error.
    #[error("{0}")]
    Refused(String),
    /// Sending or receiving failed.
    #[error("sockvsd does not answer at {}: {error}", path.display())]
    Failed {
        /// The socket.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

/// Requests the daemon's status.
///
/// # Errors
///
/// When the daemon does not run, does not answer, or the user has no permission.
pub fn ask_status(socket: &Path) -> Result<Status, Error> {
    ask(socket, &Request::Status)
}

/// Requests the open connections of all namespaces.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_connections(socket: &Path) -> Result<Vec<ConnectionEntry>, Error> {
    ask(socket, &Request::Connections)
}

/// Requests the contents of a file in our own network namespace.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_file(socket: &Path, file: File) -> Result<String, Error> {
    ask_text(socket, &Request::File(file))
}

/// Requests a sysctl of our own network namespace, in the form of its file.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_setting(socket: &Path, setting: Setting) -> Result<String, Error> {
    ask_text(socket, &Request::Setting(setting, None))
}

/// Changes a sysctl of our own network namespace, and returns its new value in the form of its
/// file.
///
/// # Errors
///
/// Those of [`ask_status`], and when the value is invalid.
pub fn change_setting(socket: &Path, setting: Setting, text: &str) -> Result<String, Error> {
    let text = text.replace('\n', " ");
    ask_text(socket, &Request::Setting(setting, Some(text)))
}

/// An answer with a text.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Text(String),
    Error(String),
}

fn ask_text(socket: &Path, request: &Request) -> Result<String, Error> {
    match ask(socket, request)? {
        Answer::Text(text) => Ok(text),
        Answer::Error(error) => Err(Error::Refused(error)),
    }
}

fn ask<T: DeserializeOwned>(socket: &Path, request: &Request) -> Result<T, Error> {
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
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(format!("{}\n", request.line()).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    ask().map_err(failed)
}
