//! The seccomp filter: which system calls the supervisor is told of.
//!
//! It looks at the call's number only. Whether a call is about netlink can be seen neither from its
//! arguments nor from a filter, so that is the supervisor's to find out.

use std::mem::offset_of;
use std::os::fd::OwnedFd;

use nix::Result;
use nix::errno::Errno;

use super::sys;

/// `AUDIT_ARCH_…` of the calls that are looked at: those of 64-bit programs of this machine.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the seccomp interceptor knows the system calls of x86_64 and aarch64 only");

/// The calls that can carry a netlink request.
pub(super) const CALLS: [libc::c_long; 3] =
    [libc::SYS_sendmsg, libc::SYS_sendto, libc::SYS_sendmmsg];

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// One instruction; `yes` and `no` are how many instructions a comparison skips.
fn instruction(code: u32, k: u32, yes: u8, no: u8) -> Result<libc::sock_filter> {
    let code = u16::try_from(code).map_err(|_| Errno::EINVAL)?;
    Ok(libc::sock_filter {
        code,
        jt: yes,
        jf: no,
        k,
    })
}

/// The program: notify for [`CALLS`] of [`ARCHITECTURE`], allow everything else. The numbers of x32
/// calls have a bit of their own and equal none of ours.
fn program() -> Result<[libc::sock_filter; 8]> {
    let number = |n: libc::c_long| u32::try_from(n).map_err(|_| Errno::EINVAL);
    let offset = |n: usize| u32::try_from(n).map_err(|_| Errno::EINVAL);
    let [first, second, third] = CALLS;
    Ok([
        instruction(LOAD, offset(offset_of!(libc::seccomp_data, arch))?, 0, 0)?,
        instruction(IF_EQUAL, ARCHITECTURE, 0, 4)?,
        instruction(LOAD, offset(offset_of!(libc::seccomp_data, nr))?, 0, 0)?,
        instruction(IF_EQUAL, number(first)?, 3, 0)?,
        instruction(IF_EQUAL, number(second)?, 2, 0)?,
        instruction(IF_EQUAL, number(third)?, 1, 0)?,
        instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0)?,
        instruction(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0)?,
    ])
}

/// Puts the calling thread, and all it will start, under a filter, and returns the filter's
/// listener (close-on-exec). There is no way back: once the listener is closed, the calls fail with
/// ENOSYS.
///
/// With CAP_SYS_ADMIN this leaves `no_new_privs` alone, so that set-user-id programs still work
/// below; without it the kernel insists on `no_new_privs`.
pub(super) fn install() -> Result<OwnedFd> {
    let mut program = program()?;
    match load(&mut program) {
        Err(Errno::EACCES) => {
            nix::sys::prctl::set_no_new_privs()?;
            load(&mut program)
        }
        result => result,
    }
}

/// Loads the program; where the kernel can (5.19), a call that the supervisor has seen is not
/// interrupted by signals, as a call that is made again after one would arrive twice.
fn load(program: &mut [libc::sock_filter]) -> Result<OwnedFd> {
    match sys::seccomp_listener(program, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => sys::seccomp_listener(program, 0),
        result => result,
    }
}
