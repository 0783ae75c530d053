//! An open connection, as clients see it. The data path finds connections; nothing is stored here.

use std::net::SocketAddr;

use super::{Namespace, Timeouts};

/// The protocol number of UDP.
const UDP: u8 = 17;

/// An open connection through a service, or a flow of datagrams between an unconnected socket and
/// one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The namespace of the service.
    pub namespace: Namespace,
    /// The protocol number.
    pub protocol: u8,
    /// The client's address.
    pub client: SocketAddr,
    /// The virtual address that it connected to.
    pub virtually: SocketAddr,
    /// The server that the scheduler chose.
    pub server: SocketAddr,
    /// Its state.
    pub state: ConnectionState,
    /// The client's socket.
    pub socket: ClientSocket,
}

/// The client's socket of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientSocket {
    /// The cookie of its network namespace.
    pub netns: u64,
    /// Its inode; zero if no process has it open any more.
    pub inode: u64,
    /// The id of the cgroup that it was created in.
    pub cgroup: u64,
}

/// The state of a connection (`tcp_state_name_table`, `udp_state_name_table`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Data can be sent in both directions.
    Established,
    /// The server has not answered yet.
    SynSent,
    /// Both sides have sent a SYN.
    SynRecv,
    /// The client has sent a FIN.
    FinWait,
    /// Both have sent a FIN, the client first.
    TimeWait,
    /// The connection has ended.
    Close,
    /// The server has sent a FIN.
    CloseWait,
    /// Both have sent a FIN, the server first.
    LastAck,
    /// UDP has no other state.
    Udp,
}

impl ConnectionState {
    /// The state of a socket, by its protocol number and the kernel's state number
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

    /// The kernel's name of the state.
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

    /// For how many seconds the kernel would keep an idle connection in this state (`tcp_timeouts`,
    /// `udp_timeouts`).
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
    fn timeouts_of_states_are_the_kernels() {
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
