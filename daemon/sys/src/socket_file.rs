//! The files of Unix sockets: sets their permissions before a client can connect, and removes a
//! file that an earlier daemon left behind.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{FileTypeExt as _, PermissionsExt as _},
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
        },
        stat::{Mode, fchmod},
    },
};

/// How long to wait for a daemon that is ending, and how often to check.
const ENDING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
/// The length of the queue of connections that are not accepted yet.
const BACKLOG: i32 = 1024;

/// What exists at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing; a stale socket was removed.
    Free,
    /// A socket on which a process listens.
    Taken,
    /// A file that is not a socket.
    NotASocket,
}

/// Removes a socket's file if no process listens on it.
///
/// # Errors
///
/// When it cannot be examined or removed.
pub fn clear(path: &Path) -> io::Result<Place> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => return Ok(Place::NotASocket),
        Ok(_) => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let caller = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(caller.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => {
            fs::remove_file(path)?;
            Ok(Place::Free)
        }
        Err(Errno::ENOENT) => Ok(Place::Free),
        // Connected, too busy, or a socket of another type: a process listens.
        _ => Ok(Place::Taken),
    }
}

/// As [`clear`], but waits for a daemon that is ending.
///
/// # Errors
///
/// Those of [`clear`].
pub fn claim(path: &Path) -> io::Result<Place> {
    let deadline = Instant::now() + ENDING;
    loop {
        let place = clear(path)?;
        if place != Place::Taken || Instant::now() >= deadline {
            return Ok(place);
        }
        thread::sleep(PAUSE);
    }
}

/// Listens at a path, which must be free. The file never has more than these permissions, also
/// before the first connection.
///
/// # Errors
///
/// When the file cannot be created.
pub fn open(path: &Path, kind: SockType, permissions: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, kind, flags, None)?;
    // A file gets the permissions of its socket, reduced by the umask.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(permissions))?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_sockets_without_a_listener_are_removed() {
        let folder = std::env::temp_dir().join(format!("sockvs-clear-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (socket, file) = (folder.join("socket"), folder.join("file"));
        assert_eq!(clear(&socket).unwrap(), Place::Free);
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(clear(&socket).unwrap(), Place::Taken);
        assert!(socket.exists());
        drop(listener);
        assert_eq!(clear(&socket).unwrap(), Place::Free);
        assert!(!socket.exists());
        fs::write(&file, "precious").unwrap();
        assert_eq!(clear(&file).unwrap(), Place::NotASocket);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        fs::remove_dir_all(&folder).unwrap();
    }
}
