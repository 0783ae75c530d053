//! What a socket remembers of its way here: the address it asked for and the server it got.

use aya_ebpf::{btf_maps::SkStorage, macros::btf_map, programs::SockAddrContext};
use sockvs_ebpf_common::Origin;

#[btf_map]
static ORIGINS: SkStorage<Origin> = SkStorage::new();

/// Remembers. A socket for which there is no memory works, but `getpeername` tells the server.
#[inline(always)]
pub(crate) fn remember(ctx: &SockAddrContext, mut origin: Origin) {
    // SAFETY: the programs of one socket's calls run under that socket's lock or on their own copy
    // of a name; the storage is plain data.
    let stored = unsafe { ORIGINS.get_or_insert_ptr_mut(ctx, Some(&mut origin)) };
    if !stored.is_null() {
        // SAFETY: not null, so it points to the socket's own storage. A socket that connects again
        // has one already, with the old contents.
        unsafe { stored.write(origin) };
    }
}

/// What the socket remembers, if it came through a service.
#[inline(always)]
pub(crate) fn recall(ctx: &SockAddrContext) -> Option<Origin> {
    // SAFETY: as in `remember`.
    let stored = unsafe { ORIGINS.get_ptr_mut(ctx) };
    // SAFETY: not null, so it points to the socket's own storage.
    (!stored.is_null()).then(|| unsafe { stored.read() })
}

/// Forgets, if there was anything: the socket now goes to an address that is no service.
#[inline(always)]
pub(crate) fn forget(ctx: &SockAddrContext) {
    // SAFETY: as in `remember`.
    let stored = unsafe { ORIGINS.get_ptr_mut(ctx) };
    if !stored.is_null() {
        // SAFETY: not null, so it points to the socket's own storage.
        unsafe { stored.write(Origin::default()) };
    }
}
