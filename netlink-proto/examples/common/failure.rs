// SPDX-License-Identifier: GPL-2.0-only

//! The errors of the examples: one line with the error, and one with what to do about it.

use std::{fmt, io, process::ExitCode};

use netlink_packet_core::DecodeError;
use nix::errno::Errno;

/// Why an example ends.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The controller has no family of this name.
    NoFamily,
    /// A system call failed: the operation, and the error.
    System(&'static str, Errno),
    /// The kernel, or sockvs, refused a request.
    Refused(Errno),
    /// An answer is invalid.
    Answer(String),
    /// The output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// A refusal with the code in the message: a negative errno.
    pub(crate) fn refused(code: i32) -> Self {
        Self::Refused(Errno::from_raw(code.saturating_neg()))
    }

    /// The meaning of a failure of the request to the controller.
    pub(crate) fn of_controller(self) -> Self {
        match self {
            Self::Refused(Errno::ENOENT) => Self::NoFamily,
            other => other,
        }
    }

    fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::NoFamily => Some(
                "run `modprobe ip_vs` as root; or, with sockvs, start sockvsd and run this under \
                 `sockvs exec --`",
            ),
            Self::Refused(Errno::EPERM) => {
                Some("run this as root: IPVS answers only those with CAP_NET_ADMIN")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFamily => write!(f, "no IPVS on this machine"),
            Self::System(what, errno) => write!(f, "{what}: {}", errno.desc()),
            Self::Refused(errno) => write!(f, "IPVS refused the request: {}", errno.desc()),
            Self::Answer(what) => write!(f, "cannot read the answer: {what}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Answer(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Prints the error, and returns the exit status. That the reader of a pipe has closed it (`|
/// head`) is no error.
pub(crate) fn exit_code(example: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{example}: {failure}");
            if let Some(step) = failure.next_step() {
                eprintln!("next step: {step}");
            }
            ExitCode::FAILURE
        }
    }
}
