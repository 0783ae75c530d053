//! Runs a command on a kernel without generic netlink, as far as the command can tell: it and its
//! children get no such socket. libipvs then falls back to the socket options of IPVS.
//!
//! `sockvs-without-genetlink COMMAND…`. A seccomp filter does it. It answers before one that asks a
//! supervisor, so it works below `sockvs exec`, too.

use std::{env, io, mem::offset_of, os::unix::process::CommandExt as _, process::Command};

use nix::errno::Errno;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

fn main() {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else {
        fail("no command given", &io::ErrorKind::InvalidInput.into());
    };
    if let Err(errno) = install() {
        fail("the kernel refuses the seccomp filter", &errno.into());
    }
    let error = Command::new(&program).args(words).exec();
    fail(&program.to_string_lossy(), &error);
}

fn fail(what: &str, error: &io::Error) -> ! {
    eprintln!("sockvs-without-genetlink: {what}: {error}");
    std::process::exit(125);
}

/// Puts this process and all its children under the filter.
fn install() -> nix::Result<()> {
    let mut program = program()?;
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel only reads `program`, which lives and is `len` instructions long.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    Errno::result(result).map(drop)
}

/// `socket(AF_NETLINK, …, NETLINK_GENERIC)` fails as on a kernel that was built without it.
fn program() -> nix::Result<Vec<libc::sock_filter>> {
    let number = |n: i64| u32::try_from(n).map_err(|_| Errno::EINVAL);
    let argument = |n: usize| offset_of!(libc::seccomp_data, args) + n * size_of::<u64>();
    let conditions = [
        (offset_of!(libc::seccomp_data, arch), ARCHITECTURE),
        (
            offset_of!(libc::seccomp_data, nr),
            number(libc::SYS_socket)?,
        ),
        (argument(0), number(libc::AF_NETLINK.into())?),
        (argument(2), number(libc::NETLINK_GENERIC.into())?),
    ];
    let mut program = Vec::new();
    let mut add = |code: u32, k: u32, jf: usize| {
        program.push(libc::sock_filter {
            code: u16::try_from(code).map_err(|_| Errno::EINVAL)?,
            jt: 0,
            jf: u8::try_from(jf).map_err(|_| Errno::EINVAL)?,
            k,
        });
        Ok::<_, Errno>(())
    };
    for (at, (offset, wanted)) in conditions.into_iter().enumerate() {
        let offset = u32::try_from(offset).map_err(|_| Errno::EINVAL)?;
        add(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0)?;
        // Past the other conditions, of two instructions each, and past the refusal.
        let beyond = 2 * (conditions.len() - at - 1) + 1;
        add(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, wanted, beyond)?;
    }
    let refusal = libc::SECCOMP_RET_ERRNO | number(libc::EPROTONOSUPPORT.into())?;
    add(libc::BPF_RET | libc::BPF_K, refusal, 0)?;
    add(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0)?;
    Ok(program)
}
