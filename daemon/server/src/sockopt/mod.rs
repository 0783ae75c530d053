//! Serves the socket options `IP_VS_SO_SET_*` and `IP_VS_SO_GET_*`: the interface of IPVS before
//! netlink, which libipvs uses where the family is missing.
//!
//! ```text
//! carry_out ── option:   which option, and how long its argument has to be
//!                ├── set: argument (structures to the table's types)  ── ipvs
//!                └── get: argument, ipvs ── entry (the table's types to structures)
//! ```
//!
//! The tables, and the rules for changing them, are the same as for `genl`. This module adds the
//! options' structures (`include/uapi/linux/ip_vs.h`), and the order of checks (`do_ip_vs_set_ctl`,
//! `do_ip_vs_get_ctl` in `net/netfilter/ipvs/ip_vs_ctl.c`). The options support IPv4 only, no
//! persistence engines and no tunnels.
//!
//! Receiving a call, checking the caller's privileges and writing the result to the caller's memory
//! are tasks of `intercept`.
//!
//! Two things differ from the kernel. A service with a firewall mark always has protocol TCP, as
//! over netlink. And of a server's connection flags only the forwarding method is kept: the two
//! others that the kernel keeps (`IP_VS_CONN_F_ONE_PACKET`, `IP_VS_CONN_F_NFCT`) are not visible
//! over netlink, and no data path would use them.

mod argument;
mod entry;
mod error;
mod field;
mod get;
mod option;
mod set;
#[cfg(test)]
mod tests;

pub use option::{BASE, Direction, LAST_GET, LAST_SET, argument_length};

use crate::state::Actor;
use crate::state::IpvsState;
use error::OptionError;
use option::{GetOption, SetOption};
use sockvs_ipvs::{Host, Namespace, Owner};

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which of the two system calls.
    pub direction: Direction,
    /// The option's number.
    pub number: i32,
    /// The size of the caller's memory, as the caller states it.
    pub length: i32,
    /// The first [`argument_length`] bytes of that memory; `None` if it cannot be read.
    pub argument: Option<Vec<u8>>,
}

/// What a successful call writes to the caller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The length that `getsockopt` returns, which may differ from that of the bytes.
    pub length: i32,
}

/// The caller.
pub struct Caller<'a> {
    /// The network namespace of the socket.
    pub namespace: Namespace,
    /// The namespace's owner.
    pub owner: Owner,
    /// The namespace's addresses and interfaces.
    pub host: &'a dyn Host,
    /// The process, for the log; 0 if it is unknown.
    pub pid: i32,
    /// Whether it has `CAP_NET_ADMIN` in the user namespace that owns the network namespace. This
    /// is a weaker requirement than that of netlink.
    pub net_admin: bool,
}

/// Executes a call.
///
/// # Errors
///
/// The positive error number that the kernel returns for such a call.
pub fn carry_out(state: &IpvsState, caller: &Caller<'_>, call: &Call) -> Result<Value, i32> {
    let answer = if caller.net_admin {
        match call.direction {
            Direction::Set => set(state, caller, call).map(|()| Value::default()),
            Direction::Get => get(state, caller, call),
        }
    } else {
        Err(OptionError::NotAllowed)
    };
    answer.map_err(|refusal| {
        let errno = refusal.errno();
        tracing::debug!(
            pid = caller.pid,
            option = call.number,
            errno,
            "refused: {refusal}"
        );
        errno
    })
}

fn set(state: &IpvsState, caller: &Caller<'_>, call: &Call) -> Result<(), OptionError> {
    let option = SetOption::from_number(call.number).ok_or(OptionError::NoSuchOption)?;
    if usize::try_from(call.length) != Ok(option.argument_length()) {
        return Err(OptionError::Length(call.length));
    }
    let argument = call.argument.as_deref().ok_or(OptionError::Unreadable)?;
    let object = set::change(&mut state.lock(), caller, option, argument)?;
    let actor = Actor {
        pid: caller.pid,
        namespace: caller.namespace,
        owner: caller.owner,
    };
    state.audit_log().changed(actor, &option, object);
    Ok(())
}

fn get(state: &IpvsState, caller: &Caller<'_>, call: &Call) -> Result<Value, OptionError> {
    let option = GetOption::from_number(call.number).ok_or(OptionError::NoSuchOption)?;
    if usize::try_from(call.length).is_ok_and(|length| length >= option.argument_length()) {
        let argument = call.argument.as_deref().ok_or(OptionError::Unreadable)?;
        let ns = caller.namespace;
        get::read(&state.lock(), ns, option, argument, call.length)
    } else {
        Err(OptionError::Length(call.length))
    }
}
