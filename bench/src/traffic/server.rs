//! The servers. `served` asks one how many connections or datagrams it has had.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use compat_tests::answering;
use nix::{
    errno::Errno,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
        sockopt::Ipv4PacketInfo,
    },
};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n";

static SERVED: AtomicU64 = AtomicU64::new(0);

/// What a server does.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Accepts connections and does nothing with them.
    Accept,
    /// Answers one HTTP request on each connection.
    Http,
    /// Sends each datagram back, from the address that it was sent to.
    Echo,
}

/// Serves at a port of all addresses until the standard input ends.
pub(crate) fn serve(kind: Kind, port: u16) -> io::Result<()> {
    match kind {
        Kind::Accept => {
            // Each is closed when the next one comes: its client is to be first, so that all end by
            // the same packets.
            let mut previous = None;
            connections(port, move |stream| {
                previous.replace(stream);
                Ok(())
            })?;
        }
        Kind::Http => connections(port, |mut stream| {
            let mut request = [0; 1024];
            let mut len = 0;
            while !request[..len].ends_with(b"\r\n\r\n") {
                match stream.read(&mut request[len..])? {
                    0 => return Ok(()),
                    more => len += more,
                }
            }
            stream.write_all(RESPONSE)
        })?,
        Kind::Echo => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
            setsockopt(&socket, Ipv4PacketInfo, &true)?;
            thread::spawn(move || {
                loop {
                    if echo(&socket).is_ok() {
                        SERVED.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    }
    answering::answer(|verb, words| match (verb, words) {
        ("served", []) => Ok(vec![SERVED.load(Ordering::Relaxed).to_string()]),
        _ => Err(Errno::ENOSYS),
    })
}

fn connections(
    port: u16,
    mut serve: impl FnMut(TcpStream) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    // The standard library's queue is short: connections are made faster than they are accepted.
    let backlog = nix::sys::socket::Backlog::new(4096)?;
    nix::sys::socket::listen(&listener, backlog)?;
    thread::spawn(move || {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                continue;
            };
            // A client that is gone has been served, too.
            let _ = serve(stream);
            SERVED.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}

fn echo(socket: &UdpSocket) -> nix::Result<()> {
    let mut payload = [0; 64];
    let mut control = nix::cmsg_space!(nix::libc::in_pktinfo);
    let (len, client, asked) = {
        let mut parts = [IoSliceMut::new(&mut payload)];
        let message = recvmsg::<SockaddrIn>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let asked = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
            _ => None,
        });
        (message.bytes, message.address, asked)
    };
    let mut from = asked.ok_or(Errno::ENODATA)?;
    from.ipi_spec_dst = from.ipi_addr;
    from.ipi_ifindex = 0;
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(&payload[..len])],
        &[ControlMessage::Ipv4PacketInfo(&from)],
        MsgFlags::empty(),
        client.as_ref(),
    )?;
    Ok(())
}
