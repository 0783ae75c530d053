//! A temporary folder.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{leftovers::clean_up, name, program};

/// A folder that is deleted with its owner. Every user may enter it: a daemon's sockets are in it,
/// and clients without rights are tested, too.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(name::unique());
        fs::create_dir(&path).expect("cannot make a temporary folder");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("cannot open the folder");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Copies a program into it, and gives the copy's path.
    ///
    /// Another program does the copying: a copy that this process has open for writing, other
    /// threads' children have open as well for a moment, and it cannot be run then.
    ///
    /// # Panics
    ///
    /// When it cannot be copied.
    #[must_use]
    pub fn copy_program(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.0.join(name);
        let mut cp = Command::new("cp");
        cp.arg(program).arg(&copy);
        program::run(cp).expect_success();
        copy
    }

    /// Writes a file into it, and gives its path.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path = &self.0;
        clean_up(|| {
            fs::remove_dir_all(path)
                .map_err(|error| format!("the folder {}: {error}", path.display()))
        });
    }
}
