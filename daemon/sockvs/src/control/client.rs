//! The command line's end of the control socket.

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

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("sockvsd is not running (nobody listens at {}); start it: sockvsd", .0.display())]
    NotRunning(PathBuf),
    /// Not for this user.
    #[error("only root may ask sockvsd (at {})", .0.display())]
    NotAllowed(PathBuf),
    /// The daemon refuses, for this reason.
    #[error("{0}")]
    Refused(String),
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
    ask(socket, &Request::Status)
}

/// Asks for the open connections of all namespaces.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_connections(socket: &Path) -> Result<Vec<ConnectionEntry>, Error> {
    ask(socket, &Request::Connections)
}

/// Asks what a file says in our own network namespace.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_file(socket: &Path, file: File) -> Result<String, Error> {
    ask_text(socket, &Request::File(file))
}

/// Asks for a setting of our own network namespace, as its file shows it.
///
/// # Errors
///
/// Those of [`ask_status`].
pub fn ask_setting(socket: &Path, setting: Setting) -> Result<String, Error> {
    ask_text(socket, &Request::Setting(setting, None))
}

/// Changes a setting of our own network namespace, and gives what its file then shows.
///
/// # Errors
///
/// Those of [`ask_status`], and when the setting cannot have this value.
pub fn change_setting(socket: &Path, setting: Setting, text: &str) -> Result<String, Error> {
    let text = text.replace('\n', " ");
    ask_text(socket, &Request::Setting(setting, Some(text)))
}

/// An answer that is a text.
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
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{}\n", request.line()).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    ask().map_err(failed)
}
