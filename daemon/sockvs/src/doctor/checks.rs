//! The checks, one function each.

use std::{fs, path::Path};

use nix::sys::utsname::uname;

use super::Check;
use crate::control::ask_status;
use crate::intercept::support;
use sockvs_datapath::Programs;
use sockvs_sys::{bpffs::is_bpffs, capabilities, cgroup::find_cgroup2};

/// The first kernel with `bpf_set_retval`, without which a refused connection would have the wrong
/// error.
const OLDEST_KERNEL: (u32, u32) = (5, 18);
/// The first kernel in which signals to a supervised process do not interrupt its supervisor.
const CALM_SUPERVISOR: (u32, u32) = (5, 19);

/// The kernel's version.
pub(super) fn kernel() -> Check {
    let name = "kernel";
    let Some((version, release)) = kernel_version() else {
        return Check::note(name, "its version is unknown", "go by the other checks");
    };
    if version < OLDEST_KERNEL {
        return Check::missing(name, release, "sockvs needs Linux 5.18 or later");
    }
    Check::good(name, release)
}

fn kernel_version() -> Option<((u32, u32), String)> {
    let release = uname().ok()?.release().to_str()?.to_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((version, release))
}

/// Our own capabilities.
pub(super) fn capabilities() -> Check {
    let name = "rights";
    if capabilities::suffice() {
        Check::good(name, "CAP_SYS_ADMIN and CAP_NET_ADMIN")
    } else {
        let found = "not enough to load eBPF programs";
        Check::missing(
            name,
            found,
            "run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN",
        )
    }
}

/// The cgroup hierarchy that the programs are attached to.
pub(super) fn cgroup2() -> Check {
    let name = "cgroup2";
    match find_cgroup2() {
        Ok(path) => Check::good(name, format!("mounted at {}", path.display())),
        Err(error) => Check::missing(
            name,
            error.to_string(),
            "mount -t cgroup2 none /sys/fs/cgroup",
        ),
    }
}

/// The file system in which the data path is pinned.
pub(super) fn bpffs() -> Check {
    let name = "bpffs";
    if is_bpffs(Path::new("/sys/fs/bpf")).unwrap_or(false) {
        Check::good(name, "mounted at /sys/fs/bpf")
    } else {
        let found = "not mounted at /sys/fs/bpf";
        Check::note(
            name,
            found,
            "sockvsd mounts it when it starts; nothing to do",
        )
    }
}

/// Whether the kernel accepts the programs.
pub(super) fn programs() -> Check {
    let name = "programs";
    match Programs::try_load() {
        Ok(()) => Check::good(name, "the kernel takes the eBPF programs of the data path"),
        Err(error) => Check::missing(
            name,
            format!("{:#}", anyhow::Error::from(error)),
            "the kernel needs CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF, and you need root",
        ),
    }
}

/// Whether clients can be served without `sockvs exec`.
pub(super) fn netlink_hook() -> Check {
    let name = "bpf";
    match support::bpf() {
        Ok(()) => Check::good(
            name,
            "the kernel lets requests be taken from all clients; sockvsd does that by itself",
        ),
        Err(error) => Check::note(
            name,
            format!("{:#}", anyhow::Error::from(error)),
            "start clients with sockvs exec; others need a kernel with CONFIG_DEBUG_INFO_BTF that \
             lets eBPF programs run in place of its functions",
        ),
    }
}

/// Whether `sockvs exec` can work.
pub(super) fn seccomp() -> Check {
    let name = "seccomp";
    if !support::seccomp() {
        return Check::missing(
            name,
            "no seccomp user notification",
            "the kernel needs CONFIG_SECCOMP_FILTER; no wrapped client can be served without it",
        );
    }
    match kernel_version() {
        Some((version, _)) if version < CALM_SUPERVISOR => Check::note(
            name,
            "clients run under sockvs exec",
            "before Linux 5.19, Go programs may see a request answered twice",
        ),
        _ => Check::good(name, "clients run under sockvs exec"),
    }
}

/// The kernel's own IPVS.
pub(super) fn kernel_ipvs() -> Check {
    let name = "kernel ipvs";
    match fs::read_to_string("/proc/net/ip_vs") {
        Err(_) => Check::good(name, "not loaded"),
        // The heading has three lines.
        Ok(table) if table.lines().count() <= 3 => {
            Check::good(name, "loaded, but without services")
        }
        Ok(table) => Check::note(
            name,
            format!(
                "has services here ({} lines in /proc/net/ip_vs)",
                table.lines().count() - 3
            ),
            "stop sockvsd and take them out of the kernel's table, where they cost every packet: \
             ipvsadm -C; or start it with --replace-kernel-ipvs",
        ),
    }
}

/// The daemon.
pub(super) fn daemon(control_socket: &Path) -> Check {
    let name = "daemon";
    match ask_status(control_socket) {
        Ok(status) => Check::good(
            name,
            format!(
                "sockvsd {} runs with process id {}, intercepts by {}: {}",
                status.facts.version,
                status.facts.pid,
                status.facts.intercept,
                status.facts.intercept_reason
            ),
        ),
        Err(error) => Check::note(name, error.to_string(), "sockvsd &"),
    }
}
