//! The kernel's sockets, as far as `live` looks into them. Where their fields are differs from kernel
//! to kernel; the daemon finds out and says so in `LAYOUT`.
//!
//! All is read directly: the verifier knows the types and checks each access. What a pointer leads to
//! that turns out to lead nowhere reads as zero.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock};
use sockvs_ebpf_common::{AF_INET6, Carried, LiveConnection, SocketLayout};

/// The daemon writes this before the programs are loaded.
// SAFETY: made of integers only.
#[unsafe(no_mangle)]
static LAYOUT: SocketLayout = unsafe { core::mem::zeroed() };

/// Reads a part of [`LAYOUT`]. Volatile, because its value is not the one written above.
#[inline(always)]
fn constant(part: &'static u32) -> usize {
    // SAFETY: a reference is valid to read from.
    let place = unsafe { core::ptr::from_ref(part).read_volatile() };
    place as usize
}

/// Where a field is.
macro_rules! place {
    ($field:ident) => {
        constant(&LAYOUT.$field)
    };
}

/// Reads a field.
///
/// # Safety
///
/// `base` points to a structure in which a `T` is at `place`. (The verifier insists.)
#[inline(always)]
unsafe fn field<T: Copy>(base: *const u8, place: usize) -> T {
    // SAFETY: the caller's promise.
    let field = unsafe { base.add(place) }.cast::<T>();
    // SAFETY: as above.
    unsafe { field.read_volatile() }
}

/// Tells who has the socket, and what it is, in the record.
#[inline(always)]
pub(crate) fn describe(sk: *const u8, live: &mut LiveConnection) {
    // SAFETY: in all of these, a field of a socket, or of what a pointer in it leads to.
    unsafe {
        live.family = field(sk, place!(family));
        live.state = field(sk, place!(state));
        live.client_port = field(sk, place!(port));
        live.protocol = field(sk, place!(protocol));
        live.device = field(sk, place!(device));
        if live.family == AF_INET6 as u16 {
            let address = place!(address6);
            live.client[0] = field(sk, address);
            live.client[1] = field(sk, address + 4);
            live.client[2] = field(sk, address + 8);
            live.client[3] = field(sk, address + 12);
        } else {
            live.client[0] = field(sk, place!(address));
        }
        let net: *const u8 = field(sk, place!(net));
        live.netns = field(net, place!(net_cookie));
        live.netns_inode = field(net, place!(net_inode));
        let cgroup: *const u8 = field(sk, place!(cgroup));
        let node: *const u8 = field(cgroup, place!(cgroup_node));
        live.cgroup = field(node, place!(node_id));
        let socket: *const u8 = field(sk, place!(socket));
        let file: *const u8 = field(socket, place!(file));
        let inode: *const u8 = field(file, place!(inode));
        live.inode = field(inode, place!(inode_number));
        live.cookie = bpf_get_socket_cookie(sk.cast_mut().cast());
    }
}

/// What a TCP connection has carried so far; false if it is none.
#[inline(always)]
pub(crate) fn carried(sk: *const u8, carried: &mut Carried) -> bool {
    // SAFETY: the helper takes any socket.
    let tcp = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast::<c_void>()) }
        .cast::<u8>()
        .cast_const();
    if tcp.is_null() {
        return false;
    }
    // SAFETY: fields of a TCP socket.
    unsafe {
        carried.inpkts = field::<u32>(tcp, place!(segs_out)).into();
        carried.outpkts = field::<u32>(tcp, place!(segs_in)).into();
        carried.inbytes = field(tcp, place!(bytes_acked));
        carried.outbytes = field(tcp, place!(bytes_received));
    }
    true
}
