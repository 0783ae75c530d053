//! Counting connections at their destination and their service.
//!
//! A connection is counted where its destination's record is, which stays that destination's until
//! no connection is counted there. The service's record may be another's before that; nothing is
//! counted at the service then.

use core::ptr::{addr_of, addr_of_mut};

use sockvs_ebpf_common::{ConnTuple, Destination, Service, TcpCounters, recovery_threshold};

use crate::{counter, persistence, table};

/// A connection begins. False if it cannot be counted: its destination's record has become
/// another's. Should persistence not know its client, that is noted in `origin`.
#[inline(always)]
pub(crate) fn begin(origin: *mut ConnTuple, active: bool) -> bool {
    sockvs_begin(origin, active.into()) != 0
}

/// `begin`, as a function of its own for the verifier's sake; so `sockvs_end`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_begin(origin: *mut ConnTuple, active: u32) -> u32 {
    if origin.is_null() {
        return 0;
    }
    // SAFETY: not null, so the caller's.
    let counted = begin_one(unsafe { &mut *origin }, active != 0);
    counted.into()
}

#[inline(always)]
fn begin_one(origin: &mut ConnTuple, active: bool) -> bool {
    let Some(destination) = table::destination_of(origin) else {
        return false;
    };
    // SAFETY: a field within the record.
    counter::add(unsafe { addr_of_mut!((*destination).conns) }, 1);
    if active {
        // SAFETY: a field within the record.
        counter::add(unsafe { addr_of_mut!((*destination).active) }, 1);
    }
    // SAFETY: as above.
    let total = counter::add(unsafe { addr_of_mut!((*destination).total) }, 1) + 1;
    // SAFETY: as above; the word is read whole.
    let upper = unsafe { addr_of!((*destination).upper_threshold).read_volatile() };
    if upper != 0 && total >= u64::from(upper) {
        set_overloaded(destination, 1);
    }
    if let Some(service) = table::service_of(origin) {
        // SAFETY: as above.
        counter::add(unsafe { addr_of_mut!((*service).conns) }, 1);
        persistence::begin(origin, service);
    }
    true
}

/// A datagram got a server that nothing will remember.
#[inline(always)]
pub(crate) fn pass(origin: &ConnTuple) {
    let Some(destination) = table::destination_of(origin) else {
        return;
    };
    // SAFETY: a field within the record.
    counter::add(unsafe { addr_of_mut!((*destination).conns) }, 1);
    if let Some(service) = table::service_of(origin) {
        // SAFETY: as above.
        counter::add(unsafe { addr_of_mut!((*service).conns) }, 1);
    }
}

/// A connection that was active is so no longer.
#[inline(always)]
pub(crate) fn inactive(origin: &ConnTuple) {
    if let Some(destination) = table::destination_of(origin) {
        // SAFETY: a field within the record.
        counter::take_one(unsafe { addr_of_mut!((*destination).active) });
    }
}

/// A connection that was counted as active, or not, is over; what it has carried is still to be
/// added.
#[inline(always)]
pub(crate) fn end_carried(origin: &ConnTuple, active: bool, carried: &TcpCounters) {
    let Some(destination) = table::destination_of(origin) else {
        return;
    };
    if active {
        // SAFETY: a field within the record.
        counter::take_one(unsafe { addr_of_mut!((*destination).active) });
    }
    add_to_destination(destination, carried);
    take_one_of(destination);
    if let Some(service) = table::service_of(origin) {
        add_to_service(service, carried);
        persistence::end(origin, service);
    }
}

/// A connection is over.
#[inline(always)]
pub(crate) fn end(origin: &ConnTuple) {
    sockvs_end(origin);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_end(origin: *const ConnTuple) -> u32 {
    if !origin.is_null() {
        // SAFETY: not null, so the caller's.
        end_one(unsafe { &*origin });
    }
    0
}

#[inline(always)]
fn end_one(origin: &ConnTuple) {
    let Some(destination) = table::destination_of(origin) else {
        return;
    };
    take_one_of(destination);
    if let Some(service) = table::service_of(origin) {
        persistence::end(origin, service);
    }
}

/// The destination has one connection less (`ip_vs_unbind_dest`).
#[inline(always)]
fn take_one_of(destination: *mut Destination) {
    // SAFETY: a field within the record.
    let before = counter::take_one(unsafe { addr_of_mut!((*destination).total) });
    // SAFETY: as above; the word is read whole.
    if unsafe { addr_of!((*destination).overloaded).read_volatile() } == 0 {
        return;
    }
    // SAFETY: as above.
    let upper = unsafe { addr_of!((*destination).upper_threshold).read_volatile() };
    // SAFETY: as above.
    let lower = unsafe { addr_of!((*destination).lower_threshold).read_volatile() };
    let recovery = u64::from(recovery_threshold(upper, lower));
    if before <= recovery || recovery == 0 {
        set_overloaded(destination, 0);
    }
}

/// Adds what a connection has carried, as far as that has not been added yet.
#[inline(always)]
pub(crate) fn carried(origin: &ConnTuple, carried: &TcpCounters) {
    if let Some(destination) = table::destination_of(origin) {
        add_to_destination(destination, carried);
    }
    if let Some(service) = table::service_of(origin) {
        add_to_service(service, carried);
    }
}

#[inline(always)]
fn add_to_destination(destination: *mut Destination, carried: &TcpCounters) {
    // SAFETY: fields within the record.
    let words = unsafe {
        [
            addr_of_mut!((*destination).inpkts),
            addr_of_mut!((*destination).outpkts),
            addr_of_mut!((*destination).inbytes),
            addr_of_mut!((*destination).outbytes),
        ]
    };
    add_carried(words, carried);
}

#[inline(always)]
fn add_to_service(service: *mut Service, carried: &TcpCounters) {
    // SAFETY: fields within the record.
    let words = unsafe {
        [
            addr_of_mut!((*service).inpkts),
            addr_of_mut!((*service).outpkts),
            addr_of_mut!((*service).inbytes),
            addr_of_mut!((*service).outbytes),
        ]
    };
    add_carried(words, carried);
}

#[inline(always)]
fn add_carried([inpkts, outpkts, inbytes, outbytes]: [*mut u64; 4], carried: &TcpCounters) {
    counter::add(inpkts, carried.inpkts);
    counter::add(outpkts, carried.outpkts);
    counter::add(inbytes, carried.inbytes);
    counter::add(outbytes, carried.outbytes);
}

#[inline(always)]
fn set_overloaded(destination: *mut Destination, overloaded: u8) {
    // SAFETY: a field within a record; it is written whole.
    unsafe { addr_of_mut!((*destination).overloaded).write_volatile(overloaded) };
}
