//! Finds the processes that have a socket open, by the inodes of their descriptors.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
};

use super::Process;

/// The processes that have sockets with these inodes open, among those that we may read.
pub(super) fn with_sockets(inodes: &HashSet<u64>) -> HashMap<u64, Vec<Process>> {
    let mut found: HashMap<u64, Vec<Process>> = HashMap::new();
    if inodes.iter().all(|inode| *inode == 0) {
        return found;
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // A process may end meanwhile; it then has no sockets any more.
        if let Some(pid) = pid
            && let Ok(its) = sockets(pid)
        {
            for inode in its.intersection(inodes) {
                found.entry(*inode).or_default().push(Process {
                    pid,
                    command: command(pid),
                });
            }
        }
    }
    found
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> io::Result<HashSet<u64>> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        if let Ok(target) = fs::read_link(entry?.path())
            && let Some(target) = target.to_str()
            && let Some(rest) = target.strip_prefix("socket:[")
            && let Some(number) = rest.strip_suffix(']')
            && let Ok(inode) = number.parse()
        {
            inodes.insert(inode);
        }
    }
    Ok(inodes)
}

fn command(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default()
}
