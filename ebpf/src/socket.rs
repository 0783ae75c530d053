//! The kernel's sockets, as far as `live` looks into them. Where their fields are differs from
//! kernel to kernel; the daemon finds out and says so in `LAYOUT`.
//!
//! A socket may end and become another one while it is looked at, or, if its end was not told, long
//! before; the kernel may have given its memory to something else by then. `is_alive` tells. What a
//! pointer leads to that turns out to lead nowhere reads as zero.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use sockvs_ebpf_common::{AF_INET6, LiveConnection, SocketLayout, TcpCounters};

/// No count gets here (`REFCOUNT_SATURATED` in `linux/refcount.h` is further on).
const REFCOUNT_SATURATED: u32 = 0x8000_0000;

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

/// Reads a field of what stands at `base`; zero if nothing does. (Nobody asks which it was: the
/// verifier would have to go both ways from each field on.)
#[inline(always)]
fn field<T: Copy + Default>(base: *const u8, place: usize) -> T {
    let mut value = T::default();
    let bytes = size_of::<T>() as u32;
    let from = base.wrapping_add(place).cast();
    // SAFETY: the helper writes so many bytes, zeros if there is nothing to be read.
    unsafe { bpf_probe_read_kernel(addr_of_mut!(value).cast(), bytes, from) };
    value
}

/// Reads a pointer; null if nothing stands there.
#[inline(always)]
fn pointer(base: *const u8, place: usize) -> *const u8 {
    field::<u64>(base, place) as *const u8
}

/// The cookie of the socket; zero if it has none.
#[inline(always)]
pub(crate) fn cookie(sk: *const u8) -> u64 {
    field(sk, place!(cookie))
}

/// Whether this still is the socket with this cookie, and not what has its memory now that it is
/// gone.
///
/// A socket that is gone keeps its cookie in its memory until that is used again. Of the two counts
/// that a socket has, both are zero then. One of them alone does not tell: where the memory was
/// given to something else, that may write one and leave the cookie (seen with what is left of
/// connections in `TIME_WAIT`).
#[inline(always)]
pub(crate) fn is_alive(sk: *const u8, cookie: u64) -> bool {
    self::cookie(sk) == cookie
        && is_held(field(sk, place!(references)))
        && is_held(field(sk, place!(write_memory)))
}

/// Whether a count (`refcount_t`) is that of something that is there, and no garbage.
#[inline(always)]
fn is_held(count: u32) -> bool {
    count != 0 && count < REFCOUNT_SATURATED
}

/// Tells who has the socket, and what it is, in the record.
#[inline(always)]
pub(crate) fn describe(sk: *const u8, live: &mut LiveConnection) {
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
    let net = pointer(sk, place!(net));
    live.netns = field(net, place!(net_cookie));
    live.netns_inode = field(net, place!(net_inode));
    let cgroup = pointer(sk, place!(cgroup));
    let node = pointer(cgroup, place!(cgroup_node));
    live.cgroup = field(node, place!(node_id));
    let socket = pointer(sk, place!(socket));
    let file = pointer(socket, place!(file));
    let inode = pointer(file, place!(inode));
    live.inode = field(inode, place!(inode_number));
}

/// What a TCP connection has carried so far. `sk` is its socket, which begins one of TCP.
#[inline(always)]
pub(crate) fn carried(sk: *const u8, carried: &mut TcpCounters) {
    carried.inpkts = field::<u32>(sk, place!(segs_out)).into();
    carried.outpkts = field::<u32>(sk, place!(segs_in)).into();
    carried.inbytes = field(sk, place!(bytes_acked));
    carried.outbytes = field(sk, place!(bytes_received));
}
