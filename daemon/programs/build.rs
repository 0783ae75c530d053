//! Builds the eBPF programs, whose objects this crate embeds.
//!
//! That takes a compiler that may use unstable features and has the sources of `core` beside it:
//! the distribution's compiler with its own source package, linked into rustup under the name
//! `debian`, or else a nightly toolchain with the `rust-src` component. Without rustup the compiler
//! at hand must be the former. `scripts/setup` provides one or the other, and a linker to go with
//! it.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

const DISTRIBUTION: &str = "debian";

/// What the compiler of the programs is told beyond what `aya-build` tells it: that it may use
/// unstable features, and that instruction set v3 is wanted (Linux 5.12), whose atomic additions
/// return the old value. It has to be the whole instruction set, asked for in the compiler: with
/// its parts switched on in the linker, comparisons of 32 bits with constants come out wrong. Build
/// scripts and macros run here, so they are built for this machine.
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
