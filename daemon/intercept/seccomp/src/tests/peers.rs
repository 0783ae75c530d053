//! How the daemon handles connections and their packets.

use std::io::{IoSlice, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, UnixAddr, connect,
    recv, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::daemon::{Daemon, Dump};
use super::library::{client, folder, lines, run};
use crate::wire::{Answer, Kind, Request, State, encode_call};
use crate::{Error, Listener};
use sockvs_server::sockopt as options;

fn dial(path: &Path) -> OwnedFd {
    let fd = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let fd = fd.expect("socket");
    connect(fd.as_raw_fd(), &UnixAddr::new(path).expect("address")).expect("connect");
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(10)).expect("timeout");
    fd
}

fn send(fd: &OwnedFd, packet: &[u8], descriptors: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let control = if descriptors.is_empty() {
        &[][..]
    } else {
        &rights
    };
    let flags = MsgFlags::MSG_NOSIGNAL;
    let sent = sendmsg::<UnixAddr>(
        fd.as_raw_fd(),
        &[IoSlice::new(packet)],
        control,
        flags,
        None,
    );
    assert_eq!(sent, Ok(packet.len()));
}

fn netlink() -> OwnedFd {
    let generic = SockProtocol::NetlinkGeneric;
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        generic,
    )
    .expect("netlink")
}

fn answer(fd: &OwnedFd) -> Option<Answer> {
    let mut packet = [0; 64];
    match recv(fd.as_raw_fd(), &mut packet, MsgFlags::empty()) {
        Ok(0) | Err(Errno::ECONNRESET) => None,
        Ok(length) => {
            let (answer, contents) = Answer::decode(&packet[..length]).expect("an answer");
            assert!(contents.is_empty());
            Some(answer)
        }
        Err(errno) => panic!("no answer: {errno}"),
    }
}

fn request() -> Vec<u8> {
    request_of(Kind::Netlink, &[0; 20])
}

fn request_of(kind: Kind, contents: &[u8]) -> Vec<u8> {
    let tid = i32::try_from(std::process::id()).expect("pid");
    Request { id: 8, tid, kind }.encode(contents)
}

#[test]
fn an_invalid_packet_only_ends_its_connection() {
    let daemon = Daemon::start(Dump::Empty);
    let innocent = dial(&daemon.socket);
    let socket = netlink();
    let descriptor = [socket.as_raw_fd()];
    let internet = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
    let mut other_version = request();
    other_version[0] ^= 0x40;
    let too_long = request_of(Kind::Netlink, &vec![0; (1 << 20) + 1]);
    for (packet, descriptors) in [
        (&b"x"[..], &descriptor[..]),
        (&other_version, &descriptor),
        (&request(), &[]),
        (&request(), &[descriptor[0], descriptor[0]]),
        (&request(), &[descriptor[0]; 253]),
        (&too_long, &descriptor),
        (
            &request_of(Kind::Option, b"no call"),
            &[internet.as_raw_fd()],
        ),
    ] {
        let culprit = dial(&daemon.socket);
        setsockopt(&culprit, sockopt::SndBufForce, &(8 << 20)).expect("buffer");
        send(&culprit, packet, descriptors);
        assert_eq!(answer(&culprit), None, "{} bytes", packet.len());
    }
    send(&innocent, &request(), &descriptor);
    let refused = State::Refused(libc::EINVAL);
    assert_eq!(
        answer(&innocent),
        Some(Answer {
            id: 8,
            state: refused
        }),
        "an unbound socket"
    );
    assert_eq!(lines(&run(&daemon.socket, &[client(), "sendto"])).len(), 3);
}

#[test]
fn a_descriptor_that_is_no_netlink_socket_is_refused_and_closed() {
    let daemon = Daemon::start(Dump::Empty);
    let peer = dial(&daemon.socket);
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    send(&peer, &request(), &[writer.as_raw_fd()]);
    let refused = State::Refused(libc::EINVAL);
    assert_eq!(
        answer(&peer),
        Some(Answer {
            id: 8,
            state: refused
        })
    );
    send(&peer, &request(), &[writer.as_raw_fd(); 100]);
    assert_eq!(answer(&peer), None);
    drop(writer);
    let mut rest = Vec::new();
    // Ends only when all duplicates of the other end are closed.
    assert_eq!(reader.read_to_end(&mut rest).expect("read"), 0);
}

#[test]
fn a_socket_that_has_no_such_options_is_refused() {
    let daemon = Daemon::start(Dump::Empty);
    let peer = dial(&daemon.socket);
    let call = encode_call(&options::Call {
        direction: options::Direction::Get,
        number: options::BASE,
        length: 64,
        argument: Some(vec![0; 64]),
    });
    for descriptor in [netlink(), dial(&daemon.socket)] {
        send(
            &peer,
            &request_of(Kind::Option, &call),
            &[descriptor.as_raw_fd()],
        );
        let state = State::Refused(libc::EINVAL);
        assert_eq!(answer(&peer), Some(Answer { id: 8, state }));
    }
}

#[test]
fn the_socket_file_is_for_all_users_and_replaced_only_when_stale() {
    let path = folder().join("socket");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let _context = runtime.enter();
    let first = Listener::bind(&path).expect("first");
    let mode = std::fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    assert!(matches!(Listener::bind(&path), Err(Error::Taken(_))));
    drop(first);
    assert!(!path.exists());
    // A crash leaves the file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("stale"));
    assert!(path.exists());
    drop(Listener::bind(&path).expect("second"));
    std::fs::write(&path, "something").expect("write");
    assert!(matches!(Listener::bind(&path), Err(Error::NotASocket(_))));
    assert!(matches!(
        Listener::bind(&folder().join("a/b")),
        Err(Error::System { .. })
    ));
}
