//! Finds and opens the cgroup that the programs are attached to. Attaching is done by `datapath`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Why a cgroup cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of mounts cannot be read.
    #[error("cannot read the list of mounts in /proc/self/mounts")]
    NoMounts(#[source] io::Error),
    /// No cgroup2 hierarchy.
    #[error("no cgroup2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup")]
    NoCgroup2,
    /// The requested cgroup cannot be used.
    #[error("cannot use the cgroup {}", path.display())]
    Cgroup {
        /// The cgroup.
        path: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
}

/// Where the cgroup2 hierarchy is mounted. It is not always `/sys/fs/cgroup`: beside version 1
/// hierarchies it has its own directory.
///
/// # Errors
///
/// When no cgroup2 is mounted, or the list of mounts cannot be read.
pub fn find_cgroup2() -> Result<PathBuf, Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(Error::NoMounts)?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, mount_point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(unescape(mount_point)))
        })
        .next()
        .ok_or(Error::NoCgroup2)
}

/// Opens a cgroup to attach programs to.
///
/// # Errors
///
/// When `path` is not a directory of a cgroup2 hierarchy.
pub fn open_cgroup(path: &Path) -> Result<File, Error> {
    let failed = |error| Error::Cgroup {
        path: path.to_owned(),
        error,
    };
    let cgroup = File::open(path).map_err(failed)?;
    let kind = nix::sys::statfs::fstatfs(&cgroup)
        .map_err(|errno| failed(io::Error::from(errno)))?
        .filesystem_type();
    if kind == nix::sys::statfs::CGROUP2_SUPER_MAGIC {
        Ok(cgroup)
    } else {
        Err(failed(io::Error::other(
            "not a folder of a cgroup2 hierarchy",
        )))
    }
}

/// In the list of mounts, blanks and the like are written as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut rest = field;
    let mut path = String::with_capacity(field.len());
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(code.map_or('\\', char::from));
        rest = if code.is_some() {
            after.get(3..).unwrap_or_default()
        } else {
            after
        };
    }
    path.push_str(rest);
    path
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escaped_blanks_in_mount_points_are_decoded() {
        assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescape(r"/sys/fs/cgroup"), "/sys/fs/cgroup");
        assert_eq!(unescape(r"/odd\0"), r"/odd\0");
    }
}
