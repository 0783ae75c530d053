//! What a socket that is not connected remembers of the datagrams that it sent to services.
//!
//! All calls of one socket that get here run under its lock.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::BPF_SK_STORAGE_GET_F_CREATE, btf_maps::SkStorage, helpers::bpf_sk_storage_get,
    macros::btf_map, programs::SockAddrContext,
};
use sockvs_ebpf_common::{FLOWS as MOST, Flow, Flows, Origin, UNCOUNTED};

use crate::{accounting, address::Endpoint, words};

#[btf_map]
static FLOWS: SkStorage<Flows> = SkStorage::new();

/// No place among the flows. Places have the size of a register, because Linux 6.1 would forget the
/// bounds of a smaller number that comes from a function.
///
/// The programs carry places and not pointers or options: what Linux 6.1 knows of a pointer does not
/// survive a way on which there may be none.
pub(crate) const NOWHERE: u64 = MOST as u64;

/// The socket's flows, if it ever had any.
#[inline(always)]
pub(crate) fn of(ctx: &SockAddrContext) -> Option<*mut Flows> {
    // SAFETY: the calls of one socket that get here run under its lock; the storage is plain data.
    let flows = unsafe { FLOWS.get_ptr_mut(ctx) };
    (!flows.is_null()).then_some(flows)
}

/// The socket's flows, made if it has none yet.
#[inline(always)]
pub(crate) fn of_or_new(ctx: &SockAddrContext) -> Option<*mut Flows> {
    // SAFETY: the kernel passes a context that is valid for the program's run; every bit pattern is
    // a pointer.
    let sk = unsafe { addr_of!((*ctx.sock_addr).__bindgen_anon_1.sk).read_volatile() };
    if sk.is_null() {
        return None;
    }
    let map = addr_of!(FLOWS).cast_mut().cast();
    let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
    // SAFETY: a map and a socket. Without an initial value the kernel fills it with zeros.
    let flows = unsafe { bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), create) };
    (!flows.is_null()).then_some(flows.cast())
}

/// The flows of a socket that is being released, if it has any.
#[inline(always)]
pub(crate) fn of_socket(sk: *mut aya_ebpf::bindings::bpf_sock) -> Option<*mut Flows> {
    let map = addr_of!(FLOWS).cast_mut().cast();
    // SAFETY: a map and a socket; without a flag nothing is made.
    let flows = unsafe { bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), 0) };
    (!flows.is_null()).then_some(flows.cast())
}

/// The flow at a place.
#[inline(always)]
pub(crate) fn at(flows: *mut Flows, place: u64) -> *mut Flow {
    // Read anew, so that the compiler cannot leave out the bound because it knows of it from before:
    // the verifier wants to see it here.
    // SAFETY: a variable of this function's.
    let place = unsafe { core::ptr::addr_of!(place).read_volatile() } & (NOWHERE - 1);
    // SAFETY: the place is below the number of flows.
    unsafe {
        addr_of_mut!((*flows).flows)
            .cast::<Flow>()
            .add(place as usize)
    }
}

/// The place of the flow to a virtual address, the one that was used last; or `NOWHERE`.
#[inline(always)]
pub(crate) fn to(flows: *mut Flows, asked: &Endpoint) -> u64 {
    let [a, b, c, d] = asked.address;
    sockvs_find_flow(
        flows,
        u64::from(a) << 32 | u64::from(b),
        u64::from(c) << 32 | u64::from(d),
        asked.port.into(),
        1,
    )
}

/// The place of the flow that a datagram from this server belongs to, the one that was used last; or
/// `NOWHERE`.
#[inline(always)]
pub(crate) fn from(flows: *mut Flows, server: &Endpoint) -> u64 {
    let [a, b, c, d] = server.address;
    sockvs_find_flow(
        flows,
        u64::from(a) << 32 | u64::from(b),
        u64::from(c) << 32 | u64::from(d),
        server.port.into(),
        0,
    )
}

/// Finds a flow by its virtual address or its server's: its place, or `NOWHERE`.
///
/// A function of its own, so that the verifier goes through the loop once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_find_flow(
    flows: *mut Flows,
    upper: u64,
    lower: u64,
    port: u32,
    virtually: u32,
) -> u64 {
    if flows.is_null() {
        return NOWHERE;
    }
    let mut found = NOWHERE;
    let mut latest = 0;
    for place in 0..NOWHERE {
        let flow = at(flows, place);
        // SAFETY: fields within the socket's storage.
        let last = unsafe { addr_of!((*flow).last).read_volatile() };
        if last <= latest {
            continue;
        }
        // SAFETY: as above.
        let origin = unsafe { addr_of!((*flow).origin) };
        let (address, its_port) = if virtually != 0 {
            // SAFETY: as above.
            unsafe {
                (
                    addr_of!((*origin).virtual_address),
                    addr_of!((*origin).virtual_port),
                )
            }
        } else {
            // SAFETY: as above.
            unsafe {
                (
                    addr_of!((*origin).server_address),
                    addr_of!((*origin).server_port),
                )
            }
        };
        // SAFETY: as above.
        let its_port = unsafe { its_port.read_volatile() };
        // SAFETY: as above.
        let [a, b, c, d] = unsafe { address.read_volatile() };
        if u32::from(its_port) == port
            && (u64::from(a) << 32 | u64::from(b)) == upper
            && (u64::from(c) << 32 | u64::from(d)) == lower
        {
            found = place;
            latest = last;
        }
    }
    found
}

/// Where a new flow goes: a place that was never used, or the oldest one. What was there is still to
/// be ended.
#[inline(always)]
pub(crate) fn next(flows: *mut Flows) -> u64 {
    // SAFETY: a field within the socket's storage.
    let begun = unsafe { addr_of_mut!((*flows).begun) };
    // SAFETY: as above.
    let place = unsafe { begun.read_volatile() };
    // SAFETY: as above.
    unsafe { begun.write_volatile(place + 1) };
    place & (NOWHERE - 1)
}

/// A flow begins in the place of whatever was there.
#[inline(always)]
pub(crate) fn write(flow: *mut Flow, origin: &Origin, now: u64) {
    // SAFETY: fields within the socket's storage.
    words::copy(unsafe { addr_of_mut!((*flow).origin) }, origin);
    touch(flow, now);
}

/// A datagram was sent in the flow.
#[inline(always)]
pub(crate) fn touch(flow: *mut Flow, now: u64) {
    // SAFETY: a field within the socket's storage.
    unsafe { addr_of_mut!((*flow).last).write_volatile(now) };
}

/// The flow at this place ends, if there is one.
#[inline(always)]
pub(crate) fn end(flows: *mut Flows, place: u64) {
    sockvs_end_flow(flows, place);
}

/// All flows end.
#[inline(always)]
pub(crate) fn end_all(flows: *mut Flows) {
    for place in 0..NOWHERE {
        sockvs_end_flow(flows, place);
    }
}

/// The flow at this place ends, if it was counted. A function of its own for the verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_end_flow(flows: *mut Flows, place: u64) -> u32 {
    if !flows.is_null() {
        end_one(at(flows, place));
    }
    0
}

/// The flow ends, if it was counted.
#[inline(always)]
fn end_one(flow: *mut Flow) {
    // SAFETY: plain data within the socket's storage.
    let origin = unsafe { &*addr_of!((*flow).origin) };
    if origin.counted == UNCOUNTED {
        return;
    }
    accounting::end(origin);
    // SAFETY: as above; the reference is not used any more.
    unsafe { addr_of_mut!((*flow).origin.counted).write_volatile(UNCOUNTED) };
}
