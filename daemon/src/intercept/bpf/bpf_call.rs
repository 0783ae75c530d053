//! The `bpf(2)` commands that bring the hook into force and watch it. The eBPF library has none of
//! them for this kind of program.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_insn, bpf_prog_info};

/// Command numbers and types from `linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_MODIFY_RETURN: u32 = 26;
/// How much the verifier may say about a program that it refuses.
const LOG_SIZE: usize = 1 << 20;

/// The part of `union bpf_attr` for loading a program, up to the last field that we set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    /// Zero.
    padding: u32,
}

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

/// Why the kernel does not take a program.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", if log.is_empty() { String::new() } else { format!("; the verifier says: {log}") })]
pub struct Refused {
    /// Its answer.
    pub error: io::Error,
    /// The end of what the verifier says, if it was the verifier that refused.
    pub log: String,
}

/// Loads a program that can run in place of the kernel's function whose type has this number.
pub(super) fn load(
    instructions: &[bpf_insn],
    license: &CStr,
    name: &str,
    hooked: u32,
) -> Result<OwnedFd, Refused> {
    let refused = |error| Refused {
        error,
        log: String::new(),
    };
    let mut attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_TRACING,
        expected_attach_type: BPF_MODIFY_RETURN,
        attach_btf_id: hooked,
        insn_cnt: u32::try_from(instructions.len())
            .map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..ProgLoad::default()
    };
    // The last byte stays zero.
    for (to, from) in attr.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    let error = match descriptor(BPF_PROG_LOAD, &attr) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    // Only a program that the verifier has seen leaves a log; it costs time, so it is asked for
    // only now.
    let mut log = vec![0_u8; LOG_SIZE];
    attr.log_level = 1;
    attr.log_size = u32::try_from(log.len()).unwrap_or(0);
    attr.log_buf = log.as_mut_ptr() as u64;
    match descriptor(BPF_PROG_LOAD, &attr) {
        Ok(program) => Ok(program),
        Err(_) => Err(Refused {
            error,
            log: last_lines(&log),
        }),
    }
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
    call(BPF_OBJ_GET_INFO_BY_FD, &attr)?;
    Ok(info.recursion_misses)
}

/// The end of the verifier's log, where it says what is wrong, on one line.
fn last_lines(log: &[u8]) -> String {
    let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().filter(|line| !is_statistics(line)).collect();
    lines
        .get(lines.len().saturating_sub(6)..)
        .unwrap_or_default()
        .join(" | ")
}

fn is_statistics(line: &str) -> bool {
    line.starts_with("processed ") || line.starts_with("verification time ")
}

fn descriptor<T>(command: libc::c_long, attr: &T) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(command: libc::c_long, attr: &T) -> io::Result<i32> {
    // SAFETY: `attr` is the command's part of `union bpf_attr`, of the size that is passed; the
    // kernel uses it, and what it points to, only during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attr),
            size_of::<T>(),
        )
    };
    i32::try_from(result)
        .ok()
        .filter(|result| *result >= 0)
        .ok_or_else(io::Error::last_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_what_it_says_last() {
        let log = b"a\nb\nc\nd\ne\nf\ninvalid access\nprocessed 3 insns\n\0\0\0";
        assert_eq!(last_lines(log), "b | c | d | e | f | invalid access");
        assert_eq!(last_lines(b"\0\0"), "");
    }
}
