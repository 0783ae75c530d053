//! The way to the daemon.

use core::ptr::addr_of;

use aya_ebpf::{
    bindings::BPF_RB_AVAIL_DATA,
    btf_maps::RingBuf,
    helpers::generated::{bpf_probe_read_kernel, bpf_ringbuf_query},
    macros::btf_map,
};
use sockvs_ebpf_common::netlink::{
    RECORD_SIZES, RING_COMMON, RING_SIZE, TAKEN_MAY_ADMINISTER, Taken,
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

#[btf_map]
static REQUESTS: RingBuf<Taken, { RING_SIZE as usize }> = RingBuf::new();

/// Brings the datagram to the daemon, and gives what the sender's call reports.
#[inline(always)]
pub(crate) fn take(sock: &Sock, skb: &Skb, netns: u64) -> i32 {
    let (tgid, tid) = sender::ids();
    let flags = sender::flags(sock, skb);
    let length = skb.len();
    let taken = Taken {
        netns,
        port: skb.port(),
        tgid,
        tid,
        length,
        flags,
        zero: 0,
    };
    if flags & TAKEN_MAY_ADMINISTER == 0 && is_half_full() {
        return -ENOBUFS;
    }
    let data = skb.data();
    let needed = length as usize + size_of::<Taken>();
    if needed <= RECORD_SIZES[0] {
        put::<{ RECORD_SIZES[0] }>(&taken, data)
    } else if needed <= RECORD_SIZES[1] {
        put::<{ RECORD_SIZES[1] }>(&taken, data)
    } else if needed <= RECORD_SIZES[2] {
        put::<{ RECORD_SIZES[2] }>(&taken, data)
    } else if needed <= RECORD_SIZES[3] {
        put::<{ RECORD_SIZES[3] }>(&taken, data)
    } else {
        -EMSGSIZE
    }
}

/// Fills a record of `SIZE` bytes, in which there is room for all.
#[inline(always)]
fn put<const SIZE: usize>(taken: &Taken, data: *const u8) -> i32 {
    let Some(mut record) = REQUESTS.reserve_bytes(SIZE, 0) else {
        return -ENOBUFS;
    };
    let header = record.as_mut_ptr();
    // SAFETY: the record is longer than its header, and aligned to eight bytes as the header is.
    unsafe { header.cast::<Taken>().write(*taken) };
    // SAFETY: as above.
    let contents = unsafe { header.add(size_of::<Taken>()) };
    // SAFETY: the caller has chosen a record with room for `length` bytes; the helper takes any
    // address to read from.
    let failed = unsafe { bpf_probe_read_kernel(contents.cast(), taken.length, data.cast()) };
    if failed != 0 {
        record.discard(0);
        return -EFAULT;
    }
    record.submit(0);
    taken.length.cast_signed()
}

/// Whether the share of those who may not administer anything is used up.
#[inline(always)]
fn is_half_full() -> bool {
    let ring = addr_of!(REQUESTS).cast_mut();
    // SAFETY: the address of the map is what the helper takes.
    let waiting = unsafe { bpf_ringbuf_query(ring.cast(), u64::from(BPF_RB_AVAIL_DATA)) };
    waiting >= RING_COMMON
}
