//! A fake daemon: the real [`Listener`], with a handler that answers a few IPVS requests.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};

use super::library::folder;
use crate::{Client, Done, FAMILY_ID, Handler, Listener, OptionCaller, Service};
use sockvs_server::procfs::Place;
use sockvs_server::sockopt::{Call, Value};

/// How the handler answers a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dump {
    /// Ends it immediately.
    Empty,
    /// Sends a part of it and keeps the request.
    Held,
    /// Sends a part of it, and the end later from another thread.
    Later,
    /// Does not return for a while.
    Stalled,
}

/// A client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) namespace: u64,
    pub(super) pid: i32,
    pub(super) net_admin: bool,
}

/// Answers from its own socket.
pub(super) struct Fake {
    socket: OwnedFd,
    dump: Dump,
    pub(super) seen: Mutex<Vec<Seen>>,
    pub(super) held: Mutex<HashMap<u32, Done>>,
}

fn message(client: &Client, kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(
        u32::try_from(16 + payload.len())
            .expect("length")
            .to_ne_bytes(),
    );
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(client.sender.port.to_ne_bytes());
    bytes.extend(payload);
    bytes
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(
        u16::try_from(4 + payload.len())
            .expect("length")
            .to_ne_bytes(),
    );
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

impl Fake {
    fn send(&self, port: u32, bytes: &[u8]) {
        let address = NetlinkAddr::new(port, 0);
        let sent = sendto(
            self.socket.as_raw_fd(),
            bytes,
            &address,
            MsgFlags::MSG_DONTWAIT,
        );
        assert_eq!(sent, Ok(bytes.len()), "to port {port}");
    }

    fn reply(&self, client: &Client, request: &[u8]) {
        let word = |at: usize| u16::from_ne_bytes([request[at], request[at + 1]]);
        let sequence = u32::from_ne_bytes(request[8..12].try_into().expect("sequence"));
        let (kind, flags, command) = (word(4), word(6), request[16]);
        let answer = |payload: &[Vec<u8>], command: u8| {
            let payload = [vec![command, 1, 0, 0], payload.concat()].concat();
            let kind = if kind == FAMILY_ID { FAMILY_ID } else { 0x10 };
            self.send(
                client.sender.port,
                &message(client, kind, 0, sequence, &payload),
            );
        };
        let mut error = 0_i32;
        match (kind, command) {
            (0x10, 3) => answer(
                &[
                    attribute(2, b"IPVS\0"),
                    attribute(1, &FAMILY_ID.to_ne_bytes()),
                    attribute(3, &1_u32.to_ne_bytes()),
                    attribute(4, &0_u32.to_ne_bytes()),
                    attribute(5, &6_u32.to_ne_bytes()),
                ],
                1,
            ),
            _ if !client.sender.net_admin => error = -libc::EPERM,
            (FAMILY_ID, 15) => answer(
                &[
                    attribute(1, &0x01_02_01_u32.to_ne_bytes()),
                    attribute(2, &4096_u32.to_ne_bytes()),
                ],
                14,
            ),
            (FAMILY_ID, _) if flags & 0x300 == 0x300 => {
                if self.dump != Dump::Empty {
                    answer(&[], 4);
                    return;
                }
                self.end(client, sequence);
                return;
            }
            _ => error = -libc::EOPNOTSUPP,
        }
        let payload = [&error.to_ne_bytes(), &request[..16]].concat();
        self.send(
            client.sender.port,
            &message(client, 2, 0, sequence, &payload),
        );
    }

    fn end(&self, client: &Client, sequence: u32) {
        self.send(
            client.sender.port,
            &message(client, 3, 2, sequence, &0_i32.to_ne_bytes()),
        );
    }
}

/// The handler, with a reference to itself for its threads.
struct Shared(Arc<Fake>);

impl Handler for Shared {
    fn datagram(&self, client: Client, bytes: Vec<u8>, done: Done) -> Result<(), i32> {
        let fake = &self.0;
        let seen = Seen {
            namespace: client.namespace,
            pid: client.sender.pid,
            net_admin: client.sender.net_admin,
        };
        fake.seen.lock().expect("lock").push(seen);
        let is_dump = u16::from_ne_bytes([bytes[6], bytes[7]]) & 0x300 == 0x300;
        if is_dump && fake.dump == Dump::Stalled {
            std::thread::sleep(Duration::from_secs(3));
            return Ok(());
        }
        let mut rest = &bytes[..];
        while rest.len() >= 20 {
            let length = u32::from_ne_bytes(rest[..4].try_into().expect("length"));
            let length = usize::try_from(length).expect("length");
            fake.reply(&client, &rest[..length]);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        if is_dump && fake.dump == Dump::Held {
            fake.held
                .lock()
                .expect("lock")
                .insert(client.sender.port, done);
        } else if is_dump && fake.dump == Dump::Later {
            let fake = Arc::clone(fake);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                fake.end(&client, 9);
                done.finish();
            });
        }
        Ok(())
    }

    /// Supports one option, which has a large value.
    fn option(&self, caller: &OptionCaller, call: &Call) -> Result<Value, i32> {
        self.0.seen.lock().expect("lock").push(Seen {
            namespace: caller.namespace,
            pid: caller.pid,
            net_admin: caller.net_admin,
        });
        if !caller.net_admin {
            return Err(libc::EPERM);
        }
        let length = usize::try_from(call.length).expect("length");
        Ok(Value {
            bytes: vec![7; length - 1],
            length: call.length - 1,
        })
    }

    fn file(&self, _: BorrowedFd<'_>, place: Place) -> Result<String, i32> {
        Ok(format!("{place:?}\n"))
    }
}

/// A daemon that runs until it is dropped.
pub(super) struct Daemon {
    service: Option<Service>,
    pub(super) socket: PathBuf,
    pub(super) fake: Arc<Fake>,
}

impl Daemon {
    pub(super) fn start(dump: Dump) -> Self {
        Self::start_at(&folder().join("socket"), dump)
    }

    pub(super) fn start_at(path: &Path, dump: Dump) -> Self {
        let generic = SockProtocol::NetlinkGeneric;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            generic,
        );
        let fake = Arc::new(Fake {
            socket: socket.expect("netlink socket"),
            dump,
            seen: Mutex::default(),
            held: Mutex::default(),
        });
        let listener = Listener::bind(path).expect("listener");
        let handler: Arc<dyn Handler> = Arc::new(Shared(Arc::clone(&fake)));
        Self {
            service: Some(listener.serve(&handler).expect("service")),
            socket: path.to_owned(),
            fake,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.fake.seen.lock().expect("lock").clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            service.end_within(Duration::from_secs(5));
        }
    }
}
