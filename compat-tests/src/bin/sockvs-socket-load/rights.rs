//! What root gives the user before it becomes that user: all the descriptors that there may be, and
//! long queues of connections in this network namespace.

use std::{fs, io};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

/// Becomes a user without rights, if it is not root that is meant.
pub(crate) fn become_user(user: u32) -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
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
