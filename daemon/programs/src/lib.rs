//! The eBPF programs, compiled by this crate's build script from `ebpf/`.
//!
//! Nothing is loaded here; the data path and the netlink hook do that. The crate exists so that
//! each of them embeds its object and the programs are compiled once.

/// The socket hooks, and the programs that walk through connections, as one ELF object.
pub static SOCKET: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sockvs-ebpf"));

/// The netlink hook, as one ELF object.
pub static NETLINK: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sockvs-netlink"));
