//! The daemon's capabilities: which ones it needs, and dropping the others.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// The capabilities that the daemon needs while it serves.
const NEEDED: [Capability; 5] = [
    // Changing eBPF maps, entering network namespaces. Contains CAP_BPF and CAP_PERFMON.
    Capability::CAP_SYS_ADMIN,
    // Answering netlink clients, ending connections, attaching to sockets.
    Capability::CAP_NET_ADMIN,
    // Reading the namespaces and sockets of processes ...
    Capability::CAP_SYS_PTRACE,
    // ... of other users, too.
    Capability::CAP_DAC_READ_SEARCH,
    // Checking whether a sync daemon could use its configured port.
    Capability::CAP_NET_BIND_SERVICE,
];

/// Whether this process may load eBPF programs and answer netlink clients.
#[must_use]
pub fn suffice() -> bool {
    [Capability::CAP_NET_ADMIN, Capability::CAP_SYS_ADMIN]
        .iter()
        .all(|right| caps::has_cap(None, CapSet::Effective, *right).unwrap_or(false))
}

/// Drops the capabilities that the daemon does not need, for the calling thread and threads that it
/// starts later.
pub fn keep_needed() {
    keep_only(&NEEDED);
}

/// Drops all capabilities but these.
pub fn keep_only(needed: &[Capability]) {
    if let Err(error) = try_to_keep(&needed.iter().copied().collect()) {
        tracing::warn!(%error, "rights that are not needed cannot be given up");
    }
}

fn try_to_keep(needed: &CapsHashSet) -> Result<(), CapsError> {
    // Drops them from the bounding set of executed programs, too, which requires CAP_SETPCAP.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for right in caps::read(None, CapSet::Bounding)?.difference(needed) {
            caps::drop(None, CapSet::Bounding, *right)?;
        }
    }
    let held = caps::read(None, CapSet::Permitted)?;
    let kept = held.intersection(needed).copied().collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
