//! Floods: more connections and requests than any client needs.

use std::{
    os::fd::{AsRawFd as _, IntoRawFd as _},
    thread,
};

use compat_tests::{genetlink, wire};
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv};

use super::{
    descriptors::{exec_connection, packet, pass},
    outcome::Outcome,
};

/// Connects and leaves again.
pub(super) fn connect(path: &str, threads: usize) -> Outcome {
    for _ in 0..threads {
        let path = path.to_owned();
        thread::spawn(move || {
            loop {
                drop(exec_connection(&path));
            }
        });
    }
    Ok(())
}

/// Keeps connections.
pub(super) fn connections(path: &str, count: usize) -> Outcome {
    for _ in 0..count {
        let _ = exec_connection(path)?.into_raw_fd();
    }
    Ok(())
}

/// Sends long requests, of thousands of messages each, as long as an ordinary user may send.
pub(super) fn ask(path: &str, threads: usize) -> Outcome {
    for _ in 0..threads {
        let connection = exec_connection(path)?;
        let netlink = genetlink::open()?;
        bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let name = wire::text(wire::FAMILY_NAME, "IPVS");
        let question = wire::generic(wire::GET_FAMILY, &[name]);
        let message = wire::message(wire::CONTROLLER, wire::REQUEST, 0, &question);
        let request = packet(1, &message.repeat(4_000));
        thread::spawn(move || {
            loop {
                if pass(&connection, &request, netlink.as_raw_fd()).is_err() {
                    return;
                }
                let mut answer = [0; 64];
                let _ = recv(connection.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT);
                while recv(netlink.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).is_ok() {}
            }
        });
    }
    Ok(())
}
