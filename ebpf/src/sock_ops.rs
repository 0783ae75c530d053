//! The context of TCP events (`struct bpf_sock_ops`).

use core::ptr::addr_of;

use aya_ebpf::{
    bindings::{BPF_SOCK_OPS_STATE_CB_FLAG, bpf_sock_ops},
    programs::SockOpsContext,
};
use sockvs_ebpf_common::{AF_INET6, TcpCounters};

use crate::{address::Endpoint, socket};

/// Reads a field of the context.
macro_rules! get {
    ($of:expr, $field:ident $([$index:expr])?) => {
        // SAFETY: the kernel passes a context that is valid for the program's run; indexes are
        // within their arrays.
        unsafe { addr_of!((*$of).$field $([$index])?).read_volatile() }
    };
}

/// An event of a TCP socket. It is made of the pointer that the kernel passed, so that functions
/// can take it in one register.
pub(crate) struct SockOps(SockOpsContext);

impl SockOps {
    #[inline(always)]
    pub(crate) fn new(ops: *mut bpf_sock_ops) -> Self {
        Self(SockOpsContext::new(ops))
    }

    /// The state that the socket changes to.
    #[inline(always)]
    pub(crate) fn new_state(&self) -> u32 {
        self.0.arg(1)
    }

    /// The socket's cookie.
    #[inline(always)]
    pub(crate) fn cookie(&self) -> u64 {
        socket::cookie(&self.0)
    }

    /// Requests an event for each change of the socket's state. Whether the kernel grants it.
    #[inline(always)]
    pub(crate) fn request_state_changes(&self, flags: u32) -> bool {
        self.0.set_cb_flags(flags as i32).is_ok()
    }

    /// The requests in force, and that for changes of state.
    #[inline(always)]
    pub(crate) fn with_state_changes(&self) -> u32 {
        self.0.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG
    }

    /// The remote address and port of the socket's packets.
    #[inline(always)]
    pub(crate) fn peer(&self) -> Endpoint {
        let ops = self.0.ops;
        let address = if get!(ops, family) == u32::from(AF_INET6) {
            [0, 1, 2, 3].map(|word| get!(ops, remote_ip6[word]))
        } else {
            [get!(ops, remote_ip4), 0, 0, 0]
        };
        let port = get!(ops, remote_port);
        Endpoint {
            address,
            // In network order; which half of the word holds it depends on the byte order.
            port: (u32::from_be(port) as u16).to_be(),
        }
    }

    /// What the connection has carried.
    #[inline(always)]
    pub(crate) fn tcp_counters(&self) -> TcpCounters {
        let ops = self.0.ops;
        let sent = get!(ops, segs_out);
        let received = get!(ops, segs_in);
        TcpCounters {
            inpkts: sent.into(),
            outpkts: received.into(),
            inbytes: get!(ops, bytes_acked),
            outbytes: get!(ops, bytes_received),
        }
    }
}
