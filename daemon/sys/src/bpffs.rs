//! The directory in the BPF file system where maps and links are pinned, so that they outlive the
//! daemon.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

/// Why a pin directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be used.
    #[error("cannot use the pin directory {}, which has to be in a BPF file system, as \
        /sys/fs/bpf is", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// Another daemon runs.
    #[error(
        "another sockvsd is running on the pin directory {}; stop it first, or give another \
         --pin-dir",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// The usual mount point of the BPF file system.
const BPFFS: &str = "/sys/fs/bpf";

/// How long to wait for a daemon that is ending.
const DYING: Duration = Duration::from_secs(1);
/// How often to check whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// A pin directory, locked by this process until the value is dropped.
pub struct PinDirectory {
    path: PathBuf,
    /// The directory was created by this value and is removed with it.
    temporary: bool,
    _lock: Flock<File>,
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = self.empty()
        {
            tracing::warn!(path = %self.path.display(), %error, "the pin directory stays");
        }
    }
}

impl PinDirectory {
    /// Creates the directory if it is missing, and locks it. At the usual place, the BPF file
    /// system is mounted if it is missing.
    ///
    /// # Errors
    ///
    /// When another daemon has the lock and does not end within a second, or the directory is not
    /// in a BPF file system.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::Unusable {
            path: path.to_owned(),
            error,
        };
        if path.starts_with(BPFFS) {
            mount_bpffs().map_err(failed)?;
        }
        let temporary = !path.exists();
        let existing = path.ancestors().find(|ancestor| ancestor.exists());
        if !is_bpffs(existing.unwrap_or(path)).map_err(failed)? {
            return Err(failed(io::Error::other("it is not in a BPF file system")));
        }
        let deadline = Instant::now() + DYING;
        loop {
            if let Some(lock) = lock(path).map_err(failed)? {
                return Ok(Self {
                    path: path.to_owned(),
                    temporary,
                    _lock: lock,
                });
            }
            if Instant::now() >= deadline {
                return Err(Error::InUse {
                    path: path.to_owned(),
                });
            }
            thread::sleep(PAUSE);
        }
    }

    /// The path at which an object of this name is pinned.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes all pins here, and the directory.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed.
    pub fn remove(mut self) -> io::Result<()> {
        self.keep();
        self.empty()
    }

    /// Keeps the pins when this value is dropped.
    pub fn keep(&mut self) {
        self.temporary = false;
    }

    fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            fs::remove_file(entry?.path())?;
        }
        fs::remove_dir(&self.path)
    }
}

/// Creates the directory if it is missing, and locks it. `None` if another daemon has the lock, or
/// has just removed the directory.
fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    fs::create_dir_all(path)?;
    let directory = File::open(path)?;
    match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            let ours = lock.metadata()?;
            let there = fs::metadata(path).ok();
            let same = there.is_some_and(|there| there.ino() == ours.ino());
            Ok(same.then_some(lock))
        }
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn mount_bpffs() -> io::Result<()> {
    let place = Path::new(BPFFS);
    if is_bpffs(place)? {
        return Ok(());
    }
    let options = Some("mode=0700");
    mount(Some("bpf"), place, Some("bpf"), MsFlags::empty(), options).map_err(io::Error::from)
}

/// Whether `path` is in a BPF file system.
///
/// # Errors
///
/// When there is no such file.
pub fn is_bpffs(path: &Path) -> io::Result<bool> {
    Ok(statfs(path).map_err(io::Error::from)?.filesystem_type() == BPF_FS_MAGIC)
}
