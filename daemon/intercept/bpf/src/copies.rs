//! How many copies of the hook are attached.
//!
//! A CPU does not run such a program while it is already running it for another task (the kernel's
//! recursion guard): the message would bypass the hook and go to the kernel's own IPVS. This
//! happens on kernels that can preempt a task at any point: every task that sends on that CPU then
//! bypasses the program until the first task continues. So several copies are attached in sequence;
//! each handles what the previous ones missed. (Measured with 300 `ipvsadm`, fifty at a time, on
//! two slow CPUs: up to 200 messages bypassed one copy, up to 24 bypassed two, 4 bypassed three.
//! With two copies, commands went to the kernel's table.) A copy costs each netlink message about
//! 120 instructions.

use std::fs;

/// The kernel's preemption modes; the active one is in parentheses.
const MODE: &str = "/sys/kernel/debug/sched/preempt";
/// The modes in which a task is not preempted in the kernel.
const CALM: [&str; 2] = ["(none)", "(voluntary)"];
/// The number of copies for preemptible kernels.
const MANY: usize = 8;

/// The number of copies that the running kernel needs.
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

/// Whether programs are never preempted. If unknown, this returns false.
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
    fn the_preemption_mode_in_parentheses_counts() {
        let version = "#1 SMP PREEMPT_DYNAMIC Debian 6.12";
        assert!(is_calm(version, Some("none (voluntary) full \n")));
        assert!(is_calm(version, Some("(none) voluntary full\n")));
        assert!(!is_calm(version, Some("none voluntary (full)\n")));
        assert!(!is_calm(version, Some("full (lazy) \n")));
    }

    #[test]
    fn without_a_mode_kernels_count_as_preemptible() {
        assert!(!is_calm("#1 SMP PREEMPT_DYNAMIC Debian 6.12", None));
        assert!(!is_calm("#1 SMP PREEMPT Debian", None));
        assert!(!is_calm("", None));
        assert!(is_calm("#1 SMP Debian 5.10", None));
    }
}
