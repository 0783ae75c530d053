//! What the netlink hook and the daemon share: the settings that the daemon writes before it loads
//! the hook, and the format of an intercepted datagram in the ring buffer.

/// The hook's settings, which do not change after it is loaded. The verifier sees constants.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSettings {
    /// The cookie of the network namespace that is served, or zero for all of them.
    pub served: u64,
    /// The process whose messages all pass: the daemon. Zero for none.
    pub daemon: u32,
    /// The number of the family.
    pub family: u32,
    /// Where things are in the running kernel's memory.
    pub layout: KernelLayout,
}

/// The running kernel's layout of what the hook reads: offsets in bytes within the structure that
/// is named first, and bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelLayout {
    /// `sock.sk_protocol`, 16 bits.
    pub sock_protocol: u32,
    /// `sock.__sk_common.skc_net.net`, a pointer.
    pub sock_net: u32,
    /// `sock.sk_socket`, a pointer.
    pub sock_socket: u32,
    /// `net.net_cookie`, 64 bits.
    pub net_cookie: u32,
    /// `sk_buff.data`, a pointer.
    pub skb_data: u32,
    /// `sk_buff.len`, 32 bits.
    pub skb_len: u32,
    /// `netlink_skb_parms.portid` in `sk_buff.cb`, 32 bits.
    pub skb_portid: u32,
    /// `netlink_skb_parms.dst_group` in `sk_buff.cb`, 32 bits.
    pub skb_dst_group: u32,
    /// `netlink_skb_parms.flags` in `sk_buff.cb`, 32 bits.
    pub skb_flags: u32,
    /// `netlink_sock.flags`, 32 bits or more.
    pub netlink_flags: u32,
    /// `netlink_sock.dst_portid`, 32 bits.
    pub netlink_dst_portid: u32,
    /// `socket.file`, a pointer.
    pub socket_file: u32,
    /// `file.f_cred`, a pointer.
    pub file_cred: u32,
    /// `task_struct.cred`, a pointer.
    pub task_cred: u32,
    /// `cred.cap_effective`, 64 bits.
    pub cred_effective: u32,
    /// `cred.user_ns`, a pointer.
    pub cred_user_ns: u32,
    /// `user_namespace.level`, 32 bits.
    pub user_ns_level: u32,
    /// The bit of `NETLINK_CAP_ACK` in `netlink_sock.flags`.
    pub cap_ack: u32,
    /// The bit of `NETLINK_EXT_ACK` in `netlink_sock.flags`.
    pub ext_ack: u32,
    /// Zero.
    pub zero: u32,
}

/// The header of an intercepted datagram, which follows it; what comes after `length` bytes is
/// padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The cookie of the network namespace of the client's socket.
    pub netns: u64,
    /// The port id of the client's socket.
    pub port: u32,
    /// The process that sent it, as the initial process namespace numbers it.
    pub tgid: u32,
    /// The thread that sent it, likewise.
    pub tid: u32,
    /// How long the datagram is.
    pub length: u32,
    /// `REQUEST_*`.
    pub flags: u32,
    /// Zero.
    pub zero: u32,
    /// When it was intercepted, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived: u64,
}

/// The client has `CAP_NET_ADMIN` in the initial user namespace, and so had the process that
/// opened the socket (`netlink_capable`).
pub const REQUEST_NET_ADMIN: u32 = 1;
/// The client's socket has `NETLINK_CAP_ACK`.
pub const REQUEST_CAP_ACK: u32 = 2;
/// The client's socket has `NETLINK_EXT_ACK`.
pub const REQUEST_EXT_ACK: u32 = 4;

/// The size of each of the two ring buffers, a power of two. One is for clients with
/// `CAP_NET_ADMIN`, so that others neither fill it nor delay them.
pub const RING_SIZE: u32 = 2 << 20;
/// A daemon whose last heartbeat is longer ago than this, in nanoseconds, counts as absent:
/// requests pass to the kernel then. It updates its heartbeat several times in that time.
pub const HEARTBEAT_TIMEOUT: u64 = 5_000_000_000;
/// A datagram is shorter than one of these powers of two: records of a ring buffer are
/// reserved in fixed sizes only. The last is more than a socket's usual send buffer holds.
pub const DATAGRAM_SIZES: [usize; 4] = [256, 4096, 64 << 10, 256 << 10];
