//! A connection that is open, as clients are told of it. The data path finds them; nothing is kept
//! here.

use std::net::SocketAddr;

use super::{Namespace, Timeouts};

/// The protocol's number of UDP.
const UDP: u8 = 17;

/// An open connection through a service; also the datagrams between a socket that is not connected
/// and one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The namespace of the service.
    pub namespace: Namespace,
    /// The protocol's number.
    pub protocol: u8,
    /// The client's own address.
    pub client: SocketAddr,
    /// What it asked for.
    pub virtually: SocketAddr,
    /// The server it got.
    pub server: SocketAddr,
    /// How far it is.
    pub state: ConnectionState,
    /// The client's socket.
    pub socket: ClientSocket,
}

/// Where a connection's client is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientSocket {
    /// The cookie of the network namespace that it is in.
    pub netns: u64,
    /// Its inode; zero if no process has it open any more.
    pub inode: u64,
    /// The number of the cgroup that it was made in.
    pub cgroup: u64,
}

/// How far a connection is (`tcp_state_name_table`, `udp_state_name_table`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Data may flow both ways.
    Established,
    /// The server has not answered yet.
    SynSent,
    /// Both have begun at once.
    SynRecv,
    /// The client has finished.
    FinWait,
    /// Both have, the client first.
    TimeWait,
    /// It is over.
    Close,
    /// The server has finished.
    CloseWait,
    /// Both have, the server first.
    LastAck,
    /// Datagrams are neither.
    Udp,
}

impl ConnectionState {
    /// The state of a socket, by the protocol's number and the kernel's for the state
    /// (`net/tcp_states.h`).
    pub fn of_socket(protocol: u8, state: u8) -> Self {
        match state {
            _ if protocol == UDP => Self::Udp,
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynRecv,
            4 | 5 | 11 => Self::FinWait,
            6 => Self::TimeWait,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            _ => Self::Close,
        }
    }

    /// What the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Udp => "UDP",
        }
    }

    /// For how many seconds the kernel would keep a connection in this state on which nothing
    /// happens (`tcp_timeouts`, `udp_timeouts`).
    pub fn timeout(self, timeouts: &Timeouts) -> u32 {
        match self {
            Self::Established => timeouts.tcp(),
            Self::SynSent | Self::TimeWait => 2 * 60,
            Self::SynRecv | Self::CloseWait => 60,
            Self::FinWait => timeouts.tcp_fin(),
            Self::Close => 10,
            Self::LastAck => 30,
            Self::Udp => timeouts.udp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_lasts_as_long_as_in_the_kernel() {
        let timeouts = Timeouts::default();
        for (protocol, state, name, timeout) in [
            (6, 1, "ESTABLISHED", 900),
            (6, 2, "SYN_SENT", 120),
            (6, 5, "FIN_WAIT", 120),
            (6, 7, "CLOSE", 10),
            (6, 8, "CLOSE_WAIT", 60),
            (6, 9, "LAST_ACK", 30),
            (17, 1, "UDP", 300),
        ] {
            let state = ConnectionState::of_socket(protocol, state);
            assert_eq!((state.name(), state.timeout(&timeouts)), (name, timeout));
        }
    }
}
