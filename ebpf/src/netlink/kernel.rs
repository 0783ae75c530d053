//! The kernel's structures, as far as the hook reads them. The offsets of their fields differ from
//! kernel to kernel; the daemon finds them out and stores them in `SETTINGS`.
//!
//! The two arguments, and what their pointers lead to, are read directly: the verifier knows their
//! types and checks each access. Everything else is read by a helper, which returns an
//! error if it cannot.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use sockvs_ebpf_common::netlink::HookSettings;

/// The daemon writes this before the program is loaded.
// SAFETY: made of integers only.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: HookSettings = unsafe { core::mem::zeroed() };

/// Reads a part of [`SETTINGS`]. Volatile, because its value is not the one written above.
#[inline(always)]
pub(crate) fn constant<T: Copy>(part: &'static T) -> T {
    // SAFETY: a reference is valid to read from.
    unsafe { core::ptr::from_ref(part).read_volatile() }
}

/// A setting.
macro_rules! setting {
    ($($field:ident).+) => {
        $crate::kernel::constant(&$crate::kernel::SETTINGS.$($field).+)
    };
}
/// The offset of a field.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::setting!(layout.$field) as usize
    };
}
pub(crate) use {offset, setting};

/// Reads a field of one of the hook's arguments, or of what a pointer in one leads to.
///
/// # Safety
///
/// `base` points to such a structure, in which a `T` is at `offset`. (The verifier checks it.)
#[inline(always)]
unsafe fn field<T: Copy>(base: *const u8, offset: usize) -> T {
    // SAFETY: the caller's promise.
    let field = unsafe { base.add(offset) }.cast::<T>();
    // SAFETY: as above.
    unsafe { field.read_volatile() }
}

/// Reads kernel memory wherever it may be.
#[inline(always)]
pub(crate) fn probe<T: Copy>(base: *const u8, offset: usize) -> Option<T> {
    // SAFETY: the helper takes any address, and every `T` here is made of integers or a pointer
    // that is only ever probed.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(offset).cast::<T>()) }.ok()
}

/// The client's socket (`struct sock`, the first member of `struct netlink_sock`).
#[derive(Clone, Copy)]
pub(crate) struct Sock(*const u8);

impl Sock {
    #[inline(always)]
    pub(crate) fn new(sock: *const u8) -> Self {
        Self(sock)
    }

    /// The netlink protocol.
    #[inline(always)]
    pub(crate) fn protocol(&self) -> u16 {
        // SAFETY: the hook's first argument.
        unsafe { field(self.0, offset!(sock_protocol)) }
    }

    /// The cookie of the network namespace that the socket belongs to.
    #[inline(always)]
    pub(crate) fn netns(&self) -> Option<u64> {
        // SAFETY: the hook's first argument.
        let net: *const u8 = unsafe { field(self.0, offset!(sock_net)) };
        // SAFETY: what a pointer in the argument leads to.
        (!net.is_null()).then(|| unsafe { field(net, offset!(net_cookie)) })
    }

    /// Whether what the socket sends goes to another process unless it says otherwise.
    #[inline(always)]
    pub(crate) fn is_connected_to_a_process(&self) -> bool {
        probe::<u32>(self.0, offset!(netlink_dst_portid)).is_none_or(|port| port != 0)
    }

    /// `netlink_sock.flags`.
    #[inline(always)]
    pub(crate) fn netlink_flags(&self) -> u32 {
        probe(self.0, offset!(netlink_flags)).unwrap_or(0)
    }

    /// The credentials of the process that opened the socket (`struct cred`).
    #[inline(always)]
    pub(crate) fn opener(&self) -> Option<*const u8> {
        let socket = probe::<*const u8>(self.0, offset!(sock_socket))?;
        let file = probe::<*const u8>(socket, offset!(socket_file))?;
        probe(file, offset!(file_cred))
    }
}

/// The datagram (`struct sk_buff`).
#[derive(Clone, Copy)]
pub(crate) struct Skb(*const u8);

/// The sender named a destination (`NETLINK_SKB_DST`).
const SKB_DST: u32 = 8;

impl Skb {
    #[inline(always)]
    pub(crate) fn new(skb: *const u8) -> Self {
        Self(skb)
    }

    /// Where the datagram is. It is in one piece: the kernel has just copied it from the sender.
    #[inline(always)]
    pub(crate) fn data(&self) -> *const u8 {
        // SAFETY: the hook's second argument.
        unsafe { field(self.0, offset!(skb_data)) }
    }

    /// How long it is.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: the hook's second argument.
        unsafe { field(self.0, offset!(skb_len)) }
    }

    /// The sender's port id.
    #[inline(always)]
    pub(crate) fn port(&self) -> u32 {
        // SAFETY: the hook's second argument.
        unsafe { field(self.0, offset!(skb_portid)) }
    }

    /// Whether it goes to a multicast group.
    #[inline(always)]
    pub(crate) fn is_for_a_group(&self) -> bool {
        // SAFETY: the hook's second argument.
        unsafe { field::<u32>(self.0, offset!(skb_dst_group)) != 0 }
    }

    /// Whether the sender named the destination in the call. Which one that was is not kept where
    /// the hook could see it; every IPVS client names the kernel.
    #[inline(always)]
    pub(crate) fn names_its_destination(&self) -> bool {
        // SAFETY: the hook's second argument.
        unsafe { field::<u32>(self.0, offset!(skb_flags)) & SKB_DST != 0 }
    }
}
