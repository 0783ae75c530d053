//! The seccomp filter: selects the system calls that the supervisor is notified of.
//!
//! Send calls are selected by number only: neither their arguments nor a filter can show whether
//! they are about netlink, so the supervisor determines that. Calls about socket options are
//! selected by option, too, so that other options have no overhead. Calls that open files are
//! selected only on request, as the filter cannot see which file they open.

use std::mem::offset_of;
use std::os::fd::OwnedFd;

use nix::Result;
use nix::errno::Errno;

use super::{Files, file};
use sockvs_server::sockopt;

/// `AUDIT_ARCH_…` of the calls that are checked: those of 64-bit programs of this machine.
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
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The instructions so far.
struct Program {
    instructions: Vec<libc::sock_filter>,
    places: Places,
}

/// The instructions that are jump targets.
#[derive(Clone, Copy)]
struct Places {
    set: usize,
    get: usize,
    allow: usize,
    notify: usize,
}

impl Places {
    /// The targets in a program that compares this many call numbers.
    fn after(calls: usize) -> Self {
        /// The number of instructions before the first comparison.
        const BEGINNING: usize = 3;
        /// The number of instructions for one of the two calls about options.
        const OPTION: usize = 5;
        let set = BEGINNING + calls;
        Self {
            set,
            get: set + OPTION,
            allow: set + 2 * OPTION,
            notify: set + 2 * OPTION + 1,
        }
    }
}

impl Program {
    fn add(&mut self, code: u32, k: u32, yes: u8, no: u8) -> Result<()> {
        let code = u16::try_from(code).map_err(|_| Errno::EINVAL)?;
        self.instructions.push(libc::sock_filter {
            code,
            jt: yes,
            jf: no,
            k,
        });
        Ok(())
    }

    /// Loads a word of `struct seccomp_data`.
    fn load(&mut self, offset: usize) -> Result<()> {
        let offset = u32::try_from(offset).map_err(|_| Errno::EINVAL)?;
        self.add(LOAD, offset, 0, 0)
    }

    /// Compares the loaded word. Each outcome has a jump target; without one the next instruction
    /// follows.
    fn compare(&mut self, code: u32, k: u32, yes: Option<usize>, no: Option<usize>) -> Result<()> {
        let next = self.instructions.len() + 1;
        let skip = |place: Option<usize>| {
            let skipped = place.unwrap_or(next).checked_sub(next);
            let skipped = skipped.and_then(|skipped| u8::try_from(skipped).ok());
            skipped.ok_or(Errno::EINVAL)
        };
        self.add(code, k, skip(yes)?, skip(no)?)
    }

    /// Notifies if level and name of an option are those of IPVS. Both are `int`s: the kernel uses
    /// the low halves of the arguments, which come first on the supported machines.
    fn option(&mut self, last: i32) -> Result<()> {
        let argument = |n: usize| offset_of!(libc::seccomp_data, args) + n * size_of::<u64>();
        let number = |n: i32| u32::try_from(n).map_err(|_| Errno::EINVAL);
        let (allow, notify) = (Some(self.places.allow), Some(self.places.notify));
        self.load(argument(1))?;
        self.compare(IF_EQUAL, number(libc::IPPROTO_IP)?, None, allow)?;
        self.load(argument(2))?;
        self.compare(IF_AT_LEAST, number(sockopt::BASE)?, None, allow)?;
        self.compare(IF_AT_LEAST, number(last + 1)?, allow, notify)
    }
}

/// The program: notify for `calls` of [`ARCHITECTURE`] and for the options of IPVS, allow
/// everything else. The numbers of x32 calls have a bit of their own and equal none of ours.
fn program(calls: &[libc::c_long]) -> Result<Vec<libc::sock_filter>> {
    let number = |n: libc::c_long| u32::try_from(n).map_err(|_| Errno::EINVAL);
    let places = Places::after(calls.len() + 2);
    let mut program = Program {
        instructions: Vec::new(),
        places,
    };
    let allow = Some(places.allow);
    program.load(offset_of!(libc::seccomp_data, arch))?;
    program.compare(IF_EQUAL, ARCHITECTURE, None, allow)?;
    program.load(offset_of!(libc::seccomp_data, nr))?;
    for call in calls {
        program.compare(IF_EQUAL, number(*call)?, Some(places.notify), None)?;
    }
    let (set, get) = (Some(places.set), Some(places.get));
    program.compare(IF_EQUAL, number(libc::SYS_setsockopt)?, set, None)?;
    program.compare(IF_EQUAL, number(libc::SYS_getsockopt)?, get, allow)?;
    program.option(sockopt::LAST_SET)?;
    program.option(sockopt::LAST_GET)?;
    program.add(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0)?;
    program.add(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0)?;
    Ok(program.instructions)
}

/// Installs a filter for the calling thread and all its children, and returns the filter's listener
/// (close-on-exec). It cannot be removed: once the listener is closed, the calls fail with ENOSYS.
///
/// With CAP_SYS_ADMIN this leaves `no_new_privs` off, so that set-user-id programs still work;
/// without it the kernel requires `no_new_privs`.
pub(super) fn install(files: Files) -> Result<OwnedFd> {
    let opening: &[_] = match files {
        Files::Kernels => &[],
        Files::Ours => &file::CALLS,
    };
    let mut program = program(&[&CALLS, opening].concat())?;
    match load(&mut program) {
        Err(Errno::EACCES) => {
            nix::sys::prctl::set_no_new_privs()?;
            load(&mut program)
        }
        result => result,
    }
}

/// Loads the program. If the kernel supports it (5.19), signals do not interrupt a call that the
/// supervisor has received, as a call that is restarted afterwards would arrive twice.
fn load(program: &mut [libc::sock_filter]) -> Result<OwnedFd> {
    match sockvs_sys::process::seccomp_listener(
        program,
        libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    ) {
        Err(Errno::EINVAL) => sockvs_sys::process::seccomp_listener(program, 0),
        result => result,
    }
}
