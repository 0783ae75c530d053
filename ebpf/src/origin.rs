//! What a connected socket of UDP remembers of its way: the address it asked for and the server it got.
//! It is kept with the socket, so that it ends with it. (`tcp` is what is known of those of TCP.)

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::bpf_sock, btf_maps::SkStorage, helpers::bpf_sk_storage_get, macros::btf_map,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{Origin, UNCOUNTED};

use crate::{accounting, address::Endpoint, words};

#[btf_map]
static ORIGINS: SkStorage<Origin> = SkStorage::new();

/// Remembers. False if there is no memory for it: the socket works, but `getpeername` tells the
/// server.
#[inline(always)]
pub(crate) fn remember(ctx: &SockAddrContext, origin: &mut Origin) -> bool {
    // SAFETY: the programs of one socket's calls run under that socket's lock or on their own copy
    // of a name; the storage is plain data.
    let stored = unsafe { ORIGINS.get_or_insert_ptr_mut(ctx, Some(origin)) };
    if stored.is_null() {
        return false;
    }
    // A socket that connects again has one already, with the old contents.
    words::copy(stored, origin);
    true
}

/// Forgets, if there was anything: the socket goes elsewhere. What was there is counted until then.
#[inline(always)]
pub(crate) fn forget(ctx: &SockAddrContext) {
    // SAFETY: as in `remember`.
    let stored = unsafe { ORIGINS.get_ptr_mut(ctx) };
    if stored.is_null() {
        return;
    }
    // SAFETY: not null, so it points to the socket's own storage.
    let origin = unsafe { &*stored };
    if origin.counted != UNCOUNTED {
        accounting::end(origin);
    }
    words::clear(stored);
}

/// The address that the socket asked for, if `peer` is the server it got for it. A socket that is
/// connected to something else since has another peer.
#[inline(always)]
pub(crate) fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    // SAFETY: as in `remember`.
    let stored = unsafe { ORIGINS.get_ptr_mut(ctx) };
    if stored.is_null() {
        return None;
    }
    // SAFETY: not null, so it points to the socket's own storage.
    let origin = unsafe { stored.read() };
    let server = origin.server_address;
    (origin.virtual_port != 0
        && server[0] == peer.address[0]
        && server[1] == peer.address[1]
        && server[2] == peer.address[2]
        && server[3] == peer.address[3]
        && origin.server_port == peer.port)
        .then_some(Endpoint {
            address: origin.virtual_address,
            port: origin.virtual_port,
        })
}

/// What a socket remembers, if it was ever connected to a service.
#[inline(always)]
pub(crate) fn of_socket(sk: *mut bpf_sock) -> Option<Origin> {
    // SAFETY: the storage of a socket that nobody else uses any more.
    stored(sk.cast()).map(|origin| unsafe { origin.read() })
}

/// The socket's connection is counted no more.
#[inline(always)]
pub(crate) fn uncount(sk: *mut bpf_sock) {
    if let Some(origin) = stored(sk.cast()) {
        // SAFETY: as in `of_socket`.
        unsafe { addr_of_mut!((*origin).counted).write_volatile(UNCOUNTED) };
    }
}

#[inline(always)]
fn stored(sk: *mut core::ffi::c_void) -> Option<*mut Origin> {
    let map = addr_of!(ORIGINS).cast_mut().cast();
    // SAFETY: a map and a socket; without a flag nothing is made.
    let stored = unsafe { bpf_sk_storage_get(map, sk, core::ptr::null_mut(), 0) };
    (!stored.is_null()).then_some(stored.cast())
}
