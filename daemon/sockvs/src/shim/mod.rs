//! Installs scripts that precede IPVS clients on `PATH` and run them under `sockvs exec`, so that
//! plain `ipvsadm` is served on kernels where no eBPF program takes its requests.
//!
//! A shim only affects programs that are looked up on `PATH`. It has no effect on those that are
//! started by their full path, like in units of systemd, and none on programs that run already.

mod script;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process,
};

use script::Script;

/// The default directory of shims: it usually comes first on `PATH`.
pub const DEFAULT_DIR: &str = "/usr/local/sbin";

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name contains a path.
    #[error("{} is not the name of a program: give it without a folder, as ipvsadm", .0.display())]
    Name(OsString),
    /// The program does not exist.
    #[error("{} is not on PATH outside of {}: install it first, or add its folder to \
        PATH", name.display(), dir.display())]
    NoProgram {
        /// Its name.
        name: OsString,
        /// The directory for the shim.
        dir: PathBuf,
    },
    /// The file was not created by sockvs; it is kept.
    #[error(
        "{} was not made by sockvs shim: it stays as it is; move it away, or choose another \
         folder with --dir",
        .0.display()
    )]
    Foreign(PathBuf),
    /// There is no such shim.
    #[error("there is no shim {}", .0.display())]
    Absent(PathBuf),
    /// A path that a script cannot contain.
    #[error("{} is not UTF-8, which a shim has to be", .0.display())]
    NotText(PathBuf),
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shim {
    /// Its path.
    pub path: PathBuf,
    /// The program that it runs.
    pub program: PathBuf,
}

/// Creates a shim in `dir` for the program that is otherwise found on `PATH`. `socket` is the
/// daemon's control socket, if it is not the default one. An existing shim is replaced.
///
/// # Errors
///
/// When there is no such program, or the file exists and is not a shim.
pub fn install(name: &OsStr, dir: &Path, socket: Option<&Path>) -> Result<Shim, Error> {
    let path = place(name, dir)?;
    let there = inspect(&path)?;
    if there == Found::Foreign {
        return Err(Error::Foreign(path));
    }
    let own = env::current_exe().map_err(|source| Error::Io {
        path: PathBuf::from("/proc/self/exe"),
        source,
    })?;
    let program = find_program(name, dir).ok_or_else(|| Error::NoProgram {
        name: name.to_owned(),
        dir: dir.to_owned(),
    })?;
    let script = Script {
        sockvs: text(&own)?,
        socket: socket.map(text).transpose()?,
        program: text(&program)?,
    };
    write_at_once(&path, &script.to_string())?;
    Ok(Shim { path, program })
}

/// Removes the shim of this name from `dir`.
///
/// # Errors
///
/// When there is no such file, or it is not a shim.
pub fn remove(name: &OsStr, dir: &Path) -> Result<PathBuf, Error> {
    let path = place(name, dir)?;
    match inspect(&path)? {
        Found::Nothing => Err(Error::Absent(path)),
        Found::Foreign => Err(Error::Foreign(path)),
        Found::Shim(_) => match fs::remove_file(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Io { path, source }),
        },
    }
}

/// The shims in `dir`, by name.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Shim>, Error> {
    let failed = |source| Error::Io {
        path: dir.to_owned(),
        source,
    };
    let mut shims = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A file that cannot be read is not ours.
        if let Ok(Found::Shim(program)) = inspect(&path) {
            shims.push(Shim { path, program });
        }
    }
    shims.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(shims)
}

impl Shim {
    /// Whether this shim precedes the program itself on `PATH`.
    #[must_use]
    pub fn comes_first(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default();
        let first = on_path(name).find(|path| is_program(path));
        first.is_some_and(|first| same_folder(&first, &self.path))
    }
}

/// What exists at the path of a shim.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A shim for this program.
    Shim(PathBuf),
    Foreign,
}

fn inspect(path: &Path) -> Result<Found, Error> {
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() || metadata.len() > script::LONGEST => {
            return Ok(Found::Foreign);
        }
        Ok(_) => {}
    }
    let content = fs::read(path).map_err(failed)?;
    let script = str::from_utf8(&content).ok().and_then(script::program_of);
    Ok(script.map_or(Found::Foreign, Found::Shim))
}

fn place(name: &OsStr, dir: &Path) -> Result<PathBuf, Error> {
    if Path::new(name).file_name() != Some(name) {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(dir.join(name))
}

/// The first program on `PATH` that is neither in `dir` nor a shim itself.
fn find_program(name: &OsStr, dir: &Path) -> Option<PathBuf> {
    let there = dir.join(name);
    on_path(name).find(|path| {
        is_program(path)
            && !same_folder(path, &there)
            && !matches!(inspect(path), Ok(Found::Shim(_)))
    })
}

/// The paths at which `PATH` would look for a program.
fn on_path(name: &OsStr) -> impl Iterator<Item = PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&folders).collect();
    let name = name.to_owned();
    folders
        .into_iter()
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(&name))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Whether two paths are the same directory.
fn same_folder(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(|it| it.canonicalize().ok());
    folder(one).is_some_and(|it| Some(it) == folder(other))
}

fn text(path: &Path) -> Result<String, Error> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::NotText(path.to_owned()))
}

/// Writes a program atomically: it is either the old one or the new one as a whole.
fn write_at_once(path: &Path, content: &str) -> Result<(), Error> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    let new = path.with_file_name(name);
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let write = |mut file: File| {
        file.write_all(content.as_bytes())?;
        // Sets the permissions that the umask removed.
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        fs::rename(&new, path)
    };
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o755);
    let file = options.open(&new).map_err(failed)?;
    write(file).map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(error)
    })
}
