//! What the netlink hook and the daemon agree on: what the daemon tells the hook before it is
//! loaded, and how a taken datagram travels through the ring buffer.

/// What the hook is told once and for all. The verifier sees constants.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSettings {
    /// The cookie of the network namespace that is served, or zero for all of them.
    pub served: u64,
    /// The process whose messages all pass: the daemon's own. Zero for nobody's.
    pub daemon: u32,
    /// The number of the family.
    pub family: u32,
    /// Where things are in the running kernel's memory.
    pub layout: KernelLayout,
}

/// Where the running kernel has what the hook looks at: distances in bytes from the beginning of
/// the structure that is named first, and bits.
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

/// A datagram that the hook took. It follows this header; what comes after `length` bytes of it
/// means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
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
    /// `TAKEN_*`.
    pub flags: u32,
    /// Zero.
    pub zero: u32,
    /// When it was taken, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived: u64,
}

/// The client has `CAP_NET_ADMIN` in the initial user namespace, and so had whoever opened the
/// socket (`netlink_capable`).
pub const TAKEN_MAY_ADMINISTER: u32 = 1;
/// The client's socket has `NETLINK_CAP_ACK`.
pub const TAKEN_CAP_ACK: u32 = 2;
/// The client's socket has `NETLINK_EXT_ACK`.
pub const TAKEN_EXT_ACK: u32 = 4;

/// The size of each of the two ring buffers, a power of two. One is for those who may administer the
/// network, so that others neither fill it nor come before them.
pub const RING_SIZE: u32 = 2 << 20;
/// How long the daemon may give no sign of life, in nanoseconds, until it counts as absent: requests
/// pass to the kernel then. It gives several in that time.
pub const SILENCE: u64 = 5_000_000_000;
/// The sizes of records, header included: room in the ring buffer is given out in fixed sizes only.
/// The last is more than a socket's usual send buffer holds.
pub const RECORD_SIZES: [usize; 4] = [256, 4096, 64 << 10, 256 << 10];
