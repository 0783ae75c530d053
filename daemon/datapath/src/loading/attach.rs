//! Attaches one program to a cgroup by a pinned link, and reports the kernel's error. Which
//! programs are attached is defined in `programs`.

use std::{
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    programs::{
        CgroupAttachMode, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};

use sockvs_sys::bpf::object;

use crate::Error;

/// Why a program was not attached.
pub(crate) enum AttachError {
    Program(ProgramError),
    Pin(io::Error),
}

impl AttachError {
    pub(crate) fn into_error(self, name: &'static str, path: PathBuf) -> Error {
        match self {
            Self::Program(error) => refused(name, &error),
            Self::Pin(error) => Error::Pin { path, error },
        }
    }
}

/// The kernel's error for a program, without the verifier's log, which may be long.
pub(crate) fn refused(name: &'static str, error: &ProgramError) -> Error {
    let says = match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            tracing::debug!(name, %log, "the verifier's log");
            // The last lines are statistics; the error is above them.
            let verdict = log
                .lines()
                .take_while(|line| !line.starts_with("verification time"))
                .filter(|line| !line.starts_with("processed"))
                .last();
            format!("{io_error}: {}", verdict.unwrap_or_default())
        }
        other => chain(other),
    };
    Error::Program { name, says }
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<ProgramError> for AttachError {
    fn from(error: ProgramError) -> Self {
        Self::Program(error)
    }
}

/// Replaces the program of the pinned link, or creates and pins a link.
pub(crate) fn attach(
    ebpf: &mut Ebpf,
    name: &str,
    pin: &Path,
    cgroup: &fs::File,
) -> Result<(), AttachError> {
    let program = load(ebpf, name)?;
    match object::open_pinned(pin) {
        Ok(link) => {
            let fd = program.fd()?;
            object::replace_program(link.as_fd(), fd.as_fd()).map_err(AttachError::Pin)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let link = link(program, cgroup)?;
            link.pin(pin)
                .map_err(|error| AttachError::Pin(io::Error::other(error)))?;
            Ok(())
        }
        Err(error) => Err(AttachError::Pin(error)),
    }
}

/// Loads a program for attaching to a cgroup.
pub(crate) fn load<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Program, ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    match program {
        Program::CgroupSock(program) => program.load()?,
        Program::CgroupSockAddr(program) => program.load()?,
        Program::SockOps(program) => program.load()?,
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    Ok(program)
}

/// Attaches a program. Links have no attach mode: other programs can always be attached beside it.
/// The mode that is passed here stands for no flags.
fn link(program: &mut Program, cgroup: &fs::File) -> Result<FdLink, AttachError> {
    const NO_FLAGS: CgroupAttachMode = CgroupAttachMode::Single;
    let link = match program {
        Program::CgroupSock(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        Program::CgroupSockAddr(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        Program::SockOps(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        _ => return Err(ProgramError::UnexpectedProgramType.into()),
    };
    link.map_err(|error: LinkError| AttachError::Pin(io::Error::other(error)))
}
