//! Files in /proc that the daemon serves.

use std::path::Path;

use super::daemon::{Daemon, Dump};
use super::library::{command_with, finish, lines, nowhere};
use crate::Files;

fn sh(daemon: &Path, files: Files, script: &str) -> Vec<String> {
    let mut command = command_with(daemon, &["sh", "-c", script], files, || ());
    lines(&finish(command.spawn().expect("command")))
}

#[test]
fn files_of_ipvs_are_served_by_the_daemon() {
    let daemon = Daemon::start(Dump::Empty);
    let script = "cat /proc/net/ip_vs /proc/self/net/ip_vs_conn; read x \
        </proc/sys/net/ipv4/vs/sloppy_tcp; echo $x";
    let expected = ["File(Table)", "File(Connections)", "Setting(SloppyTcp)"];
    assert_eq!(sh(&daemon.socket, Files::Ours, script), expected);
}

#[test]
fn all_other_files_are_served_by_the_kernel() {
    let daemon = Daemon::start(Dump::Empty);
    let script = "cat /proc/self/comm; echo x >/dev/null; cat /nowhere 2>/dev/null || echo none; \
                  echo 1 2>/dev/null >/proc/net/ip_vs || echo refused; \
                  test -d /proc/net && echo folder";
    let expected = ["cat", "none", "refused", "folder"];
    assert_eq!(sh(&daemon.socket, Files::Ours, script), expected);
}

#[test]
fn without_a_daemon_there_are_no_such_files() {
    let script = "cat /proc/net/ip_vs 2>/dev/null || echo none";
    assert_eq!(sh(&nowhere(), Files::Ours, script), ["none"]);
}

#[test]
fn without_the_option_the_kernel_serves_all_files() {
    let daemon = Daemon::start(Dump::Empty);
    let script = "cat /proc/net/ip_vs 2>/dev/null || echo none";
    if Path::new("/proc/net/ip_vs").exists() {
        return; // This kernel has an IPVS of its own.
    }
    assert_eq!(sh(&daemon.socket, Files::Kernels, script), ["none"]);
}

#[test]
fn opened_files_are_read_only() {
    let daemon = Daemon::start(Dump::Empty);
    let script = "
import os, fcntl
for flags in 0, os.O_CLOEXEC:
    fd = os.open('/proc/net/ip_vs', os.O_RDONLY | flags)
    print(os.read(fd, 99), fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE)
    try: os.write(fd, b'x')
    except OSError as e: print(e.errno)";
    let words = ["/usr/bin/python3", "-c", script];
    let mut command = command_with(&daemon.socket, &words, Files::Ours, || ());
    let found = lines(&finish(command.spawn().expect("command")));
    assert_eq!(found, ["b'File(Table)\\n' 0", "9"].repeat(2));
}
