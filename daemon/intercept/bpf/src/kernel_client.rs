//! Sends generic netlink requests to the kernel, like a client. Used before the hook is attached.

use std::io;

use netlink_packet_generic::constants::GENL_ID_CTRL;
use netlink_packet_ipvs::{
    IpvsCommand,
    constants::{IPVS_GENL_NAME, IPVS_GENL_VERSION},
};
use nix::sys::socket::SockProtocol;

use sockvs_server::genl::FAMILY_ID;
use sockvs_sys::netlink::{self, NLM_F_ACK};

/// The size of the header before a message's first attribute.
const GENL_HDRLEN: usize = 4;

const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// Whether a family has our number in the calling thread's namespace. No kernel family can.
pub(super) fn is_our_number_known() -> io::Result<bool> {
    match ask_controller(CTRL_ATTR_FAMILY_ID, &FAMILY_ID.to_ne_bytes()) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        // The kernel answers immediately, so another program is delaying the answer.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes all services of the kernel's own table in the calling thread's namespace.
pub(super) fn flush() -> io::Result<()> {
    let name = format!("{IPVS_GENL_NAME}\0");
    let answer = ask_controller(CTRL_ATTR_FAMILY_NAME, name.as_bytes())?;
    let number = netlink::messages(&answer)
        .find_map(|message| netlink::attribute(message.payload, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID))
        .and_then(|contents| contents.first_chunk().copied().map(u16::from_ne_bytes))
        .ok_or(io::ErrorKind::InvalidData)?;
    ask(number, IpvsCommand::Flush.into(), NLM_F_ACK, |_| {}).map(drop)
}

fn ask_controller(attribute: u16, contents: &[u8]) -> io::Result<Vec<u8>> {
    ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, |payload| {
        netlink::put(payload, attribute, contents)
    })
}

fn ask(
    family: u16,
    command: u8,
    flags: u16,
    attributes: impl FnOnce(&mut Vec<u8>),
) -> io::Result<Vec<u8>> {
    let mut payload = vec![command, IPVS_GENL_VERSION, 0, 0];
    attributes(&mut payload);
    netlink::ask(SockProtocol::NetlinkGeneric, family, flags, &payload)
}
