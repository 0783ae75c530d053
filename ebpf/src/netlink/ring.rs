//! The ring buffers to the daemon, and the daemon's heartbeat.

use aya_ebpf::{
    btf_maps::{Array, RingBuf},
    helpers::generated::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::btf_map,
};
use sockvs_ebpf_common::netlink::{
    DATAGRAM_SIZES, HEARTBEAT_TIMEOUT, REQUEST_NET_ADMIN, RING_SIZE, RequestHeader,
};

use crate::{
    kernel::{Skb, Sock},
    sender,
};

/// The datagram cannot be read.
const EFAULT: i32 = 14;
/// The datagram is longer than any record.
const EMSGSIZE: i32 = 90;
/// The daemon does not keep up.
const ENOBUFS: i32 = 105;

type Ring = RingBuf<RequestHeader, { RING_SIZE as usize }>;

/// Requests of clients with `CAP_NET_ADMIN`.
#[btf_map]
static REQUESTS: Ring = Ring::new();

/// Requests of other clients.
#[btf_map]
static OTHERS: Ring = Ring::new();

/// When the daemon's last heartbeat was.
#[btf_map]
static HEARTBEAT: Array<u64, 1> = Array::new();

/// The time, on the clock of the daemon's heartbeat.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: this helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// Whether the daemon's last heartbeat is so long ago that it counts as absent.
#[inline(always)]
pub(crate) fn daemon_is_absent(now: u64) -> bool {
    let Some(heartbeat) = HEARTBEAT.get_ptr(0) else {
        return true;
    };
    // SAFETY: the map's only value, a word that is written whole.
    let heartbeat = unsafe { heartbeat.read_volatile() };
    now > heartbeat.saturating_add(HEARTBEAT_TIMEOUT)
}

/// Passes the datagram to the daemon; returns what the sender's call returns. Messages of a client
/// use the same ring buffer as long as its rights do not change, and so stay in order.
#[inline(always)]
pub(crate) fn submit(sock: &Sock, skb: &Skb, netns: u64, arrived: u64) -> i32 {
    let (tgid, tid) = sender::ids();
    let flags = sender::flags(sock, skb);
    let length = skb.len();
    let header = RequestHeader {
        netns,
        port: skb.port(),
        tgid,
        tid,
        length,
        flags,
        zero: 0,
        arrived,
    };
    let data = skb.data();
    if flags & REQUEST_NET_ADMIN == 0 {
        put_into(&OTHERS, &header, data)
    } else {
        put_into(&REQUESTS, &header, data)
    }
}

/// Puts the datagram into a ring buffer, in the smallest record that it fits into.
#[inline(always)]
fn put_into(ring: &'static Ring, header: &RequestHeader, data: *const u8) -> i32 {
    let length = header.length as usize;
    if length < DATAGRAM_SIZES[0] {
        put::<{ DATAGRAM_SIZES[0] }>(ring, header, data)
    } else if length < DATAGRAM_SIZES[1] {
        put::<{ DATAGRAM_SIZES[1] }>(ring, header, data)
    } else if length < DATAGRAM_SIZES[2] {
        put::<{ DATAGRAM_SIZES[2] }>(ring, header, data)
    } else if length < DATAGRAM_SIZES[3] {
        put::<{ DATAGRAM_SIZES[3] }>(ring, header, data)
    } else {
        -EMSGSIZE
    }
}

/// Fills a record that has room for a datagram shorter than `SIZE` bytes, a power of two.
#[inline(always)]
fn put<const SIZE: usize>(ring: &'static Ring, header: &RequestHeader, data: *const u8) -> i32 {
    let Some(mut record) = ring.reserve_bytes(size_of::<RequestHeader>() + SIZE, 0) else {
        return -ENOBUFS;
    };
    let start = record.as_mut_ptr();
    // SAFETY: the record is longer than its header, and aligned to eight bytes as the header is.
    unsafe { start.cast::<RequestHeader>().write(*header) };
    // The verifier of Linux 6.1 has lost the bound of the length by now. So the length is read
    // anew, and masked to what it is anyway, right where it is used.
    // SAFETY: it has just been written.
    let length = unsafe { (&raw const (*start.cast::<RequestHeader>()).length).read_volatile() };
    let length = length & (SIZE as u32 - 1);
    // SAFETY: as above.
    let contents = unsafe { start.add(size_of::<RequestHeader>()) };
    // SAFETY: the record has room for `length` bytes; the helper takes any address to read from.
    let failed = unsafe { bpf_probe_read_kernel(contents.cast(), length, data.cast()) };
    if failed != 0 {
        record.discard(0);
        return -EFAULT;
    }
    record.submit(0);
    header.length.cast_signed()
}
