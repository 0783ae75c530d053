//! Sockets of an application, one call at a time.

use std::path::Path;

use nix::errno::Errno;

use super::{Application, Socket};

impl Application {
    /// Makes a TCP socket for addresses like this one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[track_caller]
    pub fn stream(&mut self, id: &str, socket: Socket, address: &str) {
        self.0
            .must(&format!("stream {id} {} {address}", socket.name()));
    }

    /// Connects it by io_uring.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn connect_by_io_uring(&mut self, id: &str, address: &str) -> Result<(), Errno> {
        self.0.ask(&format!("uring {id} {address}")).map(drop)
    }

    /// Connects it by sending a line with `MSG_FASTOPEN`.
    ///
    /// # Errors
    ///
    /// The errno of `sendto`.
    #[track_caller]
    pub fn connect_by_sending(&mut self, id: &str, address: &str) -> Result<(), Errno> {
        self.0.ask(&format!("fast {id} {address}")).map(drop)
    }

    /// Waits until a connection is made that was begun without waiting.
    ///
    /// # Errors
    ///
    /// What it failed with.
    #[track_caller]
    pub fn finish(&mut self, id: &str) -> Result<(), Errno> {
        self.0.ask(&format!("finish {id}")).map(drop)
    }

    /// Sends a line.
    ///
    /// # Errors
    ///
    /// The errno of `write`.
    #[track_caller]
    pub fn hello(&mut self, id: &str) -> Result<(), Errno> {
        self.0.ask(&format!("hello {id}")).map(drop)
    }

    /// Reads a line: a server's name, and what it echoes.
    ///
    /// # Errors
    ///
    /// With what the connection broke.
    #[track_caller]
    pub fn greeting(&mut self, id: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("greeting {id}"))
            .map(|mut lines| lines.remove(0))
    }

    /// What `getpeername` gives for a socket.
    ///
    /// # Errors
    ///
    /// `ENOTCONN`, if it is not connected.
    #[track_caller]
    pub fn try_peer(&mut self, id: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("peer {id}"))
            .map(|mut lines| lines.remove(0))
    }

    /// Connects a socket to nothing (`AF_UNSPEC`).
    ///
    /// # Panics
    ///
    /// When that fails.
    #[track_caller]
    pub fn unconnect(&mut self, id: &str) {
        self.0.must(&format!("unconnect {id}"));
    }

    /// Gives a socket a second descriptor.
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    #[track_caller]
    pub fn duplicate(&mut self, id: &str, new: &str) {
        self.0.must(&format!("dup {id} {new}"));
    }

    /// Gives another application a socket, by way of a Unix socket at `path`.
    ///
    /// # Panics
    ///
    /// When that fails.
    #[track_caller]
    pub fn pass(&mut self, id: &str, other: &mut Self, new: &str, path: &Path) {
        other.0.must(&format!("mailbox {}", path.display()));
        self.0.must(&format!("pass {id} {}", path.display()));
        other.0.must(&format!("take {new}"));
    }
}
