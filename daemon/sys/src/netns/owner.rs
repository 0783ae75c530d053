//! Determines the owner of a network namespace.
//!
//! A network namespace belongs to a user namespace. User namespaces form a tree; the owner is the
//! user who created the outermost one below the initial one. A user with subordinate user ids can
//! be several owners: each such id counts as a user.

use std::{
    fs, io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    sync::LazyLock,
};

use nix::{errno::Errno, sys::stat::fstat};

use super::ioctl;
use sockvs_ipvs::Owner;

/// Our own user namespace, as device and inode. It is the initial one, as loading eBPF programs
/// requires capabilities there.
static OWN: LazyLock<Option<(u64, u64)>> = LazyLock::new(|| {
    let file = fs::metadata("/proc/self/ns/user").ok()?;
    Some((file.dev(), file.ino()))
});

/// The owner of a network namespace.
///
/// # Errors
///
/// When the kernel returns an error.
pub fn owner_of(netns: BorrowedFd<'_>) -> io::Result<Owner> {
    let mut namespace = match ioctl::owner_of(netns) {
        Ok(namespace) => namespace,
        // The user namespace is an ancestor of our own, or not a descendant.
        Err(Errno::EPERM) => return Ok(Owner::Host),
        Err(errno) => return Err(errno.into()),
    };
    let own = OWN.ok_or(io::ErrorKind::NotFound)?;
    let identity =
        |namespace: BorrowedFd<'_>| fstat(namespace).map(|file| (file.st_dev, file.st_ino));
    if identity(namespace.as_fd())? == own {
        return Ok(Owner::Host);
    }
    loop {
        let parent = ioctl::parent_of(namespace.as_fd())?;
        if identity(parent.as_fd())? == own {
            break;
        }
        namespace = parent;
    }
    Ok(match ioctl::maker_of(namespace.as_fd())? {
        0 => Owner::UserNamespace(identity(namespace.as_fd())?.1),
        uid => Owner::User(uid),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, thread};

    use nix::{
        sched::{CloneFlags, unshare},
        unistd::{Uid, setresuid},
    };

    use super::*;

    /// A network namespace in a user namespace that `user` created.
    fn made_by(user: u32) -> File {
        let (tell, told) = std::sync::mpsc::channel();
        // Only a process with a single thread can create a user namespace.
        let made = thread::spawn(move || {
            let mut command = std::process::Command::new("sleep");
            command.arg("100");
            // SAFETY: what runs in the copy of this process is two system calls.
            unsafe {
                use std::os::unix::process::CommandExt as _;
                command.pre_exec(move || {
                    let user = Uid::from_raw(user);
                    setresuid(user, user, user)?;
                    Ok(unshare(
                        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET,
                    )?)
                });
            }
            let mut child = command.spawn().unwrap();
            let netns = File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            tell.send(netns).unwrap();
        });
        made.join().unwrap();
        told.recv().unwrap()
    }

    #[test]
    fn a_namespace_belongs_to_the_initial_user_namespace_or_to_who_made_another() {
        let own = File::open("/proc/self/ns/net").unwrap();
        assert_eq!(owner_of(own.as_fd()).unwrap(), Owner::Host);
        if Uid::effective().is_root() {
            assert_eq!(
                owner_of(made_by(65534).as_fd()).unwrap(),
                Owner::User(65534)
            );
            let by_root = owner_of(made_by(0).as_fd()).unwrap();
            assert!(matches!(by_root, Owner::UserNamespace(_)), "{by_root:?}");
        }
    }
}
