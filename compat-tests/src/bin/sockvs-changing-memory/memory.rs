//! The memory of one call that sends: everything the kernel looks at, where another thread changes
//! it meanwhile. A page without access follows the message.

use std::{ffi::c_void, num::NonZeroUsize, ptr::NonNull};

use nix::{
    libc,
    sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect},
};

/// A page.
pub(crate) const PAGE: usize = 4096;
/// The messages of one `sendmmsg`.
pub(crate) const MESSAGES: usize = 4;
/// What follows the vector and the value, which must not be written.
pub(crate) const CANARY: u64 = 0x5ca1_ab1e_0ddb_a115;

/// Everything but the message.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Arguments {
    pub(crate) vector: [libc::mmsghdr; MESSAGES],
    pub(crate) vector_canary: u64,
    pub(crate) piece: libc::iovec,
    pub(crate) name: libc::sockaddr_nl,
    pub(crate) value: [u8; 64],
    pub(crate) value_canary: u64,
    pub(crate) value_length: libc::socklen_t,
}

/// The memory. Never freed: it lives as long as the process.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    page: NonNull<c_void>,
    arguments: NonNull<Arguments>,
}

// SAFETY: it is plain memory, which is read and written by volatile accesses of integers and bytes;
// that threads do so at the same time is what it is for.
unsafe impl Send for Memory {}

impl Memory {
    /// Memory in which a call sends `message` to the kernel.
    pub(crate) fn new(message: &[u8]) -> nix::Result<Self> {
        let two = NonZeroUsize::new(2 * PAGE).ok_or(nix::errno::Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let map = |length| {
            // SAFETY: the kernel chooses the place, so nothing else is there.
            unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }
        };
        let (page, arguments) = (map(two)?, map(two)?.cast());
        // SAFETY: the second page is ours, and nothing is in it.
        let second = unsafe { page.byte_add(PAGE) };
        // SAFETY: as above.
        unsafe { mprotect(second, PAGE, ProtFlags::PROT_NONE) }?;
        let memory = Self { page, arguments };
        memory.set_message(message);
        // SAFETY: zeros are a value of each of these structures.
        let mut intended: Arguments = unsafe { std::mem::zeroed() };
        intended.vector_canary = CANARY;
        intended.value_canary = CANARY;
        intended.piece.iov_base = page.as_ptr();
        intended.piece.iov_len = message.len();
        intended.name.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or(0);
        intended.value_length = 64;
        for entry in &mut intended.vector {
            entry.msg_hdr.msg_iov = memory.at(std::mem::offset_of!(Arguments, piece)).cast();
            entry.msg_hdr.msg_iovlen = 1;
            entry.msg_hdr.msg_name = memory.at(std::mem::offset_of!(Arguments, name)).cast();
            entry.msg_hdr.msg_namelen = 12;
        }
        // SAFETY: the memory is larger than the structure, and nothing else has a pointer to it
        // yet.
        unsafe { arguments.write(intended) };
        Ok(memory)
    }

    /// Where the message is; with [`PAGE`] added, memory without access.
    pub(crate) fn message(&self) -> *mut u8 {
        self.page.as_ptr().cast()
    }

    /// The arguments.
    pub(crate) fn arguments(&self) -> *mut Arguments {
        self.arguments.as_ptr()
    }

    /// A place in the arguments, by its distance from their beginning.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: every offset of a field is within the memory.
        unsafe { self.arguments.as_ptr().byte_add(offset) }.cast()
    }

    /// Overwrites the message.
    pub(crate) fn set_message(&self, message: &[u8]) {
        for (at, byte) in message.iter().enumerate().take(PAGE) {
            // SAFETY: `at` is within the page.
            let place = unsafe { self.message().add(at) };
            // SAFETY: the page is mapped for as long as the process lives; its access is taken
            // away (`allow`) only by the thread that calls this.
            unsafe { place.write_volatile(*byte) };
        }
    }

    /// Overwrites a number in the message or, by [`Memory::at`], in the arguments.
    pub(crate) fn set<T: Copy>(place: *mut u8, value: T) {
        // SAFETY: callers name a field of this type in memory that is never unmapped.
        unsafe { place.cast::<T>().write_volatile(value) };
    }

    /// Gives access to the message's page, or takes it.
    pub(crate) fn allow(&self, access: bool) {
        let flags = if access {
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE
        } else {
            ProtFlags::PROT_NONE
        };
        // SAFETY: nothing but calls of the kernel looks at the page while it has no access.
        let _ = unsafe { mprotect(self.page, PAGE, flags) };
    }

    /// What the arguments are now.
    pub(crate) fn now(&self) -> Arguments {
        // SAFETY: the memory is never unmapped, and any bytes make a value.
        unsafe { self.arguments().read_volatile() }
    }
}
