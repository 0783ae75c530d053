//! The process that sends a datagram, and its rights.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task};
use sockvs_ebpf_common::netlink::{REQUEST_CAP_ACK, REQUEST_EXT_ACK, REQUEST_NET_ADMIN};

use crate::kernel::{Skb, Sock, offset, probe, setting};

const CAP_NET_ADMIN: u32 = 12;

/// The process and the thread that send.
#[inline(always)]
pub(crate) fn ids() -> (u32, u32) {
    let both = bpf_get_current_pid_tgid();
    ((both >> 32) as u32, both as u32)
}

/// Whether the daemon itself sends.
#[inline(always)]
pub(crate) fn is_daemon() -> bool {
    let daemon = setting!(daemon);
    daemon != 0 && ids().0 == daemon
}

/// The sender's rights and socket options (`REQUEST_*`).
#[inline(always)]
pub(crate) fn flags(sock: &Sock, skb: &Skb) -> u32 {
    let options = sock.netlink_flags();
    let mut flags = 0;
    if net_admin(sock, skb) {
        flags |= REQUEST_NET_ADMIN;
    }
    if options & setting!(layout.cap_ack) != 0 {
        flags |= REQUEST_CAP_ACK;
    }
    if options & setting!(layout.ext_ack) != 0 {
        flags |= REQUEST_EXT_ACK;
    }
    flags
}

/// The kernel's own check, `netlink_capable(skb, CAP_NET_ADMIN)`: the sender needs the
/// capability in the initial user namespace, and so does the process that opened the
/// socket, unless the message names its destination. Other security modules are not consulted.
#[inline(always)]
fn net_admin(sock: &Sock, skb: &Skb) -> bool {
    if !skb.names_its_destination() && !sock.opener().is_some_and(has_net_admin) {
        return false;
    }
    // SAFETY: this helper takes nothing and gives the current task's address.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    probe::<*const u8>(task, offset!(task_cred)).is_some_and(has_net_admin)
}

/// Whether credentials include `CAP_NET_ADMIN` in the initial user namespace.
#[inline(always)]
fn has_net_admin(cred: *const u8) -> bool {
    let has = || {
        let effective = probe::<u64>(cred, offset!(cred_effective))?;
        let user_ns = probe::<*const u8>(cred, offset!(cred_user_ns))?;
        // Only the initial user namespace has no other above it.
        let level = probe::<u32>(user_ns, offset!(user_ns_level))?;
        Some(effective >> CAP_NET_ADMIN & 1 == 1 && level == 0)
    };
    has().unwrap_or(false)
}
