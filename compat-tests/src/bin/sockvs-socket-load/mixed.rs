//! Every way to make sockets, to connect them and to end them, at random. What a service counts of
//! it is told exactly: a connection counts when its SYN is sent, a UDP socket each time that it is
//! connected, and with the first datagram to a service.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsRawFd as _, OwnedFd},
};

use compat_tests::{random::Random, unconnected::unconnect};
use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::socket::{MsgFlags, Shutdown, SockaddrStorage, sendto, shutdown},
};

use crate::{flows, handover, sockets, tally::Tally};

/// How many addresses clients have.
const CLIENTS: u16 = 2000;

/// Services, by what becomes of connections to them.
#[derive(Default)]
pub(crate) struct Targets {
    /// Their servers answer.
    streams: Vec<SocketAddr>,
    /// Their servers are not there.
    closed: Vec<SocketAddr>,
    /// Their servers are on another machine, which does not answer.
    remote: Vec<SocketAddr>,
    /// Of UDP.
    datagrams: Vec<SocketAddr>,
    /// No services, but servers.
    direct: Vec<SocketAddr>,
}

impl Targets {
    pub(crate) fn add(&mut self, kind: &str, address: SocketAddr) -> Result<(), Errno> {
        let list = match kind {
            "stream" => &mut self.streams,
            "closed" => &mut self.closed,
            "remote" => &mut self.remote,
            "datagram" => &mut self.datagrams,
            "direct" => &mut self.direct,
            _ => return Err(Errno::EINVAL),
        };
        list.push(address);
        Ok(())
    }
}

/// So many sockets' lives.
pub(crate) fn cycles(
    seed: u64,
    number: u64,
    targets: &Targets,
    tally: &mut Tally,
) -> Result<(), Errno> {
    let mut cycle = Cycle {
        random: Random::new(seed),
        targets,
        tally,
    };
    for _ in 0..number {
        match cycle.random.below(1000) {
            0..3 => cycle.handed_to_a_process()?,
            3..50 => cycle.stranded()?,
            50..100 => cycle.deferred()?,
            100..150 => cycle.mptcp()?,
            150..200 => cycle.silent()?,
            200..300 => cycle.closed()?,
            300..400 => cycle.connected_datagrams()?,
            400..600 => cycle.unconnected_datagrams()?,
            _ => cycle.stream()?,
        }
    }
    Ok(())
}

struct Cycle<'c> {
    random: Random,
    targets: &'c Targets,
    tally: &'c mut Tally,
}

impl Cycle<'_> {
    /// An address in one of the forms that sockets take.
    fn form(&mut self, address: SocketAddr) -> SocketAddr {
        if self.random.once_in(4) {
            sockets::mapped(address)
        } else {
            address
        }
    }

    /// Sometimes gives the socket an address of its own.
    fn bind_anywhere(&mut self, socket: &OwnedFd, to: SocketAddr) -> Result<(), Errno> {
        if to.is_ipv4() && !self.random.once_in(8) {
            let from = sockets::client(self.random.below(CLIENTS).into());
            sockets::bind_to(socket, from)?;
        }
        Ok(())
    }

    /// Connects, and notes it. `service` is `to` without mapping.
    fn begin(&mut self, stream: &OwnedFd, service: SocketAddr, to: SocketAddr) -> bool {
        let begun = sockets::has_begun(sockets::connect_to(stream, to));
        if begun {
            self.tally.begun("TCP", service);
        } else {
            self.tally.note("not-begun");
        }
        begun
    }

    /// A connection to a server that answers, with one of many ends.
    fn stream(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.streams);
        let to = self.form(service);
        let stream = sockets::stream(to)?;
        self.bind_anywhere(&stream, to)?;
        if self.random.once_in(2) {
            sockets::reset_when_closed(&stream)?;
        }
        if !self.begin(&stream, service, to) {
            return Ok(());
        }
        if self.random.once_in(4) {
            self.tally.note("abandoned");
            return Ok(());
        }
        sockets::wait(&stream, PollFlags::POLLOUT)?;
        match self.random.below(8) {
            0 => {
                self.tally.note("half-closed");
                let _ = shutdown(stream.as_raw_fd(), Shutdown::Write);
                sockets::wait(&stream, PollFlags::POLLIN)?;
            }
            1 => {
                self.tally.note("read");
                sockets::wait(&stream, PollFlags::POLLIN)?;
                let _ = nix::unistd::read(&stream, &mut [0; 64]);
            }
            2 => {
                self.tally.note("copied");
                handover::by_copy(stream)?;
            }
            3 => {
                self.tally.note("in-flight");
                handover::by_message(stream)?;
            }
            4 => {
                self.tally.note("connected-twice");
                let _ = sockets::connect_to(&stream, to);
            }
            5 | 6 => self.elsewhere(&stream, to)?,
            _ => self.tally.note("closed"),
        }
        Ok(())
    }

    /// Connects the socket once more, to another service or past all of them.
    fn elsewhere(&mut self, stream: &OwnedFd, before: SocketAddr) -> Result<(), Errno> {
        self.tally.note("elsewhere");
        unconnect(stream)?;
        if self.random.once_in(8) {
            return sockets::make_listener(stream);
        }
        let is_direct = self.random.once_in(3);
        let list = if is_direct {
            &self.targets.direct
        } else {
            &self.targets.streams
        };
        let to = self.random.one_of(list);
        let form = if before.is_ipv6() {
            sockets::mapped(to)
        } else {
            to
        };
        if form.is_ipv6() != before.is_ipv6() {
            return Ok(());
        }
        let begun = sockets::has_begun(sockets::connect_to(stream, form));
        if begun && !is_direct {
            self.tally.begun("TCP", to);
        }
        Ok(())
    }

    /// One whose last owner is a process that ends.
    fn handed_to_a_process(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.streams);
        let stream = sockets::stream(service)?;
        self.bind_anywhere(&stream, service)?;
        if self.begin(&stream, service, service) {
            self.tally.note("process");
            let child_is_last = self.random.once_in(2);
            handover::by_process(stream, child_is_last)?;
        }
        Ok(())
    }

    /// One that is refused.
    fn closed(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.closed);
        let to = self.form(service);
        let stream = sockets::stream(to)?;
        self.bind_anywhere(&stream, to)?;
        if self.begin(&stream, service, to) {
            self.tally.note("refused");
            sockets::wait(&stream, PollFlags::POLLOUT)?;
            // Tells of the failure, and makes the socket usable again.
            let _ = sockets::connect_to(&stream, to);
            if self.random.once_in(2) {
                sockets::make_listener(&stream)?;
            } else if self.random.once_in(2) {
                self.begin(&stream, service, to);
            }
        }
        Ok(())
    }

    /// One that is closed while it waits for an answer.
    fn silent(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.remote);
        let to = self.form(service);
        let stream = sockets::stream(to)?;
        if self.begin(&stream, service, to) {
            self.tally.note("silent");
            if self.random.once_in(4) {
                unconnect(&stream)?;
                sockets::make_listener(&stream)?;
            }
        }
        Ok(())
    }

    /// One that fails before it begins.
    fn stranded(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.remote);
        let stream = if self.random.once_in(2) {
            sockets::stream(service)?
        } else {
            sockets::mptcp(service)?
        };
        sockets::bind_to(&stream, Ipv4Addr::LOCALHOST)?;
        if self.begin(&stream, service, service) {
            return Err(Errno::EISCONN);
        }
        self.tally.note("stranded");
        match self.random.below(3) {
            0 => sockets::make_listener(&stream)?,
            1 => {
                // Of the same socket, now to a server that it can reach.
                let near = self.random.one_of(&self.targets.streams);
                if near.is_ipv4() {
                    self.begin(&stream, near, near);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One of multipath TCP.
    fn mptcp(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.streams);
        let stream = sockets::mptcp(service)?;
        self.bind_anywhere(&stream, service)?;
        if self.random.once_in(2) {
            sockets::reset_when_closed(&stream)?;
        }
        if self.begin(&stream, service, service) {
            self.tally.note("mptcp");
            if self.random.once_in(2) {
                sockets::wait(&stream, PollFlags::POLLOUT)?;
            }
        }
        Ok(())
    }

    /// One that begins with its first data, if there is any.
    fn deferred(&mut self) -> Result<(), Errno> {
        let service = self.random.one_of(&self.targets.streams);
        let to = self.form(service);
        if self.random.once_in(4) {
            let stream = sockets::stream(to)?;
            let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
            let address = SockaddrStorage::from(to);
            match sendto(stream.as_raw_fd(), b"hello\n", &address, flags) {
                Ok(_) | Err(Errno::EINPROGRESS) => self.tally.begun("TCP", service),
                Err(errno) => self.tally.note(format!("fast-open:{errno:?}")),
            }
            return Ok(());
        }
        let stream = sockets::deferring(to)?;
        sockets::connect_to(&stream, to)?;
        self.tally.note("deferred");
        match self.random.below(4) {
            0 => {
                unconnect(&stream)?;
                sockets::make_listener(&stream)?;
            }
            1 => {
                // Taken back, and then with a server that is asked at once.
                unconnect(&stream)?;
                let other = self.random.one_of(&self.targets.closed);
                if other.is_ipv4() == to.is_ipv4() {
                    sockets::connect_to(&stream, other)?;
                }
            }
            2 => match nix::unistd::write(&stream, b"hello\n") {
                Ok(_) | Err(Errno::EINPROGRESS) => self.tally.begun("TCP", service),
                Err(errno) => self.tally.note(format!("first-data:{errno:?}")),
            },
            _ => {}
        }
        Ok(())
    }

    /// A socket of UDP that is connected, here and there.
    fn connected_datagrams(&mut self) -> Result<(), Errno> {
        let is_v6 = self.random.once_in(3);
        let form = |address| {
            if is_v6 {
                sockets::mapped(address)
            } else {
                address
            }
        };
        let services = self.same_family(is_v6);
        let first = form(self.random.one_of(&services));
        let socket = sockets::datagram(first)?;
        for _ in 0..=self.random.below(4) {
            let service = self.random.one_of(&services);
            // What it was connected to may have fixed its address.
            unconnect(&socket)?;
            sockets::connect_to(&socket, form(service))?;
            self.tally.begun("UDP", service);
            if self.random.once_in(3) {
                let _ = nix::unistd::write(&socket, b"hello");
            }
        }
        if self.random.once_in(3) {
            unconnect(&socket)?;
        }
        Ok(())
    }

    /// A socket of UDP that sends to some services.
    fn unconnected_datagrams(&mut self) -> Result<(), Errno> {
        let is_v6 = self.random.once_in(3);
        let services = self.same_family(is_v6);
        let socket = match is_v6 {
            true => sockets::datagram(sockets::mapped(services[0]))?,
            false => sockets::datagram(services[0])?,
        };
        let first = usize::from(self.random.below(8));
        for nth in 0..=usize::from(self.random.below(3)) {
            let service = services[(first + nth) % services.len()];
            let to = if is_v6 {
                sockets::mapped(service)
            } else {
                service
            };
            for repeated in 0..=self.random.below(2) {
                flows::send_to(&socket, to)?;
                if repeated == 0 {
                    self.tally.begun("UDP", service);
                }
            }
        }
        if self.random.once_in(8) {
            handover::by_message(socket)?;
        }
        Ok(())
    }

    /// The services of UDP that a socket of this family reaches.
    fn same_family(&self, is_v6: bool) -> Vec<SocketAddr> {
        let services = self.targets.datagrams.iter().copied();
        services.filter(|to| is_v6 || to.is_ipv4()).collect()
    }
}
