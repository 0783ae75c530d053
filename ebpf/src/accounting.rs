//! Counting connections at their destination and their service.
//!
//! A connection is counted at its destination's record, which stays that destination's until no
//! connection is counted there. The service's record may have become another's by then; nothing is
//! counted at the service in that case.

use sockvs_ebpf_common::{ConnTuple, TcpCounters};

use crate::{atomic::Atomic64, maps, persistence, records::DestinationRef};

/// Counts a connection that begins (`ip_vs_bind_dest`). False if its destination's record has
/// become another's. If the client has no template, it is cleared in `tuple`.
#[inline(always)]
pub(crate) fn bind(tuple: *mut ConnTuple, active: bool) -> bool {
    sockvs_bind(tuple, active.into()) != 0
}

/// A global function, which the verifier checks once; so is `sockvs_unbind`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_bind(tuple: *mut ConnTuple, active: u32) -> u32 {
    if tuple.is_null() {
        return 0;
    }
    // SAFETY: not null, so the caller's.
    let counted = bind_tuple(unsafe { &mut *tuple }, active != 0);
    counted.into()
}

#[inline(always)]
fn bind_tuple(tuple: &mut ConnTuple, active: bool) -> bool {
    let Some(destination) = maps::destination_of(tuple) else {
        return false;
    };
    destination.conns().add(1);
    if active {
        destination.active().add(1);
    }
    let total = destination.total().add(1) + 1;
    let upper = destination.upper_threshold();
    if upper != 0 && total >= u64::from(upper) {
        destination.set_overloaded(1);
    }
    if let Some(service) = maps::service_of(tuple) {
        service.conns().add(1);
        persistence::bind(tuple, service);
    }
    true
}

/// Counts a datagram that is scheduled by itself (one-packet scheduling).
#[inline(always)]
pub(crate) fn count_datagram(tuple: &ConnTuple) {
    let Some(destination) = maps::destination_of(tuple) else {
        return;
    };
    destination.conns().add(1);
    if let Some(service) = maps::service_of(tuple) {
        service.conns().add(1);
    }
}

/// A connection that was active is inactive from now on.
#[inline(always)]
pub(crate) fn deactivate(tuple: &ConnTuple) {
    if let Some(destination) = maps::destination_of(tuple) {
        destination.active().decrement();
    }
}

/// A connection has ended that was counted as active, or not; the rest of its traffic is added.
#[inline(always)]
pub(crate) fn unbind_with_traffic(tuple: &ConnTuple, active: bool, rest: &TcpCounters) {
    let Some(destination) = maps::destination_of(tuple) else {
        return;
    };
    if active {
        destination.active().decrement();
    }
    add(destination.traffic(), rest);
    unbind_destination(destination);
    if let Some(service) = maps::service_of(tuple) {
        add(service.traffic(), rest);
        persistence::unbind(tuple, service);
    }
}

/// A connection has ended.
#[inline(always)]
pub(crate) fn unbind(tuple: &ConnTuple) {
    sockvs_unbind(tuple);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_unbind(tuple: *const ConnTuple) -> u32 {
    if !tuple.is_null() {
        // SAFETY: not null, so the caller's.
        unbind_tuple(unsafe { &*tuple });
    }
    0
}

#[inline(always)]
fn unbind_tuple(tuple: &ConnTuple) {
    let Some(destination) = maps::destination_of(tuple) else {
        return;
    };
    unbind_destination(destination);
    if let Some(service) = maps::service_of(tuple) {
        persistence::unbind(tuple, service);
    }
}

/// The destination has one connection less (`ip_vs_unbind_dest`).
#[inline(always)]
fn unbind_destination(destination: DestinationRef) {
    let before = destination.total().decrement();
    if !destination.is_overloaded() {
        return;
    }
    let recovery = u64::from(destination.recovery_threshold());
    if before <= recovery || recovery == 0 {
        destination.set_overloaded(0);
    }
}

/// Adds traffic of an open connection.
#[inline(always)]
pub(crate) fn add_traffic(tuple: &ConnTuple, delta: &TcpCounters) {
    if let Some(destination) = maps::destination_of(tuple) {
        add(destination.traffic(), delta);
    }
    if let Some(service) = maps::service_of(tuple) {
        add(service.traffic(), delta);
    }
}

#[inline(always)]
fn add([inpkts, outpkts, inbytes, outbytes]: [Atomic64; 4], delta: &TcpCounters) {
    inpkts.add(delta.inpkts);
    outpkts.add(delta.outpkts);
    inbytes.add(delta.inbytes);
    outbytes.add(delta.outbytes);
}
