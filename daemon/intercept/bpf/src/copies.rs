//! How many copies of the hook it takes.
//!
//! A processor does not run such a program again while it is in the middle of the same one for
//! another task (the kernel's guard against recursion): the message would go past the hook, and to
//! the kernel's own IPVS. That happens where the kernel may take the processor from a task at any
//! point: then every task that sends from there has to do without that program until the first one
//! goes on. So there are several copies, one behind the other; each takes what the ones before it
//! missed. (Seen with 300 `ipvsadm`, fifty at a time, on two slow processors: up to 200 messages
//! met one copy that could not run, up to 24 met two, 4 met three. With two copies, commands went
//! to the kernel's table.) A copy costs each netlink message about 120 instructions.

use std::fs;

/// How the scheduler works, the choice in parentheses.
const MODE: &str = "/sys/kernel/debug/sched/preempt";
/// Where a task leaves the processor only of its own accord while it is in the kernel.
const CALM: [&str; 2] = ["(none)", "(voluntary)"];
/// Enough copies where it may leave at any point.
const MANY: usize = 8;

/// How many copies it takes on the running kernel.
pub(super) fn needed() -> usize {
    let version = nix::sys::utsname::uname()
        .map(|name| name.version().to_string_lossy().into_owned())
        .unwrap_or_default();
    let mode = fs::read_to_string(MODE).ok();
    if is_calm(&version, mode.as_deref()) {
        1
    } else {
        MANY
    }
}

/// Whether programs are never interrupted for another task. In doubt, they are.
fn is_calm(version: &str, mode: Option<&str>) -> bool {
    match mode {
        Some(mode) => CALM.iter().any(|calm| mode.contains(calm)),
        None => !version.is_empty() && !version.contains("PREEMPT"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_calm;

    #[test]
    fn the_choice_tells() {
        let version = "#1 SMP PREEMPT_DYNAMIC Debian 6.12";
        assert!(is_calm(version, Some("none (voluntary) full \n")));
        assert!(is_calm(version, Some("(none) voluntary full\n")));
        assert!(!is_calm(version, Some("none voluntary (full)\n")));
        assert!(!is_calm(version, Some("full (lazy) \n")));
    }

    #[test]
    fn in_doubt_programs_are_interrupted() {
        assert!(!is_calm("#1 SMP PREEMPT_DYNAMIC Debian 6.12", None));
        assert!(!is_calm("#1 SMP PREEMPT Debian", None));
        assert!(!is_calm("", None));
        assert!(is_calm("#1 SMP Debian 5.10", None));
    }
}
