//! Memory that is never there.

use std::{
    fs::File,
    num::NonZeroUsize,
    os::fd::{AsRawFd as _, IntoRawFd as _},
    thread,
};

use compat_tests::genetlink;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use super::outcome::Outcome;

/// Sends netlink messages from a mapped file, so many at once.
pub(super) fn send_from(path: &str, count: usize) -> Outcome {
    let file = File::open(path)?;
    let length = NonZeroUsize::new(4096).ok_or("a page is not empty")?;
    // SAFETY: a new mapping, that nothing of ours looks into.
    let page = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ,
            MapFlags::MAP_PRIVATE,
            &file,
            0,
        )
    }?;
    let page = page.as_ptr() as usize;
    let _ = file.into_raw_fd();
    for _ in 0..count {
        let netlink = genetlink::open()?;
        thread::spawn(move || {
            let address = page as *const libc::c_void;
            // SAFETY: the kernel reads the page, which is mapped.
            unsafe { libc::send(netlink.as_raw_fd(), address, 64, 0) }
        });
    }
    Ok(())
}
