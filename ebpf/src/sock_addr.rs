//! The context of socket calls that carry an address (`struct bpf_sock_addr`), and the socket that
//! it leads to.
//!
//! Every access is volatile: the verifier wants each field read and written by itself, at its own
//! width, and the compiler would join or move accesses.

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{
    EbpfContext,
    bindings::{bpf_sock, bpf_sock_addr},
    helpers::bpf_get_netns_cookie,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{AF_INET, AF_INET6, AddressWords};

use crate::address::{Client, Endpoint, is_v4_mapped};

/// Reads a field of the structure that `$of` refers to.
macro_rules! get {
    ($of:expr, $($field:ident).+) => {
        // SAFETY: the kernel passes a context that is valid for the program's run, and a socket in
        // it that is not null; the program type may read the field, of which every bit pattern is a
        // value.
        unsafe { addr_of!((*$of).$($field).+).read_volatile() }
    };
}

/// Writes a field of the context.
macro_rules! set {
    ($of:expr, $field:ident, $value:expr) => {
        // SAFETY: as above; the program type may write the field.
        unsafe { addr_of_mut!((*$of).$field).write_volatile($value) }
    };
}

/// A socket call with an address.
#[derive(Clone, Copy)]
pub(crate) struct SockAddr(*mut bpf_sock_addr);

impl EbpfContext for SockAddr {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.0.cast()
    }
}

impl SockAddr {
    /// The call that a program runs for.
    #[inline(always)]
    pub(crate) fn new(ctx: &SockAddrContext) -> Self {
        Self(ctx.sock_addr)
    }

    /// The socket, if the kernel passes it.
    #[inline(always)]
    fn sock(self) -> Option<*const bpf_sock> {
        let sk = self.sock_ptr();
        (!sk.is_null()).then_some(sk)
    }

    #[inline(always)]
    fn sock_ptr(self) -> *const bpf_sock {
        get!(self.0, __bindgen_anon_1.sk)
    }

    /// The kernel's address of the socket.
    #[inline(always)]
    pub(crate) fn sock_address(self) -> u64 {
        self.sock_ptr() as u64
    }

    /// The client.
    #[inline(always)]
    pub(crate) fn client(self) -> Client {
        let mut port = 0;
        if let Some(sk) = self.sock() {
            port = get!(sk, src_port);
        }
        let [a, b, c, d] = self.bound();
        let mut folded = a ^ b ^ c ^ d;
        if folded == 0 {
            let namespace = self.netns();
            folded = namespace as u32 ^ (namespace >> 32) as u32;
        }
        Client {
            address: u32::from_be(folded),
            port: port as u16,
        }
    }

    /// The address that the socket is bound to, as services have addresses; zero if it is not
    /// bound.
    #[inline(always)]
    pub(crate) fn bound(self) -> AddressWords {
        let Some(sk) = self.sock() else {
            return [0; 4];
        };
        if get!(sk, family) == u32::from(AF_INET) {
            return [get!(sk, src_ip4), 0, 0, 0];
        }
        // SAFETY: a field of the socket.
        let address = read_words(unsafe { addr_of!((*sk).src_ip6) }.cast());
        if is_v4_mapped(&address) {
            return [address[3], 0, 0, 0];
        }
        address
    }

    /// The socket's firewall mark, zero for none.
    #[inline(always)]
    pub(crate) fn mark(self) -> u32 {
        match self.sock() {
            Some(sk) => get!(sk, mark),
            None => 0,
        }
    }

    /// Whether the socket is connected.
    #[inline(always)]
    pub(crate) fn is_connected(self) -> bool {
        const TCP_ESTABLISHED: u32 = 1;
        match self.sock() {
            Some(sk) => get!(sk, state) == TCP_ESTABLISHED,
            None => false,
        }
    }

    /// Whether the call is one of IPv6, though perhaps to an IPv4-mapped address.
    #[inline(always)]
    pub(crate) fn is_inet6(self) -> bool {
        get!(self.0, user_family) == u32::from(AF_INET6)
    }

    /// The socket's protocol.
    #[inline(always)]
    pub(crate) fn protocol(self) -> u32 {
        get!(self.0, protocol)
    }

    /// The cookie of the socket's network namespace.
    #[inline(always)]
    pub(crate) fn netns(self) -> u64 {
        // SAFETY: the helper takes this program type's context.
        unsafe { bpf_get_netns_cookie(self.as_ptr()) }
    }

    /// The call's IPv4 address and port.
    #[inline(always)]
    pub(crate) fn endpoint4(self) -> Endpoint {
        let address = get!(self.0, user_ip4);
        Endpoint {
            address: [address, 0, 0, 0],
            port: self.port(),
        }
    }

    /// The call's IPv6 address and port.
    #[inline(always)]
    pub(crate) fn endpoint6(self) -> Endpoint {
        // SAFETY: a field of the context.
        let words = unsafe { addr_of!((*self.0).user_ip6) };
        Endpoint {
            address: read_words(words.cast()),
            port: self.port(),
        }
    }

    /// Replaces the call's IPv4 address and port.
    #[inline(always)]
    pub(crate) fn set_endpoint4(self, to: &Endpoint) {
        set!(self.0, user_ip4, to.address[0]);
        self.set_port(to.port);
    }

    /// Replaces the call's IPv6 address and port.
    #[inline(always)]
    pub(crate) fn set_endpoint6(self, to: &Endpoint) {
        // SAFETY: a field of the context.
        let words = unsafe { addr_of_mut!((*self.0).user_ip6) }.cast::<u32>();
        let write = |index, word| {
            // SAFETY: `index` is below four, the length of the array.
            let at = unsafe { words.add(index) };
            // SAFETY: this program type may write the field.
            unsafe { at.write_volatile(word) };
        };
        write(0, to.address[0]);
        write(1, to.address[1]);
        write(2, to.address[2]);
        write(3, to.address[3]);
        self.set_port(to.port);
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the field holds 16 bits in network order"
    )]
    fn port(self) -> u16 {
        get!(self.0, user_port) as u16
    }

    #[inline(always)]
    fn set_port(self, port: u16) {
        set!(self.0, user_port, u32::from(port));
    }
}

/// Reads an IPv6 address. Only for fields of the context and of its socket.
#[inline(always)]
fn read_words(words: *const u32) -> AddressWords {
    let word = |index| {
        // SAFETY: `index` is below four, the length of the array.
        let at = unsafe { words.add(index) };
        // SAFETY: callers pass a field that the program type may read.
        unsafe { at.read_volatile() }
    };
    [word(0), word(1), word(2), word(3)]
}
