//! The program `static/client.c`, linked statically.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    environment::folder::Folder,
    process::{binaries, program},
};

/// Builds it into `folder`. Where there is no compiler, `SOCKVS_TEST_STATIC_CLIENT` says where a
/// built one is, or it is on `PATH` as `sockvs-static-client`.
///
/// # Panics
///
/// When there is neither a compiler nor the program, or it does not build.
#[must_use]
pub fn build(folder: &Folder) -> PathBuf {
    if let Some(built) = env::var_os("SOCKVS_TEST_STATIC_CLIENT") {
        return built.into();
    }
    let Some(gcc) = binaries::on_path("gcc") else {
        return binaries::installed("sockvs-static-client");
    };
    let source = folder.write("client.c", include_str!("../../static/client.c"));
    let client = folder.path().join("static-client");
    compile(&gcc, &source, &client);
    client
}

fn compile(gcc: &Path, source: &Path, client: &Path) {
    let mut command = Command::new(gcc);
    command
        .args(["-static", "-O1", "-Wall", "-Werror", "-o"])
        .arg(client)
        .arg(source);
    program::run(command).expect_success();
}
