//! Reading and writing the address in a program's context.
//!
//! Every access is volatile: the verifier wants each field read and written by itself, at its own
//! width, and an optimiser would gladly join or move them.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    EbpfContext as _, bindings::bpf_sock, helpers::bpf_get_netns_cookie, programs::SockAddrContext,
};
use sockvs_ebpf_common::{AF_INET, AF_INET6, AddressWords, V4_MAPPED_WORD};

/// An address and a port as a socket call has them.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    /// As in the records: an IPv4 address is in the first word, unless it is IPv4-mapped.
    pub(crate) address: AddressWords,
    /// Network order.
    pub(crate) port: u16,
}

impl Endpoint {
    /// Whether it is the same. (Word by word: the derived comparison becomes a call to `memcmp`.)
    #[inline(always)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.port == other.port
            && self.address[0] == other.address[0]
            && self.address[1] == other.address[1]
            && self.address[2] == other.address[2]
            && self.address[3] == other.address[3]
    }
}

/// Who connects, as far as it is known before the connection is made.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    /// The address that the socket is bound to, folded to 32 bits in host order; of a socket that
    /// is not bound, something that stands for its network namespace.
    pub(crate) address: u32,
    /// The port that the socket is bound to, host order, or zero.
    pub(crate) port: u16,
}

/// Who connects.
#[inline(always)]
pub(crate) fn client(ctx: &SockAddrContext) -> Client {
    let sk = socket(ctx);
    let mut port = 0;
    if !sk.is_null() {
        // SAFETY: a socket, whose fields the program type may read.
        port = unsafe { addr_of!((*sk).src_port).read_volatile() };
    }
    let [a, b, c, d] = bound(ctx);
    let mut folded = a ^ b ^ c ^ d;
    if folded == 0 {
        let namespace = netns(ctx);
        folded = namespace as u32 ^ (namespace >> 32) as u32;
    }
    Client {
        address: u32::from_be(folded),
        port: port as u16,
    }
}

/// The address that the socket is bound to, as services have addresses; zero if it is not bound.
#[inline(always)]
pub(crate) fn bound(ctx: &SockAddrContext) -> AddressWords {
    let sk = socket(ctx);
    if sk.is_null() {
        return [0; 4];
    }
    // SAFETY: a socket, whose fields the program type may read.
    let family = unsafe { addr_of!((*sk).family).read_volatile() };
    if family == u32::from(AF_INET) {
        // SAFETY: as above.
        return [unsafe { addr_of!((*sk).src_ip4).read_volatile() }, 0, 0, 0];
    }
    // SAFETY: as above.
    let words = unsafe { addr_of!((*sk).src_ip6) }.cast::<u32>();
    let address = [
        read_word(words),
        // SAFETY: the array has four words.
        read_word(unsafe { words.add(1) }),
        // SAFETY: as above.
        read_word(unsafe { words.add(2) }),
        // SAFETY: as above.
        read_word(unsafe { words.add(3) }),
    ];
    if is_v4_mapped(&address) {
        return [address[3], 0, 0, 0];
    }
    address
}

/// Where the kernel has the socket.
#[inline(always)]
pub(crate) fn socket(ctx: &SockAddrContext) -> *const bpf_sock {
    // SAFETY: the kernel passes a context that is valid for the program's run; every bit pattern is
    // a pointer.
    unsafe { addr_of!((*ctx.sock_addr).__bindgen_anon_1.sk).read_volatile() }
}

/// The socket's firewall mark, zero for none.
#[inline(always)]
pub(crate) fn mark(ctx: &SockAddrContext) -> u32 {
    let sk = socket(ctx);
    if sk.is_null() {
        return 0;
    }
    // SAFETY: a socket, whose fields the program type may read.
    unsafe { addr_of!((*sk).mark).read_volatile() }
}

/// Whether the socket is connected.
#[inline(always)]
pub(crate) fn is_connected(ctx: &SockAddrContext) -> bool {
    const TCP_ESTABLISHED: u32 = 1;
    let sk = socket(ctx);
    if sk.is_null() {
        return false;
    }
    // SAFETY: a socket, whose fields the program type may read.
    unsafe { addr_of!((*sk).state).read_volatile() == TCP_ESTABLISHED }
}

/// Whether the call is one of IPv6, though perhaps to an IPv4-mapped address.
#[inline(always)]
pub(crate) fn is_inet6(ctx: &SockAddrContext) -> bool {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let family = unsafe { addr_of!((*ctx.sock_addr).user_family).read_volatile() };
    family == u32::from(AF_INET6)
}

#[inline(always)]
fn read_word(word: *const u32) -> u32 {
    // SAFETY: callers pass a word that the program may read.
    unsafe { word.read_volatile() }
}

/// The call's protocol.
#[inline(always)]
pub(crate) fn protocol(ctx: &SockAddrContext) -> u32 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    unsafe { addr_of!((*ctx.sock_addr).protocol).read_volatile() }
}

/// The cookie of the socket's network namespace.
#[inline(always)]
pub(crate) fn netns(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the helper takes this program type's context.
    unsafe { bpf_get_netns_cookie(ctx.as_ptr()) }
}

/// The call's IPv4 address and port.
#[inline(always)]
pub(crate) fn read4(ctx: &SockAddrContext) -> Endpoint {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let address = unsafe { addr_of!((*ctx.sock_addr).user_ip4).read_volatile() };
    Endpoint {
        address: [address, 0, 0, 0],
        port: read_port(ctx),
    }
}

/// The call's IPv6 address and port.
#[inline(always)]
pub(crate) fn read6(ctx: &SockAddrContext) -> Endpoint {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let words = unsafe { addr_of!((*ctx.sock_addr).user_ip6) }.cast::<u32>();
    let word = |index| {
        // SAFETY: `index` is below four, the length of the array.
        let at = unsafe { words.add(index) };
        // SAFETY: as above.
        unsafe { at.read_volatile() }
    };
    Endpoint {
        address: [word(0), word(1), word(2), word(3)],
        port: read_port(ctx),
    }
}

/// Puts an IPv4 address and a port into the call.
#[inline(always)]
pub(crate) fn write4(ctx: &SockAddrContext, to: &Endpoint) {
    // SAFETY: this program type may write the field.
    unsafe { addr_of_mut!((*ctx.sock_addr).user_ip4).write_volatile(to.address[0]) };
    write_port(ctx, to.port);
}

/// Puts an IPv6 address and a port into the call.
#[inline(always)]
pub(crate) fn write6(ctx: &SockAddrContext, to: &Endpoint) {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let words = unsafe { addr_of_mut!((*ctx.sock_addr).user_ip6) }.cast::<u32>();
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
    write_port(ctx, to.port);
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the field holds 16 bits in network order"
)]
fn read_port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    unsafe { addr_of!((*ctx.sock_addr).user_port).read_volatile() as u16 }
}

#[inline(always)]
fn write_port(ctx: &SockAddrContext, port: u16) {
    // SAFETY: this program type may write the field.
    unsafe { addr_of_mut!((*ctx.sock_addr).user_port).write_volatile(u32::from(port)) };
}

/// Whether an IPv6 address is an IPv4-mapped one.
#[inline(always)]
pub(crate) fn is_v4_mapped(address: &AddressWords) -> bool {
    address[0] == 0 && address[1] == 0 && address[2] == V4_MAPPED_WORD
}

/// An address as services and servers have it: not IPv4-mapped.
#[inline(always)]
pub(crate) fn unmapped(address: &AddressWords) -> AddressWords {
    if is_v4_mapped(address) {
        [address[3], 0, 0, 0]
    } else {
        *address
    }
}

/// An IPv4 address as an IPv6 socket has it.
#[inline(always)]
pub(crate) fn to_v4_mapped(address: u32) -> AddressWords {
    [0, 0, V4_MAPPED_WORD, address]
}
