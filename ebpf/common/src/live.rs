//! Walking open connections: the input of the walking programs, and their reports.

use crate::{AddressWords, CONNECTIONS_PER_GROUP, ConnTuple, FlowKey, TemplateKey};

/// The running kernel's layout of what is reported of a socket: offsets in bytes within the
/// structure that is named first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketLayout {
    /// `sock.__sk_common.skc_family`, 16 bits.
    pub family: u32,
    /// `sock.__sk_common.skc_state`, 8 bits.
    pub state: u32,
    /// `sock.__sk_common.skc_rcv_saddr`, 32 bits.
    pub address: u32,
    /// `sock.__sk_common.skc_v6_rcv_saddr`, 128 bits.
    pub address6: u32,
    /// `sock.__sk_common.skc_num`, 16 bits.
    pub port: u32,
    /// `sock.__sk_common.skc_bound_dev_if`, 32 bits.
    pub device: u32,
    /// `sock.__sk_common.skc_net.net`, a pointer.
    pub net: u32,
    /// `net.net_cookie`, 64 bits.
    pub net_cookie: u32,
    /// `net.ns.inum`, 32 bits.
    pub net_inode: u32,
    /// `sock.__sk_common.skc_cookie`, 64 bits.
    pub cookie: u32,
    /// `sock.__sk_common.skc_refcnt`, 32 bits.
    pub references: u32,
    /// `sock.sk_wmem_alloc`, 32 bits: at least one for as long as the socket is there.
    pub write_memory: u32,
    /// `sock.sk_protocol`, 16 bits.
    pub protocol: u32,
    /// `sock.sk_cgrp_data.cgroup`, a pointer.
    pub cgroup: u32,
    /// `cgroup.kn`, a pointer.
    pub cgroup_node: u32,
    /// `kernfs_node.id`, 64 bits.
    pub node_id: u32,
    /// `sock.sk_socket`, a pointer.
    pub socket: u32,
    /// `socket.file`, a pointer.
    pub file: u32,
    /// `file.f_inode`, a pointer.
    pub inode: u32,
    /// `inode.i_ino`, 64 bits.
    pub inode_number: u32,
    /// `tcp_sock.segs_out`, 32 bits.
    pub segs_out: u32,
    /// `tcp_sock.segs_in`, 32 bits.
    pub segs_in: u32,
    /// `tcp_sock.bytes_acked`, 64 bits.
    pub bytes_acked: u32,
    /// `tcp_sock.bytes_received`, 64 bits.
    pub bytes_received: u32,
}

/// The traffic of a TCP connection. Packets wrap as the kernel's 32-bit counters of them do.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Packets to the server.
    pub inpkts: u64,
    /// Packets from the server.
    pub outpkts: u64,
    /// Bytes of data that the server has acknowledged.
    pub inbytes: u64,
    /// Bytes of data from the server.
    pub outbytes: u64,
}

/// An open connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveConnection {
    /// The requested address and the destination.
    pub tuple: ConnTuple,
    /// The socket's own address, in the form the socket has it.
    pub client: AddressWords,
    /// Its traffic, if it is one of TCP.
    pub counters: TcpCounters,
    /// The cookie of the socket.
    pub cookie: u64,
    /// The number of its inode, or zero if no process has it open.
    pub inode: u64,
    /// The cookie of its network namespace.
    pub netns: u64,
    /// The number of the cgroup that it was made in.
    pub cgroup: u64,
    /// The number of its network namespace's inode.
    pub netns_inode: u32,
    /// The interface that it is bound to, or zero.
    pub device: u32,
    /// Its own port, host order.
    pub client_port: u16,
    /// `AF_INET` or `AF_INET6`: the socket's.
    pub family: u16,
    /// Its protocol's number.
    pub protocol: u16,
    /// One of TCP's states (`net/tcp_states.h`), which other protocols use after their fashion.
    pub state: u8,
    /// `LIVE_CONNECTED` or `LIVE_FLOW`.
    pub kind: u8,
}

/// The socket is connected.
pub const LIVE_CONNECTED: u8 = 0;
/// The socket is not connected; this is one of its flows.
pub const LIVE_FLOW: u8 = 1;

/// How many entries a program visits in one run.
pub const WALK_BATCH: u32 = CONNECTIONS_PER_GROUP;

/// How many walkers there may be at the same time, each with a value of `WALK_KEYS` and
/// `WALK_RESULT` of its own.
pub const MAX_WALKERS: u32 = 2;

/// The entries of a hash map that a program is to visit: a value of `WALK_KEYS`. Those of
/// `OVERFLOW` have the cookie only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WalkKeys {
    /// The keys.
    pub keys: [FlowKey; WALK_BATCH as usize],
}

/// A program's report: a value of `WALK_RESULT`. How many there are is what the program returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WalkResult {
    /// The open connections.
    pub connections: [LiveConnection; WALK_BATCH as usize],
}

/// The entries of `TEMPLATES` that a program is to visit: the only value of `TEMPLATE_KEYS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TemplateKeys {
    /// The keys.
    pub keys: [TemplateKey; WALK_BATCH as usize],
}

/// Its report: the only value of `TEMPLATE_RESULT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TemplateResult {
    /// The templates.
    pub templates: [LiveTemplate; WALK_BATCH as usize],
}

/// A persistence template, as the program reports it that walks `TEMPLATES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveTemplate {
    /// When it expires, by the monotonic clock in nanoseconds.
    pub expires: u64,
    /// The index of the destination's record.
    pub destination: u32,
    /// The index of the service's record.
    pub service: u32,
    /// How many connections it controls.
    pub n_control: u64,
}

/// What the program that walks `TEMPLATES` is to remove, beside those that have expired or whose
/// service is gone: the only value of `EVICTION`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eviction {
    /// Those without connections that expire before this time; zero for none.
    pub before: u64,
    /// Of the service whose record has this index.
    pub service: u32,
    /// Zero.
    pub zero: u32,
}
