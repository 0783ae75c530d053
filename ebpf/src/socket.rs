//! The socket that a program runs for.

use aya_ebpf::{EbpfContext, helpers::bpf_get_socket_cookie};

/// A socket, as flows refer to it.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    /// Its cookie.
    pub(crate) cookie: u64,
    /// The kernel's address of it.
    pub(crate) address: u64,
}

/// The cookie of the socket that a program runs for.
#[inline(always)]
pub(crate) fn cookie(ctx: &impl EbpfContext) -> u64 {
    // SAFETY: the helper takes the contexts of all program types that call this.
    unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }
}
