//! Builds the eBPF programs, whose objects this crate embeds.
//!
//! This requires a compiler that allows unstable features and has the sources of `core`: the
//! distribution's compiler with its own source package, linked into rustup under the name `debian`,
//! or else a nightly toolchain with the `rust-src` component. Without rustup, the default compiler
//! must be the former. `scripts/setup` installs one or the other, and a linker.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

const DISTRIBUTION: &str = "debian";

/// Settings for the compiler of the programs in addition to those of `aya-build`: unstable features
/// are allowed, and instruction set v3 is used (Linux 5.12), whose atomic additions return the old
/// value. It must be enabled in the compiler as a whole: with parts of it enabled in the linker,
/// 32-bit comparisons with constants are compiled wrongly. Build scripts and macros run on this
/// machine, so they are compiled for it.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("RUSTC_BOOTSTRAP", "1"),
    ("CARGO_TERM_QUIET", "true"),
    ("CARGO_UNSTABLE_PROFILE_RUSTFLAGS", "true"),
    (
        "CARGO_PROFILE_RELEASE_RUSTFLAGS",
        "-Ctarget-cpu=v3 -Clink-arg=--disable-expand-memcpy-in-order",
    ),
    (
        "CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_RUSTFLAGS",
        "-Cdebuginfo=0",
    ),
];

fn main() -> Result<()> {
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?;
    let ebpf = Path::new(&manifest_dir).join("../../ebpf");
    let ebpf = ebpf
        .to_str()
        .context("the path of the sources is not UTF-8")?;

    let toolchain = if has_core_sources(DISTRIBUTION) {
        Toolchain::Custom(DISTRIBUTION)
    } else {
        Toolchain::Nightly
    };
    for (name, value) in ENVIRONMENT {
        // SAFETY: a build script's main thread is its only one here.
        unsafe { env::set_var(name, value) };
    }
    let other_layout = env::var_os("CARGO_FEATURE_OTHER_LAYOUT").is_some();
    aya_build::build_ebpf(
        [Package {
            name: "sockvs-ebpf",
            root_dir: ebpf,
            features: if other_layout { &["other-layout"] } else { &[] },
            ..Package::default()
        }],
        toolchain,
    )
    .context("the eBPF programs could not be built; scripts/setup installs what that takes")
}

/// Whether rustup has a toolchain of this name with the sources of `core`.
fn has_core_sources(toolchain: &str) -> bool {
    let output = Command::new("rustup")
        .args(["run", toolchain, "rustc", "--print", "sysroot"])
        .output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim())
                .join("lib/rustlib/src/rust/library/core")
                .is_dir()
    })
}
