//! What a socket remembers of its way here: the address it asked for and the server it got.

use core::ptr::addr_of;

use aya_ebpf::{
    btf_maps::SkStorage,
    helpers::bpf_sk_storage_get,
    macros::btf_map,
    programs::{SockAddrContext, SockOpsContext},
};
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
        // A socket that connects again has one already, with the old contents.
        write(stored, &origin);
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
        write(stored, &Origin::default());
    }
}

/// Writes word by word: of a plain copy the compiler makes a call to a function that goes byte by
/// byte.
#[inline(always)]
fn write(stored: *mut Origin, origin: &Origin) {
    const WORDS: usize = size_of::<Origin>() / size_of::<u32>();
    let from = addr_of!(*origin).cast::<u32>();
    let to = stored.cast::<u32>();
    for word in 0..WORDS {
        // SAFETY: the record consists of this many words, none of which is padding.
        let value = unsafe { from.add(word).read() };
        // SAFETY: callers pass the socket's own storage, which is as long.
        unsafe { to.add(word).write_volatile(value) };
    }
}

/// Where the socket of a TCP connection remembers, if it ever came through a service.
#[inline(always)]
pub(crate) fn of_connection(ctx: &SockOpsContext) -> Option<*mut Origin> {
    // SAFETY: the kernel passes a context that is valid for the program's run; every bit pattern is
    // a pointer.
    let sk = unsafe { addr_of!((*ctx.ops).__bindgen_anon_2.sk).read_volatile() };
    if sk.is_null() {
        return None;
    }
    let map = addr_of!(ORIGINS).cast_mut().cast();
    // SAFETY: a map and a socket; without a flag nothing is made.
    let stored = unsafe { bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), 0) };
    (!stored.is_null()).then_some(stored.cast())
}
