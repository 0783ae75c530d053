//! What of an open connection the counters have already.
//!
//! The counters of destinations and services get what a connection has carried when it ends, and
//! what it has carried so far each time that the daemon asks. So that nothing is added twice, it is
//! remembered how much was added. Whoever adds first takes the difference by moving what is
//! remembered from the number that the difference was made with: only one can. Thus the counters
//! never step back, and never have more than was carried.

use core::ptr::{addr_of, addr_of_mut};

use sockvs_ebpf_common::{Connection, TcpCounters};

use crate::counter;

/// A connection has ended with so much carried: what of it is still to be added.
///
/// It must be marked as [ended](sockvs_ebpf_common::CLOSED) before: whoever looks at it afterwards
/// then adds nothing.
#[inline(always)]
pub(crate) fn end(connection: *mut Connection, carried: &TcpCounters) -> TcpCounters {
    let [inpkts, outpkts, inbytes, outbytes] = words(connection);
    TcpCounters {
        inpkts: packets(carried.inpkts, counter::exchange(inpkts, carried.inpkts)),
        outpkts: packets(carried.outpkts, counter::exchange(outpkts, carried.outpkts)),
        inbytes: bytes(carried.inbytes, counter::exchange(inbytes, carried.inbytes)),
        outbytes: bytes(
            carried.outbytes,
            counter::exchange(outbytes, carried.outbytes),
        ),
    }
}

/// What was added already, before what has been carried is looked up.
#[inline(always)]
pub(crate) fn so_far(connection: *mut Connection) -> TcpCounters {
    // SAFETY: a part of an entry; each word is read whole.
    unsafe { addr_of!((*connection).claimed).read_volatile() }
}

/// What is to be added now that the connection has carried so much; nothing of what somebody else
/// adds at this moment.
#[inline(always)]
pub(crate) fn go_on(
    connection: *mut Connection,
    old: &TcpCounters,
    carried: &TcpCounters,
) -> TcpCounters {
    let [inpkts, outpkts, inbytes, outbytes] = words(connection);
    let taken = |word, old, now, difference| {
        if difference != 0 && counter::replace(word, old, now) {
            difference
        } else {
            0
        }
    };
    TcpCounters {
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
fn words(connection: *mut Connection) -> [*mut u64; 4] {
    // SAFETY: fields of an entry.
    unsafe {
        [
            addr_of_mut!((*connection).claimed.inpkts),
            addr_of_mut!((*connection).claimed.outpkts),
            addr_of_mut!((*connection).claimed.inbytes),
            addr_of_mut!((*connection).claimed.outbytes),
        ]
    }
}
