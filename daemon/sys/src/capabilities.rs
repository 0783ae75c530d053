//! Our own rights: what is needed, and giving up what is not.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// What the daemon needs for as long as it serves.
const NEEDED: [Capability; 5] = [
    // Changing eBPF maps, entering network namespaces. Contains CAP_BPF and CAP_PERFMON.
    Capability::CAP_SYS_ADMIN,
    // Answering netlink clients, ending connections, attaching to sockets.
    Capability::CAP_NET_ADMIN,
    // Reading which namespaces and sockets a process has ...
    Capability::CAP_SYS_PTRACE,
    // ... also if it is another user's.
    Capability::CAP_DAC_READ_SEARCH,
    // Trying whether a sync daemon could have the port that it is told to.
    Capability::CAP_NET_BIND_SERVICE,
];

/// Whether this process may load eBPF programs and answer netlink clients.
#[must_use]
pub fn suffice() -> bool {
    [Capability::CAP_NET_ADMIN, Capability::CAP_SYS_ADMIN]
        .iter()
        .all(|right| caps::has_cap(None, CapSet::Effective, *right).unwrap_or(false))
}

/// Gives up what the daemon does not need. It holds for the calling thread, and those that it
/// starts from now on.
pub fn keep_needed() {
    keep_only(&NEEDED);
}

/// The same for a process that needs less.
pub fn keep_only(needed: &[Capability]) {
    if let Err(error) = try_to_keep(&needed.iter().copied().collect()) {
        tracing::warn!(%error, "rights that are not needed cannot be given up");
    }
}

fn try_to_keep(needed: &CapsHashSet) -> Result<(), CapsError> {
    // Programs that are started get no more either. This itself takes a right.
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
