//! Where the programs are: the product's, this package's, other people's.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A program of this workspace, from `SOCKVS_BIN_DIR`, beside this test (the folder that cargo
/// builds into), or from `PATH`.
///
/// # Panics
///
/// When it is nowhere.
#[must_use]
pub fn ours(name: &str) -> PathBuf {
    let told = env::var_os("SOCKVS_BIN_DIR").map(PathBuf::from);
    let test = env::current_exe().unwrap_or_default();
    // A test is in target/debug/deps, a program of this package in target/debug.
    let beside = test.ancestors().skip(1).take(2).map(Path::to_owned);
    let found = told
        .into_iter()
        .chain(beside)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.or_else(|| on_path(name)).unwrap_or_else(|| {
        panic!(
            "{name} is neither beside the test nor on PATH: build it \
             (cargo build -p sockvs -p compat-tests; sockvsd-other-layout: scripts/other-layout)"
        )
    })
}

/// A program that is installed on this machine.
///
/// # Panics
///
/// When it is not on `PATH`.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| panic!("{name} is not on PATH: run scripts/setup"))
}

/// A program on `PATH`.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// A Python that has pyroute2: `SOCKVS_TEST_PYTHON`, or the one that `scripts/setup` makes.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn python() -> PathBuf {
    if let Some(python) = env::var_os("SOCKVS_TEST_PYTHON") {
        return python.into();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"));
    let python = repository.join(".cache/venv/bin/python");
    assert!(
        python.exists(),
        "{} does not exist: run scripts/setup, or set SOCKVS_TEST_PYTHON to a Python with pyroute2",
        python.display()
    );
    python
}
