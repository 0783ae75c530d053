//! The kernel's sockets (`struct sock`), as far as `live` reads them. The offsets of their fields
//! differ from kernel to kernel; the daemon finds them out and stores them in `LAYOUT`.
//!
//! A socket may be closed and its memory become another one while it is read, or, if its end was
//! not reported, long before; the kernel may have given its memory to something else by then.
//! `is_alive` detects that. What cannot be read, because a pointer leads nowhere, reads as zero.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use sockvs_ebpf_common::{AF_INET6, LiveConnection, SocketLayout, TcpCounters};

use crate::config;

/// No valid count is as high (the kernel's own `REFCOUNT_SATURATED` is higher).
const REFCOUNT_SATURATED: u32 = 0x8000_0000;

/// The daemon writes this before the programs are loaded.
// SAFETY: made of integers only.
#[unsafe(no_mangle)]
static LAYOUT: SocketLayout = unsafe { core::mem::zeroed() };

/// The offset of a field.
macro_rules! offset {
    ($field:ident) => {
        config::get(&LAYOUT.$field) as usize
    };
}

/// Reads a field of the structure at `base`; zero if it cannot be read. (Which of the two it was is
/// not reported: the verifier would have to follow both cases from each field on.)
#[inline(always)]
fn field<T: Copy + Default>(base: *const u8, offset: usize) -> T {
    let mut value = T::default();
    let bytes = size_of::<T>() as u32;
    let from = base.wrapping_add(offset).cast();
    // SAFETY: the helper takes any address to read from, and writes as many bytes as it is told,
    // zeros if it fails.
    unsafe { bpf_probe_read_kernel(addr_of_mut!(value).cast(), bytes, from) };
    value
}

/// Reads a pointer; null if it cannot be read.
#[inline(always)]
fn pointer(base: *const u8, offset: usize) -> *const u8 {
    field::<u64>(base, offset) as *const u8
}

/// Whether a reference count (`refcount_t`) is plausible and not zero.
#[inline(always)]
fn is_held(count: u32) -> bool {
    count != 0 && count < REFCOUNT_SATURATED
}

/// A socket, if its memory still is one.
#[derive(Clone, Copy)]
pub(crate) struct KernelSock(*const u8);

impl KernelSock {
    /// The socket at this address, which a program stored in an entry.
    #[inline(always)]
    pub(crate) fn new(sk: *const u8) -> Self {
        Self(sk)
    }

    /// The cookie of the socket; zero if it has none.
    #[inline(always)]
    fn cookie(self) -> u64 {
        field(self.0, offset!(cookie))
    }

    /// Whether this still is the socket with this cookie, and not another user of its memory.
    ///
    /// The memory of a socket that is gone keeps its cookie until it is reused. Both of the
    /// socket's reference counts are zero then. One of them alone is no proof: another user of the
    /// memory may write one and leave the cookie (seen with sockets in `TIME_WAIT`).
    #[inline(always)]
    pub(crate) fn is_alive(self, cookie: u64) -> bool {
        self.cookie() == cookie
            && is_held(field(self.0, offset!(references)))
            && is_held(field(self.0, offset!(write_memory)))
    }

    /// Describes the socket and its owner in the record.
    #[inline(always)]
    pub(crate) fn describe(self, live: &mut LiveConnection) {
        let sk = self.0;
        live.family = field(sk, offset!(family));
        live.state = field(sk, offset!(state));
        live.client_port = field(sk, offset!(port));
        live.protocol = field(sk, offset!(protocol));
        live.device = field(sk, offset!(device));
        if live.family == AF_INET6 as u16 {
            let address = offset!(address6);
            live.client[0] = field(sk, address);
            live.client[1] = field(sk, address + 4);
            live.client[2] = field(sk, address + 8);
            live.client[3] = field(sk, address + 12);
        } else {
            live.client[0] = field(sk, offset!(address));
        }
        let net = pointer(sk, offset!(net));
        live.netns = field(net, offset!(net_cookie));
        live.netns_inode = field(net, offset!(net_inode));
        let cgroup = pointer(sk, offset!(cgroup));
        let node = pointer(cgroup, offset!(cgroup_node));
        live.cgroup = field(node, offset!(node_id));
        let socket = pointer(sk, offset!(socket));
        let file = pointer(socket, offset!(file));
        let inode = pointer(file, offset!(inode));
        live.inode = field(inode, offset!(inode_number));
    }

    /// Reads the traffic of a TCP connection so far. The socket must be one of TCP.
    #[inline(always)]
    pub(crate) fn read_tcp_counters(self, counters: &mut TcpCounters) {
        let sk = self.0;
        counters.inpkts = field::<u32>(sk, offset!(segs_out)).into();
        counters.outpkts = field::<u32>(sk, offset!(segs_in)).into();
        counters.inbytes = field(sk, offset!(bytes_acked));
        counters.outbytes = field(sk, offset!(bytes_received));
    }
}
