//! What root gives the user before it becomes that user: descriptors, and long queues of connections in
//! this network namespace.

use std::{fs, io};

use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

/// Becomes a user without rights, if it is not root that is meant.
pub(crate) fn become_user(user: u32) -> io::Result<()> {
    let most = fs::read_to_string("/proc/sys/fs/nr_open")?;
    let most = most.trim().parse().map_err(io::Error::other)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    // Of the network namespace that this runs in.
    fs::write("/proc/sys/net/core/somaxconn", "2000000")?;
    if user == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}
