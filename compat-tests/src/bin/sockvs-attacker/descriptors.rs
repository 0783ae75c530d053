//! Descriptors that take long to close.

use std::{
    fs::File,
    io::{IoSlice, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd, RawFd},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{
            AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, send,
            sendmsg, setsockopt, socket, sockopt,
        },
        wait::waitpid,
    },
    unistd::{ForkResult, fork},
};

use super::outcome::Outcome;

/// A connection to the socket of `sockvs exec`.
pub(crate) fn exec_connection(path: &str) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let made = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    connect(made.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(made)
}

/// A request's packet, as `sockvs exec` sends them: version, kind (netlink), thread, number, and
/// what it is about.
pub(crate) fn packet(number: u64, contents: &[u8]) -> Vec<u8> {
    let mut packet = 1_u16.to_ne_bytes().to_vec();
    packet.extend(0_u16.to_ne_bytes());
    packet.extend(std::process::id().to_ne_bytes());
    packet.extend(number.to_ne_bytes());
    packet.extend(contents);
    packet
}

/// Sends a packet and a descriptor.
pub(crate) fn pass(connection: &OwnedFd, packet: &[u8], descriptor: RawFd) -> nix::Result<()> {
    let descriptors = [descriptor];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let pieces = [IoSlice::new(packet)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<UnixAddr>(connection.as_raw_fd(), &pieces, &rights, flags, None).map(drop)
}

/// A TCP socket with data that its peer does not read, so that closing it takes an hour. The peer
/// stays open.
fn lingering_socket() -> Result<TcpStream, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let (peer, _) = listener.accept()?;
    let _ = peer.into_raw_fd();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 3600,
    };
    setsockopt(&stream, sockopt::Linger, &linger)?;
    stream.set_nonblocking(true)?;
    while stream.write(&[0; 65_536]).is_ok() {}
    Ok(stream)
}

/// Makes the listening process close so many lingering sockets.
pub(super) fn lingering(path: &str, count: u64) -> Outcome {
    for number in 0..count {
        let connection = exec_connection(path)?;
        let stream = lingering_socket()?;
        pass(&connection, &packet(number, &[0; 20]), stream.as_raw_fd())?;
        // What is in a packet counts as open, so this closes nothing; unless the other side was
        // quicker. Then this is the last close, which takes an hour.
        thread::spawn(move || drop(stream));
        let _ = connection.into_raw_fd();
    }
    Ok(())
}

/// Makes the listening process close a file so many times.
pub(super) fn file(path: &str, count: u64, file: &str) -> Outcome {
    let file = File::open(file)?;
    for number in 0..count {
        let connection = exec_connection(path)?;
        pass(&connection, &packet(number, &[0; 20]), file.as_raw_fd())?;
        let _ = connection.into_raw_fd();
    }
    // To close it here would never return.
    let _ = file.into_raw_fd();
    Ok(())
}

/// Sends on what is no socket, so many times at once.
pub(super) fn send_on(path: &str, count: usize) -> Outcome {
    let file = File::options().read(true).open(path)?.into_raw_fd();
    for _ in 0..count {
        thread::spawn(move || {
            loop {
                let _ = send(file, &[0; 64], MsgFlags::empty());
                thread::sleep(Duration::from_millis(10));
            }
        });
    }
    Ok(())
}

/// One thread sends on a lingering socket, another closes it, so many times.
pub(super) fn close_while_sending(trials: u32) -> Outcome {
    for trial in 0..trials {
        let stream = lingering_socket()?.into_raw_fd();
        // SAFETY: the only thread that goes on in the copy uses nothing that others may have held.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                nix::unistd::close(stream)?;
                thread::sleep(Duration::from_millis(20));
                kill(child, Signal::SIGKILL)?;
                waitpid(child, None)?;
            }
            ForkResult::Child => {
                thread::spawn(move || {
                    loop {
                        let _ = send(stream, &[0; 64], MsgFlags::MSG_DONTWAIT);
                    }
                });
                thread::sleep(Duration::from_micros(1000 + u64::from(trial) * 37 % 1000));
                let _ = nix::unistd::close(stream);
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) };
            }
        }
    }
    Ok(())
}
