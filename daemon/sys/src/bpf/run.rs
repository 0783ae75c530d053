//! Running programs in ways that the eBPF library lacks: once, or attached to a kernel function;
//! and counting the runs that the kernel skipped.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_prog_info;

use super::call::{bpf, bpf_mut, descriptor};

/// Command numbers from `linux/bpf.h`.
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;

#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// Runs a program once with these arguments, and returns its result.
pub fn run(program: BorrowedFd<'_>, arguments: [u32; 2]) -> io::Result<u32> {
    let arguments = arguments.map(u64::from);
    let mut attr = TestRun {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        ctx_size_in: 16,
        ctx_in: arguments.as_ptr() as u64,
        ..TestRun::default()
    };
    bpf_mut(BPF_PROG_TEST_RUN, &mut attr)?;
    Ok(attr.retval)
}

#[repr(C)]
#[derive(Default)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    /// Must be zero.
    padding: u32,
}

#[repr(C)]
struct ObjGetInfo {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// Attaches a program, until the returned descriptor is closed.
pub fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let prog_fd = program.as_raw_fd().cast_unsigned();
    descriptor(
        BPF_RAW_TRACEPOINT_OPEN,
        &RawTracepointOpen {
            prog_fd,
            ..Default::default()
        },
    )
}

/// How often the kernel skipped the program because it was running already.
pub fn missed(program: BorrowedFd<'_>) -> io::Result<u64> {
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
