//! The outcome of a socket call, and how a program reports it to the kernel.

use aya_ebpf::helpers::bpf_set_retval;

use crate::{address::Endpoint, sock_addr::SockAddr};

/// The call proceeds.
pub(crate) const PROCEED: i32 = 1;
/// The call fails, with `EPERM` unless another error was set.
const REFUSE: i32 = 0;

/// No memory for the flow of a datagram.
pub(crate) const ENOMEM: i32 = 12;
/// The destination has an address that this socket cannot reach.
pub(crate) const ENETUNREACH: i32 = 101;
/// The socket's flows are being removed at this moment.
pub(crate) const ENOBUFS: i32 = 105;
/// No destination of the service is usable: like a port that no process listens on.
pub(crate) const ECONNREFUSED: i32 = 111;

/// The outcome of a socket call.
pub(crate) enum Verdict {
    /// It goes to a server.
    Translate(Endpoint),
    /// Its address stays as it is.
    Pass,
    /// It fails with this error.
    Fail(i32),
}

impl Verdict {
    /// Reports the outcome of a call with an IPv4 address.
    #[inline(always)]
    pub(crate) fn report4(self, call: SockAddr) -> i32 {
        match self {
            Self::Translate(server) => call.set_endpoint4(&server),
            Self::Pass => {}
            Self::Fail(errno) => return refuse(errno),
        }
        PROCEED
    }

    /// Reports the outcome of a call with an IPv6 address.
    #[inline(always)]
    pub(crate) fn report6(self, call: SockAddr) -> i32 {
        match self {
            Self::Translate(server) => call.set_endpoint6(&server),
            Self::Pass => {}
            Self::Fail(errno) => return refuse(errno),
        }
        PROCEED
    }
}

#[inline(always)]
fn refuse(errno: i32) -> i32 {
    // SAFETY: the helper takes any error number.
    unsafe { bpf_set_retval(-errno) };
    REFUSE
}
