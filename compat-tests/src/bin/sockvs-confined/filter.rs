//! The filter of system calls: `SystemCallFilter=`, as systemd itself spells its groups out,
//! `RestrictAddressFamilies=` and `RestrictNamespaces=`.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    process::Command,
};

use nix::errno::Errno;

use super::unit::Unit;

/// Where the calls' numbers are (linux-libc-dev).
const NUMBERS: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const NUMBER_AT: u32 = 0;
const FIRST_ARGUMENT_AT: u32 = 16;
const SECOND_ARGUMENT_AT: u32 = 24;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

type Failure = Box<dyn std::error::Error>;

pub(crate) struct Filter(Vec<libc::sock_filter>);

fn fail_with(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

impl Filter {
    pub(crate) fn of(unit: &Unit) -> Result<Self, Failure> {
        let numbers = numbers()?;
        let number = |name: &str| numbers.get(name).copied().ok_or(format!("no call {name}"));
        let mut filter = Self(Vec::new());
        filter.add(LOAD, NUMBER_AT, 0, 0);
        filter.namespaces(unit, number("unshare")?, FIRST_ARGUMENT_AT);
        filter.namespaces(unit, number("clone")?, FIRST_ARGUMENT_AT);
        filter.namespaces(unit, number("setns")?, SECOND_ARGUMENT_AT);
        // Its arguments cannot be looked at.
        filter.verdict(number("clone3")?, fail_with(libc::ENOSYS));
        filter.families(unit, number("socket")?)?;
        for name in allowed(unit)? {
            if let Some(number) = numbers.get(&name) {
                filter.verdict(*number, ALLOW);
            }
        }
        filter.add(RETURN, fail_with(libc::EPERM), 0, 0);
        Ok(filter)
    }

    fn add(&mut self, code: u16, k: u32, yes: u8, no: u8) {
        self.0.push(libc::sock_filter {
            code,
            jt: yes,
            jf: no,
            k,
        });
    }

    /// What becomes of a call.
    fn verdict(&mut self, number: u32, verdict: u32) {
        self.add(EQUAL, number, 0, 1);
        self.add(RETURN, verdict, 0, 0);
    }

    /// No namespace but those of the network, where the unit says so.
    fn namespaces(&mut self, unit: &Unit, number: u32, flags_at: u32) {
        if !unit.says("RestrictNamespaces", "net") {
            return;
        }
        let others = libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID;
        self.add(EQUAL, number, 0, 4);
        self.add(LOAD, flags_at, 0, 0);
        self.add(ANY_BIT, others.cast_unsigned(), 0, 1);
        self.add(RETURN, fail_with(libc::EPERM), 0, 0);
        self.add(LOAD, NUMBER_AT, 0, 0);
    }

    /// Sockets of these families only.
    fn families(&mut self, unit: &Unit, number: u32) -> Result<(), Failure> {
        let mut families = Vec::new();
        for name in unit
            .all("RestrictAddressFamilies")
            .flat_map(str::split_whitespace)
        {
            families.push(match name {
                "AF_UNIX" => libc::AF_UNIX,
                "AF_NETLINK" => libc::AF_NETLINK,
                "AF_INET" => libc::AF_INET,
                "AF_INET6" => libc::AF_INET6,
                other => return Err(format!("{other} is new here").into()),
            });
        }
        self.add(EQUAL, number, 0, u8::try_from(2 + 2 * families.len())?);
        self.add(LOAD, FIRST_ARGUMENT_AT, 0, 0);
        for family in families {
            self.verdict(family.cast_unsigned(), ALLOW);
        }
        self.add(RETURN, fail_with(libc::EAFNOSUPPORT), 0, 0);
        Ok(())
    }

    /// Puts this process under it.
    pub(crate) fn install(mut self) -> Result<(), Failure> {
        nix::sys::prctl::set_no_new_privs()?;
        let program = libc::sock_fprog {
            len: self.0.len().try_into()?,
            filter: self.0.as_mut_ptr(),
        };
        // SAFETY: the kernel reads the program, which is as long as it says.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            )
        })?;
        Ok(())
    }
}

/// What systemd does with a filter of calls the kernel has a switch for (Linux 6.3).
pub(crate) fn deny_write_execute() -> nix::Result<()> {
    const PR_SET_MDWE: libc::c_int = 65;
    const REFUSE_GAIN: libc::c_ulong = 1;
    // SAFETY: takes numbers.
    Errno::result(unsafe { libc::prctl(PR_SET_MDWE, REFUSE_GAIN, 0, 0, 0) }).map(drop)
}

fn numbers() -> Result<HashMap<String, u32>, Failure> {
    let text = fs::read_to_string(NUMBERS).map_err(|error| format!("{NUMBERS}: {error}"))?;
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_"));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    Ok(pairs
        .filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?)))
        .collect())
}

/// The calls that `SystemCallFilter=` leaves: lines are worked through in order.
fn allowed(unit: &Unit) -> Result<BTreeSet<String>, Failure> {
    // Without these no program runs; systemd adds them to every list.
    let mut allowed = members("@default")?;
    for line in unit.all("SystemCallFilter") {
        let (denies, names) = match line.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, line),
        };
        for name in names.split_whitespace() {
            for call in members(name)? {
                if denies {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    Ok(allowed)
}

/// The calls of a group, and of the groups in it.
fn members(name: &str) -> Result<BTreeSet<String>, Failure> {
    if !name.starts_with('@') {
        return Ok(BTreeSet::from([name.to_owned()]));
    }
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", name])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut calls = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        let line = line.trim();
        if !line.starts_with('#') {
            calls.extend(members(line)?);
        }
    }
    Ok(calls)
}
