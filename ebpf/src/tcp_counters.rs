//! How much of an open connection's traffic the counters have already.
//!
//! The counters of destinations and services get a connection's traffic when it closes, and what
//! has been carried so far each time that the daemon walks the connections. So that nothing is
//! added twice, the entry holds how much has been claimed. To claim a difference is to move that
//! number on from the value that the difference was computed with, which only one processor can.
//! Thus the counters never go back and never exceed what was carried.

use sockvs_ebpf_common::TcpCounters;

use crate::{atomic::Atomic64, records::ConnectionRef};

/// Claims the rest of a connection that has closed: what is still to be added.
///
/// The entry must have been marked [closed](sockvs_ebpf_common::CLOSED) before: a walker that reads
/// it afterwards then adds nothing.
#[inline(always)]
pub(crate) fn claim_rest(connection: ConnectionRef, now: &TcpCounters) -> TcpCounters {
    let [inpkts, outpkts, inbytes, outbytes] = connection.claimed_words();
    TcpCounters {
        inpkts: packets(now.inpkts, inpkts.swap(now.inpkts)),
        outpkts: packets(now.outpkts, outpkts.swap(now.outpkts)),
        inbytes: bytes(now.inbytes, inbytes.swap(now.inbytes)),
        outbytes: bytes(now.outbytes, outbytes.swap(now.outbytes)),
    }
}

/// What has been claimed, to be read before the socket's own counters are.
#[inline(always)]
pub(crate) fn snapshot(connection: ConnectionRef) -> TcpCounters {
    connection.claimed()
}

/// Claims the difference between the socket's counters and the snapshot: what is to be added. Zero
/// where another processor claims at the same time.
#[inline(always)]
pub(crate) fn claim_delta(
    connection: ConnectionRef,
    old: &TcpCounters,
    now: &TcpCounters,
) -> TcpCounters {
    let [inpkts, outpkts, inbytes, outbytes] = connection.claimed_words();
    let claim = |word: Atomic64, old, now, delta| {
        if delta != 0 && word.compare_exchange(old, now) {
            delta
        } else {
            0
        }
    };
    TcpCounters {
        inpkts: claim(
            inpkts,
            old.inpkts,
            now.inpkts,
            packets(now.inpkts, old.inpkts),
        ),
        outpkts: claim(
            outpkts,
            old.outpkts,
            now.outpkts,
            packets(now.outpkts, old.outpkts),
        ),
        inbytes: claim(
            inbytes,
            old.inbytes,
            now.inbytes,
            bytes(now.inbytes, old.inbytes),
        ),
        outbytes: claim(
            outbytes,
            old.outbytes,
            now.outbytes,
            bytes(now.outbytes, old.outbytes),
        ),
    }
}

/// A difference of packets, whose counters wrap at 32 bits.
#[inline(always)]
fn packets(now: u64, old: u64) -> u64 {
    (now as u32).wrapping_sub(old as u32).into()
}

#[inline(always)]
fn bytes(now: u64, old: u64) -> u64 {
    now.wrapping_sub(old)
}
