//! What of an open connection the counters have already.
//!
//! The counters of destinations and services get what a connection has carried when it ends, and
//! what it has carried so far each time that the daemon asks. So that nothing is added twice, the
//! socket remembers how much was added. Whoever adds first takes the difference by moving what is
//! remembered from the number that the difference was made with: only one can. Thus the counters
//! never step back, and never have more than was carried.
//!
//! Only sockets that were looked at while open have such a memory.

use core::{ffi::c_void, ptr::addr_of_mut};

use aya_ebpf::{
    bindings::BPF_SK_STORAGE_GET_F_CREATE, btf_maps::SkStorage, helpers::bpf_sk_storage_get,
    macros::btf_map,
};
use sockvs_ebpf_common::Carried;

use crate::counter;

#[btf_map]
static SETTLED: SkStorage<Carried> = SkStorage::new();

/// A connection begins: nothing of it was added. One that the same socket had before does not
/// matter any more.
#[inline(always)]
pub(crate) fn begin(sk: *mut c_void) {
    let stored = stored(sk, 0);
    if !stored.is_null() {
        for word in words(stored) {
            counter::exchange(word, 0);
        }
    }
}

/// A connection has ended with so much carried: what of it is still to be added.
///
/// The socket must be marked as no longer counted before: whoever makes the memory afterwards then
/// finds that out, and adds nothing.
#[inline(always)]
pub(crate) fn end(sk: *mut c_void, carried: &Carried) -> Carried {
    let stored = stored(sk, 0);
    if stored.is_null() {
        return *carried;
    }
    let [inpkts, outpkts, inbytes, outbytes] = words(stored);
    Carried {
        inpkts: packets(carried.inpkts, counter::exchange(inpkts, carried.inpkts)),
        outpkts: packets(carried.outpkts, counter::exchange(outpkts, carried.outpkts)),
        inbytes: bytes(carried.inbytes, counter::exchange(inbytes, carried.inbytes)),
        outbytes: bytes(
            carried.outbytes,
            counter::exchange(outbytes, carried.outbytes),
        ),
    }
}

/// The socket's memory, made if there is none; null if there is no room for it.
#[inline(always)]
pub(crate) fn of_or_new(sk: *mut c_void) -> *mut Carried {
    stored(sk, BPF_SK_STORAGE_GET_F_CREATE.into())
}

/// What was added already, before what has been carried is looked up.
#[inline(always)]
pub(crate) fn so_far(stored: *mut Carried) -> Carried {
    // SAFETY: a socket's storage; each word is read whole.
    unsafe { stored.read_volatile() }
}

/// What is to be added now that the connection has carried so much; nothing of what somebody else
/// adds at this moment.
#[inline(always)]
pub(crate) fn go_on(stored: *mut Carried, old: &Carried, carried: &Carried) -> Carried {
    let [inpkts, outpkts, inbytes, outbytes] = words(stored);
    let taken = |word, old, now, difference| {
        if difference != 0 && counter::replace(word, old, now) {
            difference
        } else {
            0
        }
    };
    Carried {
        inpkts: taken(
            inpkts,
            old.inpkts,
            carried.inpkts,
            packets(carried.inpkts, old.inpkts),
        ),
        outpkts: taken(
            outpkts,
            old.outpkts,
            carried.outpkts,
            packets(carried.outpkts, old.outpkts),
        ),
        inbytes: taken(
            inbytes,
            old.inbytes,
            carried.inbytes,
            bytes(carried.inbytes, old.inbytes),
        ),
        outbytes: taken(
            outbytes,
            old.outbytes,
            carried.outbytes,
            bytes(carried.outbytes, old.outbytes),
        ),
    }
}

/// How many packets more: their counters have 32 bits and begin anew after that.
#[inline(always)]
fn packets(now: u64, old: u64) -> u64 {
    (now as u32).wrapping_sub(old as u32).into()
}

#[inline(always)]
fn bytes(now: u64, old: u64) -> u64 {
    now.wrapping_sub(old)
}

#[inline(always)]
fn words(stored: *mut Carried) -> [*mut u64; 4] {
    // SAFETY: fields within a socket's storage.
    unsafe {
        [
            addr_of_mut!((*stored).inpkts),
            addr_of_mut!((*stored).outpkts),
            addr_of_mut!((*stored).inbytes),
            addr_of_mut!((*stored).outbytes),
        ]
    }
}

#[inline(always)]
fn stored(sk: *mut c_void, flags: u64) -> *mut Carried {
    if sk.is_null() {
        return core::ptr::null_mut();
    }
    let map = core::ptr::addr_of!(SETTLED).cast_mut().cast();
    // SAFETY: a map and a socket; where the value is made, it is all zero.
    unsafe { bpf_sk_storage_get(map, sk, core::ptr::null_mut(), flags) }.cast()
}
