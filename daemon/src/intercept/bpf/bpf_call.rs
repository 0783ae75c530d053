//! The `bpf(2)` commands that bring the hook into force and watch it. The eBPF library has none of
//! them for this kind of program.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_prog_info;

use crate::ebpf::call::{bpf, descriptor};

/// Command numbers from `linux/bpf.h`.
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;

#[repr(C)]
#[derive(Default)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    /// Zero.
    padding: u32,
}

#[repr(C)]
struct ObjGetInfo {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// Brings a program into force, for as long as what is returned is open.
pub(super) fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let prog_fd = program.as_raw_fd().cast_unsigned();
    descriptor(
        BPF_RAW_TRACEPOINT_OPEN,
        &RawTracepointOpen {
            prog_fd,
            ..Default::default()
        },
    )
}

/// How many times a program was not run because it was running already.
pub(super) fn missed(program: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: all bytes zero is a value of this structure.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let attr = ObjGetInfo {
        bpf_fd: program.as_raw_fd().cast_unsigned(),
        info_len: u32::try_from(size_of_val(&info)).map_err(io::Error::other)?,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &attr)?;
    Ok(info.recursion_misses)
}
